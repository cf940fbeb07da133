"""What several workers decide together, once a step: the time, and whether to stop."""

import contextlib
import re
import time
from collections.abc import Iterator
from typing import Any

from keras_mlm.errors import RunError
from keras_mlm.training.distribution import is_chief, several_workers


class Workers:
    """The processes that train one model; with one process, a plain clock and flag.

    Anything that depends on a clock or on a signal must be the same on all workers, or their learning rates differ and
    some of them wait for ever for those that have stopped. So the chief's clock is everybody's, and what one worker is
    asked to do all do after the same step.

    Args:
        strategy: the `tf.distribute` strategy of the model. Defaults to `None`, one process.

    Attributes:
        is_chief: bool, whether this process writes.
        stopping: bool, set it to ask all workers to stop.
        stop: bool, whether any of them has asked for it before the last `agree`.

    Example:
        ```python
        workers = Workers(strategy)
        budget = TrainingBudget(minutes=60, learning_rate=1e-3, workers=workers)
        ```
    """

    def __init__(self, strategy: Any = None) -> None:
        self._strategy: Any = strategy if strategy is not None and several_workers(strategy) else None
        self.is_chief = self._strategy is None or is_chief(strategy)
        self.stopping = False
        self.stop = False
        self._now = 0.0
        self._sum: Any = None

    def agree(self) -> None:
        """Exchange the time and the wish to stop; every worker must call it equally often."""
        self._now, stop = self.total([time.monotonic() if self.is_chief else 0.0, float(self.stopping)])
        self.stop = stop > 0

    def must_match(self, value: int, what: str) -> None:
        """Check that all workers have the same number.

        Args:
            value: int, this worker's.
            what: str, what it is of, for the message.

        Raises:
            RunError: on all workers, if they have not.
        """
        total, count, squares = self.total([float(value), 1.0, float(value) ** 2])
        if squares * count != total**2:
            raise RunError(f"the workers do not see {what}: --data and --output must be on storage that all share")

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Turn what TensorFlow says when another worker is gone into a `RunError` that says how to go on."""
        if self._strategy is None:
            yield
            return
        import tensorflow as tf

        try:
            yield
        except (tf.errors.UnavailableError, tf.errors.InternalError, tf.errors.AbortedError,
                tf.errors.DeadlineExceededError, tf.errors.CancelledError) as error:  # fmt: skip
            who = sorted(set(re.findall(r"/job:(\w+)/(?:replica:0/)?task:(\d+)", error.message)))
            names = ", ".join(f"{job} {index} at {self._address(job, int(index))}" for job, index in who)
            raise RunError(
                f"another worker is lost, so this one ends too (TensorFlow names {names or 'nobody'}): start the same "
                "command on all workers again, it continues from the last checkpoint"
            ) from error

    def _address(self, job: str, index: int) -> str:
        return str(self._strategy.cluster_resolver.cluster_spec().task_address(job, index))

    def now(self) -> float:
        """Return the time in seconds, with several workers the chief's at the last `agree`."""
        return time.monotonic() if self._strategy is None else self._now

    def total(self, values: list[float]) -> list[float]:
        """Return the sums over all workers; every worker must call it with as many values.

        Args:
            values: list of float, this worker's.

        Returns:
            List of float, as many.
        """
        if self._strategy is None:
            return values
        import tensorflow as tf

        strategy = self._strategy
        if self._sum is None:

            @tf.function(autograph=False, input_signature=[tf.TensorSpec([None], tf.float64)])
            def add_up(part: Any) -> Any:
                context = tf.distribute.get_replica_context
                reduce = lambda: context().all_reduce(tf.distribute.ReduceOp.SUM, tf.identity(part))
                return strategy.run(reduce)

            self._sum = add_up
        local = len(strategy.extended.worker_devices)
        result = strategy.experimental_local_results(self._sum(tf.constant(values, tf.float64)))[0]
        return [value / local for value in result.numpy().tolist()]
