"""Turns one typed, documented function into a command with help, quiet logs, one-line errors and exit codes."""

import argparse
import difflib
import errno
import inspect
import logging
import os
import re
import sys
import textwrap
import types
import typing
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from keras_mlm.environment import check_environment, quiet_tensorflow
from keras_mlm.errors import InputError, Interrupted, RunError

logger = logging.getLogger("keras_mlm")

# The operating system's errors that come from the machine and not from what was asked for.
_MACHINE_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EIO)


def run(
    function: Callable[..., Any], *, positional: Sequence[str] = (), arguments: Sequence[str] | None = None
) -> NoReturn:
    """Parse the command line by the function's signature and docstring, call it, and exit.

    A parameter `batch_size: int = 64` is the option `--batch-size`, one without default is required, `list[str]` takes
    several values, `bool` is a switch (`--no-...` where the default is true) and `Literal` a choice. The line under
    `Args:` is its help. `--verbose` shows TensorFlow's and debugging messages and tracebacks.

    Args:
        function: callable whose parameters are `str`, `int`, `float`, `bool`, `Literal` or `list` of these, or one of
            them `| None`, and whose docstring has `Args:`.
        positional: names of parameters that are given without `--name`. Defaults to none.
        arguments: list of str instead of the process's own. Defaults to `None`.

    Raises:
        SystemExit: always; 0 after success, 2 for bad arguments or input, 1 for what failed at run time, 130 after
            Ctrl-C.

    Example:
        ```python
        if __name__ == "__main__":
            command_line.run(fill_mask, positional=("text",))
        ```
    """
    options = vars(_build_parser(function, positional).parse_args(arguments))
    verbose = options.pop("verbose")
    if not verbose:
        quiet_tensorflow()
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logger.setLevel(logging.DEBUG if verbose else logging.INFO)
    sys.exit(_call(function, options, verbose))


class _Parser(argparse.ArgumentParser):
    """An argument parser whose every complaint is one line that says how to go on."""

    def error(self, message: str) -> NoReturn:
        prefix = "unrecognized arguments: "
        if message.startswith(prefix):
            first = message.removeprefix(prefix).split()[0]
            options = [option for option in self._option_string_actions if option.startswith("--")]
            near = difflib.get_close_matches(first.split("=")[0].replace("_", "-"), options, n=1)
            message = f"unknown argument {first!r}" + (f", did you mean {near[0]}?" if near else "")
        self.exit(2, f"error: {' '.join(message.split())} ({self.prog} --help lists the options)\n")


def _build_parser(function: Callable[..., Any], positional: Sequence[str]) -> argparse.ArgumentParser:
    purpose, helps, example = _read_docstring(function)
    parser = _Parser(
        prog=Path(sys.argv[0]).name,
        description=purpose,
        epilog=f"example:\n{textwrap.indent(example, '  ')}" if example else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,  # an abbreviation would change its meaning when an option is added
    )
    hints = typing.get_type_hints(function)
    for name, parameter in inspect.signature(function).parameters.items():
        settings = _argument_settings(hints[name], name)
        settings["help"] = helps.get(name, "").replace("%", "%%")
        required = parameter.default is parameter.empty
        if not required:
            settings["default"] = parameter.default
            if settings.get("action") is argparse.BooleanOptionalAction and parameter.default is False:
                settings["action"] = "store_true"
        if name in positional:
            settings.pop("metavar", None)
            if not required:
                settings["nargs"] = "*" if settings.get("nargs") else "?"
            parser.add_argument(name, **settings)
        else:
            if required:
                settings["help"] = f"{settings['help']} Required.".lstrip()
            parser.add_argument(f"--{name.replace('_', '-')}", required=required, **settings)
    parser.add_argument("--verbose", action="store_true", help="Show TensorFlow's messages, debug logs and tracebacks.")
    return parser


def _argument_settings(hint: Any, name: str) -> dict[str, Any]:
    """Return argparse's words for a type hint."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        inner = [one for one in typing.get_args(hint) if one is not type(None)]
        if len(inner) == 1:
            return _argument_settings(inner[0], name)
    if typing.get_origin(hint) is list:
        return {**_argument_settings(typing.get_args(hint)[0], name), "nargs": "+"}
    if typing.get_origin(hint) is typing.Literal:
        return {"choices": typing.get_args(hint), "type": type(typing.get_args(hint)[0])}
    if hint is bool:
        return {"action": argparse.BooleanOptionalAction}
    if hint in (str, int, float):
        return {"type": hint, "metavar": {str: "TEXT", int: "N", float: "X"}[hint]}
    raise TypeError(f"parameter {name}: {hint} cannot be a command-line option")


def _read_docstring(function: Callable[..., Any]) -> tuple[str, dict[str, str], str]:
    """Return what the function does, the help of each parameter, and the example, without backquotes and fences."""
    text = re.sub(r"^\s*```.*\n?", "", inspect.getdoc(function) or "", flags=re.MULTILINE).replace("`", "")
    heads = r"^(Args|Returns|Raises|Example|References):\n"
    purpose, *rest = re.split(heads, text, flags=re.MULTILINE)
    sections = {head: textwrap.dedent(body) for head, body in zip(rest[::2], rest[1::2], strict=True)}
    entries = re.findall(r"^(\w+): (.*(?:\n[ \t]+.*)*)", sections.get("Args", ""), flags=re.MULTILINE)
    helps = {name: " ".join(text.split()) for name, text in entries}
    return purpose.strip(), helps, sections.get("Example", "").strip()


def _call(function: Callable[..., Any], options: dict[str, Any], verbose: bool) -> int:
    failed: BaseException
    try:
        check_environment()
        function(**options)
        sys.stdout.flush()
        return 0
    except (InputError, RunError, Interrupted) as error:
        failed, code = error, error.exit_code
    except KeyboardInterrupt as error:
        failed, code = error, Interrupted.exit_code
    except BrokenPipeError:
        # `recipe | head`: nobody reads on. Python must not complain about it once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except MemoryError as error:
        failed, code = error, RunError.exit_code
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
    if isinstance(error, OSError):
        return RunError.exit_code if error.errno in _MACHINE_ERRORS else InputError.exit_code
    # TensorFlow's errors by name: importing it takes seconds, and it may not be what failed.
    names = {cls.__name__ for cls in type(error).__mro__ if cls.__module__.startswith("tensorflow.")}
    if "ResourceExhaustedError" in names:
        return RunError.exit_code
    return InputError.exit_code if names & {"NotFoundError", "PermissionDeniedError"} else None
