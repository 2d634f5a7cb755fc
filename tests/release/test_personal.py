"""Personal data is found where it is sure, and nowhere else."""

import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.release.personal import iban, luhn, masked

FOUND = {
    "write to jane.doe+x@mail.example.co.uk, now.": "write to [e-mail], now.",
    "J_D@EXAMPLE.COM": "[e-mail]",
    "call +49 30 901820 today": "call [phone number] today",
    "+1 (555) 123-4567": "[phone number]",
    "555-867-5309 or (030) 1234567": "[phone number] or [phone number]",
    "0800 123 4567": "[phone number]",
    "my card is 4111 1111 1111 1111.": "my card is [card number].",
    "5555-5555-5555-4444": "[card number]",
    "378282246310005": "[card number]",
    "GB82 WEST 1234 5698 7654 32 is mine": "[IBAN] is mine",
    "DE89370400440532013000": "[IBAN]",
    "8.8.8.8 and 192.168.1.1": "[IP address] and [IP address]",
    "fe80::1ff:fe23:4567:890a": "[IP address]",
    "2001:db8::1.": "[IP address].",
    "4111 1111 1111 1111 12/25": "[card number] 12/25",
    "4111 1111 1111 1111 123": "[card number] 123",
    "4111111111111111-12-25": "[card number]-12-25",
    "Visa 4111-1111-1111-1111 03/27 CVV 123": "Visa [card number] 03/27 CVV 123",
    "3782 822463 10005 1225": "[card number] 1225",
    "no 12: 12 4111 1111 1111 1111": "no 12: 12 [card number]",
    "555-867-5309 4111 1111 1111 1111 5555 5555 5555 4444": "[phone number] [card number] [card number]",
    "4111\N{NO-BREAK SPACE}1111\N{NARROW NO-BREAK SPACE}1111\N{FIGURE SPACE}1111": "[card number]",
    "5555\N{NON-BREAKING HYPHEN}5555\N{HYPHEN}5555\N{EN DASH}4444": "[card number]",
    "GB82\N{NO-BREAK SPACE}WEST\N{NO-BREAK SPACE}1234\N{NO-BREAK SPACE}5698\N{NO-BREAK SPACE}7654 32": "[IBAN]",
    "AB12 GB82 WEST 1234 5698 7654 32": "AB12 [IBAN]",
    "+49\N{NO-BREAK SPACE}30\N{NARROW NO-BREAK SPACE}901820 \N{EN DASH} now": "[phone number] \N{EN DASH} now",
    "555\N{FIGURE DASH}867\N{EN DASH}5309": "[phone number]",
    "1-800-555-1234 and 1-555-867-5309": "[phone number] and [phone number]",
    "1 (555) 867-5309": "[phone number]",
    "06 12 34 56 78": "[phone number]",
    "au 06.12.34.56.78.": "au [phone number].",
    "0800 123 4567 06 12 34 56 78": "[phone number] [phone number]",
    "_jane@example.com_": "[e-mail]_",
    "192.168.1.10-192.168.1.20": "[IP address]-[IP address]",
}
CLEAN = (
    "in 1999-2000, on 2026-11-22 at 12:30:45", "ISBN 978-3-16-148410-0", "1,000,000 and 3.14159265358979",
    "version 1.2.3.4", "v10.0.19041.1", "256.1.1.1", "order 1234567890123456", "2^64 = 18446744073709551616", "std::vector a::b",
    "127.0.0.1 and 0.0.0.0", "me @home, @someone", "a@b", "10:00-12:00", "pages 100-200", "0x7fffffff", "1 + 2 = 3",
    "$1,234,567.89", "1-2-3-4-5-6-7", "GB82 WEST 1234 5698 7654 33", "Matthew 5:3-12", "00:1A:2B:3C:4D:5E", "12 345 678 people",
    "C3PO R2D2", "1/2/2024", "4111111111111112", "0.123 456 789",
    "(2019) 12345678", "01 02 03 04 05", "05 06 12 34 56 78", "06 12 34 56 78 90", "a@b.com_c", "version 1.2.3.4-1.2.3.9",
    "lib2-1.2.3.4", "deb 1.2.3.4-5", "4111111111111111-x", "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 2 2", "100\N{EN DASH}200",
)  # fmt: skip


@pytest.mark.parametrize(("text", "clean"), FOUND.items())
def test_it_is_masked(text: str, clean: str) -> None:
    made, found = masked(text)
    assert made == clean
    assert found.total() == clean.count("[")


@pytest.mark.parametrize("text", CLEAN)
def test_what_is_none_is_left_as_it_is(text: str) -> None:
    assert masked(text) == (text, {})


@given(st.text())
def test_masked_text_holds_nothing_more_and_every_find_is_counted(text: str) -> None:
    made, found = masked(text)
    assert masked(made) == (made, {})
    assert (made == text) == (not found)


@given(st.text("0123456789", min_size=12, max_size=18))
def test_one_check_digit_of_ten_is_the_right_one(digits: str) -> None:
    assert sum(luhn(digits + last) for last in string.digits) == 1


@given(st.text(string.digits + string.ascii_uppercase, min_size=11, max_size=30), st.sampled_from(["DE", "GB", "MT"]))
def test_an_account_number_has_one_check(account: str, country: str) -> None:
    check = 98 - int("".join(str(int(c, 36)) for c in f"{account}{country}00")) % 97
    number = f"{country}{check:02}{account}"
    assert iban(number)
    if number[-1].isdigit():  # a letter counts as two digits, which another may equal
        assert not iban(number[:-1] + str((int(number[-1]) + 1) % 10))
    assert masked(f"It is {number}.")[1]["IBAN"] == 1


@given(st.text("0123456789 -./()+:@_aA\N{NO-BREAK SPACE}\N{EN DASH}", max_size=60))
def test_masked_numbers_hold_nothing_more(text: str) -> None:
    made, found = masked(text)
    assert masked(made) == (made, {})
    assert made.count("[") == found.total()


@given(st.integers(0, 10**12), st.integers(1, 12))
def test_few_plain_numbers_are_taken_for_personal_data(number: int, digits: int) -> None:
    text = str(number)[:digits]
    assert masked(f"there are {text} of them") == (f"there are {text} of them", {})


def test_a_long_text_of_digits_takes_no_time() -> None:
    luck = random.Random(0)
    for alphabet in (
        "0123456789",
        "0123456789 ",
        "0123456789.",
        "a@.",
        ":f",
        "AB12 -",
        "4",
        "4 ",
        "0 ",
        "a@b._",
        "1.-",
    ):
        masked("".join(luck.choices(alphabet, k=20_000)))
