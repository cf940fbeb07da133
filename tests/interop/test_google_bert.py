import logging
import lzma
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from checkpoints import (
    CONFIG,
    PARTS,
    VOCABULARY,
    assert_computes,
    numpy_bert,
    random_tensors,
    rows,
    write_google,
    write_google_texts,
)

from keras_mlm.errors import InputError
from keras_mlm.interop.google_bert import load_google_bert, load_google_bert_tokenizer

ALL = PARTS["BertForPreTraining"]


@pytest.mark.parametrize("parts", [ALL, ("encoder", "masked_lm"), ("encoder", "pooler")])
def test_a_tf1_checkpoint_computes_what_the_paper_says(tmp_path, parts):
    tensors = random_tensors(CONFIG, parts)
    model, batch = load_google_bert(write_google(tmp_path / "bert", tensors)), rows()
    assert_computes(model, numpy_bert(tensors, batch), batch)
    assert (model.tokenizer.normalization, model.tokenizer.lowercase) == ("bert", True)


def test_a_vocabulary_with_capitals_is_cased(tmp_path):
    folder = write_google(tmp_path / "bert", random_tensors(CONFIG, ALL))
    cased = ["Paris" if token == "paris" else token for token in VOCABULARY]
    (tmp_path / "bert/vocab.txt").write_text("\n".join(cased), encoding="utf-8")
    assert load_google_bert(folder).tokenizer.lowercase is False
    assert load_google_bert(folder, lowercase=True).tokenizer.lowercase is True


@pytest.mark.parametrize(("name", "lowercase"), [("uncased", True), ("cased", False), ("chinese", True)])
def test_googles_vocabularies_tell_their_case(tmp_path, shared_data, name, lowercase):
    write_google(tmp_path / "bert", random_tensors(CONFIG, ALL))
    vocabulary = lzma.decompress((shared_data / f"vocab/bert-base-{name}-vocab.txt.xz").read_bytes())
    (tmp_path / "bert/vocab.txt").write_bytes(vocabulary)
    assert load_google_bert_tokenizer(str(tmp_path / "bert")).lowercase is lowercase


def test_a_lower_cased_vocabulary_may_have_a_few_capitals(tmp_path):
    write_google(tmp_path / "bert", random_tensors(CONFIG, ALL))
    words = [*VOCABULARY, "<S>", *(f"{a}{b}" for a in "abcdefghij" for b in "abcdefghijkl")]
    (tmp_path / "bert/vocab.txt").write_text("\n".join(words), encoding="utf-8")
    assert load_google_bert_tokenizer(str(tmp_path / "bert")).lowercase is True


def test_of_several_checkpoints_one_is_named(tmp_path):
    first, second = (random_tensors(CONFIG, ALL, seed) for seed in (1, 2))
    write_google(tmp_path / "bert", first, "model.ckpt-10")
    folder = write_google(tmp_path / "bert", second, "model.ckpt-20")
    with pytest.raises(InputError, match=r"2 checkpoints, name one: .*model\.ckpt-10, .*model\.ckpt-20"):
        load_google_bert(folder)
    model, batch = load_google_bert(f"{folder}/model.ckpt-10"), rows()
    assert_computes(model, numpy_bert(first, batch), batch)


def test_a_fine_tuned_head_is_left_out_on_demand_only(tmp_path, caplog):
    tensors = random_tensors(CONFIG, ("encoder", "pooler"))
    extra = [("output_weights", np.zeros((3, 8), "float32")), ("output_bias", np.zeros(3, "float32"))]
    folder = write_google(tmp_path / "bert", tensors, extra=extra)
    with pytest.raises(InputError, match=r"unexpected classifier\.bias \(3,\), classifier\.weight \(3, 8\)"):
        load_google_bert(folder)
    with caplog.at_level(logging.WARNING):
        load_google_bert(folder, strict=False)
    assert "left out" in caplog.text


