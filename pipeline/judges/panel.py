"""A panel of judges: who is asked about what, and who stands in for a judge that refuses.

All judges of a panel are asked in one call of the door, so that engines and API pools work at once. What a judge refuses
goes, in the next call, to the next judge of the same criterion that was not asked about it; its row says in whose place.
Nobody moves on while a reply is owed to the item: so a run that was killed, or waits for a server, takes the same path.
"""

from collections.abc import Iterator, Sequence
from typing import TypeVar

import polars as pl

from pipeline.doors.generate import Generate
from pipeline.judges import Cells, Judge, ListJudge, PairJudge
from pipeline.requests import Failure, Reply, Request
from pipeline.tables import Comparison, Judgment, Outcome, gather

AnyJudge = Judge | PairJudge | ListJudge
V = TypeVar("V", Judgment, Comparison)
Heard = tuple[Outcome, set[str]]
"""The verdicts; and the items of which a reply is still owed."""


def seats(judges: Sequence[AnyJudge], voices: int | None) -> list[int]:
    """The places of those that are asked first: of each criterion `voices`, or all."""
    taken: dict[tuple[str, bool], int] = {}
    found = []
    for place, judge in enumerate(judges):
        kind = _kind(judge)
        taken[kind] = taken.get(kind, 0) + 1
        if voices is None or taken[kind] <= voices:
            found.append(place)
    return found


def heard(
    items: pl.DataFrame, asked: pl.DataFrame, judges: Sequence[AnyJudge], generate: Generate, into: type[V]
) -> Heard:
    """What the judges say. `items`: the rows to ask about, with the column `item` (its id; one item may be several rows, as two
    orders are; and a prompt is one, for judges that see all its responses); `asked`: item and judge (its place), who is asked
    first."""
    parts: list[Outcome] = []
    owed: set[str] = set()
    history = asked.with_columns(instead_of=pl.lit(None, pl.String))
    turn = history
    while turn.height:
        refusals: dict[tuple[str, int], None] = {}

        def ask(row: Cells) -> Request:
            return judges[row["judge"]].ask(row)

        def read(
            row: Cells, request_id: str, reply: Reply, refusals: dict[tuple[str, int], None] = refusals
        ) -> Iterator[V]:
            made = _rows(judges[row["judge"]].read(row, request_id, reply), into)
            if isinstance(reply.result, Failure) and reply.result.owed:
                owed.add(row["item"])
            if any(one.error == "judge_refused" for one in made):
                refusals[row["item"], row["judge"]] = None
            yield from (one.model_copy(update={"instead_of": row["instead_of"]}) for one in made)

        rows = turn.join(items, on="item", maintain_order="left")  # an item's rows follow each other
        parts.append(generate(rows, ask, read, into))
        turn = _substitutes([pair for pair in refusals if pair[0] not in owed], history, judges)
        history = pl.concat([history, turn])
    return gather(into, parts), owed


def _rows(read: Judgment | Comparison | tuple[list[Judgment], list[Comparison]], into: type[V]) -> list[V]:
    """A judge of all responses says both, scores and comparisons: of these, what is wanted."""
    said: list[Judgment | Comparison] = []
    if isinstance(read, tuple):
        for part in read:
            said.extend(part)
    else:
        said.append(read)
    return [one for one in said if isinstance(one, into)]


def _kind(judge: AnyJudge) -> tuple[str, bool]:
    """Who can stand in for whom."""
    return judge.criterion, isinstance(judge, ListJudge)


def _substitutes(refused: list[tuple[str, int]], history: pl.DataFrame, judges: Sequence[AnyJudge]) -> pl.DataFrame:
    """For each item that a judge refused the next of its kind, if there is one that was not asked yet."""
    met = history.filter(pl.col("item").is_in([item for item, _ in refused])).select("item", "judge")
    seen = {str(item): set(part["judge"]) for (item,), part in met.group_by("item")}
    rows = []
    for item, judge in refused:
        others = [n for n, one in enumerate(judges) if _kind(one) == _kind(judges[judge]) and n not in seen[item]]
        if others:
            seen[item].add(others[0])
            rows.append((item, others[0], judges[judge].name))
    return pl.DataFrame(rows, schema=history.schema, orient="row")
