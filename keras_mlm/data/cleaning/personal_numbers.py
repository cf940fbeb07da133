"""Chinese ID and bank-card numbers: what their checksums say."""

import datetime
import re

# The first two digits of an ID number: the provinces, and those for residents of Hong Kong, Macao and Taiwan.
_PROVINCES = re.compile("1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[1-3]")
_WEIGHTS = [2**place % 11 for place in range(17, -1, -1)]


def is_chinese_id(number: str) -> bool:
    """Return whether 18 characters are a Chinese ID number: a province, a date of birth, and the right check character.

    Args:
        number: str, 17 digits and a digit or X.

    References:
        - [GB 11643](https://zh.wikipedia.org/wiki/中华人民共和国公民身份号码), with ISO 7064 MOD 11-2.
    """
    if len(number) != 18 or not number[:17].isdecimal() or not _PROVINCES.match(number):
        return False
    try:
        born = datetime.date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return False
    last = 10 if number[17] in "Xx" else int(number[17]) if number[17].isdecimal() else -1
    digits = [*map(int, number[:17]), last]
    return 1850 <= born.year < 2100 and last >= 0 and sum(map(int.__mul__, digits, _WEIGHTS)) % 11 == 1


def is_bank_card(number: str) -> bool:
    """Return whether digits are the number of a payment card: 13 to 19 of them, first digits of an issuer, Luhn.

    Args:
        number: str of digits.

    References:
        - [ISO/IEC 7812](https://en.wikipedia.org/wiki/Payment_card_number)
    """
    # Issuers of cards have 3 to 6, and 22 to 27. Times in milliseconds begin with 1, the numbers of books with 978.
    issuer = number[:1] in ("3", "4", "5", "6") or "22" <= number[:2] <= "27"
    if not issuer or not 13 <= len(number) <= 19 or not number.isdecimal():
        return False
    digits = [int(digit) for digit in reversed(number)]
    doubled = sum(divmod(2 * digit, 10)[0] + 2 * digit % 10 for digit in digits[1::2])
    return (sum(digits[::2]) + doubled) % 10 == 0 and len(set(digits)) > 1 and not is_chinese_id(number)
