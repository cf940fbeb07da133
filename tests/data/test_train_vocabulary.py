import pytest

from keras_mlm import InputError, WordPieceTokenizer, train_vocabulary
from keras_mlm.tokenizers.learn_vocabulary import learn_vocabulary

LINES = ["low lower lowest 高低。", "new newer newest", "wide wider widest “wide”"] * 3


def test_files_give_what_their_lines_give(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "one.txt").write_text("\n\n".join(LINES[:4]), encoding="utf-8")
    (tmp_path / "folder" / "two.txt").write_text("\n".join(LINES[4:]), encoding="utf-8")
    files = [str(tmp_path / "one.txt"), str(tmp_path / "folder")]
    report = train_vocabulary(files, 50, exact=False)
    assert report == learn_vocabulary(LINES, 50, exact=False)
    assert {"高", "“", "”", "。"} <= set(report.vocabulary)
    assert report.coverage == 1 and report.unknown_rate == 0
    assert WordPieceTokenizer(report.vocabulary).tokenize("newest 高").shape[0] > 1


def test_bad_input_is_named(tmp_path):
    with pytest.raises(InputError, match="nowhere"):
        train_vocabulary([str(tmp_path / "nowhere.txt")], 50)
    path = tmp_path / "latin.txt"
    path.write_bytes("caf\xe9 au lait".encode("latin-1"))
    with pytest.raises(InputError, match=r"latin\.txt"):
        train_vocabulary([str(path)], 50)
    assert train_vocabulary([str(path)], 50, exact=False, errors="replace").found > 5
    path.write_text("few words", encoding="utf-8")
    with pytest.raises(InputError, match="only"):
        train_vocabulary([str(path)], 8000)
