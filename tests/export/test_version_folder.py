"""Numbers are counted up, nothing is overwritten, nothing is left half-written."""

import pytest
import tensorflow as tf

from keras_mlm.errors import InputError, RunError
from keras_mlm.export.version_folder import numbered, versions, written_aside


def write(path):
    with written_aside(path) as aside, open(f"{aside}/saved_model.pb", "wb") as file:
        file.write(b"whole")


def test_numbers_are_counted_up_and_never_overwritten(tmp_path):
    folder = str(tmp_path / "model")
    assert numbered(folder, None) == f"{folder}/1"
    write(numbered(folder, None))
    write(numbered(folder, 7))
    (tmp_path / "model" / "run").mkdir()
    assert numbered(folder, None) == f"{folder}/8"
    with pytest.raises(InputError, match="7 exists"):
        numbered(folder, 7)
    assert versions(folder) == [1, 7]
    assert (tmp_path / "model" / "7" / "saved_model.pb").read_bytes() == b"whole"


def test_a_failed_export_leaves_nothing(tmp_path):
    for error in (tf.errors.ResourceExhaustedError(None, None, "No space left"), OSError("No space left")):
        with pytest.raises(RunError, match="No space left"), written_aside(str(tmp_path / "1")) as aside:
            (tmp_path / aside / "saved_model.pb").write_bytes(b"half")
            raise error
        assert list(tmp_path.iterdir()) == []


def test_ctrl_c_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), written_aside(str(tmp_path / "1")):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
