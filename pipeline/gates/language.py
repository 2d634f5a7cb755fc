"""Which language a text is in, and whether all of it is in the one that is wanted.

py3langid knows 139 languages by naive Bayes over byte sequences: pure Python and numpy, the same answer every time, nothing
shared that changes once it is loaded. It named the language of 115 of 118 short questions in 36 languages, and took none of
1,953 English prompts for foreign.
"""

import re
from functools import cache, lru_cache
from typing import Any

from pipeline.errors import UserError
from pipeline.gates.reading import read
from pipeline.gates.wording import any_of, one_of
from pipeline.tables import Kind

REASON = "wrong language"
UNKNOWN = "und"

_WINDOW = 5
"""Words that are judged together. Four are too few: of English ones some look Italian."""
_STEP = 2
"""Words from one window to the next."""
_LEAST = 0.01
"""Below this probability of the wanted language a window is foreign. Of 1,953 English prompts no window came below 0.02; of 136
in other languages or in two, each had one below 0.01."""
_ENOUGH = 4
"""Words that must stay when names are left aside."""
_JUDGED = 100
"""Words that are looked at in windows: what is longer is too long for a prompt."""
_SHARE = 0.35
"""Of the words, this many in foreign windows make a text foreign: a name or a dish may stay."""
_UNLATIN = 0.25
"""Of the letters of an English text, more than this share in another script make it foreign."""
_SURE = 0.2
"""Below this probability of the likeliest language, nobody knows."""
_KIN = (("id", "ms"), ("no", "nn", "da"), ("hr", "sr", "bs"), ("cs", "sk"), ("pt", "gl"), ("af", "nl"), ("fa", "ps"))
"""Written so much alike that a few words do not tell them apart: each counts for the others."""
_ENGLISH = any_of(
    r"\b"
    + one_of(
        "the and what which how that this these those would could should who whom whose why where when with from their they them "
        "you your are were been have does not about into there here than might picture tell write someone people"
    )
    + r"\b"
)
"""Words that are English and next to nothing else: a window with one of them, and another English word, is not asked about."""
_SHORT = any_of(one_of("a an am as at be by do for he her i if in is it me my no of on or she so to up us was we"))
"""English words that others have too. At the border of a foreign stretch neither kind is counted as part of it."""
_WORD = re.compile(r"[^\W\d_](?:[^\W\d_]|[\u0300-\u036f]|['-](?=[^\W\d_])|\w){0,40}")


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    # ISO 639-1 has two letters; in Latin nobody asks, but scientific terms look like it
    identifier.set_languages([name for name in identifier.labels if len(name) == 2 and name != "la"])
    return identifier


def fault(text: str, kind: Kind, language: str = "en") -> str | None:
    """Whether a good part of the text is in another language. A `given` prompt may ask for a translation: it is judged as a
    whole."""
    _check(language)
    if kind == "given":
        return None if of(text) in (*_kin(language), UNKNOWN) else REASON
    words = _words(text)[:_JUDGED]
    if language == "en" and _unlatin(words):
        return REASON
    plain = [language == "en" and bool(_ENGLISH.fullmatch(word.lower())) for word in words]
    small = [language == "en" and bool(_SHORT.fullmatch(word.lower())) for word in words]
    foreign: set[int] = set()  # numbers of words
    last = max(len(words) - _WINDOW, 0)
    for start in sorted({*range(0, last, _STEP), last}):
        window = slice(start, start + _WINDOW)
        if sum(plain[window]) > 0 and sum(plain[window]) + sum(small[window]) > 1:
            continue
        if _foreign(" ".join(words[window]), language):
            foreign.update(range(start, min(start + _WINDOW, len(words))))
    alien = sum(not plain[n] and not small[n] for n in foreign)
    return REASON if alien and alien >= _SHARE * len(words) else None


@lru_cache(maxsize=4096)  # asked once by the rule and once for the column
def of(text: str) -> str:
    """ISO 639-1 code of the likeliest language; `und` where it cannot be told."""
    words = _words(text)
    if len(_ENGLISH.findall(" ".join(words).lower())) >= max(3, 0.3 * len(words)):
        return "en"
    if not words:
        return UNKNOWN
    name, probability = _identifier().classify(" ".join(words))
    return str(name) if probability >= _SURE else UNKNOWN


def _words(text: str) -> list[str]:
    """Without numbers, signs and what stands in quotation marks, unless nothing else is left; nor names, where enough stays."""
    seen = read(text)
    words: list[str] = _WORD.findall(seen.unquoted.replace('"x"', " ")) or _WORD.findall(seen.plain)
    common = [word for n, word in enumerate(words) if n == 0 or not word[0].isupper() or word == "I"]
    return common if len(common) >= _ENOUGH else words


def _unlatin(words: list[str]) -> bool:
    letters = [c for c in "".join(words) if c.isalpha()]
    return sum(c > "\u024f" and not "\u1e00" <= c <= "\u1eff" for c in letters) > _UNLATIN * len(letters)


def _foreign(words: str, language: str) -> bool:
    wanted = _kin(language)
    if _identifier().classify(words)[0] in wanted:
        return False
    ranked: list[tuple[str, float]] = _identifier().rank(words)
    return sum(probability for name, probability in ranked if name in wanted) < _LEAST


def _kin(language: str) -> tuple[str, ...]:
    return next((kin for kin in _KIN if language in kin), (language,))


@cache
def _check(language: str) -> None:
    if language != "en" and language not in _identifier().nb_classes:
        raise UserError(f"no such language: {language!r}; give its ISO 639-1 code, two small letters such as en or de")
