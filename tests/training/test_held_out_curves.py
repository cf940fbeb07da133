from types import SimpleNamespace

import pytest

from keras_mlm.report.scalar_log import read_scalars
from keras_mlm.training.held_out_curves import HeldOutCurves
from keras_mlm.training.workers import Workers


@pytest.fixture
def budget():
    return SimpleNamespace(step=0, workers=Workers())


def test_what_other_callbacks_measured_is_written_over_steps(tmp_path, budget):
    curves = HeldOutCurves(str(tmp_path), budget)
    curves.on_train_begin()
    for epoch, loss in enumerate((3.0, 2.5)):
        budget.step += 7
        curves.on_epoch_end(epoch, {"loss": 9.0, "val_loss": loss})
    curves.on_train_end()
    assert read_scalars(str(tmp_path / "held_out")) == {"loss": [(7, 3.0), (14, 2.5)]}


def test_it_measures_where_enough_steps_have_passed_and_tells_the_log(tmp_path, budget):
    calls = []
    curves = HeldOutCurves(str(tmp_path), budget, lambda: calls.append(budget.step) or {"loss": 1.5}, every_steps=100)
    budget.step = 150  # a run that goes on
    curves.on_train_begin()
    for step in (200, 250, 300, 350):
        budget.step = step
        logs = {}
        curves.on_epoch_end(0, logs)
        assert logs == ({"val_loss": 1.5} if step in (250, 350) else {})
    curves.on_train_end()
    assert calls == [250, 350]
    assert read_scalars(str(tmp_path / "held_out")) == {"loss": [(250, 1.5), (350, 1.5)]}


def test_only_the_chief_writes_and_a_full_disk_does_not_stop_training(tmp_path, budget, caplog):
    budget.workers = SimpleNamespace(is_chief=False)
    curves = HeldOutCurves(str(tmp_path / "other"), budget)
    curves.on_train_begin()
    curves.on_epoch_end(0, {"val_loss": 1.0})
    assert not (tmp_path / "other").exists()

    (tmp_path / "file").write_text("no folder")
    curves = HeldOutCurves(str(tmp_path / "file"), SimpleNamespace(step=3, workers=Workers()))
    curves.on_train_begin()
    curves.on_epoch_end(0, {"val_loss": 1.0})
    assert "of step 3 are not written" in caplog.text
