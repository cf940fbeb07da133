"""Turns one typed, documented function into a command with help, quiet logs, one-line errors and exit codes."""

import errno
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NoReturn

from keras_mlm.environment import check_environment, quiet_tensorflow
from keras_mlm.errors import InputError, Interrupted, RunError

logger = logging.getLogger("keras_mlm")

# What the operating system could not do although the arguments were right.
_RUN_TIME = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ENOMEM)


def run(function: Callable[..., Any], *, arguments: list[str] | None = None) -> NoReturn:
    """Parse the command line by the function's signature and docstring, call it, and exit.

    Every keyword-only parameter of the function is an option `--name`, a list takes several values, a bool is a
    switch, and parameters before the `*` are positional; types and lines under `Args:` make the help. The option
    `--verbose` shows TensorFlow's and debugging messages and tracebacks.

    Args:
        function: callable whose parameters have types and whose docstring has `Args:`.
        arguments: list of str instead of the process's own. Defaults to `None`.

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
        logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
        logger.setLevel(logging.DEBUG if verbose else logging.INFO)
        call, bound, _ = app.parse_args(tokens, print_error=False, exit_on_error=False)
        if call is not function:
            call(*bound.args, **bound.kwargs)  # --help, which needs no working environment
            return 0
        return _call(call, bound.args, bound.kwargs, verbose)

    try:
        code = app.meta(arguments, print_error=False, exit_on_error=False)
    except cyclopts.CycloptsError as error:
        sys.stderr.write(f"error: {_one_line(error)} (--help lists the options)\n")
        code = InputError.exit_code
    sys.exit(code)


def _call(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], verbose: bool) -> int:
    failed: BaseException
    try:
        check_environment()
        function(*args, **kwargs)
        return 0
    except (InputError, RunError, Interrupted) as error:
        failed, code = error, error.exit_code
    except KeyboardInterrupt as error:
        failed, code = error, Interrupted.exit_code
    except OSError as error:
        # The operating system's own words and the path say what to do.
        failed, code = error, RunError.exit_code if error.errno in _RUN_TIME else InputError.exit_code
    if verbose:
        logger.error("", exc_info=failed)
    word = "stopped" if code == Interrupted.exit_code else "error"
    sys.stderr.write(f"{word}: {_one_line(failed) or 'interrupted'}\n")
    return code


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
