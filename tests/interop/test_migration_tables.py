"""The tables of the READMEs, old call ▶ ours: what they say of ours runs."""

import itertools
import re
from pathlib import Path

import pytest
from checkpoints import CONFIG, PARTS, VOCABULARY, random_tensors, rows, write_folder, write_google

import keras_mlm
from keras_mlm.data.documents import Document

ROOT = Path(__file__).parents[2]
HEADERS = {"README.md": "| you used | old | here |", "README.zh.md": "| 你在用 | 旧写法 | 这里 |"}
CLASSIFIERS = {"TFBertForSequenceClassification": "classifier", "TFBertForTokenClassification": "tagger"}
SIZES = {"num_layers": 1, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 8, "max_sequence_length": 16}


def table(readme: str) -> list[tuple[str, str, str]]:
    """(library, old call, call of ours) for every call in the third column."""
    text = (ROOT / readme).read_text()
    lines = itertools.takewhile(str.strip, text[text.index(HEADERS[readme]) :].splitlines()[2:])
    found, library = [], ""
    for line in lines:
        first, old, ours = (cell.strip() for cell in line.strip("|").split("|"))
        library = first or library
        found += [(library, old, call) for call in re.findall(r"`([^`]+)`", ours)]
    return found


@pytest.fixture(scope="module")
def namespaces(tmp_path_factory):
    """What the names in the table stand for: those of everybody, and the folder of each library's."""
    import keras_hub

    place = tmp_path_factory.mktemp("migration")
    tensors = random_tensors(CONFIG, PARTS["BertForPreTraining"])
    head = {"classifier.weight": tensors["bert.pooler.dense.weight"][:3].copy()}
    head["classifier.bias"] = tensors["bert.pooler.dense.bias"][:3].copy()
    encoder = {name: tensor for name, tensor in tensors.items() if name.startswith("bert.")}
    tagger = {name: tensor for name, tensor in encoder.items() if "pooler" not in name}
    labels = {"id2label": dict(enumerate("abc"))}
    folders = {
        "classifier": write_folder(
            place / "classifier", encoder | head, architecture="BertForSequenceClassification", **labels
        ),
        "tagger": write_folder(place / "tagger", tagger | head, architecture="BertForTokenClassification", **labels),
        "transformers": write_folder(place / "bert", tensors, architecture="BertForPreTraining"),
        "google": write_google(place / "google", tensors),
        "new": str(place / "new"),
    }
    documents = [Document("text", number, [f"paris is the {number} ."] * 9) for number in range(12)]
    keras_mlm.prepare_corpus(documents, str(place / "data"), vocabulary=VOCABULARY)
    return folders, {name: getattr(keras_mlm, name) for name in keras_mlm.__all__} | {
        "model": keras_mlm.load_hugging_face(folders["transformers"]),
        "classifier": keras_mlm.load_hugging_face(folders["classifier"]),
        "tagger": keras_mlm.load_hugging_face(folders["tagger"]),
        "classes": ["no", "yes"],
        "inputs": rows(),
        "text": "paris is the [MASK] .",
        "texts": ["paris", "is the"],
        "data": str(place / "data"),
        "backbone": keras_hub.models.BertBackbone(vocabulary_size=len(VOCABULARY), **SIZES),
        "tokenizer": keras_hub.models.BertTokenizer(VOCABULARY, lowercase=True),
    }


def test_both_languages_have_the_same_tables():
    english, chinese = (table(readme) for readme in HEADERS)
    assert english == chinese
    assert {library for library, _, _ in english} == {
        "transformers 4, TensorFlow", "bert4keras", "keras-hub", "Model Garden"
    }  # fmt: skip


@pytest.mark.parametrize(("library", "old", "call"), table("README.md"))
def test_a_call_of_ours_runs(namespaces, library, old, call):
    if call.startswith("recipes/"):
        assert (ROOT / call).is_file()
        return
    folders, names = namespaces
    kind = "transformers" if library.startswith("transformers") else "google"
    kind = "new" if call.startswith("save_") else CLASSIFIERS.get(old.partition(".")[0].strip("`"), kind)
    found = eval(call.removesuffix("(…)"), {**names, "folder": folders[kind]})
    if kind == "new":
        assert (Path(folders[kind]) / "model.safetensors").is_file()
    else:
        assert found is not None
    if kind in ("classifier", "tagger"):
        ours = keras_mlm.BertTextClassifier if kind == "classifier" else keras_mlm.BertTokenClassifier
        assert isinstance(found, ours)
