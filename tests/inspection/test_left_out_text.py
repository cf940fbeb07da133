from keras_mlm.inspection.left_out_text import left_out_text


def test_reasons_and_samples():
    counts = {"documents": 5, "documents_read": 9, "duplicate_documents": 0, "redacted_cn_ids": 7,
              "training_unknown_tokens": 3, "validation_sentences_left_out": 2}  # fmt: skip
    assert left_out_text(counts, {"redacted_cn_ids": ["a, line 1", "a, line 7"]}) == [
        "Duplicate documents: 0",
        "Redacted Chinese ID numbers: 7",
        "    a, line 1",
        "    a, line 7",
    ]
    assert left_out_text({"documents": 5}, {}) == []
