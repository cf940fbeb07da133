import time

import pytest
import tensorflow as tf

from keras_mlm.errors import RunError
from keras_mlm.training.workers import Workers


def test_one_process_has_its_own_clock_and_stops_when_it_is_asked():
    workers = Workers(tf.distribute.get_strategy())
    assert workers.is_chief and abs(workers.now() - time.monotonic()) < 1
    workers.agree()
    assert not workers.stop
    workers.stopping = True
    workers.agree()
    assert workers.stop and workers.total([1.0, 2.0]) == [1.0, 2.0]


def test_other_numbers_on_other_workers_are_an_error(monkeypatch):
    workers = Workers()
    workers.must_match(7, "the same checkpoint")
    # Two workers, at steps 7 and 8.
    monkeypatch.setattr(workers, "total", lambda values: [15.0, 2.0, 7.0**2 + 8.0**2])
    with pytest.raises(RunError, match=r"do not see the same checkpoint: .* storage that all share"):
        workers.must_match(7, "the same checkpoint")


def test_a_lost_worker_is_named_with_its_address():
    cluster = tf.train.ClusterSpec({"worker": ["a:1", "b:2"]})
    workers = Workers()
    workers._strategy = type("", (), {"cluster_resolver": type("", (), {"cluster_spec": lambda self: cluster})()})()
    with (
        pytest.raises(RunError, match=r"names worker 1 at b:2.*the same command on all workers again"),
        workers.together(),
    ):
        raise tf.errors.UnavailableError(None, None, "unhealthy:\n/job:worker/replica:0/task:1\ncrashed")
    with pytest.raises(ZeroDivisionError), workers.together():
        _ = 1 / 0
