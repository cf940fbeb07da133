"""The errors a person can do something about; a recipe prints them in one line and ends with their exit code."""


class InputError(ValueError):
    """Bad arguments or bad input: the message names the file, line or value and the way out. Exit code 2."""

    exit_code = 2


class RunError(RuntimeError):
    """What failed while running although the input was right, such as a full disk. Exit code 1."""

    exit_code = 1


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, after what was done has been saved; the message says how to go on. Exit code 130."""

    exit_code = 130
