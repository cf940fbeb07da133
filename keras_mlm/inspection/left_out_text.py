"""What a preparation left out or changed, as lines to read."""

from collections.abc import Mapping, Sequence

# What a manifest counts besides: of no use in a list of what was left out.
_OTHERS = ("documents", "documents_read")


def left_out_text(counts: Mapping[str, int], samples: Mapping[str, Sequence[str]]) -> list[str]:
    """Return a line for every reason to leave out or change something, and an indented one for each sample.

    Args:
        counts: mapping of int by reason, as `Manifest.counts`.
        samples: mapping of sequences of str, as `LeftOut.samples` or, without any text, `Manifest.samples`.

    Returns:
        list of str; `[]` where nothing is counted.

    Example:
        ```python
        manifest = Manifest.load("data/news")
        print("\\n".join(left_out_text(manifest.counts, manifest.samples)))
        ```
    """
    lines = []
    for reason, count in counts.items():
        if reason not in _OTHERS and not reason.startswith(("training_", "validation_")):
            name = reason.replace("_", " ").replace("cn ids", "Chinese ID numbers")
            lines.append(f"{name[0].upper()}{name[1:]}: {count:,}")
            lines += [f"    {sample}" for sample in samples.get(reason, ())]
    return lines
