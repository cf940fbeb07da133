import pytest

from keras_mlm.data.corpus_arguments import corpus_names, folders_and_weights
from keras_mlm.errors import InputError


def test_the_number_behind_the_last_colon_is_the_weight():
    assert folders_and_weights(["gs://bucket/2026:1"]) == (["gs://bucket/2026:1"], ())
    assert folders_and_weights(["gs://a:0.7", "b:c:3"]) == (["gs://a", "b:c"], (0.7, 3.0))


@pytest.mark.parametrize("wrong", ["b", "b:", "b:0", "b:-1", "b:nan", "b:inf", ":0.3", "gs://b"])
def test_a_corpus_without_a_weight_is_refused(wrong):
    with pytest.raises(InputError, match="needs a weight above 0"):
        folders_and_weights(["a:0.7", wrong])


def test_a_corpus_given_twice_is_refused():
    with pytest.raises(InputError, match="a is given twice"):
        folders_and_weights(["a:0.7", "a:0.3"])


def test_names_tell_corpora_apart():
    assert corpus_names(["data/news", "data/law/"]) == ["news", "law"]
    assert corpus_names(["data/news", "more/news", "law"]) == ["data/news", "more/news", "law"]
