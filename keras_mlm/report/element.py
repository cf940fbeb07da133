"""HTML and SVG as a tree, so that nothing a user wrote can become markup."""

import re
from typing import Any
from xml.etree import ElementTree

Element = ElementTree.Element
# Characters that no page may hold: controls, halves of surrogate pairs, the last two of each plane.
_NO_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


def element(tag: str, *children: Any, **attributes: Any) -> Element:
    """Return an element of a page.

    Args:
        tag: str, the name of the element.
        *children: elements, and anything else as its text, which is escaped when the page is written. `None` is left
            out, a list stands for its entries.
        **attributes: values of attributes; `None` is left out. `class_` is written `class`, `_` becomes `-`.

    Returns:
        An `Element`.

    Example:
        ```python
        to_html(element("p", "1 < 2 ", element("b", "indeed"), class_="note"))
        # '<p class="note">1 &lt; 2 <b>indeed</b></p>'
        ```
    """
    node = Element(tag)
    for name, value in attributes.items():
        if value is not None:
            node.set(name.rstrip("_").replace("_", "-"), _text(value))
    _add(node, children)
    return node


def to_html(node: Element) -> str:
    """Return an element as HTML, SVG inside it included."""
    return ElementTree.tostring(node, encoding="unicode", method="html")


def _add(node: Element, children: Any) -> None:
    for child in children:
        if child is None:
            continue
        if isinstance(child, list | tuple):
            _add(node, child)
        elif isinstance(child, Element):
            node.append(child)
        elif len(node):
            node[-1].tail = (node[-1].tail or "") + _text(child)
        else:
            node.text = (node.text or "") + _text(child)


def _text(value: Any) -> str:
    return _NO_TEXT.sub("\ufffd", f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value))
