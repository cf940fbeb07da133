import json

import pytest
import tensorflow as tf

from keras_mlm.errors import InputError
from keras_mlm.visualize.training_curves_figure import training_curves_figure


@pytest.fixture
def folder(tmp_path):
    """An interrupted run, as far as its curves are concerned."""
    folder = tmp_path / "news"
    (folder / "run").mkdir(parents=True)
    (folder / "run/run.json").write_text(json.dumps({"model": {"hidden_dim": 8}, "pretraining": {"steps": 1000}}))
    return folder


def write_curves(folder, curves, name):
    writer = tf.summary.create_file_writer(str(folder / "run/logs" / name))
    with writer.as_default():
        for tag, points in curves.items():
            for step, value in points:
                tf.summary.scalar(tag, value, step=step)
    writer.close()


def test_the_curves_are_those_of_the_event_files(folder):
    loss = [(20 * n, 9 / n) for n in range(1, 31)]
    write_curves(folder, {"step_loss": loss, "gradient_norm": [(20, 1.5), (40, 0.5)]}, "train")
    write_curves(folder, {"loss": [(300, 4.5), (600, 3.25)]}, "held_out")
    for given in (str(folder), str(folder / "run") + "/"):
        figure = training_curves_figure(given)
        charts = {axes.get_title(): axes for axes in figure.axes if axes.get_visible()}
        assert list(charts) == ["Loss", "Gradient norm, before clipping"]
        single, smooth, held_out = charts["Loss"].lines
        assert list(zip(*single.get_data(), strict=True)) == [(x, pytest.approx(y)) for x, y in loss]
        assert single.get_alpha() < smooth.get_alpha()
        assert list(held_out.get_data()[0]) == [300, 600] and list(held_out.get_data()[1]) == [4.5, 3.25]
        assert [text.get_text() for text in charts["Loss"].get_legend().get_texts()] == ["training", "held-out"]
        assert charts["Gradient norm, before clipping"].get_yscale() == "log"
    figure.savefig(folder / "curves.png")
    assert (folder / "curves.png").stat().st_size > 5_000


def test_no_run_and_no_curves_are_said(folder, tmp_path):
    with pytest.raises(InputError, match="no curves yet"):
        training_curves_figure(str(folder))
    with pytest.raises(InputError, match="no model folder"):
        training_curves_figure(str(tmp_path / "absent"))
