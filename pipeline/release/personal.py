"""Personal data in a text: e-mail and IP addresses, telephone, card and account numbers, found by rule and masked.

A rule must be sure: a number that is only long is no telephone's, one that fails its checksum no card's, and a version is no
address. What people are called, and where they live, no rule finds.
"""

import ipaddress
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

import polars as pl

_TYPESET = str.maketrans(
    dict.fromkeys("\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}\N{FIGURE SPACE}", " ")
    | dict.fromkeys("\N{HYPHEN}\N{NON-BREAKING HYPHEN}\N{FIGURE DASH}\N{EN DASH}", "-")
)
"""What stands for a blank or a hyphen where numbers are typeset; each is one character, so that places stay."""
_CARDS = re.compile(r"(?<![\w.,+-])\d(?:[ -]?\d){12,18}")
"""13 to 19 digits, in groups or not; behind them may stand what belongs to the card (expiry, security code)."""
_CARD_END = re.compile(r"\d(?!\d)")
_NO_CARD_END = re.compile(r"\w|-(?!\d)|[.,]\d")
_CARD_GROUPS = re.compile(r"\d{13,19}|(?:\d{4}[ -]){3}\d{4}(?:[ -]\d{3})?|\d{4}[ -]\d{6}[ -]\d{4,5}")
"""As they are printed; so is a card's number among others."""
_BEFORE, _BEHIND = re.compile(r"\d[ -]$"), re.compile(r"[ -]\d")
"""Other numbers beside one."""
_CARD_BEGINNINGS = re.compile(r"4|5[ -]?[1-5]|2[ -]?[2-7]|3|6")
"""Visa, Mastercard (two ranges), American Express, Diners and JCB, Discover, UnionPay and Maestro."""
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]){11,30}(?![A-Za-z0-9])")
_EMAIL = re.compile(r"(?<![\w.+%-])[\w.+%-]{1,64}@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+[^\W\d_]{2,24}(?!_*[^\W_]|[@-])")
"""An underscore behind it closes italics in Markdown."""
_FOUR = r"(?:\d{1,3}\.){3}\d{1,3}"
_IPV4 = re.compile(rf"(?:(?<![\w.-])|(?<=\d-)){_FOUR}(?!\w|\.\d|-(?!{_FOUR}(?![\w-]|\.\d)))")
_RANGE = re.compile(rf"(?<![\w.-]){_FOUR}-$")
"""The first address of two."""
_IPV6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?![\w:])")
_PHONE = re.compile(
    r"(?<![\w.,+/-])(?:"
    r"(?:\+|00)[1-9]\d{0,2}[ .()/-]{0,2}(?:\(0\)[ .-]?)?\d(?:[ .()/-]{0,2}\d){6,12}"  # with a country's code
    r"|(?:1[ .-]?)?\((?!(?:19|20)\d\d\))\d{2,5}\) ?\d(?:[ .-]?\d){4,8}"  # (030) 1234567, 1 (555) 867-5309, not a year's
    r"|(?:1[ .-])?\d{3}[.-]\d{3}[.-]\d{4}"  # 555-867-5309, 1-555-867-5309
    r"|(?<!\d[ .-])0[1-9]([ .-])\d\d(?:\1\d\d){3}(?!\1\d)"  # 06 12 34 56 78
    r"|0\d{2,4}[ /-]\d{3,4}[ -]?\d{3,4}"  # 020 7946 0958, 030/1234567
    r")(?![\w-]|[.,/]\d)"
)
_DIGIT = re.compile(r"\d")
_VERSION = re.compile(
    r"(?i)\b(?:v|ver|version|release|firmware|build|section|chapter|article|clause|table|figure)[ .:]*$"
)
"""Before four numbers with dots between: then they are no address."""


def masked(text: str) -> tuple[str, Counter[str]]:
    """The text with `[e-mail]`, `[IBAN]`, `[card number]`, `[IP address]`, `[phone number]` in their place, and how many of each."""
    found: Counter[str] = Counter()
    before = None
    while text != before:  # what is masked may have stood in the way of what is beside it
        before = text
        digits = _DIGIT.search(text)
        for name, sign, pattern, sure in _RULES:
            if sign not in text or not (digits or sign == "@"):  # most texts are done here
                continue
            plain = text if sign or text.isascii() else text.translate(_TYPESET)
            spans = list(_spans(plain, pattern, sure))
            if not spans:
                continue
            starts = [start for start, _ in spans]
            kept = (
                text[end:start] for end, start in zip([0, *(end for _, end in spans)], [*starts, None], strict=True)
            )
            text = f"[{name}]".join(kept)
            found[name] += len(spans)
    return text, found


