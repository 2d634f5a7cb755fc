"""What is asked of a prompt before it is kept. To add a rule that reads nothing but the text, write one module with

- a `fault(text, kind, language)` that returns its reason, always in the same few words, or None;
- patterns without an unbounded repeat, over what `reading.read` made of the text;
and put it into `RULES`, the cheaper before the dearer. The gates that ask a model stand beside them (`verdicts`).
"""

from collections.abc import Callable

from pipeline.gates import afterwords, degenerate, form, language, length, markup, prefaces, refusal
from pipeline.gates.copies import near_duplicates
from pipeline.tables import Kind

__all__ = ["RULES", "fault", "near_duplicates"]

RULES: tuple[Callable[[str, Kind, str], str | None], ...] = (
    markup.fault,
    degenerate.fault,
    refusal.fault,
    prefaces.fault,
    afterwords.fault,
    language.fault,
    length.fault,
    form.fault,
)
"""In the order in which they are asked: the first reason counts."""


def fault(text: str, kind: Kind, language: str = "en") -> str | None:
    """The first reason why a text is no prompt of its kind in this language (ISO 639-1), or None: it passes."""
    return next((reason for rule in RULES if (reason := rule(text, kind, language))), None)
