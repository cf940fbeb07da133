import pytest
from small_corpus import write_records

from keras_mlm.inspection.corpus_inspection import CorpusInspection
from keras_mlm.inspection.inspection_text import inspection_text
from keras_mlm.inspection.length_picture import save_length_picture


def test_a_picture_of_the_smallest_corpus(tmp_path):
    pytest.importorskip("matplotlib")
    folder = tmp_path / "语料"
    folder.mkdir()
    inspection = CorpusInspection.read(
        write_records(folder, {"training": [[[7]], [[7]]], "validation": []}), lengths=(16,)
    )
    save_length_picture(str(tmp_path / "picture.png"), inspection)
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
    assert "No sentence pairs" in inspection_text(inspection)
