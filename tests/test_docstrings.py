"""What `make docs` makes its page of: every public docstring says what it takes, and names what exists."""

import importlib.util
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import keras_mlm

ROOT = Path(__file__).parents[1]
DOCS = ROOT / ".github" / "docs"


@pytest.fixture(scope="module")
def public_api():
    if not DOCS.is_dir():
        pytest.skip("no git checkout")
    spec = importlib.util.spec_from_file_location("public_api", DOCS / "public_api.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_public_docstring_explains_its_parameters_and_names_what_exists(public_api):
    assert public_api.problems() == []


def test_the_page_has_the_public_names_and_the_types_that_they_name(public_api):
    assert ["__version__", *public_api.public_objects()] == keras_mlm.__all__
    named = public_api.named_types()
    assert {"Candidate", "Document", "Manifest", "TextPredictions", "WordWindows"} <= named.keys()
    assert not set(named) & set(keras_mlm.__all__)


def test_members_are_those_of_the_package_inherited_ones_too(public_api):
    shown = public_api.members(keras_mlm.BertPretrainer)
    assert {"fill_mask", "embed", "pseudo_perplexity", "compile"} <= shown.keys()
    assert not {"fit", "build", "call", "get_config"} & shown.keys(), "Keras' contracts are Keras' to explain"


def _fine(first: int, *rest: int, last: str = "") -> None:
    """Do nothing.

    Args:
        first: int.
        *rest: int.
        last: str. Defaults to `""`.

    Example:
        ```python
        _fine(1)
        ```
    """


def _lacking(first: int, second: int) -> None:
    """Do nothing.

    Args:
        first: int.
    """


def _stale(first: int) -> None:
    """Do nothing.

    Args:
        first: int.
        second: int.
    """


def _silent(first: int) -> None:
    pass


def _misspelt() -> None:
    """Return a `BertPretainer`."""


def _gone() -> None:
    """See `BertPretrainer.fill_masks`."""


def _elsewhere() -> None:
    """As `keras.callbacks.EarlyStoping` does."""


def _broken_example() -> None:
    """Do nothing.

    Example:
        ```python
        do(
        ```
    """


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        (_fine, ""),
        (_lacking, "does not explain second"),
        (_stale, "explains second, which is no parameter"),
        (_silent, "has no docstring"),
        (_misspelt, "names `BertPretainer`"),
        (_gone, "names `BertPretrainer.fill_masks`"),
        (_elsewhere, "names `keras.callbacks.EarlyStoping`"),
        (_broken_example, "does not parse"),
    ],
)
def test_each_kind_of_problem_is_found(public_api, monkeypatch, function, problem):
    objects = {"BertPretrainer": keras_mlm.BertPretrainer, function.__name__: function}
    monkeypatch.setattr(public_api, "public_objects", lambda: objects)
    monkeypatch.setattr(public_api, "named_types", dict)
    monkeypatch.setattr(public_api, "members", lambda cls: {})
    found = [line for line in public_api.problems() if line.startswith(function.__name__)]
    assert len(found) == bool(problem)
    assert problem in "".join(found)


@pytest.mark.slow
def test_make_docs_writes_one_page_with_every_public_name_and_nothing_from_elsewhere(tmp_path):
    pytest.importorskip("pdoc")
    (tmp_path / "wrong").mkdir()
    code = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(DOCS)!r})
import make_docs
assert make_docs.main(Path({str(tmp_path / "site")!r})) == 0
wrong = make_docs.broken('<a href="#gone">A</a><script src="https://elsewhere/a.js">', {{"Name": int}})
assert len(wrong) == 3 and all(word in str(wrong) for word in ("#gone", "Name", "elsewhere")), wrong
make_docs.public_api.problems = lambda: ["Name: has no docstring"]
assert make_docs.main(Path({str(tmp_path / "wrong")!r})) == 1
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "error: Name: has no docstring" in done.stderr and not list((tmp_path / "wrong").iterdir())
    assert [path.name for path in (tmp_path / "site").iterdir()] == ["index.html"]
    html = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    for name in keras_mlm.__all__[1:]:
        assert f'<section id="{name}"' in html
        first_line = inspect.getdoc(getattr(keras_mlm, name)).split("\n")[0]
        assert re.sub(r"\W+", " ", first_line)[:20] in re.sub(r"\W+", " ", re.sub(r"<[^>]*>", "", html))
    # Links to papers are there to be followed; nothing else of the page is elsewhere.
    assert "<script" not in html and "<iframe" not in html and "@import" not in html
    assert not re.search(r"<(?:link|img)\b[^>]*https?://|url\(['\"]?https?://", html)
