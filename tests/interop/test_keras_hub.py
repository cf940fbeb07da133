import json
import logging

import keras
import numpy as np
import pytest
from checkpoints import CONFIG, PARTS, VOCABULARY, outputs_of, random_tensors, rows, write_folder

from keras_mlm.config import BertConfig
from keras_mlm.errors import InputError
from keras_mlm.interop.hugging_face import load_hugging_face, save_hugging_face
from keras_mlm.interop.keras_hub import load_keras_hub, to_keras_hub
from keras_mlm.interop.keras_hub_preset import load_keras_hub_preset, save_keras_hub_preset
from keras_mlm.model_folder import load_model, save_model
from keras_mlm.models.bert_pretrainer import BertPretrainer
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

SIZES = {"num_layers": 2, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 12, "max_sequence_length": 16}


@pytest.fixture
def hub():
    """KerasHub, which takes seconds to load."""
    import keras_hub

    return keras_hub


@pytest.fixture
def backbone(hub):
    made = hub.models.BertBackbone(vocabulary_size=len(VOCABULARY), **SIZES)
    generator = np.random.default_rng(0)
    made.set_weights([generator.normal(0.1, 0.4, weight.shape) for weight in made.weights])
    return made


def outputs_of_hub(backbone, batch):
    names = ("token_ids", "segment_ids", "padding_mask")
    return {name: np.asarray(v) for name, v in backbone({n: batch[n].astype("int32") for n in names}).items()}


def assert_same(model, backbone):
    batch = rows()
    here, there, inside = outputs_of(model, batch), outputs_of_hub(backbone, batch), batch["padding_mask"]
    np.testing.assert_allclose(here["sequence_output"][inside], there["sequence_output"][inside], rtol=0, atol=1e-5)
    np.testing.assert_allclose(here["pooled_output"], there["pooled_output"], rtol=0, atol=1e-5)


def test_a_backbone_computes_the_same_here(hub, backbone):
    model = load_keras_hub(backbone, hub.models.BertTokenizer(VOCABULARY, lowercase=True))
    assert model.config.activation == "gelu_tanh"
    assert_same(model, backbone)
    assert model.tokenizer.tokenize("Páris").numpy().tolist() == [VOCABULARY.index("paris")]


def test_out_and_back_is_bit_identical(backbone):
    model = load_keras_hub(backbone)
    again = to_keras_hub(model)
    for here, there in zip(again.get_weights(), backbone.get_weights(), strict=True):
        np.testing.assert_array_equal(here, there)


def test_a_model_with_exact_gelu_computes_the_same_there(tmp_path, caplog):
    tensors = random_tensors(CONFIG, PARTS["BertForPreTraining"])
    model = load_hugging_face(write_folder(tmp_path / "bert", tensors))
    with caplog.at_level(logging.WARNING):
        assert_same(model, to_keras_hub(model))
    assert "presets know the tanh-GELU only" in caplog.text


def test_a_preset_of_a_converted_model_loads_in_keras_hub(hub, backbone, tmp_path):
    model = load_keras_hub(backbone)
    to_keras_hub(model).save_to_preset(str(tmp_path / "preset"))
    assert_same(model, hub.models.BertBackbone.from_preset(str(tmp_path / "preset")))


@pytest.fixture
def preset(backbone, tmp_path):
    tokenizer = WordPieceTokenizer(VOCABULARY, normalization="bert")
    save_keras_hub_preset(load_keras_hub(backbone, tokenizer), str(tmp_path / "preset"))
    return tmp_path / "preset"


def test_a_preset_is_read_with_its_tokenizer(preset, backbone):
    model = load_keras_hub_preset(str(preset))
    assert_same(model, backbone)
    assert (model.tokenizer.vocabulary, model.tokenizer.lowercase) == (VOCABULARY, True)
    assert [path.name for path in preset.parent.iterdir()] == ["preset"]


def test_another_class_in_a_preset_is_not_made(preset, tmp_path):
    config = json.loads((preset / "config.json").read_text())
    (preset / "config.json").write_text(json.dumps({**config, "registered_name": "os>system"}))
    with pytest.raises(InputError, match="none of a KerasHub BertBackbone"):
        load_keras_hub_preset(str(preset))
    folder = write_folder(tmp_path / "hf", random_tensors(CONFIG, PARTS["BertModel"]))
    with pytest.raises(InputError, match="is hf:"):
        load_keras_hub_preset(folder)


