"""The splits of a corpus prepared by Apache Beam: on this machine, or on a cluster that sees the output's storage."""

from collections.abc import Callable, Sequence
from typing import Any

from keras_mlm.errors import InputError


def run_on_beam(function: Callable[[Any], None], tasks: Sequence[Any], runner: str) -> None:
    """Call a function with each task, where a runner of Apache Beam says.

    Args:
        function: callable that can be pickled.
        tasks: sequence of what it takes.
        runner: str, such as `"DirectRunner"`. What it needs besides, such as a project or the address of a cluster, is
            taken from the command line, as Beam does it.

    Raises:
        InputError: Beam is not installed, or knows no such runner.

    Example:
        ```python
        run_on_beam(SplitPreparer("gs://corpora/news/.partial", None), tasks, "DirectRunner")
        ```

    References:
        * [Apache Beam's Python SDK](https://beam.apache.org/documentation/sdks/python/)
    """
    try:
        import apache_beam as beam
        from apache_beam.options.pipeline_options import PipelineOptions
        from apache_beam.runners import create_runner
    except ImportError:
        raise InputError("--runner needs Apache Beam: pip install 'keras-mlm[beam]'") from None
    try:
        made = create_runner(runner)
    except (ValueError, ImportError, AttributeError) as error:
        raise InputError(f"--runner {runner}: {error}") from None
    with beam.Pipeline(runner=made, options=PipelineOptions([])) as pipeline:
        # Without the reshuffle a runner makes all tasks one bundle, for one worker.
        _ = pipeline | beam.Create(list(tasks)) | beam.Reshuffle() | beam.Map(function)