def _spans(text: str, pattern: re.Pattern[str], sure: Callable[[re.Match[str]], int]) -> Iterator[tuple[int, int]]:
    """Where it stands. Behind what only looked like it, the next may begin within."""
    at = 0
    while match := pattern.search(text, at):
        length = sure(match)
        at = match.start() + (length or 1)
        if length:
            yield match.start(), at


def clean(texts: pl.Series) -> tuple[pl.Series, Counter[str]]:
    """All of them masked, and how much was found."""
    made = [masked(text) for text in texts]
    found = sum((counted for _, counted in made), Counter[str]())
    return pl.Series(texts.name, [text for text, _ in made], dtype=pl.String), found


def _card(match: re.Match[str]) -> int:
    """Its length: what follows a card's number behind a blank may look as if it belonged to it."""
    text, start = match.string, match.start()
    if not _CARD_BEGINNINGS.match(text, start):
        return 0
    beside = _BEFORE.search(text[max(0, start - 2) : start])
    found = 0
    for end in (m.end() for m in _CARD_END.finditer(text, start, match.end())):
        number = text[start:end]
        if _NO_CARD_END.match(text, end) or (
            (beside or _BEHIND.match(text, end)) and not _CARD_GROUPS.fullmatch(number)
        ):
            continue
        digits = re.sub(r"\D", "", number)
        if len(digits) >= 13 and len(set(digits)) > 1 and luhn(digits):
            found = len(number)
    return found


def luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of the others (ISO/IEC 7812-1)."""
    doubled = (sum(divmod(2 * int(d), 10)) for d in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(doubled)) % 10 == 0


def iban(text: str) -> bool:
    """Whether it is an account number with a sound check (ISO 13616-1: modulo 97)."""
    moved = text[4:] + text[:4]
    return 15 <= len(text) <= 34 and int("".join(str(int(c, 36)) for c in moved)) % 97 == 1


def _account(match: re.Match[str]) -> int:
    """Its length: what follows an IBAN behind a blank may look as if it belonged to it."""
    ends: Iterable[int] = (m.end() for m in re.finditer(r"[A-Z0-9](?=[ -]|$)|$", match[0]))
    return max((end for end in ends if iban(re.sub(r"[ -]", "", match[0][:end]))), default=0)


def _address(match: re.Match[str]) -> int:
    """Nobody is found by an address that leads nowhere (0.0.0.0), or only to oneself (127.0.0.1); four numbers behind the
    word "version" are none."""
    try:
        address = ipaddress.ip_address(match[0])
    except ValueError:
        return 0
    before = match.string[max(0, match.start() - 28) : match.start()]
    if before.endswith("-"):
        first = _RANGE.search(before)
        if not first:
            return 0
        before = before[: first.start()]
    nobody = address.is_unspecified or address.is_loopback or _VERSION.search(before)
    return 0 if nobody or (address.version == 6 and not re.search(r"\d", match[0])) else len(match[0])


def _phone(match: re.Match[str]) -> int:
    digits = re.sub(r"\D", "", match[0])
    pairs = [int(pair) for pair in re.findall(r"\d\d", digits)]
    if match[1] and [pair - pairs[0] for pair in pairs] == list(range(len(pairs))):
        return 0  # somebody counts: 01 02 03 04 05
    return len(match[0]) if 7 <= len(digits) <= 15 and len(set(digits)) > 2 else 0


_RULES: tuple[tuple[str, str, re.Pattern[str], Callable[[re.Match[str]], int]], ...] = (
    ("e-mail", "@", _EMAIL, lambda match: len(match[0])),
    ("IBAN", "", _IBAN, _account),
    ("card number", "", _CARDS, _card),
    ("IP address", ".", _IPV4, _address),
    ("IP address", ":", _IPV6, _address),
    ("phone number", "", _PHONE, _phone),
)
"""What it is called, what a text must hold, what it looks like, and how much of that it is: 0 for none."""
