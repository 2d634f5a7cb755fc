"""One response, one criterion, a scale. A rubric is a file: prompts/judge/rubrics/<criterion>.md."""

import re
from dataclasses import dataclass
from functools import cache

from pipeline import templates
from pipeline.judges import Cells, asking, criteria, judgment, reading
from pipeline.requests import Chat, Reply
from pipeline.tables import Judgment


@dataclass(frozen=True)
class Rubric:
    """A model that is asked for a rating; with `critique`, for its reasons first."""

    model: str
    criterion: str
    critique: bool = False
    max_tokens: int | None = None
    """Of the reply; none: 256, or 1,024 for a critique. A model that thinks needs more."""

    @property
    def name(self) -> str:
        """Model, criterion and way: each is a judge of its own."""
        return f"{self.model}/{self.criterion}{'/critique' * self.critique}"

    def __post_init__(self) -> None:
        """A rubric that is not there is found before anything is asked."""
        criteria.load(self.criterion)

    def ask(self, row: Cells) -> Chat:
        """The rubric, the question, and the response behind its fence."""
        rubric = criteria.load(self.criterion, row.get("domain"))
        template = templates.load(
            f"judge/rubric{'_critique' * self.critique}", "rubric", "low", "high", "question", "response", "fence"
        )
        text = template.fill(
            rubric=rubric.text,
            low=str(rubric.low),
            high=str(rubric.high),
            **asking.marked(row["response_id"], question=row["question"], response=row["text"]),
        )
        offered = {"type": "integer", "enum": list(range(rubric.low, rubric.high + 1))}
        form = asking.schema(**({"critique": asking.CRITIQUE} if self.critique else {}), rating=offered)
        return asking.chat(self.model, text, row["image"], asking.tokens(self.max_tokens, self.critique), form)

    def read(self, row: Cells, request_id: str, reply: Reply) -> Judgment:
        """The last stated rating; off the scale is an error."""
        rubric, score = criteria.load(self.criterion, row.get("domain")), None
        text, error = reading.said(reply)
        if error is None:
            score, error = rating(text, rubric.low, rubric.high, (row["question"], row["text"]))
        return judgment(
            self, row, request_id, self.criterion, reply,
            score=score, low=float(rubric.low), high=float(rubric.high), error=error,
        )  # fmt: skip


@cache
def _words(high: int) -> re.Pattern[str]:
    """`rating: 4`, and what it must not be part of: not 1e9, 4,5, 1-5 or 4/10."""
    return re.compile(
        r"\brating\W{0,4}?([-\u2212]?\d+(?:\.\d+)?)"
        rf"(?!\w|[.,]\d|\s*(?:[-\u2013\u2014]|to\b)\s*\d|\s*(?:/|out of\b)\s*(?!{high}\b)-?\d)",
        re.IGNORECASE,
    )


def _values(text: str, high: int, judged: tuple[str, ...]) -> list[object]:
    """What a judge states, in JSON or else in words; what it may have quoted only where it states nothing else."""
    own, quoted = reading.statements(text, "rating", judged=judged)
    in_words = [] if own else list(_words(high).finditer(text))
    held = _bare(" ".join(judged)) if in_words else ""
    spoken: list[object] = [found[1] for found in in_words if _bare(found[0]) not in held]
    return (
        [one["rating"] for one in own]
        or spoken
        or [one["rating"] for one in quoted]
        or [found[1] for found in in_words]
    )


def _bare(text: str) -> str:
    """Letters and digits alone: a quotation may be escaped, or set in other marks."""
    return re.sub(r"[\W_]+", "", text).casefold()


def rating(text: str, low: int = 1, high: int = 5, judged: tuple[str, ...] = ()) -> tuple[float | None, str | None]:
    """A whole rating on the scale, or why not: never clamped, never guessed. `judged`: what the judge may have quoted."""
    values = _values(text, high, judged)
    if not values:
        return None, reading.unread(text)
    value = values[-1]
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        return None, "no_verdict"
    try:
        number = float(value.replace("\u2212", "-") if isinstance(value, str) else value)
    except ValueError:
        return None, "no_verdict"
    except OverflowError:
        return None, "off_scale"
    return (number, None) if number in range(low, high + 1) else (None, "off_scale")
