import logging

import pytest

from keras_mlm.data import progress


@pytest.fixture
def informed(caplog):
    caplog.set_level(logging.INFO, logger="keras_mlm")


def test_lines_where_there_is_no_terminal(informed, monkeypatch, capsys):
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0.0)
    with progress.progress_bar("Reading", 3, "documents") as bar:
        for _ in range(3):
            bar.update()
    output = capsys.readouterr().err
    assert "\r" not in output
    assert "Reading" in output.splitlines()[0]
    assert "3.00/3.00" in output.splitlines()[-1]


def test_a_minute_of_silence(informed, capsys):
    with progress.progress_bar("Reading", None, "documents") as bar:
        bar.update()
    assert capsys.readouterr().err == ""


def test_the_library_is_quiet(caplog, monkeypatch, capsys):
    caplog.set_level(logging.WARNING, logger="keras_mlm")
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0.0)
    with progress.progress_bar("Reading", 3, "documents") as bar:
        bar.update(3)
    assert capsys.readouterr().err == ""
