import os
import re
import signal
import subprocess
import sys
import time
from typing import Literal

import pytest

from keras_mlm import command_line
from keras_mlm.errors import InputError, Interrupted, RunError

seen: dict = {}


def recipe(
    text: list[str],
    /,
    *,
    output: str,
    vocabulary_size: int | None = None,
    style: Literal["classic", "short_budget"] = "classic",
    minutes: float = 4,
    fresh: bool = False,
    exclude: list[str] | None = None,
) -> None:
    """Do a thing with text.

    Args:
        text: list of str, files or folders.
        output: str, the folder to write.
        vocabulary_size: int, how many tokens. Defaults to `None`.
        style: str, which kind.
        minutes: float, 50 % of them or more.
        fresh: bool, whether to begin again.
        exclude: list of str, files left out.
    """
    seen.update(locals())


def run(function, *arguments: str) -> int:
    seen.clear()
    with pytest.raises(SystemExit) as ended:
        command_line.run(function, arguments=list(arguments))
    return ended.value.code or 0


def test_options_arrive_with_their_types():
    code = run(recipe, "a.txt", "b/", "--output", "x", "--vocabulary-size", "300", "--minutes", "0.5", "--fresh",
               "--exclude", "c", "d", "--style", "short_budget")  # fmt: skip
    assert code == 0
    assert seen == {"text": ["a.txt", "b/"], "output": "x", "vocabulary_size": 300, "style": "short_budget",
                    "minutes": 0.5, "fresh": True, "exclude": ["c", "d"]}  # fmt: skip


@pytest.mark.parametrize(
    ("given", "text", "exclude"),
    [
        (["a", "--output", "x", "--exclude", "-"], ["a"], ["-"]),
        (["a", "--exclude", "-", "b", "--output", "x"], ["a"], ["-", "b"]),
        (["a", "--exclude", "b", "-", "c", "--output", "x"], ["a"], ["b", "-", "c"]),
        (["a", "--verbose", "--exclude", "b", "-", "--output", "x"], ["a"], ["b", "-"]),
        (["--output", "x", "--exclude", "b", "--", "-"], ["-"], ["b"]),
    ],
)
def test_a_lone_hyphen_is_a_value(given, text, exclude):
    assert run(recipe, *given) == 0
    assert (seen["text"], seen["exclude"], seen["output"]) == (text, exclude, "x")


def test_defaults_are_the_functions_own():
    assert run(recipe, "a", "--output", "x", "--verbose") == 0
    assert seen == {"text": ["a"], "output": "x", "vocabulary_size": None, "style": "classic", "minutes": 4,
                    "fresh": False, "exclude": None}  # fmt: skip


def test_text_with_brackets_and_spaces_arrives_unchanged():
    assert run(recipe, "Paris is the [MASK] of France .", "--output", "[x]") == 0
    assert seen["text"] == ["Paris is the [MASK] of France ."] and seen["output"] == "[x]"


def test_help_names_every_option_and_what_it_means(capsys):
    assert run(recipe, "--help") == 0
    told = capsys.readouterr().out
    assert "Do a thing with text." in told
    for words in ("--output", "the folder to write", "--vocabulary-size", "how many tokens", "short_budget",
                  "50 % of them", "--fresh", "--exclude", "--verbose", "files or folders"):  # fmt: skip
        assert words in told, words
    assert not seen, "help calls nothing"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a"], "--output"),
        (["a", "--output"], "--output"),
        (["a", "--output", "x", "--vocabulary-sze", "3"], "--vocabulary-size"),
        (["a", "--output", "x", "--vocabulary-size", "many"], "many"),
        (["a", "--output", "x", "--minutes", "long"], "long"),
        (["a", "--output", "x", "--style", "modrn"], "short_budget"),
        (["--output", "x"], "TEXT"),
    ],
)
def test_a_wrong_command_is_one_line_and_calls_nothing(arguments, words, capsys):
    assert run(recipe, *arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and not seen
    assert re.fullmatch(r"error: [^\n]+ \(--help lists the options\)\n", err) and words in err


class ResourceExhaustedError(Exception):
    """Looks like TensorFlow's."""

    __module__ = "tensorflow.python.framework.errors_impl"


class NotFoundError(Exception):
    """Looks like TensorFlow's."""

    __module__ = "tensorflow.python.framework.errors_impl"


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (InputError("a.txt: line 3\n  is empty"), 2, "error: a.txt: line 3 is empty\n"),
        (RunError("the disk is full"), 1, "error: the disk is full\n"),
        (Interrupted("go on with X"), 130, "stopped: go on with X\n"),
        (KeyboardInterrupt(), 130, "stopped: interrupted\n"),
        (FileNotFoundError(2, "No such file or directory", "a.txt"), 2, "error: [Errno 2] No such file or directory: 'a.txt'\n"),  # noqa: E501
        (OSError(28, "No space left on device", "x"), 1, "error: [Errno 28] No space left on device: 'x'\n"),
        (ResourceExhaustedError("x; No space left on device"), 1, "error: x; No space left on device\n"),
        (NotFoundError("a; No such file"), 2, "error: a; No such file\n"),
        (MemoryError(), 1, "error: MemoryError\n"),
    ],
)  # fmt: skip
def test_each_error_has_its_line_and_its_exit_code(error, code, line, capsys):
    def failing() -> None:
        """Fail."""
        raise error

    assert run(failing) == code
    assert capsys.readouterr().err == line


def test_a_defect_keeps_its_traceback():
    def defective() -> None:
        """Fail."""
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        command_line.run(defective, arguments=[])


def test_verbose_shows_where_it_failed(caplog):
    def failing() -> None:
        """Fail."""
        raise InputError("no")

    assert run(failing, "--verbose") == 2
    assert "Traceback" in caplog.text or any(record.exc_info for record in caplog.records)


def test_a_bad_environment_is_told_before_anything_runs(monkeypatch, capsys):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    assert run(recipe, "a", "--output", "x") == 2
    assert "export KERAS_BACKEND=tensorflow" in capsys.readouterr().err and not seen


SCRIPT = '''
import sys, time
from keras_mlm import command_line

def wait(*, seconds: float = 60) -> None:
    """Wait.

    Args:
        seconds: float, how long.
    """
    for _ in range(20000):
        print("ready")
    sys.stdout.flush()
    time.sleep(seconds)

command_line.run(wait)
'''


def start(tmp_path, *arguments: str) -> subprocess.Popen:
    script = tmp_path / "wait.py"
    script.write_text(SCRIPT)
    return subprocess.Popen(
        [sys.executable, str(script), *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_control_c_ends_with_130_and_one_line(tmp_path):
    process = start(tmp_path)
    for _ in range(20000):
        process.stdout.readline()
    time.sleep(0.1)
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(20) == 130
    assert process.stderr.read().startswith("stopped: ")


def test_a_closed_pipe_is_no_traceback(tmp_path):
    process = start(tmp_path, "--seconds", "0")
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(20) == 1
    assert process.stderr.read() == ""


def test_help_is_instant(tmp_path):
    script = tmp_path / "wait.py"
    script.write_text(SCRIPT + "\n")
    begun = time.perf_counter()
    done = subprocess.run([sys.executable, "-X", "importtime", str(script), "--help"], capture_output=True, text=True,
                          check=True, timeout=60)  # fmt: skip
    assert time.perf_counter() - begun < 5
    assert not re.search(r"\| +(tensorflow|keras)$", done.stderr, re.MULTILINE)
