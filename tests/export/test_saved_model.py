"""What the SavedModel answers is what the model answers, whatever the text."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import saved_model_pb2

from keras_mlm.errors import InputError
from keras_mlm.export.export_options import ExportOptions
from keras_mlm.export.saved_model import export_saved_model

LENGTH, TOP_K, SLOTS, HIDDEN = 16, 4, 3, 32
TEXTS = ["Paris is the [MASK] of France .", "[MASK] 中 [MASK]", "the [MASK] of [MASK] is [MASK] ."]
PLAIN = ["Paris is the capital of France .", "中 国", "", "the the unknownword paris"]
COUNTS = {"token_count": [None], "truncated": [None], "unknown_count": [None]}
FILLED = {"scores": [None, SLOTS, TOP_K], "positions": [None, SLOTS]}
VECTORS = {"mean_pooled": [None, HIDDEN], "cls": [None, HIDDEN]}
TEXT = {"text": (tf.string, [None])}
IDS = {name: (tf.int32, [None, LENGTH]) for name in ("token_ids", "segment_ids", "padding_mask")}
FILL_MASK = {"tokens": [None, SLOTS, TOP_K], **FILLED, **COUNTS}
# The contract with clients: a change of a name here breaks what somebody runs.
SIGNATURES = {
    "serving_default": (TEXT, FILL_MASK),
    "fill_mask": (TEXT, FILL_MASK),
    "embed": (TEXT, {**VECTORS, **COUNTS}),
    "tokenize": (TEXT, {name: [None, LENGTH] for name in ("token_ids", "tokens", "starts", "ends")} | COUNTS),
    "score": (TEXT, {"log_likelihood": [None], "pseudo_perplexity": [None], **COUNTS}),
    "next_sentence": (
        {"text_a": (tf.string, [None]), "text_b": (tf.string, [None])},
        {"label": [None], "probability": [None], **COUNTS},
    ),
    "fill_mask_ids": (IDS, {"candidate_ids": [None, SLOTS, TOP_K], **FILLED}),
    "embed_ids": (IDS, {"sequence_output": [None, LENGTH, HIDDEN], **VECTORS}),
}


def unit(vectors):
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)


def packed(model, *texts):
    """One row [CLS] A [SEP] (B [SEP]) as the model's inputs."""
    tokenizer = model.tokenizer
    parts = [[*tokenizer.tokenize([text], mask_tokens=True).to_list()[0], tokenizer.sep_token_id] for text in texts]
    ids = [tokenizer.cls_token_id, *(token for part in parts for token in part)]
    segments = [0] * (1 + len(parts[0])) + [1] * sum(map(len, parts[1:]))
    pad = LENGTH - len(ids)
    return {
        "token_ids": np.array([ids + [tokenizer.pad_token_id] * pad], "int32"),
        "segment_ids": np.array([segments + [0] * pad], "int32"),
        "padding_mask": np.array([[1] * len(ids) + [0] * pad], "int32"),
    }


def test_names_types_and_widths_of_every_signature(served):
    found = {}
    for name, signature in served.signatures.items():
        inputs = {
            key: (spec.dtype, spec.shape.as_list()) for key, spec in signature.structured_input_signature[1].items()
        }
        found[name] = (inputs, {key: spec.shape.as_list() for key, spec in signature.structured_outputs.items()})
    assert found == SIGNATURES


def test_fill_mask_answers_what_the_model_answers(model, served):
    answers = model.fill_mask(TEXTS, top_k=TOP_K)
    outputs = served("fill_mask", text=TEXTS)
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
    for name, values in served("serving_default", text=TEXTS).items():
        np.testing.assert_array_equal(values, outputs[name])


def test_embed_answers_what_the_model_answers(model, served):
    outputs = served("embed", text=PLAIN)
    np.testing.assert_allclose(outputs["mean_pooled"], unit(model.embed(PLAIN)), atol=1e-5)
    assert (outputs["mean_pooled"][2] == 0).all()
    for row, text in enumerate(PLAIN):
        inputs = packed(model, text)
        inputs["padding_mask"] = inputs["padding_mask"] > 0
        hidden = np.asarray(model.backbone(inputs)["sequence_output"])
        np.testing.assert_allclose(outputs["cls"][row], unit(hidden[:, 0])[0], atol=1e-5)


