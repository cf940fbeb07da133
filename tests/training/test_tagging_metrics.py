import builtins

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_mlm.errors import InputError
from keras_mlm.tag_scheme import spans
from keras_mlm.training.tagging_metrics import tagging_figures

TAG = st.sampled_from(["O", "B-X", "I-X", "B-Y", "I-Y"])
PAIRS = st.lists(st.lists(st.tuples(TAG, TAG), min_size=1, max_size=8), min_size=1, max_size=5)


@given(PAIRS)
def test_figures_are_what_counting_spans_gives(sentences):
    truth, predicted = ([[pair[side] for pair in sentence] for sentence in sentences] for side in (0, 1))
    found = tagging_figures(truth, predicted, spans=True)
    there, guessed = ({(n, span) for n, tags in enumerate(of) for span in spans(tags)} for of in (truth, predicted))
    right = len(there & guessed)
    assert found["precision"] == pytest.approx(right / len(guessed) if guessed else 0)
    assert found["recall"] == pytest.approx(right / len(there) if there else 0)
    assert found["f1"] == pytest.approx(2 * right / (len(there) + len(guessed)) if there or guessed else 0)
    words = [pair for sentence in sentences for pair in sentence]
    assert found["accuracy"] == pytest.approx(sum(one == other for one, other in words) / len(words))


def test_without_seqeval_the_way_out_is_said(monkeypatch):
    real = builtins.__import__

    def without(name, *arguments):
        if name.startswith("seqeval"):
            raise ImportError(name)
        return real(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without)
    tags = [["B-X", "O"]]
    with pytest.raises(InputError, match=r"pip install 'keras-mlm\[finetune\]'"):
        tagging_figures(tags, tags, spans=True)
    assert tagging_figures(tags, tags, spans=False) == {"accuracy": 1.0}
