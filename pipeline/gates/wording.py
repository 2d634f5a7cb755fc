"""How a writer speaks of its own work: the words that its labels, prefaces and afterwords have in common.

SPA-VL published a quarter of its questions with such leaks ("Q:", "**Rewritten Question:**", "Here is ..."). A leak is not
cut off but reported: where it ends is a guess, and a writer can be asked again.
"""

import re

REASON = "leaked scaffolding"


def one_of(words: str) -> str:
    """A pattern for any of these words, which stand apart; `_` is a space within one."""
    return f"(?:{'|'.join(word.replace('_', ' ') for word in words.split())})"


def any_of(*patterns: str) -> re.Pattern[str]:
    """These patterns as one, for text in small letters. Those that begin with \\b are tried where a word begins or ends alone:
    every other place costs one look, however many they are."""
    bound = [pattern.removeprefix(r"\b") for pattern in patterns if pattern.startswith(r"\b")]
    free = [f"(?:{pattern})" for pattern in patterns if not pattern.startswith(r"\b")]
    return re.compile("|".join([*free, *([rf"\b(?:{'|'.join(bound)})"] if bound else [])]))


KIND = one_of("questions? statements? requests? prompts? query queries twins?")
"""What a writer is asked for."""
FORM = one_of(
    f"{KIND} versions? rewrites? variants? variations? rewording rephrasing wording phrasing formulation reformulation form"
)
"""What it calls what it made."""
TELLING = (
    r"(?:"
    + one_of(
        "re-?written re-?worded re-?phrased re-?formulated paraphrased harder tougher harmful harmless benign innocuous toxic "
        "typographic generated original"
    )
    + r"|more (?:difficult|challenging|complex|specific|harmful|subtle|direct|concrete))"
)
"""Of what kind it is, in words that nobody else has a use for beside a question or a request."""
MADE = (
    r"(?:(?:slightly |much |even |more |less )?"
    + one_of(
        "re-?written re-?worded re-?phrased re-?formulated re-?framed re-?stated revised refined reworked paraphrased modified improved "
        "adapted generated transformed converted turned updated edited suggested proposed sample example possible potential alternative "
        "candidate original new final hard harder tougher easy easier benign harmless harmful toxic typographic challenging complex "
        "difficult subtle specific direct imperative pointed better stronger sharper"
    )
    + r"),?"
)
"""And in all words, with the comma between two of them."""
IMAGE = one_of("image picture photo photograph scene")
SOME = r"(?:[\w'-]{1,20},? )"
"""Any word and the space behind it."""
OPENING = r"(?:^|(?<=[.!?:)] ))[^\w\s]{0,4} ?"
"""Of the text or of a sentence, with what markup stands there."""
LATER = r"(?<=[.!?\"] )"
"""Where a sentence begins that is not the first."""
