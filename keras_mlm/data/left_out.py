"""What of a corpus was left out or changed: how often, why, and where to look."""

import collections

_SAMPLES = 5
# As much of a text is shown.
_START_CHARACTERS = 60


class LeftOut:
    """Counts what is left out or changed by reason, and keeps the first five of each.

    `samples` are for the person who runs the preparation; `places` are the same without any of the text, and may be
    written down.

    Example:
        ```python
        left_out = LeftOut()
        documents = read_documents(["news.jsonl"], errors="skip", left_out=left_out)
        manifest = prepare_corpus(documents, "data/news", left_out=left_out)
        print(left_out.counts["unreadable_documents"], left_out.samples)
        ```
    """

    def __init__(self) -> None:
        self.counts: collections.Counter[str] = collections.Counter()
        self.samples: dict[str, list[str]] = {}
        self.places: dict[str, list[str]] = {}

    def expect(self, *reasons: str) -> None:
        """Let reasons that may not occur be counted as 0.

        Args:
            *reasons: str, as of `add`.
        """
        for reason in reasons:
            self.counts.setdefault(reason, 0)

    def add(self, reason: str, place: str, text: str = "") -> None:
        """Count one that is left out or changed.

        Args:
            reason: str, what is counted, such as `"empty_documents"`.
            place: str, where it stands and why it is left out, such as `"news.jsonl, line 3: no text"`.
            text: str, what stands there, as far as it is to be shown. Defaults to none.
        """
        self.counts[reason] += 1
        if self.counts[reason] <= _SAMPLES:
            self.samples.setdefault(reason, []).append(f"{place}: {text}" if text else place)
            self.places.setdefault(reason, []).append(place)


def start_of(text: str) -> str:
    """Return the first 60 characters of a text on one line, without what a terminal would obey."""
    start = " ".join(text[:_START_CHARACTERS].split())
    return "".join(character if character.isprintable() else "\ufffd" for character in start)
