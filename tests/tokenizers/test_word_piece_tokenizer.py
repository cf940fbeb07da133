"""One result however the tokenizer is called; what it saves and what it refuses."""

import itertools
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_text as tf_text
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_mlm.errors import InputError
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SMALL = [*SPECIAL, "paris", "is", "##t", "the", "capital", ".", "[", "]", "mask", "中", "国"]
MODES = [("fast", True), ("fast", False), ("bert", True), ("bert", False)]


@pytest.fixture(params=MODES, ids=lambda mode: f"{mode[0]}-{'uncased' if mode[1] else 'cased'}")
def tokenizer(request, tokenizers):
    return tokenizers[request.param]


def rows(text):
    return [values.to_list() for values in text]


@pytest.mark.parametrize("normalization", ["fast", "bert"])
def test_by_hand(normalization):
    tokenizer = WordPieceTokenizer(SMALL, normalization=normalization)
    assert tokenizer.tokenize(["PÁRIS ist 中国", "", "nowhere is"]).to_list() == [[5, 6, 7, 14, 15], [], [1, 6]]
    assert tokenizer.tokenize("Paris is.").numpy().tolist() == [5, 6, 10]
    assert tokenizer.tokenize("Paris is.").dtype == tf.int32
    found = tokenizer.tokenize_with_offsets("  PA\u0301RIS\u200b ist")
    assert [values.numpy().tolist() for values in found] == [[5, 6, 7], [True, True, False], [2, 10, 12], [8, 12, 13]]
    assert tokenizer.continuation.tolist() == [token == "##t" for token in SMALL]
    assert [tokenizer.token_to_id(token) for token in SMALL] == list(range(len(SMALL)))
    assert (tokenizer.token_to_id("absent"), tokenizer.id_to_token(5)) == (1, "paris")
    assert tokenizer.special_token_ids == [0, 1, 2, 3, 4] and tokenizer.mask_token_id == 4


@pytest.mark.parametrize("normalization", ["fast", "bert"])
def test_mask_tokens(normalization):
    tokenizer = WordPieceTokenizer(SMALL, normalization=normalization)
    texts = ["[MASK]", "Paris [MASK] the[MASK][MASK]ist", "", "[mask] é\ud800 [MASK", "中[MASK]国"]
    assert tokenizer.tokenize(texts, mask_tokens=True).to_list() == [
        [4], [5, 4, 8, 4, 4, 6, 7], [], [11, 13, 12, 1, 11, 13], [14, 4, 15]
    ]  # fmt: skip
    assert tokenizer.tokenize(texts[0]).numpy().tolist() == [11, 13, 12]
    found = tokenizer.tokenize_with_offsets(texts, mask_tokens=True)
    assert found.token_ids.to_list() == tokenizer.tokenize(texts, mask_tokens=True).to_list()
    assert found.starts.to_list()[1] == [0, 6, 13, 16, 22, 28, 30]
    assert found.ends.to_list()[1] == [5, 12, 16, 22, 28, 30, 31]
    assert found.word_starts.to_list()[1] == [True, True, True, True, True, True, False]


def test_eager_graph_batched_and_one_by_one_agree(tokenizer, nasty_strings):
    def call(texts):
        return tuple(tokenizer.tokenize_with_offsets(texts, mask_tokens=True))

    eager = rows(call(nasty_strings))
    assert eager[0] == tokenizer.tokenize(nasty_strings, mask_tokens=True).to_list()
    graph = tf.function(call, input_signature=[tf.TensorSpec([None], tf.string)])
    assert rows(graph(tf.constant(nasty_strings))) == eager
    dataset = tf.data.Dataset.from_tensor_slices(nasty_strings)
    batched = [rows(batch) for batch in dataset.batch(64).map(call, num_parallel_calls=2)]
    assert [list(itertools.chain(*part)) for part in zip(*batched, strict=True)] == eager
    dataset = dataset.shard(5, 0)
    single = [[values.tolist() for values in element] for element in dataset.map(call).as_numpy_iterator()]
    assert [list(part) for part in zip(*single, strict=True)] == [part[::5] for part in eager]
    some = range(0, len(nasty_strings), 60)
    assert [tokenizer.tokenize(nasty_strings[i], mask_tokens=True).numpy().tolist() for i in some] == [
        eager[0][i] for i in some
    ]


