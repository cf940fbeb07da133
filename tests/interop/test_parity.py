import numpy as np
from checkpoints import CONFIG, PARTS, random_tensors, write_folder

from keras_mlm.interop.hugging_face import load_hugging_face
from keras_mlm.interop.parity import compare, random_rows


def test_equal_models_differ_by_nothing_and_others_by_what_they_differ(tmp_path):
    tensors = random_tensors(CONFIG, PARTS["BertForPreTraining"])
    folder = write_folder(tmp_path / "a", tensors)
    model, other = load_hugging_face(folder), load_hugging_face(folder)
    assert compare(model, other) == dict.fromkeys(
        ("sequence_output", "pooled_output", "masked_lm", "next_sentence"), 0.0
    )
    bias = other.next_sentence_head.dense.bias
    bias.assign(bias + np.float32(0.5))
    found = compare(model, other)
    assert abs(found["next_sentence"] - 0.5) < 1e-5 and found["masked_lm"] == 0.0


def test_what_one_model_lacks_is_not_compared(tmp_path):
    models = [
        load_hugging_face(write_folder(tmp_path / name, random_tensors(CONFIG, PARTS[name])))
        for name in ("BertForPreTraining", "BertForMaskedLM")
    ]
    found = compare(*models)
    assert found["pooled_output"] is None and found["next_sentence"] is None
    assert found["sequence_output"] == 0.0


def test_rows_have_padding_and_segments_where_the_model_has_them(tmp_path):
    tensors = random_tensors({**CONFIG, "type_vocab_size": 1}, PARTS["BertModel"])
    rows = random_rows(load_hugging_face(write_folder(tmp_path / "one", tensors, type_vocab_size=1)))
    assert rows["segment_ids"].max() == 0
    assert not rows["padding_mask"].all() and rows["padding_mask"][0].all() and rows["padding_mask"][:, 0].all()
