"""Turns one typed, documented function into a command with help, quiet logs, one-line errors and exit codes."""

import errno
import logging
import os
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from keras_mlm.environment import check_environment, quiet_tensorflow
from keras_mlm.errors import InputError, Interrupted, RunError

logger = logging.getLogger("keras_mlm")


def run(function: Callable[..., Any], *, arguments: list[str] | None = None) -> NoReturn:
    """Parse the command line by the function's signature and docstring, call it, and exit.

    Every parameter of the function is an option `--name`; its type and its line under `Args:` make the help. The
    option `--verbose` shows TensorFlow's and debugging messages and tracebacks.

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
    from jsonargparse import ArgumentParser

    parser = ArgumentParser(
        prog=os.path.basename(sys.argv[0]), description=(function.__doc__ or "").split("\n\nArgs:")[0]
    )
    parser.add_function_arguments(function, as_group=False, as_positional=False)
    parser.add_argument("--verbose", action="store_true", help="Show TensorFlow's messages, debug logs and tracebacks.")
    options = vars(parser.parse_args(arguments))
    verbose = options.pop("verbose")
    if not verbose:
        quiet_tensorflow()
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logger.setLevel(logging.DEBUG if verbose else logging.INFO)
    sys.exit(_call(function, options, verbose))


def _call(function: Callable[..., Any], options: dict[str, Any], verbose: bool) -> int:
    try:
        check_environment()
        function(**options)
        return 0
    except (InputError, RunError) as error:
        failed, code = error, error.exit_code
    except Interrupted as error:
        failed, code = error, error.exit_code
    except KeyboardInterrupt as error:
        failed, code = error, Interrupted.exit_code
    except OSError as error:
        # A full disk, a missing permission: the operating system's own words and the path say what to do.
        failed, code = error, 1 if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO) else 2
    if verbose:
        logger.error("", exc_info=failed)
    message = " ".join(str(failed).split()) or "interrupted"
    sys.stderr.write(f"error: {message}\n" if code != Interrupted.exit_code else f"stopped: {message}\n")
    return code
