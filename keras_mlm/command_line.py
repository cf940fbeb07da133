"""Turns one typed, documented function into a command with help, quiet logs, one-line errors and exit codes."""

import errno
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NoReturn

from keras_mlm.environment import (
    check_environment,
    keep_freed_memory,
    leave_out_unused_packages,
    quiet_tensorflow,
)
from keras_mlm.errors import InputError, Interrupted, RunError

logger = logging.getLogger("keras_mlm")

# What the operating system could not do although the arguments were right.
_RUN_TIME = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ENOMEM)


def run(function: Callable[..., Any], *, arguments: list[str] | None = None, backend: str = "tensorflow") -> NoReturn:
    """Parse the command line by the function's signature and docstring, call it, and exit.

    Every keyword-only parameter of the function is an option `--name`, a list takes several values, a bool is a
    switch, and parameters before the `*` are positional; types and lines under `Args:` make the help. The option
    `--verbose` shows TensorFlow's and debugging messages and tracebacks.

    Args:
        function: callable whose parameters have types and whose docstring has `Args:`.
        arguments: list of str instead of the process's own. Defaults to `None`.
        backend: str, the Keras backend the function needs. Defaults to `"tensorflow"`.

    Raises:
        SystemExit: always; 0 after success, 2 for bad arguments or input, 1 for what failed at run time, 130 after
            Ctrl-C.

    Example:
        ```python
        if __name__ == "__main__":
            command_line.run(fill_mask)
        ```
    """
    import cyclopts

    app = cyclopts.App(
        name=Path(sys.argv[0]).name,
        version_flags=[],
        help_format="plaintext",
        result_action="return_value",
        default_parameter=cyclopts.Parameter(consume_multiple=True, negative=()),
    )
    app.default(function)
    verbose_help = cyclopts.Parameter(help="Show TensorFlow's messages, debug logs and tracebacks.")

    @app.meta.default
    def command(
        *tokens: Annotated[str, cyclopts.Parameter(show=False, allow_leading_hyphen=True)],
        verbose: Annotated[bool, verbose_help] = False,
    ) -> int:
        if not verbose:
            quiet_tensorflow()
        tokens = _with_lone_hyphens(tokens)
        logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
        logger.setLevel(logging.DEBUG if verbose else logging.INFO)
        call, bound, _ = app.parse_args(tokens, print_error=False, exit_on_error=False)
        if call is not function:
            call(*bound.args, **bound.kwargs)  # --help, which needs no working environment
            return 0
        return _call(call, bound.args, bound.kwargs, verbose, backend)

    try:
        code = app.meta(arguments, print_error=False, exit_on_error=False)
    except cyclopts.CycloptsError as error:
        sys.stderr.write(f"error: {_one_line(error)} (--help lists the options)\n")
        code = InputError.exit_code
    sys.exit(code)


def _with_lone_hyphens(tokens: tuple[str, ...]) -> tuple[str, ...]:
    """Return the arguments with every `-`, which is standard input, as a value: the parser takes it for an option."""
    given: list[str] = []
    option = ""
    for place, token in enumerate(tokens):
        if token == "--":
            given += tokens[place:]
            break
        if token == "-" and option:
            if given[-1] == option:
                given.pop()
            token = f"{option}=-"
        elif token.startswith("--"):
            option = token.partition("=")[0]
        given.append(token)
    return tuple(given)


def _call(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], verbose: bool, backend: str
) -> int:
    failed: BaseException
    try:
        check_environment(backend)
        keep_freed_memory()
        if backend == "tensorflow":
            leave_out_unused_packages()
        function(*args, **kwargs)
        sys.stdout.flush()
        return 0
    except (InputError, RunError, Interrupted) as error:
        failed, code = error, error.exit_code
    except KeyboardInterrupt as error:
        failed, code = error, Interrupted.exit_code
    except BrokenPipeError:
        # `recipe | head`: nobody reads on, and Python must not complain about it once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return RunError.exit_code
    except Exception as error:
        exit_code = _exit_code(error)
        if exit_code is None:
            raise  # a defect: its traceback is what the report needs
        failed, code = error, exit_code
    if verbose:
        logger.error("", exc_info=failed)
    if code == Interrupted.exit_code:
        sys.stderr.write(f"stopped: {_one_line(failed) or 'interrupted'}\n")
    else:
        sys.stderr.write(f"error: {_one_line(failed) or type(failed).__name__}\n")
    return code


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())


def _exit_code(error: Exception) -> int | None:
    """Return the code of an error of files, disk or memory, whose own words and path say what to do; else `None`."""
    if isinstance(error, MemoryError):
        return RunError.exit_code
    if isinstance(error, OSError):
        return RunError.exit_code if error.errno in _RUN_TIME else InputError.exit_code
    # TensorFlow's errors by name: importing it takes seconds, and it may not be what failed.
    names = {cls.__name__ for cls in type(error).__mro__ if cls.__module__.startswith("tensorflow.")}
    if "ResourceExhaustedError" in names:
        return RunError.exit_code
    return InputError.exit_code if names & {"NotFoundError", "PermissionDeniedError"} else None
