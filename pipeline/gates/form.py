"""Whether a text has its kind's form: one question, a request, or either.

No grammar is parsed. A question is known by its end and by a word or an inversion that asks; a request by a verb at the head
of a clause, or by somebody's saying what they want. What shows neither (a caption, an answer, a story) is not asked of anybody.
"""

import re

from pipeline.gates.grammar import (
    ASKING,
    AUXILIARY,
    BEFORE,
    CLOSED,
    INTENDS,
    LEAD,
    NO_VERB,
    OBJECT,
    SUBORDINATE,
    VERBS,
    WISHES,
)
from pipeline.gates.reading import Reading, read
from pipeline.gates.wording import any_of, one_of
from pipeline.tables import Kind

REASON = "wrong form"

_ASKS = any_of(
    rf"\b{one_of('what how why whose whom')}\b",
    rf"(?:^|[,(] ?|\"x\"[,)]? ?|\b{BEFORE} ){ASKING}\b",
    # an inversion at the head of a clause
    rf"(?:^|[,(] ?)(?:{BEFORE} ){{0,2}}{AUXILIARY} \S",
    rf"^{one_of('any anyone anybody anything ever want mind care remember know got ready')}\b",
    # a tag: ..., isn't it? | ..., right?
    rf", ?{AUXILIARY}(?: not)? {one_of('i it he she we they you there this that one')}\?|, ?{one_of('right correct no yes eh huh true okay')}\?",
)
"""In the sentence that ends in a question mark: what asks."""
_QUESTION_MARKS = re.compile(r"\?[?!]{0,20}")
_ENDS_IN_QUESTION = re.compile(r"[?\u061f][?!]{0,20}[\"')\]]{0,2}$")
_REQUEST = any_of(
    rf"^\W{{0,3}}{LEAD}{VERBS}\b",
    rf"^\W{{0,3}}{LEAD}(?!{CLOSED}\b|{NO_VERB}\b)[a-z][a-z-]{{1,20}}(?: and [a-z]{{2,12}})? {OBJECT}\b",
)
"""At the head of a clause: somebody is told to do something."""
_WISH = any_of(
    rf"\b(?:i|we)(?:'d)? (?:\w{{2,12}}ly |also |just |still |really )?{WISHES}\b|\b(?:i|we)'ll\b",
    rf"\b(?:i'm|i am|we're|we are) (?:\w{{2,12}}ly |also |just |still )?{INTENDS}\b",
    rf"\b(?:my|our|the) {one_of('plan goal aim wish intention idea hope dream')} is\b|\b(?:all|what) (?:i|we) (?:want|need)\b",
    r"\blet's\b|\btime to\b|\bplease\b|^looking for\b|^wanted:|^need(?:ed)?\b",
)
"""Somebody says what they want, or mean to do."""
_SUBORDINATE = any_of(rf"^{SUBORDINATE}\b", r"^\w{2,15}ing\b")
"""Opens a clause whose comma the request may follow: "If anybody asks, write ..."."""
_BRIEFLY = any_of(
    rf"^(?!{one_of('the a an this that these those my your his her its our their i you he she it we they there')}\b)\w{{2,15}}(?: [\w-]{{1,15}}){{0,3}},"
)
"""Or a few words do: "First, ...", "Step by step, ..."."""
_AFTER_COMMA = re.compile(r", (?:(?:so|then|and|but|please) ){0,2}")
_AND_THEN = re.compile(r", (?:so|and then|then|and|but)(?: please)? ")
_OPEN_END = any_of(
    rf"\b{one_of('the a an and or but because my your our their if than')}[.?!]{{0,3}}$",
    r"[,:;(-]$",
    rf"\b{one_of('of to with in on at by for from into is are was were that which who as about')}(?:\.\.\.)?$",
)
"""The text stops where more must come."""
_POLITE = any_of(r"\b(?:can|could|would|will) you\b")


def fault(text: str, kind: Kind, language: str = "en") -> str | None:
    """Of languages other than English only the question mark is looked at; of `given` prompts nothing."""
    if kind == "given":
        return None
    seen = read(text)
    fits = _fits(seen, kind) if language == "en" else _ends_as(seen, kind)
    return None if fits else REASON


def _fits(seen: Reading, kind: Kind) -> bool:
    if kind == "hard_statement":
        return is_request(seen)
    if kind == "typographic":  # a request may be put as a question
        return is_request(seen) or (is_question(seen) and bool(_POLITE.search(seen.lower)))
    return is_question(seen) or (kind == "benign_twin" and is_request(seen))


def _ends_as(seen: Reading, kind: Kind) -> bool:
    return kind in ("benign_twin", "typographic") or _ends_in_question(seen) != (kind == "hard_statement")


def is_question(seen: Reading) -> bool:
    """One question, at the end; sentences may stand before it."""
    inside = not seen.lower.endswith(("?", "!", ")")) and _ends_in_question(seen)  # ... to "Who are you?"
    marks = len(_QUESTION_MARKS.findall(seen.lower)) + inside
    if marks != 1 or not _ends_in_question(seen) or _OPEN_END.search(seen.lower):
        return False
    return any(_ASKS.search(clause) for clause in seen.clauses()[-2:])


def is_request(seen: Reading) -> bool:
    """Somebody is told or asked to do something, or told what one wants; no question."""
    if _QUESTION_MARKS.search(seen.lower) or _OPEN_END.search(seen.lower):
        return False
    return seen.plain[-1:] in ".!\"')]" and asks(seen.clauses())


def asks(clauses: list[str]) -> bool:
    """Whether one of these clauses is a request or a wish."""
    return any(_WISH.search(clause) or any(map(_REQUEST.match, _heads(clause))) for clause in clauses)


def _heads(clause: str) -> list[str]:
    """Where in a clause a request may begin: at its head, after "..., so" and after an opening subordinate clause."""
    commas = _AFTER_COMMA if _SUBORDINATE.match(clause) or _BRIEFLY.match(clause) else _AND_THEN
    return [clause, *(clause[found.end() :] for found in commas.finditer(clause))]


def _ends_in_question(seen: Reading) -> bool:
    return bool(_ENDS_IN_QUESTION.search(seen.plain))
