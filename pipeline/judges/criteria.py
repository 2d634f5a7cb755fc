"""prompts/judge/rubrics/<criterion>.md → what is rated, and on which scale.

A file may begin with its scale, `scale: -3 to 3`, and an empty line; without, it is 1 to 5. A domain of the taxonomy may have a
file of its own: rubrics/<criterion>/<domain id>.md.
"""

import re
from functools import cache
from typing import NamedTuple

from pipeline import PROMPTS, templates
from pipeline.errors import UserError

_SCALE = re.compile(r"scale: (-?\d{1,3}) to (-?\d{1,3})\n\s*\n")
_ID = re.compile(r"[a-z][a-z0-9_]*")


class Criterion(NamedTuple):
    """What a rubric's file says."""

    text: str
    low: int
    high: int
    """Both ends are on the scale; higher is better."""


@cache
def load(criterion: str, domain: str | None = None) -> Criterion:
    """The domain's own rubric, or the criterion's. UserError: there is none, or its scale makes no sense."""
    name = f"judge/rubrics/{criterion}"
    if domain and _ID.fullmatch(domain) and (PROMPTS / name / f"{domain}.md").is_file():
        name = f"{name}/{domain}"
    return parsed(templates.load(name).fill(), f"prompts/{name}.md")


def parsed(text: str, where: str) -> Criterion:
    """A rubric's text without its header, and the scale."""
    if not text.startswith("scale:"):
        return Criterion(text, 1, 5)
    found = _SCALE.match(text)
    low, high = (int(end) for end in found.groups()) if found else (0, 0)
    if not found or low >= high:
        raise UserError(f"{where}: the first line is no scale; write `scale: 1 to 10`, an empty line, and the rubric")
    return Criterion(text[found.end() :].strip(), low, high)
