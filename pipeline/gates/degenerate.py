"""Text that says nothing: loops, garbage, damage, and templates left open."""

import re
import unicodedata

from pipeline.gates.reading import Reading, read
from pipeline.tables import Kind

REASON = "degenerate text"

_LETTERS = 0.5
"""Of all characters but spaces, at least this share are letters or digits; of prose it is above 0.9."""
_LOOP = 3
"""The same words so often in a row are a loop; four words or more need to come only twice."""
_AGAIN = 0.65
"""Share of words that stood there before, from which on a text of more than a dozen goes round in circles."""
_PERIOD = 60
"""Words: loops that come round more slowly are not looked for."""
_GARBAGE = 0.3
"""Share of words that nobody can pronounce, from which on a text is typed at random."""
_STUTTER = re.compile(r"([^\W\d_])\1{4,60}|([^\W\d_]{2,4})\2{4,60}|([?!.,;:-])\3{5,60}", re.IGNORECASE)
"""aaaaa, hahahahaha, !!!!!!"""
_CONTROL = re.compile(
    r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff\ue000-\uf8ff\ufff9-\uffff]|[a-z][\u0300-\u036f]{2}"
)
"""Control characters, halves of characters, those that mean nothing, and letters under heaps of accents."""
_DAMAGE = re.compile(
    r"\ufffd|&(?:[a-z]{2,8}|#\d{1,6});|\\[ux][0-9a-fA-F]{2,4}|\u00c3[\s\u0080-\u00bf]|\u00e3[\u00a1-\u00bf]|\u00e2\u20ac|[a-z]\?[a-z]{1,3}\b|u20(?:1[89cd]|26)|%20|[%=](?:[0-9][A-F]|[A-F][0-9A-F])\b"
)
"""What is left of a character after a wrong decoding or a missing one: a replacement mark, an entity, an escape."""
_MISREAD = re.compile(r"[\u00c2-\u00c5\u00ce-\u00d1\u00d7\u00d8\u00e0-\u00f0][^\x00-\x7f]{1,3}")
"""The first byte of two to four, as Windows' own code page shows it: decoded back, they are one character."""
_OPEN = re.compile(
    r"\{\{?[^{}]{0,60}\}?\}|<[^\W\d][\w -]{0,40}>|\[[^\W\d][^\[\]]{0,60}\]|\b(?:X{3,60}|Y{3,60}|Z{3,60})\b|_{3}|%[sd]\b|\$[A-Z_]{3,20}\b|"
    r"\b(?:[Ll]orem ipsum dolor|TODO|TBD|FIXME|INSERT [A-Z]{2,20} HERE)\b|\((?:[Ii]nsert|[Nn]ame of|[Yy]our) [^()]{1,40}\)",
)
"""A hole that nobody filled: [insert name], {subcategory}, XXX, ___."""
_SPOKEN = re.compile(r"[aeiouy\u00c0-\u024f\u1e00-\u1eff]", re.IGNORECASE)
_LATIN = re.compile(r"[a-z]{2,99}", re.IGNORECASE)


def fault(text: str, kind: Kind, language: str = "en") -> str | None:  # noqa: ARG001 -- all rules are called alike
    """Holes are no fault of a `given` prompt: code and forms have them."""
    seen = read(text)
    senseless = _unlettered(seen) or _damaged(seen) or _loops(seen) or _unspoken(seen)
    return REASON if senseless or (kind != "given" and _OPEN.search(seen.plain)) else None


def _unlettered(seen: Reading) -> bool:
    """Next to no letters: punctuation, signs, pictures."""
    solid = seen.plain.replace(" ", "")
    told = sum(map(str.isalnum, solid))
    if not solid.isascii():  # the vowels of Hindi and Thai are marks
        told += sum(unicodedata.category(c)[0] == "M" for c in solid)
    return told < _LETTERS * len(solid) or not any(map(str.isalpha, solid))


def _damaged(seen: Reading) -> bool:
    """Control characters, or letters that were read in the wrong encoding."""
    if _CONTROL.search(seen.written) or _DAMAGE.search(seen.written):
        return True
    return not seen.written.isascii() and any(map(_misread, _MISREAD.findall(seen.written)))


def _misread(run: str) -> bool:
    for end in range(2, len(run) + 1):
        try:
            run[:end].encode("cp1252").decode("utf-8")
        except UnicodeError:
            continue
        return True
    return False


def _loops(seen: Reading) -> bool:
    """The same words, or characters, over and over."""
    if _STUTTER.search(seen.plain):
        return True
    words = [word.casefold() for word in seen.words]
    again = len(words) - len(set(words))
    if again < _LOOP:
        return False
    doubled = sum(map(str.__eq__, words, words[1:]))  # in in the the picture picture
    if doubled >= _LOOP or again > _AGAIN * max(len(words), 12):
        return True
    for period in range(1, min(len(words) // 2, _PERIOD) + 1):
        run = 0
        wanted = period * (_LOOP - 1) + (period == 1) if period < 4 else period
        for before, word in zip(words, words[period:], strict=False):
            run = run + 1 if before == word else 0
            if run >= wanted:
                return True
    return False


def _unspoken(seen: Reading) -> bool:
    """Too many words without a vowel, too many of single letters, or one without an end."""
    words = seen.words
    small = [word for word in words if _LATIN.fullmatch(word) and not word.isupper()]
    mute = sum(len(word) > 2 and not _SPOKEN.search(word) for word in small)
    mixed = sum(not word.isalpha() and any(map(str.isdigit, word)) and any(map(str.isalpha, word)) for word in words)
    single = sum(len(word) == 1 and word.isalpha() and word.isascii() for word in words)
    endless = any(len(word) > 45 and word.isascii() and "-" not in word and "/" not in word for word in words)
    return endless or (len(words) > 3 and (mute + mixed >= _GARBAGE * len(words) or single > 0.6 * len(words)))