def test_missing_and_misshapen_variables_are_listed(tmp_path):
    tensors = random_tensors(CONFIG, ALL)
    del tensors["bert.encoder.layer.1.attention.self.key.bias"]
    tensors["bert.embeddings.position_embeddings.weight"] = np.zeros((9, 8), "float32")
    with pytest.raises(InputError) as raised:
        load_google_bert(write_google(tmp_path / "bert", tensors))
    assert "missing bert.encoder.layer.1.attention.self.key.bias (8,)" in str(raised.value)
    assert "bert.embeddings.position_embeddings.weight (9, 8), not (16, 8)" in str(raised.value)


@pytest.mark.parametrize("ending", ["index", "data-00000-of-00001"])
@pytest.mark.parametrize("keep", [0, 50, -200])
def test_a_truncated_checkpoint_is_named(tmp_path, ending, keep):
    folder = write_google(tmp_path / "bert", random_tensors(CONFIG, ALL))
    path = tmp_path / f"bert/bert_model.ckpt.{ending}"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match=r"bert_model\.ckpt"):
        load_google_bert(folder)


@pytest.mark.parametrize("name", ["bert_model.ckpt.index", "bert_model.ckpt.data-00000-of-00001", "vocab.txt"])
def test_a_link_out_of_the_folder_is_not_followed(tmp_path, name):
    folder = Path(write_google(tmp_path / "bert", random_tensors(CONFIG, ALL)))
    (folder / name).rename(tmp_path / "outside")
    (folder / name).symlink_to(tmp_path / "outside")
    with pytest.raises(InputError, match="is a link to a place outside"):
        load_google_bert(str(folder))


def test_the_file_that_names_a_checkpoint_by_its_path_is_not_followed(tmp_path):
    folder = write_google(tmp_path / "bert", random_tensors(CONFIG, ALL))
    Path(folder, "checkpoint").write_text('model_checkpoint_path: "/etc/passwd"\n')
    load_google_bert(folder)


@pytest.mark.parametrize("name", ["bert_config.json", "vocab.txt", "bert_model.ckpt.index"])
def test_a_missing_file_is_named(tmp_path, name):
    folder = write_google(tmp_path / "bert", random_tensors(CONFIG, ALL))
    Path(folder, name).unlink()
    with pytest.raises(InputError, match=r"checkpoint|" + name):
        load_google_bert(folder)


def test_a_vocabulary_of_the_wrong_length_is_refused(tmp_path):
    folder = write_google(tmp_path / "bert", random_tensors(CONFIG, ALL))
    write_google_texts(tmp_path / "bert", [*VOCABULARY, "more"])
    with pytest.raises(InputError, match="64 tokens, but vocab_size 63"):
        load_google_bert(folder)


# === Model Garden ===


class Node(tf.train.Checkpoint):
    """An object whose attributes are other objects and variables, under any name."""


def put(root: Node, path: list[str], value: np.ndarray) -> None:
    for name in path[:-1]:
        if getattr(root, name, None) is None:
            setattr(root, name, Node())
        root = getattr(root, name)
    setattr(root, path[-1], tf.Variable(value))


def garden_path(name: str, style: str, heads: int = 2) -> tuple[list[str], bool]:
    """Where the Model Garden's `BertPretrainerV2` keeps a tensor."""
    owner, kind = name.rsplit(".", 1)
    norm = "LayerNorm" in owner or owner.endswith("layer_norm")
    leaf = ({"weight": "gamma", "bias": "beta"} if norm else {"weight": "kernel", "bias": "bias"})[kind]
    numbered = style == "functional"
    embeddings = ["word_embeddings", "position_embeddings", "token_type_embeddings", "LayerNorm"]
    attributes = ["_embedding_layer", "_position_embedding_layer", "_type_embedding_layer", "_embedding_norm_layer"]
    part = owner.split(".")
    if owner.startswith("bert.embeddings"):
        index = embeddings.index(part[-1])
        layer = f"layer_with_weights-{index}" if numbered else attributes[index]
        return ["encoder", layer, leaf if norm else "embeddings"], False
    if owner.startswith("bert.encoder"):
        block = [f"layer_with_weights-{int(part[3]) + 4}"] if numbered else ["_transformer_layers", part[3]]
        inner = {
            "attention.self.query": ["_attention_layer", "_query_dense"],
            "attention.self.key": ["_attention_layer", "_key_dense"],
            "attention.self.value": ["_attention_layer", "_value_dense"],
            "attention.output.dense": ["_attention_layer", "_output_dense"],
            "attention.output.LayerNorm": ["_attention_layer_norm"],
            "intermediate.dense": ["_intermediate_dense"],
            "output.dense": ["_output_dense"],
            "output.LayerNorm": ["_output_layer_norm"],
        }[".".join(part[4:])]
        return ["encoder", *block, *inner, leaf], leaf == "kernel"
    if owner == "bert.pooler.dense":
        return ["next_sentence.pooler_dense", leaf], leaf == "kernel"
    if owner == "cls.seq_relationship":
        return ["model", "classification_heads", "0", "out_proj", leaf], leaf == "kernel"
    if name == "cls.predictions.bias":
        return ["masked_lm", "output_bias/bias"], False
    return ["masked_lm", "dense" if "dense" in owner else "layer_norm", leaf], leaf == "kernel"


