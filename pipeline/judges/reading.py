"""What a judge said, or why nothing can be read from it.

The last stated verdict counts; but a judge may quote what it judges, and a verdict that stands in the judged text is a quotation
where the judge states another one. An answer that was cut off has no verdict, for its last statement is not known.
"""

import json
import re
from collections.abc import Iterable
from typing import Any

from pipeline.judges.asking import shown
from pipeline.requests import Answer, Failure, Reply
from pipeline.verdicts import objects

Cells = dict[str, Any]
_HEAD = 200
"""Characters at the head of a reply in which a refusal declares itself; further on, words of refusal may be a quotation."""
_REFUSES = re.compile(
    r"\b(?:I|we)(?:'m| am| are)? (?:can't|cannot|can not|won't|will not|sorry|unable|not able|not comfortable|not going to|"
    r"must decline|have to decline|decline|refuse|(?:do not|don't) feel comfortable)\b"
    r"|\b(?:can't|cannot|unable to) (?:help|assist|comply|judge|rate|rank|evaluate|assess|compare|review|fulfill?)\b"
    r"|\bagainst (?:my|our) (?:guidelines|polic(?:y|ies)|principles)\b"
    r"|\A\W*(?:sorry\b|es tut mir leid|lo siento|je suis désolée?|desculpe|mi dispiace|извините|抱歉|对不起|申し訳)",
    re.IGNORECASE,
)


def said(reply: Reply) -> tuple[str, str | None]:
    """The judge's words and no error, or no words and why: the failure's word, `judge_refused`, `cut_off`, `no_verdict`."""
    match reply.result:
        case Failure(error=error):
            return "", "judge_refused" if error == "refused" else error
        case Answer(finish="refusal"):
            return "", "judge_refused"
        case Answer(finish="length"):
            return "", "cut_off"
        case Answer(text=text):
            return text, None
    return "", "no_verdict"


def unread(text: str) -> str:
    """Why a text states no verdict: `judge_refused` where its head says so, or else `no_verdict`."""
    return "judge_refused" if _REFUSES.search(text[:_HEAD].replace("\u2019", "'")) else "no_verdict"


def stated(text: str, *keys: str, judged: Iterable[str] = ()) -> Cells | None:
    """The verdict: a JSON object that has these keys. `judged`: the texts that the judge may have quoted."""
    own, quoted = statements(text, *keys, judged=judged)
    return next(reversed(own or quoted), None)


def statements(text: str, *keys: str, judged: Iterable[str]) -> tuple[list[Cells], list[Cells]]:
    """All JSON objects that have these keys, in order: the judge's own, and those that stand in the judged texts too."""
    try:
        whole = json.loads(text, strict=False)  # however long its reasons are
    except (ValueError, RecursionError):
        whole = None
    if isinstance(whole, dict) and all(key in whole for key in keys):
        return [whole], []
    forged = [one for other in judged for one in objects(shown(other), *keys)]
    found = list(objects(text, *keys))
    return [one for one in found if one not in forged], [one for one in found if one in forged]
