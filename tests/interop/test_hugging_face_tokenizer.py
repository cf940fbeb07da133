import json
import logging
from pathlib import Path

import pytest
from checkpoints import VOCABULARY
from tokenizers import Tokenizer

from keras_mlm.errors import InputError
from keras_mlm.interop.checkpoint_folder import CheckpointFolder
from keras_mlm.interop.hugging_face_tokenizer import read_tokenizer, write_tokenizer
from keras_mlm.tokenizers.learn_vocabulary import learn_vocabulary
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

SETTINGS = [(True, None), (False, None), (True, False), (False, True)]


@pytest.fixture(scope="module")
def vocabulary(nasty_strings):
    report = learn_vocabulary(nasty_strings, 3000, exact=False, normalization="bert", lowercase=False, min_frequency=1)
    return report.vocabulary


def written(folder: Path, tokenizer: WordPieceTokenizer) -> CheckpointFolder:
    folder.mkdir()
    write_tokenizer(tokenizer, str(folder), max_length=64)
    return CheckpointFolder(str(folder))


def their_tokens(folder: Path, texts):
    theirs = Tokenizer.from_file(str(folder / "tokenizer.json"))
    theirs.encode_special_tokens = True  # a literal [SEP] in a text is a word
    return [theirs.encode(text, add_special_tokens=False).ids for text in texts]


# === Out ===


@pytest.mark.parametrize(("lowercase", "strip_accents"), SETTINGS)
def test_the_written_tokenizer_gives_the_same_tokens(tmp_path, vocabulary, nasty_strings, lowercase, strip_accents):
    ours = WordPieceTokenizer(vocabulary, normalization="bert", lowercase=lowercase, strip_accents=strip_accents)
    written(tmp_path / "t", ours)
    assert their_tokens(tmp_path / "t", nasty_strings) == ours.tokenize(nasty_strings).to_list()


def test_the_written_tokenizer_puts_special_tokens_around_one_and_two_texts(tmp_path):
    written(tmp_path / "t", WordPieceTokenizer(VOCABULARY, normalization="bert"))
    theirs = Tokenizer.from_file(str(tmp_path / "t/tokenizer.json"))
    assert theirs.encode("Paris").tokens == ["[CLS]", "paris", "[SEP]"]
    pair = theirs.encode("paris [MASK]", "is the")
    assert pair.tokens == ["[CLS]", "paris", "[MASK]", "[SEP]", "is", "the", "[SEP]"]
    assert pair.type_ids == [0, 0, 0, 0, 1, 1, 1]


def test_a_fast_tokenizer_is_written_with_its_folding(tmp_path, nasty_strings, caplog):
    report = learn_vocabulary(nasty_strings, 3000, exact=False, min_frequency=1)
    ours = WordPieceTokenizer(report.vocabulary)
    written(tmp_path / "t", ours)
    pairs = zip(their_tokens(tmp_path / "t", nasty_strings), ours.tokenize(nasty_strings).to_list(), strict=True)
    same = sum(there == here for there, here in pairs)
    assert same >= 0.9 * len(nasty_strings)
    assert (
        json.loads((tmp_path / "t/tokenizer_config.json").read_text())["tokenizer_class"] == "PreTrainedTokenizerFast"
    )


# === In ===


@pytest.mark.parametrize(
    "kept", [("vocab.txt", "tokenizer_config.json"), ("tokenizer.json",), ("tokenizer.json", "vocab.txt")]
)
@pytest.mark.parametrize(("lowercase", "strip_accents"), SETTINGS)
def test_any_of_the_files_gives_the_tokenizer_back(tmp_path, vocabulary, lowercase, strip_accents, kept):
    ours = WordPieceTokenizer(vocabulary, normalization="bert", lowercase=lowercase, strip_accents=strip_accents)
    folder = written(tmp_path / "t", ours)
    for path in (tmp_path / "t").iterdir():
        if path.name not in kept:
            path.unlink()
    read = read_tokenizer(folder)
    assert (read.vocabulary, read.normalization) == (vocabulary, "bert")
    assert (read.lowercase, read.strip_accents) == (lowercase, strip_accents)


