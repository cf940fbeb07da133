"""From a BERT of others and a text to a model that went on learning, through the recipes."""

import json
import runpy
import string
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_mlm.config import BertConfig
from keras_mlm.errors import InputError
from keras_mlm.interop.hugging_face import save_hugging_face
from keras_mlm.model_folder import load_model
from keras_mlm.models.bert_pretrainer import BertPretrainer
from keras_mlm.tokenizers.vocabulary_file import SPECIAL_TOKENS
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

RECIPES = Path(__file__).parents[2] / "recipes"
VOCABULARY = [*SPECIAL_TOKENS, *string.ascii_lowercase, *(f"##{letter}" for letter in string.ascii_lowercase), "."]


@pytest.fixture(scope="module")
def recipes():
    return {name: runpy.run_path(str(RECIPES / f"{name}.py"))[name] for name in ("prepare_corpus", "pretrain")}


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A BERT of transformers', a text and a list of words."""
    folder = tmp_path_factory.mktemp("work")
    keras.utils.set_random_seed(1)
    sizes = {"num_layers": 1, "num_heads": 2, "hidden_dim": 16, "intermediate_dim": 16, "max_sequence_length": 32}
    config = BertConfig(vocabulary_size=len(VOCABULARY), **sizes)
    tokenizer = WordPieceTokenizer(VOCABULARY, normalization="bert", strip_accents=False)
    # An encoder only: the heads are new, and must be the same when a run is continued.
    save_hugging_face(BertPretrainer(config, tokenizer=tokenizer), str(folder / "bert"), architecture="BertModel")
    draw = np.random.default_rng(0)
    words = ["stent", "vein", "heart", "blood", "beat"]
    texts = ["\n".join(" ".join(draw.choice(words, 6)) + " ." for _ in range(5)) for _ in range(80)]
    (folder / "text.txt").write_text("\n\n".join(texts))
    (folder / "words.txt").write_text("stent\nvein\n")
    return folder


@pytest.fixture(scope="module")
def data(recipes, work):
    recipes["prepare_corpus"](
        text=[str(work / "text.txt")],
        output=str(work / "data"),
        init=f"hf:{work / 'bert'}",
        new_words=str(work / "words.txt"),
    )
    return str(work / "data")


def test_the_data_has_the_models_vocabulary_and_folding_with_the_new_words(data):
    tokenizer = WordPieceTokenizer.load(data)
    assert tokenizer.vocabulary == [*VOCABULARY, "stent", "vein"]
    assert (tokenizer.normalization, tokenizer.lowercase, tokenizer.strip_accents) == ("bert", True, False)


def test_training_goes_on_from_the_weights_after_a_first_evaluation(recipes, work, data, capsys):
    options = {"data": data, "init": f"hf:{work / 'bert'}", "length": 16, "batch_size": 8, "steps": 3}
    recipes["pretrain"](output=str(work / "model"), **options)
    printed = capsys.readouterr().out
    assert printed.index("before the first step") < printed.index("perplexity") < printed.index("written to")
    run = json.loads((work / "model/run/run.json").read_text())
    assert run["pretraining"]["learning_rate"] == 5e-5
    assert run["model"]["hidden_dim"] == 16
    assert len(run["init"]["weights_hash"]) == 64
    model = load_model(str(work / "model"))
    assert model.config.vocabulary_size == len(VOCABULARY) + 2
    # Three small steps lead away from the start, but not far.
    from keras_mlm.interop.continued_pretraining import continued_model

    keras.utils.set_random_seed(0)
    start = continued_model(options["init"], model.tokenizer, data)
    difference = np.abs(np.asarray(start.backbone.token_embeddings) - np.asarray(model.backbone.token_embeddings))
    assert 0 < difference.max() < 1e-3
    # The same command again gives the result; other weights are another run.
    recipes["pretrain"](output=str(work / "model"), **options)
    assert "is finished" in capsys.readouterr().out
    with pytest.raises(InputError, match="init"):
        recipes["pretrain"](output=str(work / "model"), **{**options, "init": None})


def test_data_with_another_vocabulary_is_refused_before_anything_is_written(recipes, work, tmp_path):
    recipes["prepare_corpus"](text=[str(work / "text.txt")], output=str(tmp_path / "other"), vocabulary_size=40)
    with pytest.raises(InputError, match=r"another vocabulary.*prepare_corpus\.py --init hf:"):
        recipes["pretrain"](
            data=str(tmp_path / "other"), init=f"hf:{work / 'bert'}", output=str(tmp_path / "model"), steps=1
        )
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "--init MODEL"),
        ({"vocabulary_size": 40, "init": "hf:x"}, "--init MODEL"),
        ({"vocabulary_size": 40, "new_words": "words.txt"}, "--new-words"),
    ],
)
def test_options_that_do_not_go_together_are_refused(recipes, work, tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        recipes["prepare_corpus"](text=[str(work / "text.txt")], output=str(tmp_path / "out"), **options)
