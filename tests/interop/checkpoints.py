"""Checkpoints made up without PyTorch, and a BERT in plain numpy that says what they must compute."""

import json
import math
import string
from pathlib import Path

import h5py
import numpy as np
import tensorflow as tf
from safetensors.numpy import save_file

from keras_mlm.tokenizers.vocabulary_file import SPECIAL_TOKENS

WORDS = [
    *string.ascii_lowercase,
    *(f"##{letter}" for letter in string.ascii_lowercase),
    "paris",
    "is",
    "the",
    "中",
    ".",
]
VOCABULARY = [SPECIAL_TOKENS[0], "[unused1]", *SPECIAL_TOKENS[1:], *WORDS]
CONFIG = {
    "model_type": "bert",
    "vocab_size": len(VOCABULARY),
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "hidden_size": 8,
    "intermediate_size": 12,
    "max_position_embeddings": 16,
    "type_vocab_size": 2,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "initializer_range": 0.02,
}
PARTS = {
    "BertModel": ("encoder", "pooler"),
    "BertForMaskedLM": ("encoder", "masked_lm"),
    "BertForPreTraining": ("encoder", "pooler", "masked_lm", "next_sentence"),
}


def shapes(config: dict, parts: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
    """The tensors of a checkpoint of transformers, written down by hand."""
    hidden, inner, words = config["hidden_size"], config["intermediate_size"], config["vocab_size"]
    found = {
        "bert.embeddings.word_embeddings.weight": (words, hidden),
        "bert.embeddings.position_embeddings.weight": (config["max_position_embeddings"], hidden),
        "bert.embeddings.token_type_embeddings.weight": (config["type_vocab_size"], hidden),
        "bert.embeddings.LayerNorm.weight": (hidden,),
        "bert.embeddings.LayerNorm.bias": (hidden,),
    }
    for index in range(config["num_hidden_layers"]):
        dense = {
            "attention.self.query": (hidden, hidden),
            "attention.self.key": (hidden, hidden),
            "attention.self.value": (hidden, hidden),
            "attention.output.dense": (hidden, hidden),
            "intermediate.dense": (inner, hidden),
            "output.dense": (hidden, inner),
        }
        for name, shape in dense.items():
            found[f"bert.encoder.layer.{index}.{name}.weight"] = shape
            found[f"bert.encoder.layer.{index}.{name}.bias"] = shape[:1]
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            found[f"bert.encoder.layer.{index}.{name}.weight"] = (hidden,)
            found[f"bert.encoder.layer.{index}.{name}.bias"] = (hidden,)
    if "pooler" in parts:
        found |= {"bert.pooler.dense.weight": (hidden, hidden), "bert.pooler.dense.bias": (hidden,)}
    if "masked_lm" in parts:
        found |= {
            "cls.predictions.transform.dense.weight": (hidden, hidden),
            "cls.predictions.transform.dense.bias": (hidden,),
            "cls.predictions.transform.LayerNorm.weight": (hidden,),
            "cls.predictions.transform.LayerNorm.bias": (hidden,),
            "cls.predictions.bias": (words,),
        }
    if "next_sentence" in parts:
        found |= {"cls.seq_relationship.weight": (2, hidden), "cls.seq_relationship.bias": (2,)}
    return found


def random_tensors(config: dict, parts: tuple[str, ...], seed: int = 0) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    tensors = {name: generator.normal(0, 0.4, shape).astype("float32") for name, shape in shapes(config, parts).items()}
    return {name: tensor + 1 if "LayerNorm.weight" in name else tensor for name, tensor in tensors.items()}


def write_folder(
    folder: Path, tensors: dict[str, np.ndarray], *, architecture: str | None = None, tokenizer=None, **config
) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "model.safetensors")
    entries = {**CONFIG, **({"architectures": [architecture]} if architecture else {}), **config}
    (folder / "config.json").write_text(json.dumps(entries))
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": True, **(tokenizer or {})}))
    return str(folder)


