"""Which documents validate, and what of them training has seen anyway."""

import heapq
import json
from collections.abc import Iterable, Iterator

import tensorflow as tf

from keras_mlm.data.fingerprints import is_telling, normalize
from keras_mlm.whole_file import write_whole

_FILE = "held_out.json"

# More would make no figure more certain, and evaluation slow; and these documents are held in memory.
MAX_DOCUMENTS = 2000
MAX_CHARACTERS = 10_000_000


class HeldOut:
    """Chooses the documents with the smallest fingerprints for validation and cleans them of what training contains.

    A fingerprint is a hash of the content, so the choice depends neither on the order of documents nor on a seed.
    It goes in three passes: `offer` every document, then `choose`; `keep` the chosen ones; ask for what every training
    document has `shared` with them, here or where a saved one was loaded, and `leave_out` that. What `remaining` then
    gives has no sentence of eight words or more in common with training.

    Args:
        share: float, the share of documents to hold out, as far as 2,000 documents and 10 million characters.

    Example:
        ```python
        held_out = HeldOut(0.05)
        for fingerprint, sentences in documents:
            held_out.offer(fingerprint, sum(map(len, sentences)))
        held_out.choose()
        ```
    """

    def __init__(self, share: float) -> None:
        self.sentences_left_out = 0
        self.documents_left_out = 0
        self._share = share
        self._offered = 0
        self._smallest: list[tuple[int, int]] = []  # a heap of (-fingerprint, characters), the largest on top
        self._chosen: set[int] = set()
        self._documents: list[list[str]] = []
        self._sentences: set[str] = set()
        self._beginnings: set[tuple[str, ...]] = set()
        self._seen_in_training: set[str] = set()

    def offer(self, fingerprint: int, characters: int) -> None:
        """Take a document into account."""
        self._offered += 1
        push = heapq.heappush if len(self._smallest) < MAX_DOCUMENTS else heapq.heappushpop
        push(self._smallest, (-fingerprint, characters))

    def choose(self) -> None:
        """Settle which of the offered documents are held out: at least one of three, and never all but one."""
        wanted = round(self._share * self._offered)
        if self._share > 0:
            wanted = max(wanted, 1)
        wanted = min(wanted, max(0, self._offered - 2))
        characters = 0
        for negated, size in sorted(self._smallest, reverse=True)[:wanted]:
            characters += size
            if characters > MAX_CHARACTERS and self._chosen:
                break
            self._chosen.add(-negated)

    def __contains__(self, fingerprint: int) -> bool:
        return fingerprint in self._chosen

    def keep(self, sentences: list[str]) -> None:
        """Hold the sentences of a chosen document."""
        self._documents.append(sentences)
        self._look_for(filter(is_telling, map(normalize, sentences)))

    def shared(self, documents: Iterable[list[str]]) -> set[str]:
        """Return what training documents share with the chosen ones, normalised."""
        # To normalise every sentence of a corpus would take a quarter of its preparation, and most begin as none here.
        sentences = {
            normalize(sentence)
            for document in documents
            for sentence in document
            if _beginning(sentence.lower()) in self._beginnings
        }
        return sentences & self._sentences

    def leave_out(self, sentences: Iterable[str]) -> None:
        """Take sentences that `shared` found into account."""
        self._seen_in_training.update(sentences)

    def remaining(self) -> Iterator[list[str]]:
        """Yield the chosen documents without the sentences that training contains, and count these."""
        for sentences in self._documents:
            unseen = [sentence for sentence in sentences if normalize(sentence) not in self._seen_in_training]
            self.sentences_left_out += len(sentences) - len(unseen)
            self.documents_left_out += not unseen
            if unseen:
                yield unseen

    def save(self, folder: str) -> str:
        """Write what `in` and `shared` need to `held_out.json` in a folder; return the text written."""
        text = json.dumps([sorted(self._chosen), sorted(self._sentences)])
        write_whole(tf.io.gfile.join(folder, _FILE), text)
        return text

    @classmethod
    def load(cls, folder: str) -> "HeldOut":
        """Return one that answers `in` and `shared` as the one that was saved into a folder."""
        with tf.io.gfile.GFile(tf.io.gfile.join(folder, _FILE)) as file:
            chosen, sentences = json.loads(file.read())
        held_out = cls(0)
        held_out._chosen = set(chosen)
        held_out._look_for(sentences)
        return held_out

    def _look_for(self, normalized: Iterable[str]) -> None:
        for sentence in normalized:
            self._sentences.add(sentence)
            self._beginnings.add(_beginning(sentence))


def _beginning(lowered: str) -> tuple[str, ...]:
    """Return the first three words of a sentence in lower case, whatever the space between them."""
    return tuple(lowered.split(None, 3)[:3])
