import itertools
import subprocess
import sys
import warnings

import pytest

from keras_mlm.data import docstrings as module
from keras_mlm.data.docstrings import docstrings_of, prose_lines, read_docstrings

SOURCE = '''"""The module has a docstring of its own."""
raise SystemExit("this file must not be executed")
if True:
    class First:
        """Hold the first of all classes here."""

        async def method(self):
            """Do what the method is asked to do."""
            def inner():
                """Count as well, although it is inside."""
            text = """This string is no docstring at all."""
def short():
    """Too short."""
pattern = "\\d"
'''


def test_docstrings_of_a_file_in_order(write_text):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the invalid escape must not show
        found = docstrings_of(write_text("a.py", SOURCE))
    assert [(document.line, document.text) for document in found] == [
        (1, "The module has a docstring of its own."),
        (5, "Hold the first of all classes here."),
        (8, "Do what the method is asked to do."),
        (10, "Count as well, although it is inside."),
    ]


@pytest.mark.parametrize("content", ['"""Text."""\ndef broken(:', b'"""Text \xff"""', b'"""Zero\0"""', ""])
def test_what_does_not_parse_is_skipped(write_text, content):
    assert docstrings_of(write_text("a.py", content)) == []


def test_code_markup_and_headings_are_left_out():
    docstring = """Return the ``sum`` of :class:`~numbers.Number` values,
    wrapped over two lines.

    Args:
        first: The first of the numbers, described in
            more than one line.
        second (int): The second one.

    Notes
    -----
    See :ref:`this page <target>` for more.

    >>> add(1, 2)
    3

    Use it like this::

        add(1, 2)

        add(3, 4)

    .. code-block:: python

       import add

    .. note:: It is slow but it works.

    ```python
    print("fenced")

    still_fenced = 1
    ```

    * A first item of a list
      that goes on.
    * A second item.

        x = add(1, 2)
    +-----+-----+
    """
    assert prose_lines(docstring) == [
        "Return the sum of numbers.Number values, wrapped over two lines.",
        "first: The first of the numbers, described in more than one line.",
        "second (int): The second one.",
        "See this page for more.",
        "Use it like this",
        "It is slow but it works.",
        "A first item of a list that goes on.",
        "A second item.",
    ]


def test_the_order_does_not_depend_on_processes(monkeypatch):
    files = module._python_files()
    assert list(files) == list(dict.fromkeys(files))
    assert not any("/tests/" in file or "/test/" in file for file in files)
    monkeypatch.setattr(module, "_python_files", lambda: files[:80])
    one = list(read_docstrings())
    assert len(one) > 50
    assert list(read_docstrings(processes=2)) == one


def test_the_installed_python_has_text():
    documents = list(itertools.islice(read_docstrings(), 300))
    assert sum(len(document.text) for document in documents) > 30_000
    assert all(len(document.text.split()) >= module.MIN_WORDS for document in documents)


def test_reading_docstrings_loads_no_tensorflow():
    code = "import sys, keras_mlm.data.docstrings; assert 'tensorflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