def tensorflow_paths(name: str, model: str) -> list[str]:
    """Where TensorFlow classes of transformers 4 keep a tensor, written down from such files."""
    owner, kind = name.rsplit(".", 1)
    owner = owner.replace(".", "/").replace("encoder/layer/", "encoder/layer_._")
    if "LayerNorm" in owner:
        kind = {"weight": "gamma", "bias": "beta"}[kind]
    elif owner.endswith(("position_embeddings", "token_type_embeddings")):
        kind = "embeddings"
    elif kind == "weight" and not owner.endswith("word_embeddings"):
        kind = "kernel"
    if name.startswith("bert."):
        paths = [f"bert/{model}/{owner}/{kind}:0"]
        if owner.endswith("word_embeddings"):  # the head keeps what it shares, too
            paths.append(f"mlm___cls/{model}/{owner}/{kind}:0")
        return paths
    if name == "cls.predictions.bias":
        return [f"mlm___cls/{model}/mlm___cls/predictions/bias:0"]
    if owner == "classifier":
        return [f"classifier/{model}/classifier/{kind}:0"]
    group = "mlm___cls" if "predictions" in owner else "nsp___cls"
    return [f"{group}/{model}/{owner.replace('cls/', group + '/', 1)}/{kind}:0"]


def write_h5(folder: str, tensors: dict[str, np.ndarray]) -> Path:
    """Put the weights of a folder into `tf_model.h5`."""
    (Path(folder) / "model.safetensors").unlink()
    path = Path(folder) / "tf_model.h5"
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [b"bert", b"mlm___cls", b"nsp___cls"]
        file.create_group("top_level_model_weights")
        for name, tensor in tensors.items():
            for place in tensorflow_paths(name, "tf_bert_for_pre_training"):
                file[place] = tensor.T if place.endswith("kernel:0") else tensor
    return path


def google_name(name: str) -> str:
    """The variable of google-research/bert for a tensor of transformers."""
    special = {
        "cls.predictions.bias": "cls/predictions/output_bias",
        "cls.seq_relationship.weight": "cls/seq_relationship/output_weights",
        "cls.seq_relationship.bias": "cls/seq_relationship/output_bias",
    }
    if name in special:
        return special[name]
    owner, kind = name.rsplit(".", 1)
    owner = owner.replace("encoder.layer.", "encoder.layer_").replace(".", "/")
    if owner.endswith("_embeddings"):
        return owner
    if "LayerNorm" in owner:
        return f"{owner}/{'gamma' if kind == 'weight' else 'beta'}"
    return f"{owner}/{'kernel' if kind == 'weight' else 'bias'}"


def write_google_texts(folder: Path, vocabulary=VOCABULARY, **config) -> None:
    folder.mkdir(exist_ok=True)
    names = ("model_type", "layer_norm_eps")
    (folder / "bert_config.json").write_text(
        json.dumps({**{name: value for name, value in CONFIG.items() if name not in names}, **config})
    )
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")


def write_google(folder: Path, tensors: dict[str, np.ndarray], name: str = "bert_model.ckpt", extra=()) -> str:
    """A TF 1 checkpoint, with the moments of an optimizer, as run_pretraining.py leaves it."""
    write_google_texts(folder)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        for tensor_name, value in tensors.items():
            variable = google_name(tensor_name)
            tf.compat.v1.get_variable(variable, initializer=value.T if variable.endswith("kernel") else value)
            for moment in ("adam_m", "adam_v"):
                tf.compat.v1.get_variable(f"{variable}/{moment}", initializer=np.zeros(2, "float32"))
        for variable, value in extra:
            tf.compat.v1.get_variable(variable, initializer=value)
        tf.compat.v1.get_variable("global_step", initializer=np.int64(1000))
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.train.Saver().save(session, str(folder / name), write_meta_graph=False)
    return str(folder)


def edit(folder: str, name: str, **entries) -> None:
    """Set entries of a JSON file."""
    path = Path(folder) / name
    path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))


def shard(folder: str, tensors: dict[str, np.ndarray]) -> dict:
    """Put the weights of a folder into two files, and return their index."""
    (Path(folder) / "model.safetensors").unlink()
    names = sorted(tensors)
    halves = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for file, part in halves.items():
        save_file({name: tensors[name] for name in part}, Path(folder) / file)
    index = {"metadata": {}, "weight_map": {name: file for file, part in halves.items() for name in part}}
    (Path(folder) / "model.safetensors.index.json").write_text(json.dumps(index))
    return index


