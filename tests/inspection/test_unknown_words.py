import pytest
from small_corpus import VOCABULARY

from keras_mlm.errors import InputError
from keras_mlm.inspection import unknown_words
from keras_mlm.inspection.unknown_words import UnknownWords
from keras_mlm.tokenizers.word_piece_tokenizer import WordPieceTokenizer

TOKENIZER = WordPieceTokenizer(VOCABULARY)


def test_words_are_named_as_they_are_written(tmp_path, monkeypatch):
    monkeypatch.setattr(unknown_words, "_BYTES", 30)
    path = tmp_path / "text.txt"
    path.write_text("The жук saw a Жук.\nNothing here.\n\n中文龘字。 жук\n\nthe 龘 жук" + "\n\nplain words" * 20)
    found = UnknownWords.of([str(path)], TOKENIZER)
    assert found.most_frequent == [("жук", 3), ("龘", 2), ("Жук", 1), ("字", 1)]
    assert (found.unknown, found.words, found.exact) == (7, 6 + 3 + 6 + 3 + 40, True)


def test_too_many_different_words_are_said_to_be(tmp_path, monkeypatch):
    monkeypatch.setattr(unknown_words, "_BYTES", 1)
    monkeypatch.setattr(unknown_words, "_MOST_WORDS", 4)
    path = tmp_path / "text.txt"
    path.write_text("\n\n".join(f"жук {chr(0x430 + number)}" for number in range(20)))
    found = UnknownWords.of([str(path)], TOKENIZER)
    assert found.most_frequent[0] == ("жук", 20)
    assert (found.unknown, found.exact) == (40, False)


def test_a_text_that_is_not_there():
    with pytest.raises(InputError, match="does not exist"):
        UnknownWords.of(["absent.txt"], TOKENIZER)
