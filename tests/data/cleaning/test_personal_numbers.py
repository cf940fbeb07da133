import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_mlm.data.cleaning.personal_numbers import is_bank_card, is_chinese_id

# The examples of GB 11643, and numbers that issuers give for tests.
IDS = ["11010519491231002X", "440524188001010014", "11010519491231002x"]
CARDS = ["4111111111111111", "5555555555554444", "378282246310005", "6011000990139424", "3530111333300000",
         "6200000000000005", "2223003122003222", "4222222222222", "6222021234567890128"]  # fmt: skip


@pytest.mark.parametrize("number", IDS)
def test_ids(number):
    assert is_chinese_id(number)


@pytest.mark.parametrize(
    "number",
    [
        "110105194912310021",  # the wrong check digit
        "110105194902310020",  # there is no 31 February
        "990105194912310024",  # no such province
        "1101051949123100",
        "11010519491231002A",
        "1101051949123100X2",
        "",
    ],
)
def test_what_is_no_id(number):
    assert not is_chinese_id(number)


def test_an_id_is_wrong_with_every_other_check_digit_and_without_its_date():
    right = [digit for digit in "0123456789X" if is_chinese_id("34052419800101001" + digit)]
    assert right == ["X"]
    # Of every date that is none, no check digit makes an ID.
    for date in ("19800001", "19801301", "19800230", "18000101", "30000101"):
        assert not any(is_chinese_id(f"340524{date}001{digit}") for digit in "0123456789X")


@given(st.sampled_from(IDS), st.integers(0, 16), st.integers(1, 9))
def test_every_changed_digit_of_an_id_is_noticed(number, place, change):
    digit = (int(number[place]) + change) % 10
    assert not is_chinese_id(number[:place] + str(digit) + number[place + 1 :])


@pytest.mark.parametrize("number", CARDS)
def test_cards(number):
    assert is_bank_card(number)


@given(st.sampled_from(CARDS), st.integers(0, 18), st.integers(1, 9))
def test_every_changed_digit_of_a_card_is_noticed(number, place, change):
    place %= len(number)
    digit = (int(number[place]) + change) % 10
    assert not is_bank_card(number[:place] + str(digit) + number[place + 1 :])


@pytest.mark.parametrize(
    "number",
    [
        "4111111111111112",
        "424242424242",  # of twelve digits
        "9780306406157",  # a book
        "1700000000008",  # a time in milliseconds, whose Luhn sum is right
        "0000000000000000",
        "",
        "٤١١١١١١١١١١١١١١١",
    ],
)
def test_what_is_no_card(number):
    assert not is_bank_card(number)


def test_an_id_is_no_card():
    both = "440524188001010014"
    assert is_chinese_id(both) and not is_bank_card(both)
    luhn_too = [f"{440524198001010000 + i}" for i in range(1, 1000)]
    luhn_too = [number for number in luhn_too if is_chinese_id(number)]
    assert len(luhn_too) > 80 and not any(map(is_bank_card, luhn_too))
