"""All responses of a prompt in one call: a score each, and a ranking with ties (`1>2=3>4`)."""

import math
import re
from dataclasses import dataclass
from itertools import combinations
from typing import Any, ClassVar, Literal, NamedTuple

from pipeline import templates
from pipeline.judges import Cells, asking, comparison, criteria, judgment, reading
from pipeline.requests import Chat, Reply
from pipeline.tables import Comparison, Judgment, chance, row_id

_NUMBER = "[1-9][0-9]?"
_RANKING = re.compile(r"\s*\d{1,3}(?:\s*[>=]\s*\d{1,3})*\s*")


@dataclass(frozen=True)
class Listwise:
    """A model that sees them all, in an order drawn from the prompt's id. Scores are on the rubric's scale."""

    model: str
    criterion: str = "overall"
    """A file of prompts/judge/rubrics."""
    critique: bool = False
    max_tokens: int | None = None
    """Of the reply; none: 256, or 1,024 for a critique. A model that thinks needs more."""
    all_at_once: ClassVar[Literal[True]] = True

    @property
    def name(self) -> str:
        """Model, way and criterion: each is a judge of its own."""
        return f"{self.model}/listwise/{self.criterion}{'/critique' * self.critique}"

    def __post_init__(self) -> None:
        """A rubric that is not there is found before anything is asked."""
        criteria.load(self.criterion)

    def ask(self, row: Cells) -> Chat:
        """The rubric, the question, and the responses, numbered, each behind the fence."""
        rubric, shown = criteria.load(self.criterion, row.get("domain")), _shown(row)
        template = templates.load(
            f"judge/listwise{'_critique' * self.critique}", "rubric", "low", "high", "question", "answers", "fence"
        )
        marked = asking.marked(
            row["prompt_id"], question=row["question"], **{str(n): r["text"] for n, r in enumerate(shown, 1)}
        )
        answers = "\n".join(f"{marked['fence']} Answer {n}\n{marked[str(n)]}" for n in range(1, len(shown) + 1))
        text = template.fill(
            rubric=rubric.text,
            low=str(rubric.low),
            high=str(rubric.high),
            question=marked["question"],
            answers=answers,
            fence=marked["fence"],
        )
        # an object and no list: not every provider takes the length of a list
        offered = {"type": "integer", "enum": list(range(rubric.low, rubric.high + 1))}
        form = asking.schema(
            **({"critique": asking.CRITIQUE} if self.critique else {}),
            scores=asking.properties(**{str(n): offered for n in range(1, len(shown) + 1)}),
            ranking={"type": "string", "pattern": f"^{_NUMBER}([>=]{_NUMBER}){{{len(shown) - 1}}}$"},
        )
        return asking.chat(self.model, text, row["image"], asking.tokens(self.max_tokens, self.critique), form)

    def read(self, row: Cells, request_id: str, reply: Reply) -> tuple[list[Judgment], list[Comparison]]:
        """The last stated verdict, undone by id."""
        rubric, shown = criteria.load(self.criterion, row.get("domain")), _shown(row)
        text, error = reading.said(reply)
        texts = (row["question"], *(response["text"] for response in shown))
        read = error or verdict(text, len(shown), (rubric.low, rubric.high), texts)
        ends: dict[str, Any] = {"low": float(rubric.low), "high": float(rubric.high)}

        def judged(response: str, **values: Any) -> Judgment:
            cells = row | {"response_id": response}
            return judgment(self, cells, request_id, self.criterion, reply, **ends, **values)

        if isinstance(read, str):
            return [judged(response["id"], error=read) for response in row["responses"]], []
        placed = [_Placed(r["id"], n, *found) for n, (r, found) in enumerate(zip(shown, read, strict=True))]
        pairs = combinations(sorted(placed), 2)
        return (
            [judged(one.id, score=one.score) for one in placed],
            [self._compared(row, request_id, a, b, rubric.high - rubric.low) for a, b in pairs],
        )

    def _compared(self, row: Cells, request_id: str, a: "_Placed", b: "_Placed", width: int) -> Comparison:
        pair = {
            "candidate_id": row_id("pair", row["prompt_id"], a.id, b.id),
            "prompt_id": row["prompt_id"],
            "a_id": a.id,
            "b_id": b.id,
            "first": "a" if a.place < b.place else "b",
        }
        found = strength(b.rank - a.rank, a.score - b.score, width)
        error = "contradiction" if found is None else None
        return comparison(self, pair, request_id, found, error, self.criterion)


class _Placed(NamedTuple):
    """A response as it was shown and as it was judged."""

    id: str
    place: int
    """0 was shown first."""
    score: float
    rank: int
    """0 is the best; ties share one."""


def _shown(row: Cells) -> list[Cells]:
    """The responses in the order in which they are shown: drawn from the prompt's id, whatever order they come in."""
    responses: list[Cells] = sorted(row["responses"], key=lambda response: str(response["id"]))
    chance("listwise", row["prompt_id"]).shuffle(responses)
    return responses


def verdict(
    text: str, number: int, scale: tuple[int, int], judged: tuple[str, ...] = ()
) -> list[tuple[float, int]] | str:
    """Score and rank (0 is the best; ties share one) of each response, in the order shown, or why not. `scale`: its ends;
    `judged`: what the judge may have quoted."""
    stated = reading.stated(text, "scores", "ranking", judged=judged)
    if stated is None:
        return reading.unread(text)
    scores, ranks = stated["scores"], ranking(stated["ranking"], number)
    if isinstance(scores, dict):
        scores = [scores.get(str(n)) for n in range(1, number + 1)] if len(scores) == number else None
    if not isinstance(scores, list) or len(scores) != number or ranks is None:
        return "off_scale"
    if any(type(score) not in (int, float) or score not in range(scale[0], scale[1] + 1) for score in scores):
        return "off_scale"
    return list(zip(map(float, scores), ranks, strict=True))


def ranking(stated: object, number: int) -> list[int] | None:
    """`2>1=3` → [1, 0, 1]: the rank of each of 1 to `number`; None where one is missing, strange or named twice."""
    if not isinstance(stated, str) or not _RANKING.fullmatch(stated):
        return None
    levels = [[int(name) for name in level.split("=")] for level in stated.split(">")]
    rank = {name: place for place, level in enumerate(levels) for name in level}
    if sum(map(len, levels)) != number or set(rank) != set(range(1, number + 1)):
        return None
    return [rank[name] for name in range(1, number + 1)]


def strength(places: int, gap: float, width: int) -> float | None:
    """-3 to 3 from a's lead in the ranking and in score: the ranking says who, the gap as a share of the scale by how much, and
    at least 1. None where they point opposite ways."""
    if places == 0:
        return 0.0
    if places * gap < 0:
        return None
    return math.copysign(max(1, math.ceil(3 * abs(gap) / width)), places)
