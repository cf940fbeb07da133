import json
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import saved_model_pb2

from keras_mlm.config import BertConfig
from keras_mlm.errors import InputError, RunError
from keras_mlm.export.saved_model import export_fill_mask
from keras_mlm.models.bert_pretrainer import BertPretrainer
from keras_mlm.tokenizers.vocabulary_file import SPECIAL_TOKENS
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

# Enough filler that a vocabulary written twice, or weights written twice, would show in the sizes.
VOCABULARY = [*SPECIAL_TOKENS, "paris", "is", "the", "capital", "of", "france", ".", "##s", "中", "国",
              *(f"filler{number}" for number in range(3000))]  # fmt: skip
LENGTH, TOP_K, SLOTS = 16, 4, 3
TEXTS = ["Paris is the [MASK] of France .", "[MASK] 中 [MASK]", "the [MASK] of [MASK] is [MASK] ."]
OUTPUTS = {"tokens", "scores", "positions", "token_count", "truncated", "unknown_count"}


def make_model(normalization="fast", **overrides):
    keras.utils.set_random_seed(11)
    config = BertConfig(**{
        "vocabulary_size": len(VOCABULARY), "num_layers": 2, "num_heads": 2, "hidden_dim": 32, "intermediate_dim": 64,
        "max_sequence_length": 32, "initializer_range": 0.5, **overrides,
    })  # fmt: skip
    return BertPretrainer(config, tokenizer=WordPieceTokenizer(VOCABULARY, normalization=normalization))


@pytest.fixture(scope="module", params=["fast", "bert"])
def model(request):
    style = {"norm": "pre", "position": "rotary"} if request.param == "fast" else {}
    return make_model(request.param, **style)


@pytest.fixture(scope="module")
def exported(model, tmp_path_factory):
    """The export, moved away from where it was written."""
    folder = tmp_path_factory.mktemp("model")
    path = export_fill_mask(model, str(folder), length=LENGTH, top_k=TOP_K, mask_slots=SLOTS)
    assert path == str(folder / "1")
    return shutil.move(path, tmp_path_factory.mktemp("elsewhere") / "moved")


@pytest.fixture(scope="module")
def served(exported):
    return tf.saved_model.load(str(exported)).signatures["fill_mask"]


def test_the_export_answers_what_the_model_answers(model, served):
    answers = model.fill_mask(TEXTS, top_k=TOP_K)
    outputs = {name: value.numpy() for name, value in served(text=tf.constant(TEXTS)).items()}
    assert set(outputs) == OUTPUTS
    for row, masks in enumerate(answers):
        for slot in range(SLOTS):
            if slot < len(masks):
                tokens = [candidate.token for candidate in masks[slot]]
                assert [token.decode() for token in outputs["tokens"][row, slot]] == tokens
                scores = [candidate.score for candidate in masks[slot]]
                np.testing.assert_allclose(outputs["scores"][row, slot], scores, atol=1e-5)
            else:
                assert (outputs["tokens"][row, slot] == b"").all()
                assert (outputs["scores"][row, slot] == 0).all()
    np.testing.assert_array_equal(outputs["positions"], [[4, -1, -1], [1, 3, -1], [2, 4, 6]])
    np.testing.assert_array_equal(outputs["token_count"], [7, 3, 7])


def test_every_width_is_fixed_and_the_batch_comes_first(served):
    shapes = {name: spec.shape.as_list() for name, spec in served.structured_outputs.items()}
    assert shapes == {
        "tokens": [None, SLOTS, TOP_K],
        "scores": [None, SLOTS, TOP_K],
        "positions": [None, SLOTS],
        "token_count": [None],
        "truncated": [None],
        "unknown_count": [None],
    }
    assert served.inputs[0].dtype == tf.string
    assert {name: value.shape[0] for name, value in served(text=tf.constant([], tf.string)).items()} == dict.fromkeys(
        OUTPUTS, 0
    )


def test_strange_texts_get_an_answer(served):
    texts = [b"", b"paris", b"\xff\xfe [MASK] \xc3", b"zzz " * 25_000 + b"[MASK]", b"[MASK]" * 9, b"\x00", b"[MASK" * 9]
    outputs = {name: value.numpy() for name, value in served(text=tf.constant(texts)).items()}
    masks = (outputs["positions"] >= 0).sum(axis=1)
    np.testing.assert_array_equal(masks, [0, 0, 1, 0, SLOTS, 0, 0])
    np.testing.assert_array_equal(outputs["truncated"], [False, False, False, True, True, False, True])
    assert outputs["token_count"][3] == 25_001
    assert outputs["unknown_count"][3] == 25_000
    assert outputs["token_count"][0] == 0
    assert outputs["token_count"][1] == 1
    assert np.isfinite(outputs["scores"]).all()
    np.testing.assert_allclose(outputs["scores"][masks == 0], 0)
    # A long neighbour in the batch changes nothing of the others.
    alone = served(text=tf.constant(texts[2:3]))
    np.testing.assert_allclose(alone["scores"], outputs["scores"][2:3], atol=1e-5)