@pytest.mark.parametrize("name", ["config.json", "model.weights.h5", "tokenizer.json"])
def test_a_missing_linked_or_damaged_file_of_a_preset_is_named(preset, tmp_path, name):
    kept = (preset / name).read_bytes()
    (preset / name).write_bytes(kept[: len(kept) // 2])
    with pytest.raises(InputError):
        load_keras_hub_preset(str(preset))
    (preset / name).unlink()
    with pytest.raises(InputError, match=name):
        load_keras_hub_preset(str(preset))
    (tmp_path / "outside").write_bytes(kept)
    (preset / name).symlink_to(tmp_path / "outside")
    with pytest.raises(InputError, match="a place outside"):
        load_keras_hub_preset(str(preset))


@pytest.mark.parametrize("change", [{"norm": "pre"}, {"gated": True}, {"biases": False}, {"layer_norm_epsilon": 1e-6}])
def test_what_keras_hub_cannot_compute_is_refused(change):
    with pytest.raises(InputError, match=r"classic|layer_norm_epsilon"):
        to_keras_hub(BertPretrainer(BertConfig(vocabulary_size=20, **{**SIZES, **change})))


def test_another_backbone_or_tokenizer_is_refused(hub, backbone):
    roberta = hub.models.RobertaBackbone(vocabulary_size=20, **SIZES)
    with pytest.raises(InputError, match="RobertaBackbone"):
        load_keras_hub(roberta)
    with pytest.raises(InputError, match="64 tokens, the backbone 63"):
        load_keras_hub(backbone, WordPieceTokenizer([*VOCABULARY, "more"]))


# === BertPretrainer around a backbone ===


def examples(steps=4):
    batch, generator = rows(), np.random.default_rng(1)
    shape = batch["mask_positions"].shape
    targets = {
        "masked_lm": generator.integers(5, len(VOCABULARY), shape),
        "next_sentence": np.array([0, 1, 1, 0]),
    }
    weights = {"masked_lm": batch["padding_mask"].astype("float32"), "next_sentence": np.ones(4, "float32")}
    for _ in range(steps):
        yield batch, targets, weights


@pytest.mark.parametrize("kind", ["BertBackbone", "RobertaBackbone", "DistilBertBackbone"])
def test_a_backbone_of_keras_hub_is_trained(hub, kind):
    keras.utils.set_random_seed(2)
    sizes = {**SIZES, "dropout": 0.0}
    backbone = getattr(hub.models, kind)(vocabulary_size=len(VOCABULARY), **sizes)
    model = BertPretrainer(backbone=backbone)
    assert model.config.next_sentence == (kind == "BertBackbone")
    model.compile(keras.optimizers.Adam(0.05))
    before = backbone.get_weights()
    losses = [model.train_on_batch(*batch, return_dict=True)["masked_lm_loss"] for batch in examples(25)]
    assert losses[-1] < 0.8 * losses[0]
    assert all((here != there).any() for here, there in zip(backbone.get_weights()[:2], before[:2], strict=True))


def test_a_trained_one_becomes_ours_with_its_heads(hub, backbone, tmp_path):
    tokenizer = WordPieceTokenizer(VOCABULARY, normalization="bert")
    model = BertPretrainer(backbone=backbone, tokenizer=tokenizer)
    model.compile("adam")
    for batch in examples(2):
        model.train_on_batch(*batch)
    with pytest.raises(InputError, match="load_keras_hub"):
        save_model(model, str(tmp_path / "foreign"))
    ours = load_keras_hub(model)
    batch = rows()
    here, there = outputs_of(ours, batch), outputs_of(model, batch)
    inside = batch["padding_mask"]
    np.testing.assert_allclose(here["masked_lm"][inside], there["masked_lm"][inside], rtol=0, atol=1e-4)
    np.testing.assert_allclose(here["next_sentence"], there["next_sentence"], rtol=0, atol=1e-4)
    save_model(ours, str(tmp_path / "ours"))
    save_hugging_face(load_model(str(tmp_path / "ours")), str(tmp_path / "theirs"))
    assert model.fill_mask("paris is [MASK]", top_k=2)[0][0][0].token in VOCABULARY


def test_what_is_no_backbone_is_refused():
    with pytest.raises(InputError, match="no BERT-like backbone"):
        BertPretrainer(backbone=keras.Sequential([keras.layers.Dense(3)]))
    with pytest.raises(InputError, match="either a config or a backbone"):
        BertPretrainer()
