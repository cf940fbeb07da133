"""Puts words in the place of e-mail addresses, phone numbers, Chinese ID and bank-card numbers."""

import functools
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from keras_mlm.data.cleaning.personal_numbers import is_bank_card, is_chinese_id
from keras_mlm.data.documents import Document
from keras_mlm.data.left_out import LeftOut, start_of
from keras_mlm.errors import InputError

# Ordinary words, in the language of the line: any vocabulary has them, and no bracket or made-up token is learned.
WORDS = {
    "emails": ("email address", "电子邮箱"),
    "cn_ids": ("identity number", "身份证号"),
    "bank_cards": ("card number", "银行卡号"),
    "phones": ("phone number", "电话号码"),
}

# Every pattern begins where no letter or digit stands before, and has bounded parts: the time to look is linear in the
# length of a line, whatever it holds. `123.456` and `12-34-56` are not searched from their middle.
_LETTER = "A-Za-z\u00c0-\u024f"
_BEGINS = rf"(?<![{_LETTER}\d_])(?<!\d[-.,])"
_ENDS = rf"(?![{_LETTER}_]|[-.,]?\d)"
_EMAIL = re.compile(
    rf"(?<![{_LETTER}\d_%+])[{_LETTER}\d_%+][{_LETTER}\d_%+.-]{{0,63}}+[@＠]"
    rf"(?:[{_LETTER}\d](?:[{_LETTER}\d-]{{0,61}}[{_LETTER}\d])?\.){{1,8}}[{_LETTER}]{{2,24}}(?![{_LETTER}\d])"
)
_CN_ID = re.compile(rf"{_BEGINS}\d{{6}}([ -]?)\d{{8}}\1\d{{3}}[\dXxＸ]{_ENDS}")
_BANK_CARD = re.compile(rf"{_BEGINS}(?:\d{{13,19}}|\d{{4,6}}(?:[ -]\d{{2,13}}){{1,4}}){_ENDS}")
# Behind a phone number there may be an extension.
_PHONE_ENDS = rf"(?![{_LETTER}_\d]|[.,]\d)"
_PHONES = tuple(
    (re.compile(begins + pattern + _PHONE_ENDS), region)
    for begins, pattern, region in (
        # +49 30 901820, 0044 (0)20 7946 0958
        (rf"(?<![{_LETTER}\d_+＋])(?<!\d[-.,])", r"(?:[+＋]|00(?=[1-9]))\d(?:[ ./()-]{0,2}\d){6,16}", None),
        # 13800138000, 138-0013-8000, 86 138 0013 8000
        (_BEGINS, r"(?:86[ -]?)?[1１][3-9３-９]\d([ -]?)\d{4}\1\d{4}", "CN"),
        # 010-62512345, (0755) 88888888
        (_BEGINS, r"(?:[(（]0\d{2,3}[)）][ -]?|0\d{2,3}[ -])\d{7,8}", "CN"),
        # (212) 555-0123, 1-212-555-0123, 212.555.0123
        (_BEGINS, r"(?:1[-. ])?(?:\([2-9]\d{2}\)[ -]?|[2-9]\d{2}[-.])\d{3}[-.]\d{4}", "US"),
    )
)
# Every number that is looked for has seven digits at least, and most lines have not.
_NUMBER = re.compile(r"\d(?:[ ./()（）-]{0,2}\d){6}")
_HAN = re.compile("[\u3400-\u9fff]")


def redact(text: str, kinds: Sequence[str]) -> tuple[str, list[tuple[str, str]]]:
    """Put words in the place of what identifies a person.

    Args:
        text: str, a line.
        kinds: sequence of str, of `"emails"`, `"phones"` (international ones, mobile and area numbers of China, numbers
            with area code of North America, as far as they can have been assigned), `"cn_ids"` (18 characters with the
            right date and check character) and `"bank_cards"` (13 to 19 digits with the right check digit).

    Returns:
        The text, with words such as `email address`, or `电子邮箱` where the line has Chinese characters; and
        `(kind, what was there)` of each in the order of the kinds.

    Example:
        ```python
        redact("Write to anna@example.com before 2026-11-26.", ["emails"])
        # ("Write to email address before 2026-11-26.", [("emails", "anna@example.com")])
        ```
    """
    found: list[tuple[str, str]] = []
    has_mail = "emails" in kinds and ("@" in text or "＠" in text)
    has_number = _NUMBER.search(text) is not None
    if not has_mail and not has_number:
        return text, found
    chinese = _HAN.search(text) is not None

    def replace_by(kind: str, wanted: Callable[[str], bool]) -> Callable[[re.Match[str]], str]:
        def replacement(match: re.Match[str]) -> str:
            if not wanted(match[0]):
                return match[0]
            found.append((kind, match[0]))
            return WORDS[kind][chinese]

        return replacement

    if has_mail:
        text = _EMAIL.sub(replace_by("emails", lambda _: True), text)
    if not has_number:
        return text, found
    if "cn_ids" in kinds:
        text = _CN_ID.sub(replace_by("cn_ids", lambda number: is_chinese_id(_without_separators(number))), text)
    if "bank_cards" in kinds:
        text = _BANK_CARD.sub(replace_by("bank_cards", lambda number: is_bank_card(_without_separators(number))), text)
    if "phones" in kinds:
        for pattern, region in _PHONES:
            text = pattern.sub(replace_by("phones", functools.partial(_is_phone, region)), text)
    return text, found


def redact_documents(documents: Iterable[Document], kinds: Sequence[str], left_out: LeftOut) -> Iterator[Document]:
    """Redact the lines of documents, and count what was found under `"redacted_emails"` and so on.

    Args:
        documents: iterable of `Document`.
        kinds: sequence of str, as of `redact`.
        left_out: `LeftOut` that counts.
    """
    for document in documents:
        redacted = [redact(line, kinds) for line in document.lines]
        for _, found in redacted:
            for kind, what in found:
                left_out.add(f"redacted_{kind}", document.place, start_of(what))
        yield Document(document.source, document.line, [line for line, _ in redacted])


def check_kinds(kinds: Sequence[str]) -> None:
    """Raise `InputError` where something cannot be redacted, or what it takes is not installed."""
    unknown = [kind for kind in kinds if kind not in WORDS]
    if unknown:
        raise InputError(f"{unknown[0]} cannot be redacted: there are {', '.join(sorted(WORDS))}")
    if "phones" in kinds:
        _phonenumbers()


def _without_separators(number: str) -> str:
    # Full-width digits become the others.
    return unicodedata.normalize("NFKC", number).replace(" ", "").replace("-", "")


def _is_phone(region: str | None, number: str) -> bool:
    phonenumbers = _phonenumbers()
    try:
        parsed = phonenumbers.parse("+" + number[2:] if region is None and number[0] == "0" else number, region)
    except phonenumbers.NumberParseException:
        return False
    return bool(phonenumbers.is_valid_number(parsed))


def _phonenumbers() -> Any:
    try:
        import phonenumbers
    except ImportError:
        raise InputError("phone numbers are told by phonenumbers: pip install 'keras-mlm[cleaning]'") from None
    return phonenumbers