def test_score_answers_what_the_model_answers(model, served):
    outputs = served("score", text=PLAIN)
    expected = model.pseudo_perplexity(PLAIN)
    assert np.isnan(expected[2])  # where the model says that there is nothing, JSON can only say 0
    expected[2] = 0
    np.testing.assert_allclose(outputs["pseudo_perplexity"], expected, rtol=1e-4)
    counts = outputs["token_count"]
    np.testing.assert_allclose(outputs["log_likelihood"], -counts * np.log(np.maximum(expected, 1)), rtol=1e-5)


def test_tokenize_answers_what_the_tokenizer_answers(model, served):
    texts = [*TEXTS, *PLAIN, "Ünknown Ｐａｒｉｓ 中国s"]
    outputs = served("tokenize", text=texts)
    expected = model.tokenizer.tokenize_with_offsets(texts, mask_tokens=True)
    for row in range(len(texts)):
        count = len(expected.token_ids[row])
        assert outputs["token_ids"][row, 1 : count + 1].tolist() == expected.token_ids[row].numpy().tolist()
        assert outputs["token_ids"][row, [0, count + 1]].tolist() == [2, 3]
        assert (outputs["token_ids"][row, count + 2 :] == 0).all()
        for name in ("starts", "ends"):
            assert outputs[name][row, 1 : count + 1].tolist() == getattr(expected, name)[row].numpy().tolist()
            assert outputs[name][row, 0] == -1 and (outputs[name][row, count + 1 :] == -1).all()
        tokens = [model.tokenizer.id_to_token(i) for i in outputs["token_ids"][row, : count + 2]]
        assert [token.decode() for token in outputs["tokens"][row, : count + 2]] == tokens
        assert (outputs["tokens"][row, count + 2 :] == b"").all()


def test_next_sentence_answers_what_the_model_answers(model, served):
    pairs = [("paris is", "the capital"), ("中", "of france ."), ("paris", "")]
    outputs = served("next_sentence", text_a=[a for a, _ in pairs], text_b=[b for _, b in pairs])
    for row, pair in enumerate(pairs):
        inputs = packed(model, *(text for text in pair if text))
        inputs = {**inputs, "padding_mask": inputs["padding_mask"] > 0, "mask_positions": np.array([[0]], "int32")}
        probability = tf.nn.softmax(model(inputs)["next_sentence"])[0, 0].numpy()
        np.testing.assert_allclose(outputs["probability"][row], probability, atol=1e-5)
        assert outputs["label"][row] == (b"is_next" if probability >= 0.5 else b"not_next")
    long = served("next_sentence", text_a=["paris " * 9, "paris"], text_b=["of " * 5, "of " * 12])
    np.testing.assert_array_equal(long["token_count"], [14, 13])
    np.testing.assert_array_equal(long["truncated"], [True, False])