_IN_A_SESSION = """
import json, sys
import tensorflow as tf, tensorflow_text
assert "keras_mlm" not in sys.modules
with tf.compat.v1.Session(graph=tf.Graph()) as session:
    graph = tf.compat.v1.saved_model.load(session, ["serve"], sys.argv[1])
    answers = []
    for name in ("fill_mask", "serving_default"):
        signature = graph.signature_def[name]
        fetches = {key: info.name for key, info in signature.outputs.items()}
        feed = {signature.inputs["text"].name: json.loads(sys.argv[2])}
        answers.append(session.run(fetches, feed)["scores"].tolist())
assert answers[0] == answers[1]
print(json.dumps(answers[0]))
"""


def test_a_new_process_and_the_tf1_loader_run_it(exported, served, tmp_path):
    """The TF 1 loader finds variables by name, as TF Serving's does: what only Python can restore fails here."""
    done = subprocess.run(
        [sys.executable, "-c", _IN_A_SESSION, str(exported), json.dumps(TEXTS)],
        capture_output=True, text=True, timeout=300, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(json.loads(done.stdout), served(text=tf.constant(TEXTS))["scores"], atol=1e-5)


def test_weights_and_vocabulary_are_written_once_and_no_file_is_needed(model, exported):
    weights = sum(path.stat().st_size for path in Path(exported).glob("variables/variables.data*"))
    assert weights <= 1.05 * 4 * model.count_params()
    graph = (Path(exported) / "saved_model.pb").read_bytes()
    assert graph.count(b"filler2999") <= 2, "once in the tokenizer, once among the answers"
    assert not list(Path(exported).glob("assets/*"))


def test_the_graph_has_only_what_serving_has(exported):
    saved = saved_model_pb2.SavedModel.FromString((Path(exported) / "saved_model.pb").read_bytes())
    library = saved.meta_graphs[0].graph_def.library.function
    assert not any(function.attr["_XlaMustCompile"].b for function in library)
    nodes = [node for function in library for node in function.node_def]
    # tensorflow-text's operations in TF Serving are those of 2.12; half precision has no place in a served graph.
    assert {node.op for node in nodes if node.op.startswith(("TFText", "Fast"))} <= {
        "FastBertNormalize",
        "FastWordpieceTokenizeWithOffsets",
        "TFText>FastWordpieceTokenizeWithOffsets",
    }
    half = {types_pb2.DT_HALF, types_pb2.DT_BFLOAT16}
    assert not [node.name for node in nodes if node.attr["T"].type in half]


def test_numbers_are_counted_up_and_never_overwritten(tmp_path, monkeypatch):
    monkeypatch.setattr(keras.export, "ExportArchive", FakeArchive)
    model = make_model(num_layers=1)
    model_folder = str(tmp_path)
    assert export_fill_mask(model, model_folder, length=16) == str(tmp_path / "1")
    assert export_fill_mask(model, model_folder, length=16, version=7) == str(tmp_path / "7")
    (tmp_path / "run").mkdir()
    assert export_fill_mask(model, model_folder, length=16) == str(tmp_path / "8")
    (tmp_path / "7" / "mine").write_text("kept")
    with pytest.raises(InputError, match="7 exists"):
        export_fill_mask(model, model_folder, length=16, version=7)
    assert (tmp_path / "7" / "mine").read_text() == "kept"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "7", "8", "run"]


def test_a_failed_export_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(keras.export, "ExportArchive", FullDisk)
    with pytest.raises(RunError, match="No space left"):
        export_fill_mask(make_model(num_layers=1), str(tmp_path), length=16)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("sizes", [{"length": 33}, {"length": 2}, {"top_k": 0}, {"mask_slots": 0}, {"version": 0}])
def test_impossible_sizes_are_named(tmp_path, sizes):
    with pytest.raises(InputError, match=next(iter(sizes))):
        export_fill_mask(make_model(num_layers=1), str(tmp_path), **{"length": 16, **sizes})
    assert list(tmp_path.iterdir()) == []


class FakeArchive:
    def add_endpoint(self, *args, **kwargs):
        pass

    def write_out(self, folder, verbose):
        (Path(folder) / "saved_model.pb").write_bytes(b"")


class FullDisk(FakeArchive):
    def write_out(self, folder, verbose):
        (Path(folder) / "saved_model.pb").write_bytes(b"half")
        raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")
