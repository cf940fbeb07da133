"""What is redacted, what stays, and that the time to look does not explode."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_mlm.data.cleaning.redaction import WORDS, check_kinds, redact, redact_documents
from keras_mlm.data.documents import Document
from keras_mlm.data.left_out import LeftOut
from keras_mlm.errors import InputError

EMAILS = ["anna@example.com", "a.b-c_d+tag@mail.example.co.uk", "x@y.cn", "Max.Müller@müller.de", "zhang＠qq.com",
          "1234567@qq.com", "A@B.MUSEUM"]  # fmt: skip
PHONES = [
    "+49 30 901820", "+1 212 555 0123", "+1-212-555-0123", "+44 (0)20 7946 0958", "+33 1 23 45 67 89", "+8613800138000",
    "+86 138 0013 8000", "+86-10-62512345", "+852 2345 6789", "0044 20 7946 0958", "13800138000", "138-0013-8000",
    "138 0013 8000", "86 13800138000", "86-13800138000", "19912345678", "010-62512345", "(0755) 88888888",
    "（021）62512345", "(212) 555-0123", "212-555-0123", "212.555.0123", "1-212-555-0123", "１３８００１３８０００",
]  # fmt: skip
IDS = ["11010519491231002X", "110105 19491231 002X", "440524188001010014"]
CARDS = ["4111111111111111", "4111 1111 1111 1111", "4111-1111-1111-1111", "6222021234567890128",
         "6222 0212 3456 7890 128", "3782 822463 10005"]  # fmt: skip
# What looks like one and is none.
OTHERS = [
    "1990", "1990-2010", "2026-11-26", "26.11.2026", "11/26/2026", "20261126", "2026年11月26日", "1,234,567,890",
    "$1,380,013,800", "13.800138000", "3.14159265358979", "1380013800", "138001380001", "23800138000", "12345678901",
    "978-0-306-40615-7", "9780306406157", "0-306-40615-2", "0306406152", "ISBN 978-7-111-21382-6", "ISSN 0378-5955",
    "192.168.100.200", "10.1038/s41586-020-2649-2", "1700000000000", "GB 11643-1999", "IMG_20200101120000",
    "sha 4111111111111112", "110105194912310021", "1101051949123100", "abc13800138000", "13800138000abc", "v1.2.3-4",
    "10:30-12:45", "100 000 000", "555-1234", "No. 4111 1111 1111 1112", "+1", "+1000000 points", "3-2", "@", "a@b",
    "a@b.", "@example.com", "me @ home", "f(x)@y", "1+1=2", "00000000000000000000", "１９９０年",
    "12345678901234567890123",     "第11010519491231002条",
]  # fmt: skip
ALL = list(WORDS)


def kinds_of(text, kinds=ALL):
    return [kind for kind, _ in redact(text, kinds)[1]]


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        (kind, number)
        for kind, numbers in (("emails", EMAILS), ("phones", PHONES), ("cn_ids", IDS), ("bank_cards", CARDS))
        for number in numbers
    ],
)
def test_what_is_redacted(kind, number):
    for before, behind, place in ((" ", " ", 0), ("(", ")", 0), (": ", ". ", 0), ("是", "，", 1), ("号码", "等", 1)):
        text = f"here{before}{number}{behind}there"
        expected = f"here{before}{WORDS[kind][place]}{behind}there"
        assert redact(text, ALL) == (expected, [(kind, number)])
        assert redact(text, [kind]) == (expected, [(kind, number)])
        others = [other for other in ALL if other != kind]
        assert redact(text, others)[0] == text, "what is not asked for stays"
    assert redact(number, ALL)[0] == WORDS[kind]["（" in number and 0]


@pytest.mark.parametrize("text", OTHERS)
def test_what_stays(text):
    for line in (text, f"It is {text}.", f"编号{text}，", f"{text} {text}", f"({text})"):
        assert redact(line, ALL) == (line, [])


def test_several_in_a_line():
    line = "电话13800138000/13900139000，邮箱 zhang@qq.com。身份证号11010519491231002X，卡号6222021234567890128。"
    expected = "电话电话号码/电话号码，邮箱 电子邮箱。身份证号身份证号，卡号银行卡号。"
    text, found = redact(line, ALL)
    assert text == expected
    assert sorted(found) == [
        ("bank_cards", "6222021234567890128"),
        ("cn_ids", "11010519491231002X"),
        ("emails", "zhang@qq.com"),
        ("phones", "13800138000"),
        ("phones", "13900139000"),
    ]


pieces = st.sampled_from([*EMAILS, *PHONES, *IDS, *CARDS, *OTHERS, " ", "-", ".", "和", "a", "@", "+", "(", "00", "1"])


@given(st.lists(pieces, max_size=12).map("".join) | st.text(st.sampled_from("0123456789 -.@+()aX中"), max_size=60))
def test_what_was_found_is_gone_and_what_is_left_is_there(line):
    text, found = redact(line, ALL)
    for kind, what in found:
        assert what in line
        # An e-mail address may hold one that was found elsewhere only as a part of a longer one that is none.
        assert text.count(what) < line.count(what) or kind == "phones"
    assert redact(line, ALL) == (text, found)
    assert kinds_of(line, []) == []
    # What no kind was found in is as it was.
    assert found or text == line
    assert len(text) <= len(line) + sum(14 for _ in found)


@pytest.mark.parametrize(
    "unit", ["a", "1", "a@", "@", "1 ", "1-", "1234 ", "a.", "a.a@", "+1", "+1 ", "00", "(0", "138", "1380013800", ".-",
             "a@a.", "1234567890123456 ", "110105 19491231 ", "x@y.com ", "13800138000 "]
)  # fmt: skip
def test_time_is_linear(unit):
    """Twenty times as long a line takes twenty times as long, and not four hundred times."""

    def seconds(characters):
        line = unit * (characters // len(unit))
        start = time.perf_counter()
        redact(line, ALL)
        return time.perf_counter() - start

    seconds(5_000)
    # A pattern that looks back over the line takes hundreds of seconds.
    assert seconds(100_000) < 200 * max(seconds(5_000), 1e-3)


def test_documents_keep_their_place_and_what_was_found_is_counted():
    documents = [Document("a", 3, ["Write to x@y.com", "and z@y.com or 13800138000."]), Document("a", 9, ["Nothing."])]
    left_out = LeftOut()
    redacted = list(redact_documents(documents, ["emails", "phones"], left_out))
    assert redacted[0] == Document("a", 3, ["Write to email address", "and email address or phone number."])
    assert redacted[1] == documents[1]
    assert left_out.counts == {"redacted_emails": 2, "redacted_phones": 1}
    assert left_out.samples["redacted_emails"] == ["a, line 3: x@y.com", "a, line 3: z@y.com"]
    assert left_out.places["redacted_emails"] == ["a, line 3", "a, line 3"]


def test_kinds_that_are_none():
    with pytest.raises(InputError, match="names cannot be redacted: there are bank_cards, cn_ids, emails, phones"):
        check_kinds(["emails", "names"])
