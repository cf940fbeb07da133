"""Documents that are read more than once, in numbered files of bounded size."""

import hashlib

import tensorflow as tf

from keras_mlm.data.document_split import DocumentSplit, pack_document

# Small enough that a worker that dies loses seconds, large enough that a corpus of 100 GB has no million files.
SPLIT_BYTES = 4_000_000


class DocumentSpool:
    """Keeps documents as lines in files, so that a source has to be read only once.

    Choosing a validation half, training a vocabulary and writing records each need a pass over the documents that were
    kept; several processes can make it, a split each. The files take as much disk as the text.

    Args:
        folder: str, an existing folder, local or remote, for the files.

    Example:
        ```python
        spool = DocumentSpool("data/news/.partial")
        spool.append(17, ["A sentence.", "Another."], "news.txt, line 1")
        spool.close()
        for split in spool.splits:
            print(list(split.read()))
        ```
    """

    def __init__(self, folder: str) -> None:
        self.splits: list[DocumentSplit] = []
        self.characters = 0
        self._folder = folder
        self._open: list[bytes] = []
        self._bytes = 0
        self._place = ""

    def append(self, fingerprint: int, lines: list[str], place: str) -> None:
        """Add a document.

        Args:
            fingerprint: int, signed, of 64 bits.
            lines: list of str without line feeds.
            place: str, its source and line, for messages.
        """
        if not self._open:
            self._place = place
        self._open.append(pack_document(fingerprint, lines))
        self._bytes += len(self._open[-1])
        self.characters += sum(map(len, lines))
        if self._bytes >= SPLIT_BYTES:
            self.close()

    def close(self) -> None:
        """Write the documents that no file holds yet."""
        if not self._open:
            return
        data = b"".join(self._open)
        path = tf.io.gfile.join(self._folder, f"documents-{len(self.splits):05d}")
        with tf.io.gfile.GFile(path, "wb") as file:
            file.write(data)
        before = sum(split.characters for split in self.splits)
        self.splits.append(
            DocumentSplit(
                path=path,
                place=self._place,
                documents=len(self._open),
                characters=self.characters - before,
                digest=hashlib.sha256(data).hexdigest(),
            )
        )
        self._open, self._bytes = [], 0
