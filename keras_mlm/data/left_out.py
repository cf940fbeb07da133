"""What of a corpus was left out: how often, why, and where to look."""

import collections

_SAMPLES = 3


class LeftOut:
    """Counts what is left out by reason, and keeps the first three of each.

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

    def add(self, reason: str, sample: str) -> None:
        """Count one that is left out.

        Args:
            reason: str, what is counted, such as `"empty_documents"`.
            sample: str, where it stands and why it is left out, such as `"news.jsonl, line 3: no text"`.
        """
        self.counts[reason] += 1
        if self.counts[reason] <= _SAMPLES:
            self.samples.setdefault(reason, []).append(sample)
