import pytest

from keras_mlm.inspection.scripts import script_of


@pytest.mark.parametrize(
    ("token", "script"),
    [
        ("##ing", "Latin"), ("é", "Latin"), ("国", "Han"), ("##国", "Han"), ("〇", "digits"), ("々", "Han"),
        ("2026", "digits"), ("½", "digits"), ("٣", "digits"), ("…", "punctuation"), ("。", "punctuation"),
        ("##", "punctuation"),
        ("$", "punctuation"), ("→", "punctuation"), ("ж", "Cyrillic"), ("の", "Hiragana"), ("ッ", "Katakana"),
        ("Ａ", "Latin"), ("ｶ", "Katakana"), ("한", "Hangul"), ("ب", "Arabic"), ("्", "Devanagari"),
        ("\u0301", "other"), ("\ue000", "other"), ("b2", "Latin"), ("2bb", "Latin"), ("[UNK]", "[UNK]"), ("σ", "Greek"),
    ],
)  # fmt: skip
def test_scripts(token, script):
    assert script_of(token) == script