def check_offsets(tokenizer, texts):
    """Each token's place holds the characters it was made of, and nothing that stands before or behind it."""
    found = tokenizer.tokenize_with_offsets(texts)
    fold = tf_text.FastBertNormalizer(lower_case_nfd_strip_accents=tokenizer.lowercase).normalize
    pieces, slices = [], []
    for text, *values in zip(texts, *rows(found), strict=True):
        previous = 0
        for token_id, starts_word, start, end in zip(*values, strict=True):
            assert 0 <= start < end <= len(text) and start >= previous - 1 and end >= previous
            previous = end
            token = tokenizer.id_to_token(token_id)
            assert starts_word != tokenizer.continuation[token_id]
            if token_id != tokenizer.unk_token_id and tokenizer.normalization == "fast":
                pieces.append(token.removeprefix("##") if not starts_word else token)
                slices.append(text[start:end])
    # A character that folds into several may give several tokens, each of which has its place.
    for piece, folded in zip(pieces, fold(tf.constant(slices, tf.string)).numpy(), strict=True):
        folded = folded.decode().replace(" ", "")
        assert piece == folded or (piece in folded and len(folded) <= 18 * len(piece))


def test_offsets_on_nasty_strings(tokenizer, nasty_strings):
    check_offsets(tokenizer, nasty_strings)


@settings(max_examples=20)
@given(texts=st.lists(st.text(max_size=40), min_size=1, max_size=20))
@pytest.mark.parametrize("mode", MODES)
def test_offsets_on_any_text(tokenizers, mode, texts):
    tokenizer = tokenizers[mode]
    check_offsets(tokenizer, texts)
    ids = tokenizer.tokenize_with_offsets(texts).token_ids.to_list()
    assert ids == tokenizer.tokenize(texts).to_list()
    assert [tokenizer.tokenize(text).numpy().tolist() for text in texts[:2]] == ids[:2]


@settings(max_examples=20)
@given(texts=st.lists(st.binary(max_size=20), max_size=10))
@pytest.mark.parametrize("mode", MODES)
def test_any_bytes(tokenizers, mode, texts):
    tokenizer = tokenizers[mode]
    found = tokenizer.tokenize_with_offsets(tf.constant(texts, tf.string, [len(texts)]), mask_tokens=True)
    assert found.token_ids.nrows() == len(texts)
    assert found.token_ids.to_list() == tokenizer.tokenize(tf.constant(texts, tf.string), mask_tokens=True).to_list()


def test_no_texts_and_empty_texts(tokenizer):
    for mask_tokens in (False, True):
        assert tokenizer.tokenize([], mask_tokens=mask_tokens).to_list() == []
        assert rows(tokenizer.tokenize_with_offsets(["", " ", ""], mask_tokens=mask_tokens)) == [[[], [], []]] * 4
    assert tokenizer.tokenize("").shape == (0,)


def test_save_and_load(tokenizer, nasty_strings, tmp_path):
    tokenizer.save(str(tmp_path / "a" / "b"))
    again = WordPieceTokenizer.load(str(tmp_path / "a" / "b"))
    assert again.vocabulary == tokenizer.vocabulary and again.vocabulary_hash == tokenizer.vocabulary_hash
    assert (again.normalization, again.lowercase) == (tokenizer.normalization, tokenizer.lowercase)
    assert again.tokenize(nasty_strings).to_list() == tokenizer.tokenize(nasty_strings).to_list()


def test_tokens_that_look_like_line_ends_survive(tmp_path):
    vocabulary = [*SPECIAL, "a", "\u2028", "\x85", "\x0c"]
    WordPieceTokenizer(vocabulary).save(str(tmp_path))
    assert WordPieceTokenizer.load(str(tmp_path)).vocabulary == vocabulary


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "tokenizer.json").unlink(), "no such file"),
        (lambda folder: (folder / "tokenizer.json").write_text("{"), "not JSON"),
        (lambda folder: (folder / "tokenizer.json").write_text("[]"), "not the settings"),
        (lambda folder: (folder / "tokenizer.json").write_text('{"format_version": 9}'), "not the settings"),
        (lambda folder: (folder / "vocab.txt").unlink(), "no such vocabulary"),
        (lambda folder: (folder / "vocab.txt").write_bytes(b"\xff\xfe"), "not UTF-8"),
        (lambda folder: (folder / "vocab.txt").write_text("\n".join([*SPECIAL, "b"])), "not the vocabulary"),
        (lambda folder: edit(folder, vocabulary_hash="0"), "not the vocabulary"),
        (lambda folder: edit(folder, normalization="slow"), "slow"),
        (lambda folder: edit(folder, format_version=9), "format 9"),
        (lambda folder: drop(folder, "lowercase"), "lowercase"),
    ],
)
def test_a_damaged_folder_is_refused(tmp_path, damage, message):
    WordPieceTokenizer(SMALL).save(str(tmp_path))
    damage(tmp_path)
    with pytest.raises(InputError, match=message) as raised:
        WordPieceTokenizer.load(str(tmp_path))
    assert "\n" not in str(raised.value)


