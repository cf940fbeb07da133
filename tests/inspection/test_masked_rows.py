import re

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from small_corpus import VOCABULARY

from keras_mlm.data.pretraining_dataset import PretrainingDataset
from keras_mlm.inspection.masked_rows import Piece, count_kinds, masked_row_text, masked_rows, row_pieces
from keras_mlm.layers.preprocessing.masked_lm_mask_generator import MaskedLMMaskGenerator
from keras_mlm.text_table import display_width
from keras_mlm.tokenizers.detokenizer import Detokenizer
from keras_mlm.tokenizers.vocabulary_file import SPECIAL_TOKENS
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

TOKENIZER = WordPieceTokenizer(VOCABULARY)
DETOKENIZER = Detokenizer(VOCABULARY, 0)
# All three fates are as frequent, so that few tokens show them.
MASKER = MaskedLMMaskGenerator(
    len(VOCABULARY), 0.5, 4, 40, [0, 1, 2, 3, 4], mask_token_rate=0.34, random_token_rate=0.33
)
SIGNS = {"masked": r"\[MASK→(.+)\]", "replaced": r"\{(.+)←(.+)\}", "kept": r"\(=(.+)\)"}


def check(pieces, row):
    """Pieces say of each token what the mask generator says of it."""
    used = row["mask_weights"] > 0
    truth = dict(zip(row["mask_positions"][used].tolist(), row["mask_ids"][used].tolist(), strict=True))
    ids = row["token_ids"][row["padding_mask"]].tolist()
    assert len(pieces) == len(ids)
    assert {place for place, piece in enumerate(pieces) if piece.kind in SIGNS} == set(truth)
    for place, label in truth.items():
        was, now = VOCABULARY[label], VOCABULARY[ids[place]]
        kind = "masked" if now == "[MASK]" else "kept" if now == was else "replaced"
        assert pieces[place].kind == kind
        found = re.fullmatch(SIGNS[kind], pieces[place].text.strip()).groups()
        assert found == ((now, was) if kind == "replaced" else (was,))
    original = [truth.get(place, token_id) for place, token_id in enumerate(ids)]
    assert all((piece.kind == "special") == (VOCABULARY[i] in SPECIAL_TOKENS)
               for piece, i in zip(pieces, original, strict=True))  # fmt: skip
    return original


@settings(max_examples=40)
@given(text=st.text("abcdethr 中文学习。.,()[]{}=→←\n\té", min_size=1, max_size=60), index=st.integers(0, 10**6))
def test_marks_stand_exactly_where_the_generator_says(text, index):
    ids = np.concatenate([[2], TOKENIZER.tokenize(text).numpy(), [3]]).astype("int32")
    padded = np.pad(ids, (0, 5))
    masked = MASKER({"token_ids": padded[None], "example_index": [index], "epoch": [0]})
    row = {name: value.numpy()[0] for name, value in masked.items()} | {"padding_mask": padded != 0}
    pieces = row_pieces(row, VOCABULARY, DETOKENIZER)
    assert check(pieces, row) == ids.tolist()
    # What is not marked is the text as it reads without masks, spaces included.
    spaces = [piece.text.replace(piece.text.strip(), "") for piece in pieces]
    words = [VOCABULARY[i].removeprefix("##") if TOKENIZER.continuation[i] else VOCABULARY[i] for i in ids]
    inside = "".join(space + word for space, word in list(zip(spaces, words, strict=True))[1:-1])
    assert inside.lstrip(" ") == TOKENIZER.detokenize(tf.constant(ids[1:-1])).numpy().decode()
    assert all(spaces[place] == " " for place in (1, len(ids) - 1)) and spaces[0] == ""
    for columns in (20, 80):
        lines = masked_row_text(pieces, columns).splitlines()
        assert "".join("".join(lines).split()) == "".join("".join(piece.text for piece in pieces).split())
        coloured = masked_row_text(pieces, columns, colour=True)
        assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == "\n".join(lines)


@pytest.mark.parametrize(
    ("masking", "next_sentence", "packed"),
    [
        ("token", True, False),
        ("span", False, True),
        pytest.param("whole_word", False, False, marks=pytest.mark.slow),
    ],
)
def test_rows_are_the_first_of_a_training(corpus, masking, next_sentence, packed):
    length = 96 if packed else 24
    options = {"length": length, "masking": masking, "next_sentence": next_sentence, "packed": packed, "seed": 5}
    data = PretrainingDataset(corpus, batch_size=3, **options)
    # Of a corpus with fewer rows each is shown once.
    asked, found = (data.rows + 5, data.rows) if packed else (6, 6)
    rows = masked_rows(corpus, asked, VOCABULARY, **options)
    batches = data.keyed_batches().take(-(-found // 3)).as_numpy_iterator()
    wanted = [{name: value[i] for name, value in batch.items()} for batch in batches for i in range(3)][:found]
    assert len(rows) == found
    for row, keyed in zip(rows, wanted, strict=True):
        assert row.example_index == keyed["example_index"]
        check(row.pieces, keyed)
        label = keyed["next_sentence_labels"] if next_sentence else None
        assert row.relation == {0: "is_next", 1: "not_next", None: None}[label]
    assert sum(count_kinds(rows).values()) == sum(int(keyed["mask_weights"].sum()) for keyed in wanted)
    assert not packed or sorted(row.example_index for row in rows) == list(range(data.rows))


def test_a_row_that_begins_inside_a_word_shows_it():
    ids = np.array([2, VOCABULARY.index("##a"), VOCABULARY.index("##b"), 3, VOCABULARY.index("."), 3])
    row = {
        "token_ids": ids, "padding_mask": ids > 0, "mask_positions": np.array([0]), "mask_ids": np.array([0]),
        "mask_weights": np.array([0.0]),
    }  # fmt: skip
    assert masked_row_text(row_pieces(row, VOCABULARY, DETOKENIZER), 80) == "  [CLS] ##ab [SEP] . [SEP]"


def test_lines_are_as_wide_as_asked_and_break_between_words():
    words = [Piece(" abc", "plain", True), Piece("d", "plain", False), Piece("中", "plain", True)] * 9
    lines = masked_row_text(words, 12).splitlines()
    assert len(lines) > 3 and all(display_width(line) <= 12 for line in lines)
    assert all(line.startswith(("  abcd", "  中")) for line in lines)
    assert masked_row_text([Piece("a\x1b[2J\x9b", "plain", True)], 40) == "  a�[2J�"
