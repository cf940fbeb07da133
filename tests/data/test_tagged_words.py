import gzip
import lzma

import pytest

from keras_mlm.data.tagged_words import read_tagged_words
from keras_mlm.errors import InputError


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return str(path)


def read(path, **columns):
    return [(sentence.lines, sentence.words, sentence.tags) for sentence in read_tagged_words(path, **columns)]


def test_a_word_a_line_and_a_blank_line_between_sentences(tmp_path):
    path = write(tmp_path / "a.tsv", '\nAda\tB-PER\nwrote\tO\r\n\n \t\n#\tO\n#x\tO\n"\tO')
    expected = [([2, 3], ["Ada", "wrote"], ["B-PER", "O"]), ([6, 7, 8], ["#", "#x", '"'], ["O"] * 3)]
    assert read(path) == expected
    for suffix, pack in ((".gz", gzip.compress), (".xz", lzma.compress)):
        packed = tmp_path / f"a.conll{suffix}"
        packed.write_bytes(pack((tmp_path / "a.tsv").read_bytes()))
        assert read(str(packed)) == expected


def test_columns_are_separated_by_spaces_where_the_first_line_has_no_tab(tmp_path):
    path = write(tmp_path / "a.txt", "-DOCSTART- -X- O\n\nEU  NNP I-ORG\n# NNP O\n\n-DOCSTART- -X- O\nof IN O\n")
    assert read(path, label="3") == [([3, 4], ["EU", "#"], ["I-ORG", "O"]), ([7], ["of"], ["O"])]


def test_columns_by_name(tmp_path):
    path = write(tmp_path / "a.tsv", "# a comment = 1\nid\tform\t2\nx\tAda\tPER\n\ny\tit\tO\n")
    assert read(path, word="form", label="2") == [([3], ["Ada"], ["PER"]), ([5], ["it"], ["O"])]
    with pytest.raises(InputError, match=r"a.tsv, line 2: no column 'tag' for the tag; there are id, form, 2"):
        read(path, word="form", label="tag")
    with pytest.raises(InputError, match=r"line 2: no column '4' for the tag; there are id, form, 2"):
        read(path, word="form", label="4")
    with pytest.raises(InputError, match=r"no column '9' for the tag; there are 1 to 2"):
        read(write(tmp_path / "b.tsv", "a\tb\n"), label="9")


def test_universal_dependencies_are_read_as_they_come(tmp_path):
    rest = "\t_" * 6
    lines = ["# text = I don't", f"1\tI\ti\tPRON{rest}", f"2-3\tdon't\t_\t_{rest}", f"2\tdo\tdo\tAUX{rest}"]
    lines += [f"3\tn't\tnot\tPART{rest}", f"3.1\tgo\tgo\tVERB{rest}", "", "# newpar", f"1\t1-2\t_\tNUM{rest}"]
    path = write(tmp_path / "a.conllu", "\n".join(lines) + "\n")
    assert read(path) == [([2, 4, 5], ["I", "do", "n't"], ["PRON", "AUX", "PART"]), ([9], ["1-2"], ["NUM"])]
    assert read(path, label="2")[0][2] == ["I", "do", "n't"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no sentences"),
        ("\n\n \n", "no sentences"),
        ("Ada\tB-PER\nwrote\n", "line 2: 1 columns where the first line has 2"),
        ("Ada\tB-PER\nwrote\tO\tx\n", "line 2: 3 columns where the first line has 2"),
        ("Ada\n", "line 1: no column '2' for the tag"),
        ("Ada\tO\n \tO\n", "line 2: the word is empty"),
        ("Ada\t\n", "line 1: the tag is empty"),
        ("Ada O\nit \u3000\n", "line 2: the tag is empty"),
    ],
)
def test_complaints_name_file_and_line(tmp_path, text, message):
    path = write(tmp_path / "bad.tsv", text)
    with pytest.raises(InputError, match=f"bad.tsv.*{message}"):
        read(path)


def test_a_file_that_is_not_there_or_no_text(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read(str(tmp_path / "absent.tsv"))
    (tmp_path / "bad.tsv").write_bytes(b"a\tO\n\xff\tO\n")
    with pytest.raises(InputError, match="not UTF-8 at byte 4"):
        read(str(tmp_path / "bad.tsv"))


def test_sentences_come_before_the_file_is_read_to_its_end(tmp_path):
    path = write(tmp_path / "a.tsv", "a\tO\n\n" * 400_000 + "bad\n")
    assert next(read_tagged_words(path)).words == ["a"]


def test_real_sets_are_read_whole(shared_data):
    for name, sentences, words in (("en_ner/btc/dev", 2000, 29476), ("zh_pos/gsd_v1_simp/train", 3997, 98608)):
        found = list(shared_data.glob(f"{name}.*"))
        if not found:
            pytest.skip(f"no {name} in the folder of real text")
        read_ = list(read_tagged_words(str(found[0])))
        assert (len(read_), sum(len(sentence.words) for sentence in read_)) == (sentences, words)
