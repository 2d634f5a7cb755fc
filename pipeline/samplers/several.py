"""Several answers in one reply: JSON, tags, or a numbered list, whatever the model made of its orders.

What is readable is read, and nothing is guessed: text in no known shape holds no answers. Every pattern either has an upper
bound or never gives back what it took, so that the work grows with the length of the reply alone.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping

from pipeline.samplers import Said

_TEXT = ("text", "response", "answer", "content", "reply")
"""How models call an answer in JSON, the likelier first."""
_STRING = r'"(?:[^"\\]|\\.)*+"'
_PAIR = rf"({_STRING})\s*+:\s*+({_STRING}|-?[\d.]++(?:[eE][+-]?\d++)?%?|true|false|null)\s*+"
_PAIRS = re.compile(_PAIR, re.DOTALL)
_OBJECT = re.compile(rf"\{{\s*+{_PAIR}(?:,\s*+{_PAIR})*+,?\s*+\}}", re.DOTALL)
"""A flat object; a comma behind its last pair is forgiven."""
_NUMBERED_KEY = re.compile(rf"(?:{'|'.join(_TEXT)})?[ _-]?\d{{1,2}}", re.IGNORECASE)
"""{"response_1": "...", "response_2": "..."}"""
_LAST = re.compile(
    rf'\{{\s*+"(?:{"|".join(_TEXT)})"\s*+:\s*+"((?:[^"\\]|\\.)*+)(?:\\?\Z|(")\s*+(?:,[^{{}}]{{0,80}})?\Z)', re.DOTALL
)
"""An object that the reply's end cuts off: within its text, or behind it."""
_LIST = re.compile(rf'\[\s*+{_STRING}(?:\s*+,\s*+{_STRING})*+\s*+,?\s*+(?:\]|(?:"(?:[^"\\]|\\.)*+\\?)?\Z)', re.DOTALL)
_STRINGS = re.compile(_STRING, re.DOTALL)
_PREFACE = 200
"""Characters that may stand before a list: in the middle of an answer, one is a part of it."""
_OPENING = re.compile(r"<(?:response|answer)\b[^<>]{0,80}>", re.IGNORECASE)
_CLOSING = re.compile(r"</(?:responses?|answers?)\s?>", re.IGNORECASE)
_WORDS = re.compile(r"<text\b[^<>]{0,40}>(.*?)(?:</text\s?>|<probability\b|\Z)", re.IGNORECASE | re.DOTALL)
_STATED = re.compile(r"<probability\b[^<>]{0,40}>([^<>]{0,40})(?:</probability\s?>|\Z|(?=<))", re.IGNORECASE)
_MARK = re.compile(
    r"^[ \t]{0,2}(?:[*#>_]{1,4}[ \t]{0,2})?(?:(response|answer|option|reply)[ \t]{1,2})?#?(\d{1,2})[*_]{0,3}[.):][*_]{0,3}(?=\s)",
    re.IGNORECASE | re.MULTILINE,
)
"""`1.`, `2)`, `**Response 3:**`, `### Answer 4:`"""
_ASIDE = r"[*_(\[]{0,3}\bprob(?:ability)?\b[*_]{0,2} ?[:=][*_]{0,2} ?(\d{0,3}(?:\.\d{0,12})?%?)[*_)\]]{0,3}"
_BEFORE = re.compile(rf"{_ASIDE}\s*+[:.,-]?", re.IGNORECASE)
_BEHIND = re.compile(rf"{_ASIDE}\.?\Z", re.IGNORECASE)
"""(probability: 0.2), **Probability:** 20%"""


def schema(answer: Mapping[str, Mapping[str, str]]) -> str:
    """JSON Schema of an object that lists answers with these properties."""
    item = {"type": "object", "properties": answer, "required": list(answer), "additionalProperties": False}
    whole = {"responses": {"type": "array", "items": item}}
    return json.dumps({"type": "object", "properties": whole, "required": ["responses"], "additionalProperties": False})


