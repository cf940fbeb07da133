import json

import pytest

from keras_mlm.errors import InputError
from keras_mlm.training.run_folder import RunFolder

SETTINGS = {"model": {"num_layers": 2}, "pretraining": {"learning_rate": 0.001, "steps": 10}, "data": {"tokens": 9}}


def test_an_unfinished_run_continues_and_a_finished_one_returns_its_figures(tmp_path):
    run = RunFolder(str(tmp_path / "model"))
    assert run.find(SETTINGS) is None
    assert not (tmp_path / "model").exists()
    run.begin(SETTINGS)
    assert run.find(SETTINGS) is None
    run.finish({"perplexity": 12.5})
    assert run.find(SETTINGS) is None  # the model itself is not there
    (tmp_path / "model" / "config.json").write_text("{}")
    assert run.find(SETTINGS) == {"perplexity": 12.5}


def test_other_settings_are_refused_with_the_difference(tmp_path):
    other = {**SETTINGS, "pretraining": {"learning_rate": 0.002, "minutes": 4.0}, "data": {"tokens": 12}}
    run = RunFolder(str(tmp_path))
    run.begin(SETTINGS)
    assert run.find(other) is None  # nothing has been learned yet
    (tmp_path / "run" / "checkpoints").mkdir()
    (tmp_path / "run" / "checkpoints" / "step-00000001.npz").touch()
    with pytest.raises(InputError) as caught:
        run.find(other)
    message = str(caught.value)
    for part in (
        "pretraining.learning_rate 0.001 (now 0.002)",
        "pretraining.steps 10 (now absent)",
        "pretraining.minutes absent (now 4.0)",
        "data.tokens 9 (now 12)",
        "another --output",
    ):
        assert part in message
    assert "num_layers" not in message and "\n" not in message


def test_versions_are_noted_and_do_not_count(tmp_path):
    run = RunFolder(str(tmp_path))
    run.begin(SETTINGS)
    path = tmp_path / "run" / "run.json"
    stored = json.loads(path.read_text())
    assert stored["format_version"] == 1 and stored["versions"]["keras"]
    (tmp_path / "config.json").touch()
    path.write_text(json.dumps({**stored, "versions": {"keras": "3.99"}}))
    assert run.find(SETTINGS) is None


def test_a_foreign_model_and_a_damaged_note_are_refused(tmp_path):
    run = RunFolder(str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match="holds a model that was not trained there"):
        run.find(SETTINGS)
    (tmp_path / "run").mkdir()
    for content in ("", "[]", "{}", '{"format_version": "x"}'):
        (tmp_path / "run" / "run.json").write_text(content)
        with pytest.raises(InputError, match="damaged"):
            run.find(SETTINGS)
    (tmp_path / "run" / "run.json").write_text('{"format_version": 99}')
    with pytest.raises(InputError, match="later version"):
        run.find(SETTINGS)