@pytest.mark.parametrize("lowercase", [True, False])
def test_a_fast_tokenizer_comes_back_as_it_was(tmp_path, nasty_strings, lowercase):
    report = learn_vocabulary(nasty_strings, 3000, exact=False, lowercase=lowercase, min_frequency=1)
    ours = WordPieceTokenizer(report.vocabulary, lowercase=lowercase)
    read = read_tokenizer(written(tmp_path / "t", ours))
    assert (read.normalization, read.lowercase) == ("fast", lowercase)
    assert read.tokenize(nasty_strings).to_list() == ours.tokenize(nasty_strings).to_list()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"keras_mlm_normalization": None}, "another normalizer"),
        ({"keras_mlm_normalization": "other"}, "another normalizer"),
        ({"do_lower_case": "yes"}, "'yes'"),
    ],
)
def test_a_folding_that_only_we_write_is_read_with_its_note_only(tmp_path, change, message):
    folder = written(tmp_path / "t", WordPieceTokenizer(VOCABULARY))
    edit(folder, "tokenizer_config.json", lambda data: data.update(change))
    with pytest.raises(InputError, match=message):
        read_tokenizer(folder)


@pytest.fixture
def folder(tmp_path):
    return written(tmp_path / "t", WordPieceTokenizer(VOCABULARY, normalization="bert"))


def edit(folder, name, change):
    path = Path(folder.path) / name
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def test_what_tokenizer_config_states_rules_as_in_transformers(folder):
    edit(folder, "tokenizer_config.json", lambda data: data.update(do_lower_case=False))
    assert read_tokenizer(folder).lowercase is False
    edit(folder, "tokenizer_config.json", lambda data: data.update(tokenizer_class="PreTrainedTokenizerFast"))
    assert read_tokenizer(folder).lowercase is True


def test_tokens_added_behind_the_vocabulary_keep_their_ids(folder, caplog):
    added = {"id": len(VOCABULARY), "content": "covid", "special": False}
    edit(folder, "tokenizer.json", lambda data: data["added_tokens"].append(added))
    with caplog.at_level(logging.WARNING):
        read = read_tokenizer(folder)
    assert read.vocabulary == [*VOCABULARY, "covid"]
    assert "words like others here: covid" in caplog.text


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("tokenizer_config.json", lambda data: data.update(tokenize_chinese_chars=False), "tokenize_chinese_chars"),
        ("tokenizer_config.json", lambda data: data.update(do_basic_tokenize=False), "do_basic_tokenize"),
        ("tokenizer_config.json", lambda data: data.update(do_lower_case="yes"), "'yes'"),
        ("tokenizer_config.json", lambda data: data.update(tokenizer_class="BertJapaneseTokenizer"), "Japanese"),
        ("tokenizer_config.json", lambda data: data.update(mask_token="<mask>"), "<mask>"),
        ("tokenizer_config.json", lambda data: data.update(mask_token={"content": "<mask>"}), "<mask>"),
        ("tokenizer.json", lambda data: data["model"].update(type="BPE"), "BPE"),
        ("tokenizer.json", lambda data: data["model"].update(continuing_subword_prefix="@@"), "@@"),
        ("tokenizer.json", lambda data: data.update(normalizer={"type": "NFC"}), "BertNormalizer"),
        ("tokenizer.json", lambda data: data.update(pre_tokenizer=None), "BertPreTokenizer"),
        ("tokenizer.json", lambda data: data["normalizer"].update(clean_text=False), "clean_text"),
        ("tokenizer.json", lambda data: data["model"]["vocab"].update(paris=999), "0 to 62"),
        ("tokenizer.json", lambda data: data["model"]["vocab"].update(paris="x"), "0 to 62"),
        ("tokenizer.json", lambda data: data["model"]["vocab"].pop("[UNK]") and data.update(added_tokens=[]), "ids"),
        ("tokenizer.json", lambda data: data.update(model=[]), "no WordPiece"),
    ],
)
def test_a_tokenizer_that_would_give_other_tokens_is_refused(folder, name, change, message):
    edit(folder, name, change)
    with pytest.raises(InputError, match=message):
        read_tokenizer(folder)


def test_two_vocabularies_are_refused(folder):
    (Path(folder.path) / "vocab.txt").write_text("\n".join(reversed(VOCABULARY)))
    with pytest.raises(InputError, match=r"other tokens in tokenizer\.json than in vocab\.txt"):
        read_tokenizer(folder)


def test_a_vocabulary_without_a_mask_is_refused(folder):
    (Path(folder.path) / "tokenizer.json").unlink()
    (Path(folder.path) / "vocab.txt").write_text("\n".join(token for token in VOCABULARY if token != "[MASK]"))
    with pytest.raises(InputError, match=r"no \[MASK\]"):
        read_tokenizer(folder)


def test_no_vocabulary_at_all_is_named(folder):
    for name in ("tokenizer.json", "vocab.txt"):
        (Path(folder.path) / name).unlink()
    with pytest.raises(InputError, match=r"neither vocab\.txt nor tokenizer\.json"):
        read_tokenizer(folder)
