"""Too few words to ask anything, or more than a prompt needs."""

import re

from pipeline.gates.reading import read
from pipeline.tables import Kind

WORDS = (4, 60)
"""Fewest and most words of a prompt that a model writes."""
GIVEN = (1, 400)
"""Of one that somebody else wrote."""
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
"""Thai, Lao, Burmese, Khmer, Japanese and Chinese are written without spaces: two characters count as a word."""


def fault(text: str, kind: Kind, language: str = "en") -> str | None:  # noqa: ARG001 -- all rules are called alike
    """Words are counted between spaces; what is punctuation alone is none."""
    seen = read(text)
    fewest, most = GIVEN if kind == "given" else WORDS
    number = max(len(seen.words), len(_UNSPACED.findall(seen.plain)) // 2)
    if seen.cut or number > most:
        return "too long"
    return "too short" if number < fewest else None
