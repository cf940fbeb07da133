import builtins

import keras
import numpy as np
import pytest
import seqeval.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_mlm.config import BertConfig
from keras_mlm.data.labelled_batches import labelled_batches
from keras_mlm.errors import InputError
from keras_mlm.models.bert_token_classifier import BertTokenClassifier
from keras_mlm.tag_scheme import spans
from keras_mlm.tokenizers.vocabulary_file import SPECIAL_TOKENS
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer
from keras_mlm.training.tagging_metrics import TaggingMetrics, tagging_figures

SENTENCES = [["ada", "love", "wrote", "it"], ["it", "in", "paris"], ["in", "lovelace", "wrote"]] * 4
TAGS = [["B-PER", "I-PER", "O", "O"], ["O", "O", "B-LOC"], ["O", "B-PER", "O"]] * 4
VOCABULARY = [*SPECIAL_TOKENS, "ada", "love", "##lace", "wrote", "it", "in", "paris"]


def fitted(sentences, tags, classes, watched, epochs=6):
    keras.utils.set_random_seed(0)
    config = BertConfig(len(VOCABULARY), 1, 1, 16, 16, max_sequence_length=16, dropout=0.0, initializer_range=0.2)
    model = BertTokenClassifier(config, classes, WordPieceTokenizer(VOCABULARY), length=8)
    model.compile(keras.optimizers.Adam(1e-2))
    windows = model.encode_words(sentences)
    numbers = model.class_numbers([tag for of_words in tags for tag in of_words])
    batches = labelled_batches(windows.rows, windows.labels(numbers), batch_size=4)
    stop = keras.callbacks.EarlyStopping(watched, mode="max", patience=2)
    history = model.fit(batches, epochs=epochs, verbose=0, callbacks=[TaggingMetrics(sentences, tags), stop])
    return model, batches, history.history, stop


def test_figures_of_spans_are_in_the_logs_of_every_epoch_and_can_be_watched():
    model, batches, history, stop = fitted(SENTENCES, TAGS, ["B-LOC", "B-PER", "I-LOC", "I-PER", "O"], "val_f1")
    assert {"loss", "val_loss", "val_accuracy", "val_precision", "val_recall", "val_f1"} <= set(history)
    assert stop.best == max(history["val_f1"]) > 0
    predicted = model.predict_words(SENTENCES).tags
    assert history["val_f1"][-1] == seqeval.metrics.f1_score(TAGS, predicted)
    assert history["val_accuracy"][-1] == seqeval.metrics.accuracy_score(TAGS, predicted)
    np.testing.assert_allclose(history["val_loss"][-1], model.evaluate(batches, verbose=0, return_dict=True)["loss"],
                               rtol=1e-4)  # fmt: skip


def test_parts_of_speech_have_an_accuracy_over_words():
    tags = [["X" if word in ("it", "in") else "NOUN" for word in sentence] for sentence in SENTENCES]
    model, _, history, stop = fitted(SENTENCES, tags, ["NOUN", "X"], "val_accuracy", 3)
    assert "val_f1" not in history and stop.best == max(history["val_accuracy"])
    right = [a == b for one, other in zip(tags, model.predict_words(SENTENCES).tags, strict=True)
             for a, b in zip(one, other, strict=True)]  # fmt: skip
    assert history["val_accuracy"][-1] == pytest.approx(np.mean(right))


TAG = st.sampled_from(["O", "B-X", "I-X", "B-Y", "I-Y"])
PAIRS = st.lists(st.lists(st.tuples(TAG, TAG), min_size=1, max_size=8), min_size=1, max_size=5)


@given(PAIRS)
@settings(deadline=None)
def test_figures_are_what_counting_spans_gives(sentences):
    truth, predicted = ([[pair[side] for pair in sentence] for sentence in sentences] for side in (0, 1))
    found = tagging_figures(truth, predicted, spans=True)
    there, guessed = ({(n, span) for n, tags in enumerate(of) for span in spans(tags)} for of in (truth, predicted))
    right = len(there & guessed)
    assert found["precision"] == pytest.approx(right / len(guessed) if guessed else 0)
    assert found["recall"] == pytest.approx(right / len(there) if there else 0)
    assert found["f1"] == pytest.approx(2 * right / (len(there) + len(guessed)) if there or guessed else 0)


def test_without_seqeval_the_way_out_is_said(monkeypatch):
    real = builtins.__import__

    def without(name, *arguments):
        if name.startswith("seqeval"):
            raise ImportError(name)
        return real(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match=r"pip install 'keras-mlm\[finetune\]'"):
        tagging_figures(TAGS, TAGS, spans=True)
    assert tagging_figures(TAGS, TAGS, spans=False) == {"accuracy": 1.0}
