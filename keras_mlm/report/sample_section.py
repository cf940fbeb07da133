"""What the model put in the place of masks, while it trained."""

from typing import Any

from keras_mlm.report.element import Element, element
from keras_mlm.report.run_record import RunRecord

MASK = "[MASK]"
# So many points of the training are shown, the first and the last among them.
_STEPS = 6


def sample_section(record: RunRecord) -> Element | None:
    """Return a card for every masked sentence: how the guesses changed from step to step."""
    lines = _spread([line for line in record.samples if line["samples"]])
    if not lines:
        return None
    questions = [(sample["text"], sample["answer"]) for sample in lines[-1]["samples"]]
    cards = [_card(text, answer, lines) for text, answer in questions]
    found = sum(sample["candidates"][:1] != [] and _right(sample, 0) for sample in lines[-1]["samples"])
    words = f"Held-out sentences, a word masked in each. At step {lines[-1]['step']:,} the first guess is right in "
    return element(
        "div",
        element("p", words, f"{found} of {len(questions)}; the right word is green.", class_="quiet"),
        element("div", cards, class_="cards"),
    )


def _card(text: str, answer: str, lines: list[dict[str, Any]]) -> Element:
    before, mask, after = text.partition(MASK)
    sentence = [before, element("mark", answer, title="was masked"), after] if mask else [text]
    rows = []
    for line in lines:
        for sample in line["samples"]:
            if (sample["text"], sample["answer"]) == (text, answer):
                guesses = [_guess(token, score, token == answer) for token, score in sample["candidates"]]
                rows.append(element("tr", element("td", f"{line['step']:,}", class_="step"), element("td", guesses)))
    head = element("thead", element("tr", element("th", "step"), element("th", "guesses in the place of the word")))
    table = element("table", head, element("tbody", rows))
    return element("div", element("p", sentence, class_="sentence", dir="auto"), table, class_="card")


def _guess(token: str, score: float, right: bool) -> Element:
    share = f"{score:.0%}" if score >= 0.01 else "<1%"
    kind = "guess right" if right else "guess"
    return element("span", element("bdi", token), " ", element("small", share), class_=kind)


def _right(sample: dict[str, Any], place: int) -> bool:
    return bool(sample["candidates"][place][0] == sample["answer"])


def _spread(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if len(lines) <= _STEPS:
        return lines
    places = {round(number * (len(lines) - 1) / (_STEPS - 1)) for number in range(_STEPS)}
    return [lines[place] for place in sorted(places)]
