import json

import pytest

from keras_mlm.baselines.cells import Cells
from keras_mlm.errors import InputError


def test_finished_cells_are_not_measured_again_after_a_stop(tmp_path):
    path, seen = str(tmp_path / "new" / "cells.json"), []

    def measure(name, seed):
        if len(seen) == 2:
            raise KeyboardInterrupt
        seen.append((name, seed))
        return {"accuracy": 0.5 + seed / 10, "MB": 2.0}

    wanted = [("svm", 0), ("cnn", 0), ("cnn", 1)]
    with pytest.raises(KeyboardInterrupt):
        Cells(path, {"train": "a"}).run(wanted, measure)
    cells = Cells(path, {"train": "a"})
    assert cells.cells == {"svm": {"0": {"accuracy": 0.5, "MB": 2.0}}, "cnn": {"0": {"accuracy": 0.5, "MB": 2.0}}}
    cells.run(wanted, lambda name, seed: {"accuracy": 0.6, "MB": 4.0})
    assert seen == [("svm", 0), ("cnn", 0)] and len(cells.cells["cnn"]) == 2
    lines = [line.split() for line in cells.table(["cnn"]).splitlines()]
    assert lines[0] == ["system", "accuracy", "±", "seeds", "MB"]
    assert lines[2] == ["cnn", "0.5500", "0.0707", "2", "3"] and lines[3] == ["svm", "0.5000", "1", "2"]


def test_a_file_of_other_settings_or_of_something_else_is_kept(tmp_path):
    path = tmp_path / "cells.json"
    Cells(str(path), {"train": "a"}).run([("svm", 0)], lambda *_: {"accuracy": 0.5})
    before = path.read_bytes()
    with pytest.raises(InputError, match="train"):
        Cells(str(path), {"train": "b"})
    assert path.read_bytes() == before
    path.write_text(json.dumps([1, 2]))
    with pytest.raises(InputError, match="no file of baselines"):
        Cells(str(path), {})
