"""A text as the rules read it: normalised once, whatever quotes, widths and invisible characters it was written with.

No rule can be made slow by what it reads: it sees at most `LOOKED` characters, and no pattern of a rule has a repeat without
an upper bound, so the work is bounded by the length times a constant (tests/gates/test_rules.py holds them to it).
"""

import re
import string
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

LOOKED = 5000
"""Characters that rules look at. What is longer is too long, whatever it says: 400 words of English have about 2,500."""

_STRAIGHT = str.maketrans(
    "\u2018\u2019\u201a\u201b\u2032\u2039\u203a`\u00b4\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb\u2010\u2011\u2012\u2212",
    "'" * 9 + '"' * 7 + "-" * 4,
)
"""Quotes, primes and hyphens, each as the keyboard's own."""
_QUOTED = re.compile(r'"[^"]{1,300}"|(?<!\w)\'[^\']{1,200}\'(?!\w)')
_SIGNS = string.punctuation + "\u2013\u2014\u2026\u00a1\u00bf\u00b7\u2022"
_ENDED = re.compile(r'(?<=[.!?]")(?= [A-Z])')
"""Where a sentence ends in quotation marks, and another follows."""
_ABBREVIATED = re.compile(r"(?:^|[ .(])(?:[a-z]|mr|mrs|ms|dr|st|prof|jr|sr|vs|approx|inc|ltd|co)\.$")
"""A point that ends no sentence: of U.S., e.g., Dr."""
_BREAK = re.compile(r"(?<=[.!?;:])[\"')\]]{0,2} | --? | ?[\u2013\u2014] ?")
"""Between clauses: a full stop, a colon or semicolon, a dash."""


@dataclass(frozen=True)
class Reading:
    """One text, read."""

    written: str
    """As it was written, without the space around it: its first `LOOKED` characters."""
    plain: str
    """In compatibility form (NFKC), with straight quotes, single spaces and nothing invisible."""
    unquoted: str
    """`plain`, with "x" for whatever stands in quotation marks: others' words are no fault."""
    lower: str
    """`unquoted` in small letters."""
    words: tuple[str, ...]
    """Of `plain`, what stands between spaces, without the signs around it; signs alone are none."""
    cut: bool
    """Whether there is more than was looked at."""

    def clauses(self) -> list[str]:
        """The parts of `lower` between full stops, colons, semicolons and dashes, each with its own end."""
        parts: list[str] = []
        start = 0
        for found in _BREAK.finditer(self.lower):
            part = self.lower[start : found.start()]
            if not _ABBREVIATED.search(part[-8:]):
                parts.append(part.strip())
                start = found.end()
        return [part for part in [*parts, self.lower[start:].strip()] if part]


@lru_cache(maxsize=64)  # each rule reads the same text
def read(text: str) -> Reading:
    """Read a text; space around it makes no difference."""
    text = text.strip()
    written = text[:LOOKED]
    plain = unicodedata.normalize("NFKC", written.translate(_STRAIGHT))  # quotes first: it parts accents from spaces
    if not plain.isascii():
        plain = "".join(c for c in plain if unicodedata.category(c) != "Cf")
    plain = " ".join(plain[:LOOKED].split())  # one character can become eighteen
    unquoted = _QUOTED.sub('"x"', _ENDED.sub(".", plain))
    words = tuple(filter(None, (word.strip(_SIGNS) for word in plain.split())))
    return Reading(written, plain, unquoted, unquoted.lower(), words, len(text) > LOOKED)