def write_garden(folder: Path, tensors: dict[str, np.ndarray], style: str) -> str:
    write_google_texts(folder)
    root = Node()
    for name, value in tensors.items():
        path, transposed = garden_path(name, style)
        value = value.T if transposed else value
        hidden = CONFIG["hidden_size"]
        if ".attention.self." in name:
            value = value.reshape(hidden, 2, -1) if transposed else value.reshape(2, -1)
        if name.endswith("attention.output.dense.weight"):
            value = value.reshape(2, -1, hidden)
        put(root, path, value)
    # The encoder's own pooler, which never learned anything, and what the trainer keeps.
    own = ["encoder", "layer_with_weights-6"] if style == "functional" else ["encoder", "_pooler_layer"]
    put(root, [*own, "kernel"], np.full((8, 8), 9, "float32"))
    put(root, [*own, "bias"], np.full(8, 9, "float32"))
    put(root, ["optimizer", "iter"], np.int64(7))
    put(root, ["optimizer", "momentum"], np.zeros((5, 5), "float32"))
    put(root, ["global_step"], np.int64(7))
    root.save(str(folder / "ctl.ckpt"))
    return str(folder)


@pytest.mark.parametrize("style", ["functional", "class"])
def test_a_model_garden_checkpoint_computes_what_it_did(tmp_path, style):
    tensors = random_tensors(CONFIG, ALL)
    model, batch = load_google_bert(write_garden(tmp_path / "garden", tensors, style)), rows()
    assert model.config.activation == "gelu_tanh"
    assert_computes(model, numpy_bert(tensors, batch, tanh=True), batch)


def test_without_a_next_sentence_head_the_encoders_own_pooler_is_taken(tmp_path):
    tensors = random_tensors(CONFIG, ("encoder", "masked_lm"))
    model = load_google_bert(write_garden(tmp_path / "garden", tensors, "functional"))
    np.testing.assert_array_equal(model.backbone.pooled_dense.kernel, np.full((8, 8), 9, "float32"))


def test_the_embedding_table_may_be_kept_in_the_head(tmp_path):
    tensors = random_tensors(CONFIG, ALL)
    words = tensors.pop("bert.embeddings.word_embeddings.weight")
    folder = tmp_path / "garden"
    write_google_texts(folder)
    root = Node()
    for name, value in tensors.items():
        path, transposed = garden_path(name, "functional")
        value = value.T if transposed else value
        put(root, path, value)
    put(root, ["masked_lm", "embedding_table"], words)
    root.save(str(folder / "ctl.ckpt"))
    model, batch = load_google_bert(str(folder)), rows()
    whole = {**tensors, "bert.embeddings.word_embeddings.weight": words}
    assert_computes(model, numpy_bert(whole, batch, tanh=True), batch)


def test_an_unknown_variable_is_listed(tmp_path):
    folder = tmp_path / "garden"
    write_garden(folder, random_tensors(CONFIG, ALL), "functional")
    root = Node()
    put(root, ["encoder", "layer_with_weights-9", "strange", "kernel"], np.zeros((2, 3), "float32"))
    for path in folder.glob("ctl*"):
        path.unlink()
    root.save(str(folder / "ctl.ckpt"))
    with pytest.raises(InputError, match=r"unexpected encoder/layer_with_weights-9/strange/kernel \(2, 3\)"):
        load_google_bert(str(folder))