def test_ids_in_answers_what_text_in_answers(model, served):
    rows = [packed(model, text) for text in TEXTS]
    inputs = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
    text, ids = served("fill_mask", text=TEXTS), served("fill_mask_ids", **inputs)
    for name in ("scores", "positions"):
        np.testing.assert_allclose(ids[name], text[name], atol=1e-5)
    used = text["positions"] >= 0
    tokens = [model.tokenizer.id_to_token(i).encode() for i in ids["candidate_ids"][used].flatten()]
    assert tokens == text["tokens"][used].flatten().tolist()
    outputs = served("embed_ids", **inputs)
    padding_mask = inputs["padding_mask"] > 0
    hidden = np.asarray(model.backbone({**inputs, "padding_mask": padding_mask})["sequence_output"])
    np.testing.assert_allclose(outputs["sequence_output"], hidden * padding_mask[:, :, None], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(outputs["cls"], unit(hidden[:, 0]), atol=1e-5)


def test_strange_texts_get_an_answer(served):
    texts = [b"", b"paris", b"\xff\xfe [MASK] \xc3", b"zzz " * 25_000 + b"[MASK]", b"[MASK]" * 9, b"\x00", b"[MASK" * 9]
    outputs = served("fill_mask", text=texts)
    masks = (outputs["positions"] >= 0).sum(axis=1)
    np.testing.assert_array_equal(masks, [0, 0, 1, 0, SLOTS, 0, 0])
    np.testing.assert_array_equal(outputs["truncated"], [False, False, False, True, True, False, True])
    assert outputs["token_count"][3] == 25_001
    assert outputs["unknown_count"][3] == 25_000
    assert outputs["token_count"][0] == 0
    assert outputs["token_count"][1] == 1
    assert np.isfinite(outputs["scores"]).all()
    np.testing.assert_allclose(outputs["scores"][masks == 0], 0)
    for name in ("embed", "score", "tokenize"):
        outputs = served(name, text=texts)
        np.testing.assert_array_equal(outputs["truncated"][:4], [False, False, False, True])
        assert all(np.isfinite(values).all() for values in outputs.values() if values.dtype == np.float32)
    assert served("next_sentence", text_a=texts, text_b=texts[::-1])["truncated"].sum() >= 2


@given(st.lists(st.one_of(st.text(max_size=30).map(str.encode), st.binary(max_size=20)), min_size=1, max_size=4))
@settings(max_examples=25)
def test_neighbours_in_a_batch_change_nothing(served, texts):
    together = served("fill_mask", text=texts), served("embed", text=texts), served("score", text=texts)
    for row, text in enumerate(texts):
        for name, batch in zip(("fill_mask", "embed", "score"), together, strict=True):
            for key, values in served(name, text=[text]).items():
                if values.dtype == np.float32:
                    np.testing.assert_allclose(batch[key][row], values[0], rtol=1e-4, atol=1e-5)
                elif key != "tokens":  # equal scores may come in any order
                    np.testing.assert_array_equal(batch[key][row], values[0])


def test_a_batch_of_nothing_has_its_widths(served):
    for name, (inputs, outputs) in SIGNATURES.items():
        nothing = {key: tf.zeros([0, *shape[1:]], dtype) for key, (dtype, shape) in inputs.items()}
        answer = {key: list(value.shape) for key, value in served(name, **nothing).items()}
        assert answer == {key: [0, *shape[1:]] for key, shape in outputs.items()}


def test_weights_and_vocabulary_are_written_once_and_no_file_is_needed(model, exported):
    weights = sum(path.stat().st_size for path in exported.glob("variables/variables.data*"))
    assert weights <= 1.05 * 4 * model.count_params()
    graph = (exported / "saved_model.pb").read_bytes()
    assert graph.count(b"filler2999") == 1, "among the answers; the tokenizer holds a compiled form"
    assert not list(exported.glob("assets/*"))
    # No large constant twice: neither the compiled vocabulary nor the normaliser's table.
    large = [value for value in _constants(graph) if len(value) > 5_000]
    assert len(large) == len(set(large)) > 0


def test_the_graph_has_only_what_serving_has(exported):
    saved = saved_model_pb2.SavedModel.FromString((exported / "saved_model.pb").read_bytes())
    assert saved.meta_graphs[0].meta_info_def.stripped_default_attrs
    library = saved.meta_graphs[0].graph_def.library.function
    assert not any(function.attr["_XlaMustCompile"].b for function in library)
    nodes = [node for function in library for node in function.node_def]
    # tensorflow-text's operations in TF Serving are those of 2.12; half precision has no place in a served graph.
    assert {node.op for node in nodes if node.op.startswith(("TFText", "Fast", "Normalize"))} <= {
        "FastBertNormalize",
        "FastWordpieceTokenizeWithOffsets",
        "TFText>FastWordpieceTokenizeWithOffsets",
        "NormalizeUTF8",
    }
    half = {types_pb2.DT_HALF, types_pb2.DT_BFLOAT16}
    assert not [node.name for node in nodes if node.attr["T"].type in half]


def _constants(graph: bytes) -> list[bytes]:
    meta = saved_model_pb2.SavedModel.FromString(graph).meta_graphs[0]
    nodes = [
        *meta.graph_def.node,
        *(node for function in meta.graph_def.library.function for node in function.node_def),
    ]
    return [node.attr["value"].tensor.SerializeToString() for node in nodes if node.op == "Const"]


@pytest.mark.parametrize("sizes", [{"length": 33}, {"length": 2}, {"top_k": 0}, {"mask_slots": 0}, {"version": 0}])
def test_impossible_sizes_are_named(tmp_path, make_model, sizes):
    with pytest.raises(InputError, match=next(iter(sizes))):
        export_saved_model(make_model(num_layers=1), str(tmp_path), ExportOptions(**{"length": 16, **sizes}))
    assert list(tmp_path.iterdir()) == []


def test_a_model_without_next_sentences_or_tokenizer(tmp_path, make_model):
    model = make_model(num_layers=1, next_sentence=False)
    path = export_saved_model(model, str(tmp_path), ExportOptions(LENGTH))
    assert set(tf.saved_model.load(path).signatures) == SIGNATURES.keys() - {"next_sentence"}
    weights = sum(file.stat().st_size for file in Path(path).glob("variables/variables.data*"))
    assert weights <= 1.05 * 4 * model.count_params()
    model.tokenizer = None
    with pytest.raises(InputError, match="load_model"):
        export_saved_model(model, str(tmp_path))
