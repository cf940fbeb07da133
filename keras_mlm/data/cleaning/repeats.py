"""Leaves out documents and lines that were there before."""

import contextlib
from collections.abc import Iterable, Iterator

from keras_mlm.data.documents import Document
from keras_mlm.data.fingerprints import FingerprintSet, fingerprint, is_telling, normalize
from keras_mlm.data.left_out import LeftOut, start_of


def without_repeated_documents(documents: Iterable[Document], left_out: LeftOut) -> Iterator[Document]:
    """Leave out exact copies of earlier documents, case and space aside, counted as `"duplicate_documents"`.

    Args:
        documents: iterable of `Document`.
        left_out: `LeftOut` that counts.
    """
    with contextlib.closing(FingerprintSet()) as seen:
        for document in documents:
            if seen.add(fingerprint(normalize(document.text))):
                yield document
            else:
                left_out.add("duplicate_documents", document.place, start_of(document.text))


def without_repeated_lines(documents: Iterable[Document], left_out: LeftOut) -> Iterator[Document]:
    """Leave out lines of eight words or more that an earlier document or line has, case and space aside.

    Shorter ones are common property (`He did not answer.`). They are counted as `"repeated_lines"`, and documents of
    which nothing is left as `"emptied_documents"`.

    Args:
        documents: iterable of `Document`.
        left_out: `LeftOut` that counts.
    """
    with contextlib.closing(FingerprintSet()) as seen:
        for document in documents:
            lines = []
            for line in document.lines:
                normalized = normalize(line)
                if is_telling(normalized) and not seen.add(fingerprint(normalized)):
                    left_out.add("repeated_lines", document.place, start_of(line))
                else:
                    lines.append(line)
            if lines:
                yield Document(document.source, document.line, lines)
            else:
                left_out.add("emptied_documents", document.place)