def edit(folder, **changes):
    path = folder / "tokenizer.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def drop(folder, key):
    path = folder / "tokenizer.json"
    settings = json.loads(path.read_text())
    del settings[key]
    path.write_text(json.dumps(settings))


@pytest.mark.parametrize(
    ("vocabulary", "options", "message"),
    [
        ([*SPECIAL[:4], "a"], {}, r"no \[MASK\]"),
        ([*SPECIAL, "a", "b", "a"], {}, "'a' occurs twice, as number 6 and 8"),
        ([*SPECIAL, ""], {}, "token 6"),
        ([*SPECIAL, "a" * 257], {}, "longer than 256"),
        (SMALL, {"normalization": "exact"}, "'exact'"),
        (SMALL, {"strip_accents": False}, "strip_accents=False"),
        ("/no/such/vocab.txt", {}, "/no/such/vocab.txt"),
    ],
)
def test_what_is_refused(vocabulary, options, message):
    with pytest.raises(InputError, match=message):
        WordPieceTokenizer(vocabulary, **options)


def test_a_matrix_of_texts_is_refused():
    with pytest.raises(InputError, match="vector"):
        WordPieceTokenizer(SMALL).tokenize([["a"], ["b"]])


def test_made_inside_a_function():
    tokenizer = []

    @tf.function
    def first(texts):
        tokenizer[:] = tokenizer or [WordPieceTokenizer(SMALL)]
        return tokenizer[0].tokenize(texts)

    assert first(tf.constant(["Paris"])).to_list() == tokenizer[0].tokenize(["Paris"]).to_list() == [[5]]


SERVE = """
import json, os, sys
import tensorflow as tf, tensorflow_text
folder, texts = sys.argv[1], json.loads(sys.argv[2])
loaded = tf.saved_model.load(folder)
out = {name: loaded.signatures[name](tf.constant(texts))["ids"].numpy().tolist() for name in loaded.signatures}
with tf.Graph().as_default(), tf.compat.v1.Session() as session:
    graph = tf.compat.v1.saved_model.load(session, ["serve"], folder)
    for name in out:
        signature = graph.signature_def[name]
        (feed,), (fetch,) = signature.inputs.values(), signature.outputs.values()
        assert session.run(fetch.name, {feed.name: texts}).tolist() == out[name]
assert "keras_mlm" not in sys.modules
print(json.dumps(out))
"""


def test_export_needs_nothing_but_tensorflow(tokenizers, nasty_strings, tmp_path):
    """A moved SavedModel gives the same ids in another process, in TF 1's loader and in a Turkish locale."""
    texts = [*[text for text in nasty_strings if "\0" not in text][::6], "INDIA IN İSTANBUL [MASK]"]
    module, signatures, expected = tf.Module(), {}, {}
    for name in ("fast", "bert"):
        tokenizer = tokenizers[name, True]

        def serve(texts, tokenizer=tokenizer):
            found = tokenizer.tokenize_with_offsets(texts, mask_tokens=True)
            return {"ids": tf.concat([found.token_ids.to_tensor(-1), found.ends.to_tensor(-1)], axis=1)}

        signatures[name] = tf.function(serve, input_signature=[tf.TensorSpec([None], tf.string, name="texts")])
        expected[name] = signatures[name](tf.constant(texts))["ids"].numpy().tolist()
    tf.saved_model.save(module, str(tmp_path / "here"), signatures)
    shutil.move(tmp_path / "here", tmp_path / "there")
    environment = os.environ | {"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8", "PYTHONUTF8": "1"}
    done = subprocess.run(
        [sys.executable, "-c", SERVE, str(tmp_path / "there"), json.dumps(texts)],
        capture_output=True, text=True, env=environment, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout) == expected


def test_word_starts_are_true_once_a_word(tokenizer):
    found = tokenizer.tokenize_with_offsets(["unbelievableness of antidisestablishmentarianism", "\U0001f9ff x"])
    assert np.sum(found.word_starts.to_list()[0]) == 3
    assert found.word_starts.to_list()[1][0]
