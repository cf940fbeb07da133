"""Reads the docstrings of the installed Python: a corpus that every machine has, without a network."""

import ast
import concurrent.futures
import functools
import inspect
import itertools
import multiprocessing
import os
import re
import signal
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path

from keras_mlm.data.documents import Document

MIN_WORDS = 5
# Files with less than this share of text between triple quotes cost a parse and give next to nothing.
MIN_QUOTED_SHARE = 0.15

_SKIPPED_FOLDERS = {"__pycache__", "site-packages", "dist-packages", "test", "tests", "idle_test"}
_QUOTED = re.compile(rb"(\"\"\"|''')(.*?)\1", re.DOTALL)

_CODE_DIRECTIVE = re.compile(
    r"\.\. *(code|code-block|codeauthor|sourcecode|math|plot|ipython|doctest|test\w+|image|figure|toctree|autosummary"
    r"|productionlist|highlight|parsed-literal|literalinclude|raw|table|list-table|csv-table|graphviz|_[^:]*):"
)
_DIRECTIVE = re.compile(r"\.\. *[\w-]+:: *")
_FENCE = re.compile(r"(```|~~~)")
_UNDERLINE = re.compile(r"([=\-~^#*+\"'`.:_|])\1*$")
_ITEM = re.compile(r"([-*+•] |\(?\d+[.)] |:\w+[^:]*: |[\w*.`]+( ?\([^)]*\))? ?: )")
_CODE = re.compile(
    r"(import \w|from [\w.]+ import|def \w+\(|class \w+[(:]|return \S+$|raise \w+|assert |@\w|# |\$ |% |print\("
    r"|with .*:$|for .* in .*:$|if .*:$|[\w.\[\], ]+ [-+*/]?= \S|[\w.]+\(.*\)$|[{}\[\]<|+])"
)
_ROLE = re.compile(r":[a-z][a-z:]*:`[~!]?([^`<]*?)\s*(?:<[^>`]*>)?`")
_MARKUP = re.compile(r"`+|\*\*(?=\w)|(?<=\w)\*\*")
_LETTERS = re.compile(r"[^\W\d_]+")


def read_docstrings(*, processes: int = 1) -> Iterator[Document]:
    """Stream the docstrings of the standard library and of the installed packages as documents.

    Files are parsed, never imported or executed; those that do not parse, and tests, are skipped. Code, tables and
    markup are left out, wrapped lines are joined, and docstrings of fewer than five words are dropped. The order is
    that of the sorted file names, whatever `processes` is.

    Args:
        processes: int, how many processes parse. With more than one, a script must guard its start by
            `if __name__ == "__main__":`. Defaults to `1`.

    Returns:
        Iterator of `Document`; the lines of one are its paragraphs.

    Example:
        ```python
        for document in read_docstrings():
            print(document.source, document.line, document.text)
        ```
    """
    files = _python_files()
    if processes < 2:
        yield from itertools.chain.from_iterable(map(docstrings_of, files))
        return
    # Not forked: the caller may hold TensorFlow's threads, which do not survive a fork.
    context = multiprocessing.get_context("spawn")
    # Ctrl-C reaches every process of a terminal; only this one is to answer it.
    pool = concurrent.futures.ProcessPoolExecutor(
        processes, mp_context=context, initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_IGN)
    )
    try:
        yield from itertools.chain.from_iterable(pool.map(docstrings_of, files, chunksize=64))
    finally:
        # Not waited for: a generator may be closed by any thread, and one of the pool's own cannot wait for itself.
        pool.shutdown(wait=False, cancel_futures=True)


def docstrings_of(path: str) -> list[Document]:
    """Return the docstrings of one Python file as documents; none for a file that does not parse."""
    try:
        source = Path(path).read_bytes()
        if sum(len(match[2]) for match in _QUOTED.finditer(source)) < MIN_QUOTED_SHARE * len(source):
            return []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    documents = []
    for text, line in _docstrings(tree):
        lines = prose_lines(text)
        if sum(len(line.split()) for line in lines) >= MIN_WORDS:
            documents.append(Document(path, line, lines))
    return documents


def prose_lines(docstring: str) -> list[str]:
    """Return the paragraphs of a docstring, each one line, without code, tables, headings and markup.

    Args:
        docstring: str, as it stands in the source.

    Returns:
        list of str.

    Example:
        ```python
        prose_lines("Add numbers.\\n\\n    >>> add(1, 2)\\n    3\\n")  # ['Add numbers.']
        ```
    """
    paragraphs: list[str] = []
    for paragraph in _join_wrapped(_without_code(inspect.cleandoc(docstring).split("\n"))):
        text = " ".join(_MARKUP.sub("", _ROLE.sub(r"\1", paragraph)).removesuffix("::").lstrip("-*+• ").split())
        if _is_prose(text):
            paragraphs.append(text)
    return paragraphs


@functools.cache
def _python_files() -> tuple[str, ...]:
    roots = list(dict.fromkeys(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")))
    files = []
    for root in roots:
        found = []
        for folder, folders, names in os.walk(root):
            folders[:] = [name for name in folders if name not in _SKIPPED_FOLDERS]
            found += [str(Path(folder, name)) for name in names if name.endswith(".py")]
        files += sorted(found)
    return tuple(dict.fromkeys(files))


def _docstrings(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield docstrings and their lines in the order of the source, without walking into expressions."""
    nodes: list[ast.AST] = [tree]
    while nodes:
        node = nodes.pop()
        body = getattr(node, "body", None)
        if not isinstance(body, list) or not body:
            continue
        first = body[0]
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and isinstance(first, ast.Expr)
            and isinstance(first.value, ast.Constant)
            and isinstance(first.value.value, str)
        ):
            yield first.value.value, first.lineno
        nodes += reversed(body)


def _without_code(lines: list[str]) -> Iterator[tuple[int, str]]:
    """Yield indentation and text of the lines outside of code blocks; a blank line is `(0, "")`."""
    fenced = doctest = False
    block: int | None = None  # the indentation that a literal block is deeper than
    for line in lines:
        text = line.strip()
        indent = len(line) - len(line.lstrip())
        if _FENCE.match(text):
            fenced = not fenced and text.count(text[:3]) == 1
            text = ""
        elif fenced:
            continue
        elif not text:
            doctest = False
        elif block is not None and indent > block:
            continue
        elif doctest or text.startswith((">>>", "... ", "In [")):
            doctest = True
            text = ""
        elif _CODE_DIRECTIVE.match(text):
            block, text = indent, ""
        else:
            block = indent if text.endswith("::") else None
            text = _DIRECTIVE.sub("", text)
        yield (indent if text else 0), text


def _join_wrapped(lines: Iterator[tuple[int, str]]) -> Iterator[str]:
    """Join wrapped lines: those as deep as the one before, and hanging ones that are deeper than an item's first."""
    current: list[str] = []
    first = hanging = 0
    for indent, text in lines:
        if not text or _UNDERLINE.match(text):
            wrapped = False
            text = ""
        elif not current or _ITEM.match(text) or current[-1].endswith(":"):
            wrapped = False
        elif len(current) == 1 and indent >= first:
            wrapped, hanging = True, indent
        else:
            wrapped = indent == hanging
        if wrapped:
            current.append(text)
            continue
        if current:
            yield " ".join(current)
        current, first, hanging = ([text] if text else []), indent, indent
    if current:
        yield " ".join(current)


def _is_prose(text: str) -> bool:
    if _CODE.match(text):
        return False
    words = _LETTERS.findall(text)
    return len(words) > 1 and sum(map(len, words)) > 0.7 * (len(text) - text.count(" "))