def numpy_bert(tensors: dict[str, np.ndarray], batch: dict[str, np.ndarray], *, heads=2, eps=1e-12, tanh=False):
    """Sequence output, pooled output, masked-LM logits and next-sentence logits as the paper defines them."""
    tensors = {name: tensor.astype("float64") for name, tensor in tensors.items()}
    erf = np.vectorize(math.erf)

    def dense(x, name):
        return x @ tensors[f"{name}.weight"].T + tensors[f"{name}.bias"]

    def norm(x, name):
        spread = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + eps)
        return spread * tensors[f"{name}.weight"] + tensors[f"{name}.bias"]

    def gelu(x):
        if tanh:
            return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
        return 0.5 * x * (1 + erf(x / math.sqrt(2)))

    ids, segments, mask = batch["token_ids"], batch["segment_ids"], batch["padding_mask"]
    x = tensors["bert.embeddings.word_embeddings.weight"][ids]
    x = x + tensors["bert.embeddings.position_embeddings.weight"][: ids.shape[1]]
    x = norm(x + tensors["bert.embeddings.token_type_embeddings.weight"][segments], "bert.embeddings.LayerNorm")
    split = lambda y: y.reshape(*y.shape[:2], heads, -1).transpose(0, 2, 1, 3)
    index = 0
    while f"bert.encoder.layer.{index}.output.dense.weight" in tensors:
        layer = f"bert.encoder.layer.{index}"
        query, key, value = (split(dense(x, f"{layer}.attention.self.{name}")) for name in ("query", "key", "value"))
        scores = query @ key.transpose(0, 1, 3, 2) / math.sqrt(query.shape[-1])
        scores = np.where(mask[:, None, None, :], scores, -np.inf)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        weights /= weights.sum(-1, keepdims=True)
        attended = (weights @ value).transpose(0, 2, 1, 3).reshape(x.shape)
        x = norm(x + dense(attended, f"{layer}.attention.output.dense"), f"{layer}.attention.output.LayerNorm")
        inner = gelu(dense(x, f"{layer}.intermediate.dense"))
        x = norm(x + dense(inner, f"{layer}.output.dense"), f"{layer}.output.LayerNorm")
        index += 1
    outputs = {"sequence_output": x}
    if "bert.pooler.dense.weight" in tensors:
        outputs["pooled_output"] = np.tanh(dense(x[:, 0], "bert.pooler.dense"))
    if "cls.predictions.bias" in tensors:
        y = norm(gelu(dense(x, "cls.predictions.transform.dense")), "cls.predictions.transform.LayerNorm")
        words = "bert.embeddings.word_embeddings.weight"
        decoder = tensors.get("cls.predictions.decoder.weight", tensors[words])
        outputs["masked_lm"] = y @ decoder.T + tensors["cls.predictions.bias"]
    if "cls.seq_relationship.weight" in tensors:
        outputs["next_sentence"] = dense(outputs["pooled_output"], "cls.seq_relationship")
    return outputs


def rows(config: dict = CONFIG, length: int = 11, seed: int = 5) -> dict[str, np.ndarray]:
    """Four padded rows of two segments, every position a mask position."""
    generator = np.random.default_rng(seed)
    padding_mask = np.arange(length) < np.array([[length], [7], [2], [length - 1]])
    ids = generator.integers(1, config["vocab_size"], (4, length)).astype("int32")
    return {
        "token_ids": np.where(padding_mask, ids, 0),
        "segment_ids": (np.arange(length) > np.array([[5], [3], [9], [0]])).astype("int32"),
        "padding_mask": padding_mask,
        "mask_positions": np.tile(np.arange(length, dtype="int32"), (4, 1)),
    }


def outputs_of(model, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """All that a BertPretrainer computes, at every position."""
    found = {**model.backbone(batch, training=False), **model(batch, training=False)}
    return {name: np.asarray(value) for name, value in found.items()}


def assert_computes(model, expected: dict[str, np.ndarray], batch: dict[str, np.ndarray], tolerance=1e-5) -> None:
    """What the checkpoint defines, the model gives; padded positions mean nothing."""
    found = outputs_of(model, batch)
    for name, values in expected.items():
        here, there = found[name], np.asarray(values)
        if here.ndim == 3:
            here, there = here[batch["padding_mask"]], there[batch["padding_mask"]]
        np.testing.assert_allclose(here, there, rtol=0, atol=tolerance * max(1.0, np.abs(there).max()), err_msg=name)


def arrays_equal(there, here):
    assert there.keys() == here.keys()
    for name in there:
        np.testing.assert_array_equal(there[name], here[name], err_msg=name)
