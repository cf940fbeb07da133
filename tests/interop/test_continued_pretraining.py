from pathlib import Path

import numpy as np
import pytest
from checkpoints import CONFIG, PARTS, VOCABULARY, outputs_of, random_tensors, rows, write_folder

from keras_mlm.config import BertConfig
from keras_mlm.errors import InputError
from keras_mlm.interop.continued_pretraining import continued_model, with_new_words
from keras_mlm.interop.named_model import load_named, load_named_tokenizer, split_name
from keras_mlm.model_folder import save_model
from keras_mlm.models.bert_pretrainer import BertPretrainer
from keras_mlm.models.weights_hash import weights_hash
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer


@pytest.fixture(scope="module")
def name(tmp_path_factory):
    tensors = random_tensors(CONFIG, PARTS["BertForPreTraining"])
    return "hf:" + write_folder(tmp_path_factory.mktemp("models") / "bert", tensors, architecture="BertForPreTraining")


def tokenizer_of(vocabulary=VOCABULARY, **settings):
    return WordPieceTokenizer(vocabulary, **{"normalization": "bert", **settings})


# === New words ===


def test_new_words_become_one_token_each_behind_the_old_ones():
    longer = with_new_words(tokenizer_of(), ["Tachycardia", "paris", "stent", "stent"])
    assert longer == [*VOCABULARY, "tachycardia", "stent"]
    tokens = tokenizer_of(longer).tokenize("stents tachycardia").numpy().tolist()
    assert [longer[token] for token in tokens] == ["stent", "##s", "tachycardia"]


def test_no_new_words_is_the_old_vocabulary():
    assert with_new_words(tokenizer_of(), []) == VOCABULARY


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("two words", "two words"),
        ("x-ray", "x-ray"),
        ("##ing", "piece"),
        ("café", "never be one token"),
        ("中国", "中"),
    ],
)
def test_what_would_never_be_one_token_is_refused(word, message):
    with pytest.raises(InputError, match=message):
        with_new_words(tokenizer_of(), [word], "words.txt")


# === The model to go on with ===


def test_the_model_goes_on_as_it_was(name):
    start, model, batch = load_named(name), continued_model(name, tokenizer_of(), "data"), rows()
    for output, values in outputs_of(start, batch).items():
        np.testing.assert_array_equal(outputs_of(model, batch)[output], values)
    assert weights_hash(model) == weights_hash(start)


def test_a_new_word_begins_as_the_mean_of_its_pieces(name):
    longer = with_new_words(tokenizer_of(), ["abc", "ø"])
    model, start = continued_model(name, tokenizer_of(longer), "data"), load_named(name)
    here, there = (np.asarray(m.backbone.token_embeddings) for m in (model, start))
    pieces = [VOCABULARY.index(token) for token in ("a", "##b", "##c")]
    np.testing.assert_allclose(here[len(VOCABULARY)], there[pieces].mean(axis=0), rtol=1e-6)
    np.testing.assert_array_equal(here[len(VOCABULARY) + 1], there[VOCABULARY.index("[UNK]")])
    np.testing.assert_array_equal(here[: len(VOCABULARY)], there)
    bias = np.asarray(model.masked_lm_head.output_bias)
    np.testing.assert_allclose(bias[len(VOCABULARY)], np.asarray(start.masked_lm_head.output_bias)[pieces].mean())
    batch = rows()
    logits, old = (outputs_of(m, batch)["masked_lm"] for m in (model, start))
    np.testing.assert_allclose(logits[..., : len(VOCABULARY)], old, atol=1e-5)
    assert weights_hash(model) != weights_hash(start)


def test_an_untied_decoder_gets_rows_for_new_words_too(tmp_path):
    tensors = random_tensors(CONFIG, PARTS["BertForMaskedLM"])
    tensors["cls.predictions.decoder.weight"] = tensors["bert.embeddings.word_embeddings.weight"][::-1].copy()
    folder = write_folder(tmp_path / "untied", tensors, tie_word_embeddings=False)
    longer = with_new_words(tokenizer_of(), ["ab"])
    model = continued_model(f"hf:{folder}", tokenizer_of(longer), "data", next_sentence=False)
    decoder = tensors["cls.predictions.decoder.weight"]
    pieces = [VOCABULARY.index(token) for token in ("a", "##b")]
    np.testing.assert_allclose(model.masked_lm_head.output_embeddings[-1], decoder[pieces].mean(axis=0), rtol=1e-6)


@pytest.mark.parametrize("next_sentence", [True, False])
def test_the_next_sentence_head_is_kept_made_or_left_out(name, tmp_path, next_sentence):
    model = continued_model(name, tokenizer_of(), "data", next_sentence=next_sentence)
    assert (model.next_sentence_head is not None) == next_sentence
    tensors = random_tensors(CONFIG, PARTS["BertForMaskedLM"])
    without = write_folder(tmp_path / "without", tensors)
    assert continued_model(f"hf:{without}", tokenizer_of(), "data").next_sentence_head is not None


def test_a_model_folder_of_any_architecture_goes_on(tmp_path):
    sizes = {"num_layers": 1, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 8, "norm": "pre"}
    config = BertConfig(vocabulary_size=len(VOCABULARY), position="rotary", **sizes)
    start = BertPretrainer(config, tokenizer=WordPieceTokenizer(VOCABULARY))
    save_model(start, str(tmp_path / "own"))
    model = continued_model(str(tmp_path / "own"), WordPieceTokenizer(VOCABULARY), "data")
    assert weights_hash(model) == weights_hash(start)


@pytest.mark.parametrize(
    "tokenizer",
    [
        lambda: tokenizer_of(normalization="fast"),
        lambda: tokenizer_of(lowercase=False),
        lambda: tokenizer_of(strip_accents=False),
        lambda: tokenizer_of([*VOCABULARY[:-2], VOCABULARY[-1], VOCABULARY[-2]]),
        lambda: tokenizer_of(VOCABULARY[:-1]),
    ],
)
def test_data_with_another_vocabulary_is_refused_with_the_command(name, tokenizer):
    with pytest.raises(InputError, match=rf"data/x was prepared with another .*prepare_corpus\.py --init {name}"):
        continued_model(name, tokenizer(), "data/x")


# === Names ===


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("hf:google-bert/bert-base-uncased", ("hf", "google-bert/bert-base-uncased")),
        ("google:a/b", ("google", "a/b")),
        ("saved_models/news", ("", "saved_models/news")),
        ("gs://bucket/news", ("", "gs://bucket/news")),
    ],
)
def test_a_name_says_its_kind(name, parts):
    assert split_name(name) == parts


def test_a_tokenizer_is_read_without_weights(name, tmp_path):
    (tmp_path / "only").mkdir()
    for file in ("vocab.txt", "tokenizer_config.json"):
        (tmp_path / "only" / file).write_bytes((Path(name[3:]) / file).read_bytes())
    assert load_named_tokenizer(f"hf:{tmp_path / 'only'}").vocabulary == VOCABULARY
