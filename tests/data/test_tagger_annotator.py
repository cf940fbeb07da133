"""A tagger tells words and parts of speech, in this process and in others."""

import pickle

import keras
import pytest
from record_corpus import digests

from keras_mlm.config import BertConfig
from keras_mlm.data import document_spool
from keras_mlm.data.manifest import Manifest
from keras_mlm.data.prepare_corpus import prepare_corpus
from keras_mlm.data.prepare_splits import worker_pool
from keras_mlm.errors import InputError
from keras_mlm.model_folder import load_model, save_model
from keras_mlm.models.bert_pretrainer import BertPretrainer
from keras_mlm.models.bert_token_classifier import BertTokenClassifier
from keras_mlm.tagger_annotator import tagger_annotator
from keras_mlm.tokenizers.annotator import Annotator
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

SIZES = {"num_layers": 1, "num_heads": 2, "hidden_dim": 16, "intermediate_dim": 32, "max_sequence_length": 32}


@pytest.fixture
def tagger(tmp_path, vocabulary):
    """The folder of a tagger that knows nothing, and therefore gives several tags."""
    keras.utils.set_random_seed(0)
    config = BertConfig(len(vocabulary), initializer_range=0.5, **SIZES)
    model = BertTokenClassifier(config, ["NOUN", "VERB", "X"], WordPieceTokenizer(vocabulary))
    save_model(model, str(tmp_path / "tagger"))
    return str(tmp_path / "tagger")


def test_two_workers_tag_as_one_does(make_documents, tmp_path, monkeypatch, tagger):
    monkeypatch.setattr(document_spool, "SPLIT_BYTES", 1500)
    options = {"vocabulary_size": 120, "annotator": tagger_annotator(tagger)}
    alone = prepare_corpus(make_documents(30), str(tmp_path / "alone"), workers=1, **options)
    assert len(alone.pos_tags) > 1 and set(alone.pos_tags) <= {"NOUN", "VERB", "X"}
    prepare_corpus(make_documents(30), str(tmp_path / "both"), workers=2, **options)
    assert digests(tmp_path / "alone") == digests(tmp_path / "both")
    assert Manifest.load(str(tmp_path / "both")).settings["annotator"].startswith("tagger ")


def test_it_travels_by_its_folder_and_a_model_does_not_travel(tagger):
    annotator = tagger_annotator(tagger)
    texts = ["the best, of 我们", ""]
    elsewhere = pickle.loads(pickle.dumps(annotator))
    assert elsewhere.name == annotator.name and elsewhere.annotate(texts) == annotator.annotate(texts)
    # Keras would send it without its tokenizer: as many workers as one likes are one, which is this process.
    with worker_pool(4, Annotator("a model", load_model(tagger).annotate)) as pool:
        assert pool._loader is None


def test_what_is_no_tagger_is_refused(tmp_path, vocabulary):
    save_model(
        BertPretrainer(BertConfig(len(vocabulary), **SIZES), WordPieceTokenizer(vocabulary)), str(tmp_path / "a")
    )
    with pytest.raises(InputError, match="is no tagger: give rjieba, or a folder that finetune_tagger"):
        tagger_annotator(str(tmp_path / "a"))
