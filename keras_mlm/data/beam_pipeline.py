"""The splits of a corpus prepared by Apache Beam: on this machine, or on a cluster that sees the output's storage."""

import shlex
from collections.abc import Callable, Sequence
from typing import Any

from keras_mlm.errors import InputError


def run_on_beam(function: Callable[[Any], None], tasks: Sequence[Any], runner: str) -> None:
    """Call a function with each task, where a runner of Apache Beam says.

    Args:
        function: callable that can be pickled.
        tasks: sequence of what it takes.
        runner: str, such as `"DirectRunner"`, with the options of its own behind it, such as
            `"FlinkRunner --flink_master=host:8081"`.

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
        raise InputError(
            "--runner needs Apache Beam: pip install 'keras-mlm[beam]', in an environment of its own"
        ) from None
    name, *options = shlex.split(runner)
    try:
        made = create_runner(name)
    except (ValueError, ImportError, AttributeError) as error:
        raise InputError(f"--runner {name}: {error}") from None
    # The option, which means nothing to a pipeline without triggers, keeps DirectRunner from a program that it would
    # download.
    with beam.Pipeline(runner=made, options=PipelineOptions([*options, "--allow_unsafe_triggers"])) as pipeline:
        # Without the reshuffle a runner makes all tasks one bundle, for one worker.
        _ = pipeline | beam.Create(list(tasks)) | beam.Reshuffle() | beam.Map(function)
