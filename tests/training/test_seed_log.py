import pytest

from keras_mlm.training.run_folder import RunFolder
from keras_mlm.training.seed_log import SeedLog


def test_it_goes_on_where_it_was_and_gives_means(tmp_path):
    run = RunFolder(str(tmp_path))
    log = SeedLog(run, "dev_accuracy")
    assert log.figures == [] and log.is_best({"dev_accuracy": 0.0})
    log.add({"dev_accuracy": 0.8, "epochs": 3.0})
    assert log.means() == {"dev_accuracy": 0.8, "epochs": 3.0}
    again = SeedLog(run, "dev_accuracy")
    assert again.figures == log.figures
    assert not again.is_best({"dev_accuracy": 0.8}) and again.is_best({"dev_accuracy": 0.81})
    again.add({"dev_accuracy": 0.9, "epochs": 5.0})
    means = SeedLog(run, "dev_accuracy").means()
    assert means["dev_accuracy"] == pytest.approx(0.85) and means["epochs"] == 4.0
    assert means["dev_accuracy_deviation"] == pytest.approx(0.1 / 2**0.5)
