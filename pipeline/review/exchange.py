"""One neutral file of a review, JSON lines: each a pair as it is shown, with what was decided on it.

`--take` reads the decisions of such a file, or bare ones, a line each. Pairs that were flagged are not in it: what may be
illegal is never copied.
"""

from collections.abc import Iterator

from pipeline.doors.entries import Submitted
from pipeline.requests import Record
from pipeline.review.desk import Desk
from pipeline.tables import Decision


class Page(Record):
    """A line."""

    candidate_id: str
    question: str
    image: str | None
    """SHA-256: the name of the bytes in the workspace's `images/`."""
    category: str | None
    subcategory: str | None
    a_id: str
    a: str
    b_id: str
    b: str
    decisions: tuple[Decision, ...] = ()
    """What counts of it, in the order in which it was decided."""
    better: tuple[str, ...] = ()
    """Answers that reviewers wrote, because both were worse."""


def lines(desk: Desk) -> Iterator[str]:
    """Every pair of the queue that may be shown, as a line."""
    decided: dict[str, list[Decision]] = {}
    for decision in desk.standing.votes.decisions():
        decided.setdefault(decision.candidate_id or decision.response_id or "", []).append(decision)
    for pair in desk.queue:
        if desk.withheld(pair):
            continue
        item = desk.items[pair]
        said: list[Submitted] = desk.standing.votes.on(pair)
        yield Page(
            candidate_id=item.id, question=item.question, image=item.image, category=item.category,
            subcategory=item.subcategory, a_id=item.a_id, a=item.a, b_id=item.b_id, b=item.b,
            decisions=tuple(d for about in (item.id, item.a_id, item.b_id) for d in decided.get(about, ())),
            better=tuple(s.better for s in said if s.better),
        ).model_dump_json()  # fmt: skip
