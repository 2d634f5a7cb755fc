"""Which answers are none: empty, going round in circles, cut off, or in another language than the prompt. A refusal is an answer."""

import re
from collections import Counter

from pipeline.gates import language as languages
from pipeline.samplers import Said
from pipeline.tables import Kind

EMPTY, LOOPING, TRUNCATED = "empty answer", "looping", "truncated"
FEWER, UNREADABLE = "fewer answers than asked", "unreadable"

_SHORT = 20
"""Bytes of an answer below which its language is not asked: "Paris" looks like any. Bytes are what it is told by."""
_KINDS: tuple[Kind, ...] = ("given", "easy_question")
"""What the language gate judges as a whole, and what it judges by parts."""
_HEARD = 200
"""Characters at the head and at the end of an answer that tell its language: some models drift off into another script while
they write."""
_TOKEN = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]|[^\W_]{1,80}"
)
"""A word; of writing without spaces, a character."""
_GRAM = 4
"""Words in a row that are looked for again."""
_ROUND = 64
"""Words of the longest circle that is looked for."""
_ROUNDS = 4
"""So often a circle is gone round, and..."""
_WORDS = 12
"""...so many words it repeats, before it is a loop: "very, very, very" is none."""
_LONG = 60
"""Words of a text from which on..."""
_NEW = 0.4
"""...at least this share of its runs of four words must be new ones; of prose it is above 0.9, of lists above 0.6."""
_LINES = 5
"""So often a line comes again..."""
_SHARE = 0.5
"""...and so many of all lines it is, before it is a loop."""
_STUTTER = re.compile(r"([^\W\d_]{1,8}?)\1{30,}")
"""aaaaa, without a space between."""
_LOOKED = 600
"""Characters at the head of an answer in which a refusal stands."""
_DECLINES = re.compile(
    r"\b(?:i|we)(?:'m|'re| am| are)?(?: [a-z]{2,12}){0,2}? (?:(?:must|have to|will) (?:decline|refuse)\b|"
    r"(?:can't|cannot|can not|won't|will not|unable to|unavailable to|not able to|not allowed to|not comfortable|not going to|"
    r"decline|refuse)(?: [a-z]{2,12}){0,4}? (?:do (?:that|this|it|so)\b|(?:help|assist|provid|answer|support|comply|fulfil|"
    r"complet|engag|shar|giv|facilitat|translat|access|offer|discuss|writ|creat|respond|participat|identify)(?:e|l|ing)?\b))",
    re.IGNORECASE,
)


def fault(said: Said, language: str, *, may_be_cut: bool) -> str | None:
    """Why an answer to a prompt in this language (ISO 639-1) is none, in the same few words; None: it is one. What declines
    need not be whole, nor in the prompt's language."""
    text = said.text.strip()
    if not text:
        return EMPTY if said.whole or may_be_cut else TRUNCATED
    if loops(text):
        return LOOPING
    if declines(text):
        return None
    if not said.whole and not may_be_cut:
        return TRUNCATED
    return languages.REASON if _foreign(text, language) else None


def missing(found: int, *, cut: bool) -> str:
    """Why an answer that a reply should hold beside those found is not there."""
    if cut:
        return TRUNCATED
    return FEWER if found else UNREADABLE


def declines(text: str) -> bool:
    """Whether it begins with a refusal: English wordings, which models fall into."""
    return bool(_DECLINES.search(" ".join(text[:_LOOKED].replace("\u2019", "'").split())))


def loops(text: str) -> bool:
    """The same words, characters or lines, over and over."""
    words = [word.casefold() for word in _TOKEN.findall(text)]
    runs = max(len(words) - _GRAM + 1, 0)
    again = runs - len(set(zip(*(words[n:] for n in range(_GRAM)), strict=False)))
    if again < _WORDS - _GRAM:  # a circle would have repeated as many
        return bool(_STUTTER.search(text))
    return (len(words) >= _LONG and runs - again < _NEW * runs) or _circles(words) or _lines(text)


def _circles(words: list[str]) -> bool:
    for around in range(1, min(_ROUND, len(words) // _ROUNDS) + 1):
        wanted, run = max((_ROUNDS - 1) * around, _WORDS), 0
        for before, word in zip(words, words[around:], strict=False):
            run = run + 1 if before == word else 0
            if run >= wanted:
                return True
    return False


def _lines(text: str) -> bool:
    lines = [line for line in map(str.strip, text.splitlines()) if len(_TOKEN.findall(line)) > 1]
    most = max(Counter(lines).values(), default=0)
    return most >= _LINES and most >= _SHARE * len(lines)


def _foreign(text: str, language: str) -> bool:
    """Both as a whole and by parts: related languages are told apart by neither alone."""
    if len(text.encode(errors="replace")) < _SHORT:
        return False
    heard = text if len(text) <= 2 * _HEARD else f"{text[:_HEARD]}\n{text[-_HEARD:]}"
    return all(languages.fault(heard, kind, language) for kind in _KINDS)
