"""What the card of an export says of each kind of model."""

from dataclasses import dataclass
from typing import Any

_ALL = "The licence is for the owner of the training text to state: it is the field `license` above."


@dataclass(frozen=True)
class CardWords:
    """The sentences of a card that depend on the kind of model.

    Args:
        pipeline: str, the task as model hubs call it.
        tag: str, a longer name of it.
        task: str, a sentence.
        results: str, a sentence on how the figures are to be read; may be empty.
        limits: str, sentences.
    """

    pipeline: str
    tag: str
    task: str
    results: str
    limits: str


def card_words(model: Any, length: int) -> CardWords:
    """Return the sentences for a model whose rows have `length` tokens at most."""
    if type(model).__name__ == "BertTextClassifier":
        return _classifier(model, length)
    if type(model).__name__ == "BertTokenClassifier":
        return _tagger(model, length)
    objectives = (
        "to fill masks and to tell whether two passages follow each other"
        if model.config.next_sentence
        else "to fill masks"
    )
    return CardWords(
        "fill-mask",
        "masked-language-model",
        f"A BERT encoder, pre-trained {objectives}.",
        "Perplexity is over the masked tokens of held-out documents, of the model before export.",
        f"Texts are cut to {length} tokens, special tokens included. The model repeats what its training text says, "
        "with its mistakes and prejudices; it knows nothing outside that text, and its guesses are no statements of "
        f"fact. {_ALL}",
    )


def _classifier(model: Any, length: int) -> CardWords:
    kind = "tells of each of these classes whether a text has it" if model.multi_label else "puts texts into classes"
    rule = {
        "truncate": f"Texts are cut to {length} tokens, special tokens included, of a pair the longer one first.",
        "head_tail": f"Of texts longer than {length} tokens, special tokens included, beginning and end count.",
        "windows": f"Texts longer than {length} tokens, special tokens included, are read in overlapping windows.",
    }[model.long_text]
    calibrated = (
        "Probabilities are not calibrated."
        if model.temperature == 1.0
        else f"Probabilities are calibrated on held-out examples (temperature {model.temperature:.3g})."
    )
    others = "" if model.multi_label else ": every text gets one of them"
    return CardWords(
        "text-classification",
        "text-classification",
        f"A BERT that {kind}: {', '.join(f'`{name}`' for name in model.classes)}.",
        "Figures are of the model before export.",
        f"{rule} It knows the classes above and no other{others}. {calibrated} It repeats what its training text and "
        f"labels say, with their mistakes and prejudices. {_ALL}",
    )


def _tagger(model: Any, length: int) -> CardWords:
    tags = ", ".join(f"`{name}`" for name in model.classes)
    return CardWords(
        "token-classification",
        "token-classification",
        f"A BERT that tags words: {tags}.",
        "Figures are of the model before export, on words as the labelled files have them.",
        f"Texts longer than {length} tokens, special tokens included, are read in overlapping windows. Words are what "
        "spaces, punctuation and Chinese characters separate. It knows the tags above and no other. It repeats what "
        f"its training text and labels say, with their mistakes and prejudices. {_ALL}",
    )
