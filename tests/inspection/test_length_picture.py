import pytest
from small_corpus import write_records

from keras_mlm.inspection.corpus_inspection import CorpusInspection
from keras_mlm.inspection.inspection_text import inspection_text
from keras_mlm.inspection.length_picture import save_length_picture


@pytest.mark.parametrize(
    "training", [[[[7]], [[7]]], [[[7, 8, 9] * 30, [9] * 5], [[8, 8], [9, 1, 7]]]], ids=["one token", "usual"]
)
def test_a_picture_of_any_corpus(training, tmp_path):
    pytest.importorskip("matplotlib")
    folder = tmp_path / "语料"
    folder.mkdir()
    inspection = CorpusInspection.read(write_records(folder, {"training": training, "validation": []}), lengths=(16,))
    save_length_picture(str(tmp_path / "picture.png"), inspection)
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
    assert ("No sentence pairs" in inspection_text(inspection)) == (len(training[0]) == 1)
