import keras
import numpy as np
import pytest

from keras_mlm.config import BertConfig
from keras_mlm.errors import InputError
from keras_mlm.model_folder import save_model
from keras_mlm.models.bert_pretrainer import BertPretrainer
from keras_mlm.models.bert_text_classifier import BertTextClassifier
from keras_mlm.starting_model import starting_model
from keras_mlm.tokenizers.vocabulary_file import SPECIAL_TOKENS
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

VOCABULARY = [*SPECIAL_TOKENS, "a", "b"]
CONFIG = BertConfig(len(VOCABULARY), 1, 1, 8, 8, max_sequence_length=16)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    keras.utils.set_random_seed(0)
    tokenizer = WordPieceTokenizer(VOCABULARY)
    save_model(BertPretrainer(CONFIG, tokenizer=tokenizer), str(folder / "trained"))
    save_model(BertTextClassifier(CONFIG, ["y", "x"], tokenizer), str(folder / "classifier"))
    return folder


def test_it_starts_from_whichever_is_given(folders):
    keras.utils.set_random_seed(1)
    make = {"dropout": 0.25, "length": 12, "long_text": "head_tail"}
    started = starting_model(BertTextClassifier, ["x", "y"], model=str(folders / "trained"), **make)
    assert (started.classes, started.length, started.long_text) == (["x", "y"], 12, "head_tail")
    assert started.config.dropout == 0.25 and started.pooling == "cls"
    for pooling in (None, "cls_mean_max"):  # chosen by the width, which is small
        wide = starting_model(BertTextClassifier, ["x", "y"], model=str(folders / "trained"), pooling=pooling)
        assert wide.pooling == "cls_mean_max"
    kept = starting_model(BertTextClassifier, ["x", "y"], model=str(folders / "classifier"), pooling=None)
    assert kept.pooling == "cls"
    again = starting_model(BertTextClassifier, ["x", "y"], model=str(folders / "classifier"), **make)
    assert again.classes == ["y", "x"]  # the head's order
    rows = again.encode(["a b", "b"])
    trained = BertTextClassifier(CONFIG, ["y", "x"], again.tokenizer)
    trained.set_weights(again.get_weights())
    np.testing.assert_allclose(again.text_logits(rows), trained.text_logits(rows), atol=1e-6)
    fresh = starting_model(BertTextClassifier, ["x", "y"], from_scratch="tiny", data=str(folders / "trained"), **make)
    assert fresh.config.vocabulary_size == len(VOCABULARY) and fresh.config.hidden_dim == 128


@pytest.mark.parametrize(
    ("classes", "source", "words"),
    [
        (["x", "z"], {"model": "classifier"}, "other labels: y, x"),
        (["x", "y"], {"model": "classifier", "pooling": "cls_mean_max"}, "has the pooling cls"),
        (["x", "y"], {}, "either --model FOLDER"),
        (["x", "y"], {"model": "trained", "from_scratch": "tiny"}, "either --model FOLDER"),
        (["x", "y"], {"from_scratch": "tiny"}, "--data FOLDER"),
        (["x", "y"], {"model": "absent"}, "no model folder"),
    ],
)
def test_what_it_cannot_start_from_is_told(folders, classes, source, words):
    source = {name: str(folders / value) if name == "model" else value for name, value in source.items()}
    with pytest.raises(InputError, match=words):
        starting_model(BertTextClassifier, classes, **source)