def read(text: str, most: int, *, cut: bool) -> list[Said]:
    """The answers in a reply in their order, at most `most`, none of them empty. `cut`: the reply ran into the token limit, so
    that an answer without an end is not whole. A list that is only numbered is one of answers if it has just `most` items, or
    if each states its probability: the steps of a single answer are numbered too."""
    tag, brace = _OPENING.search(text), text.find("{")
    shapes = (_tagged, _objects, _listed) if tag and not 0 <= brace < tag.start() else (_objects, _listed, _tagged)
    for shape in shapes:
        if found := [said for said in shape(text, cut=cut) if said.text]:
            return found[:most]
    return [said for said in _numbered(text, most, cut=cut) if said.text][:most]


def probability(stated: object) -> float | None:
    """0 to 1, from a number, "0.2" or "20%"; None where it is none: never clamped."""
    if not isinstance(stated, int | float | str) or isinstance(stated, bool):
        return None
    percent = isinstance(stated, str) and stated.strip().endswith("%")
    try:
        value = float(stated.strip().removesuffix("%") if isinstance(stated, str) else stated)
    except (ValueError, OverflowError):
        return None
    value = value / 100 if percent else value
    return value if math.isfinite(value) and 0 <= value <= 1 else None


def _objects(text: str, *, cut: bool) -> Iterator[Said]:
    end = 0
    for found in _OBJECT.finditer(text):
        end = found.end()
        pairs = {str(_value(key)).lower(): _value(value) for key, value in _PAIRS.findall(found[0])}
        yield from _of(pairs)
    if (last := _LAST.search(text, end)) and isinstance(said := _value(f'"{last[1]}"'), str):
        yield Said(said.strip(), whole=bool(last[2]) or not cut)


def _of(pairs: Mapping[str, object]) -> Iterator[Said]:
    """The answer in an object, or those under its numbered keys."""
    said = next((pairs[key] for key in _TEXT if isinstance(pairs.get(key), str)), None)
    if isinstance(said, str):
        yield Said(said.strip(), probability(pairs.get("probability")))
        return
    for key, value in pairs.items():
        if isinstance(value, str) and _NUMBERED_KEY.fullmatch(key):
            yield Said(value.strip())


def _value(text: str) -> object:
    """Of a JSON string or number; what is neither quite, such as 5%, as it stands; None: a string that is broken. Half a character
    (a lone surrogate, which JSON can spell and UTF-8 cannot) becomes U+FFFD."""
    try:
        value: object = json.loads(text, strict=False)
    except ValueError:
        return None if text.startswith('"') else text
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace") if isinstance(value, str) else value


def _listed(text: str, *, cut: bool) -> Iterator[Said]:  # noqa: ARG001 -- all shapes are read alike
    """A list of strings."""
    found = _LIST.search(text)
    if found and found.start() <= _PREFACE:
        for string in _STRINGS.findall(found[0]):
            if isinstance(said := _value(string), str):
                yield Said(said.strip())


def _tagged(text: str, *, cut: bool) -> Iterator[Said]:
    starts = list(_OPENING.finditer(text))
    for n, start in enumerate(starts):
        part = text[start.end() : starts[n + 1].start() if n + 1 < len(starts) else len(text)]
        closing = _CLOSING.search(part)
        part = part[: closing.start()] if closing else part
        stated, words = _STATED.search(part), _WORDS.search(part)
        said = words[1] if words else part[: stated.start()] + part[stated.end() :] if stated else part
        ended = closing or n + 1 < len(starts) or stated or "</text" in part.lower()
        yield Said(said.strip(), probability(stated[1]) if stated else None, bool(ended) or not cut)


def _numbered(text: str, most: int, *, cut: bool) -> list[Said]:
    marks = list(_MARK.finditer(text))
    named = [mark for mark in marks if mark[1]]
    marks = named or marks
    if not marks or [int(mark[2]) for mark in marks] != list(range(1, len(marks) + 1)):
        return []
    ends = [*(mark.start() for mark in marks[1:]), len(text)]
    parts = [text[mark.end() : end].strip() for mark, end in zip(marks, ends, strict=True)]
    asides = [_BEFORE.match(part) or _BEHIND.search(part) for part in parts]
    sure = bool(named) or len(marks) == most or all(asides)
    if not sure or marks[0].start() > _PREFACE:
        return []
    said = [
        Said((part[: aside.start()] + part[aside.end() :]).strip(), probability(aside[1])) if aside else Said(part)
        for part, aside in zip(parts, asides, strict=True)
    ]
    return [*said[:-1], Said(said[-1].text, said[-1].probability, whole=not cut)]
