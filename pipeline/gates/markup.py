"""Wrappers and marks: what stands around a prompt in characters rather than in words.

A prompt is one line of prose. Code fences, JSON, tags, list numbers, emphasis and paths of classes say that a machine's
format came along with it.
"""

import re

from pipeline.gates.reading import read
from pipeline.gates.wording import REASON
from pipeline.tables import Kind

_TOKENS = re.compile(
    r"<\|?/?[\w/ ]{1,30}\|>|\[/?INST\]|<</?SYS>>|</?s>|</?think(?:ing)?>|<(?:bos|eos|pad|unk|start_of_turn|end_of_turn)>|</?image>"
)
"""Of a chat template: never part of what a person asks."""
_ROLES = re.compile(r"(?:^|[\s#])(?:USER|ASSISTANT|HUMAN|SYSTEM|Human|Assistant|User|System):")
_MARKUP = re.compile(
    r"```|~~~|\*\*|\\boxed|\\[nt\"]|\$\$|</\w{1,20}>|<\w{1,20} ?/>|<(?:img|question|statement|request|prompt|answer|output|p|b|i|q|br|div)>|\[/?(?:img|image|question|answer|prompt|request|statement|output|end|start|done|user|assistant|system|think)\]",
    re.IGNORECASE,
)
_LINE = re.compile(
    r"(?:^|\n)[ \t]{0,8}(?:#{1,6} ?\S|> ?\S|\|[^|\n]{1,99}\||[-*+\u2022\u2023\u25cf\u25aa\u2013\u2014] |\*\w|\(?\d{1,2}[.)\]:] ?[^\W\d]|\d{1,2} - |\(?[a-d]\) |\(?(?:i{1,3}|iv|v)\) )",
    re.IGNORECASE,
)
"""What opens a line: heading, quotation, table, bullet, number or letter of a list."""
_DATA = re.compile(
    r"^[\[{(]{1,3} ?[\"'][^\"']{1,60}[\"'] ?[:,\]})]|[\"'][\w -]{1,30}[\"'] ?: ?[\"'\[{]|^\w{1,20} ?= ?\S|^\w{1,20}\([\"']|^- ?\w{1,20}: ",
)
"""JSON, an assignment, a call, YAML."""
_PATH = re.compile(
    r"\w ?(?:>{1,2}|\u2192|\u00bb|=>|->|::) ?[^\W\d]|[\w.?!] [/|\\] [A-Z]|\b[a-z]{2,20}_[a-z]{2,20}(?:_[a-z]{2,20}){0,5}\b(?![.@])|"
    r"^[A-Z][\w&]{2,20}(?: [\w&]{1,20}){0,3}/[\w& ]{3,40}:|\b[A-Z][a-z]{3,20} (?:& )?[A-Za-z]{3,20}/[A-Z][a-z]{2,20} |\b(?:[A-Z]\w{3,20} Harms|Malicious Use)\b",
)
"""A path of classes (Fraud > scams), the id of one (academic_dishonesty), or how SPA-VL calls its domains."""
_ENUMERATED = re.compile(
    r"(?<!\w)\(?a\) [^()]{1,400}(?<!\w)\(?b\) |(?<!\w)\(?1\) [^()]{1,400}(?<!\w)\(?2\) |[.?!] 2[.)] |(?-i:[?.!] OR [\"A-Z])|(?<!\w)\(?i\) [^()]{1,400}(?<!\w)\(?ii\) ",
    re.IGNORECASE,
)
"""(a) ... (b): answers or wordings to choose from."""
_PAIRS = {'"': '"', "'": "'", "*": "*", "_": "_", "(": ")", "[": "]", "{": "}"}


def fault(text: str, kind: Kind, language: str = "en") -> str | None:  # noqa: ARG001 -- all rules are called alike
    """Of `given` prompts only a chat template's tokens: other people's may have lists, code and lines."""
    seen = read(text)
    if _TOKENS.search(seen.written):
        return REASON
    if kind == "given":
        return None
    if "\n" in seen.written or _wrapped(seen.plain):
        return REASON
    patterns = (_ROLES, _MARKUP, _LINE, _DATA, _PATH, _ENUMERATED)
    return REASON if any(pattern.search(seen.plain) for pattern in patterns) else None


def _wrapped(plain: str) -> bool:
    """Whether the whole stands between one pair of quotation marks, brackets or stars."""
    inner = plain.rstrip(".")
    end = _PAIRS.get(inner[:1])
    return (
        len(inner) > 2
        and end is not None
        and inner.endswith(end)
        and end not in inner[1:-1].replace("'", "", end != "'")
    )
