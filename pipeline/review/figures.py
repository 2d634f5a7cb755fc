"""What the lead is told of a review: of each person, how far people agree, and how long it will take."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray

from pipeline.doors.entries import ELSEWHERE, OVERALL, SAFETY, Submitted
from pipeline.errors import UserError
from pipeline.review.ballot import CRITERIA
from pipeline.review.desk import Desk
from pipeline.statistics import agreement
from pipeline.statistics.agreement import Agreement, Resampling
from pipeline.statistics.intervals import wilson
from pipeline.tables import LabelError
from pipeline.workspace import Workspace

_RESAMPLING = Resampling(draws=1000)
_DAY = 86400.0


@dataclass(frozen=True)
class Rate:
    """A share with its 95 % interval (Wilson)."""

    hits: int
    of: int

    @property
    def interval(self) -> str:
        """In words."""
        found = wilson(self.hits, self.of)
        return f"{found[0]:.0%} to {found[1]:.0%}".replace("%", " %") if found else ""


@dataclass(frozen=True)
class Reviewer:
    """What one person decided, as far as it counts."""

    name: str
    role: str
    welcome: bool
    withdrawn: str | None
    """The entry by which their votes do not count, if they do not."""
    decided: int
    agrees: Rate
    """Of the others' votes on the same pairs, those on the same side (or a tie)."""
    left: Rate
    """Of their votes that are no ties, those for the answer on the left: about half, or the side decides."""
    gold: Rate
    """Of the pairs whose answer is known, those decided so."""
    seconds: float | None
    """Median, of a pair."""


@dataclass(frozen=True)
class Codes:
    """By one criterion: items x raters; NaN: not rated."""

    name: str
    level: agreement.Level
    values: NDArray[np.float64]


@dataclass(frozen=True)
class Agrees:
    """How far people agree by one criterion, or in one category."""

    name: str
    items: int
    raw: Agreement
    alpha: Agreement
    """Krippendorff's."""


@dataclass(frozen=True)
class Forecast:
    """How long what is owed will take."""

    hours: float | None
    """Of one person's work, by the median time of a decision; none: nobody decided yet."""
    pace: int
    """Decisions of the last seven days..."""
    days: float | None
    """...at which the queue is done after so many days."""


def error_lines(workspace: Workspace, run: str) -> list[str]:
    """How many labels of what nobody reviewed are wrong, with their bounds, as the run's table of them says; none: it has none."""
    found = {made.name: made for made in workspace.made(run)}.get("label_errors")
    if found is None:
        return []
    try:
        table = workspace.table(run, found)
    except (UserError, OSError):  # a run makes it anew at this moment
        return []
    return list(LabelError.sentences(table))


def people(desk: Desk) -> list[Reviewer]:
    """Everybody who may come in, or could."""
    said = _by_person(desk)
    return [_person(desk, name, said.get(name, [])) for name in desk.standing.people]


def _by_person(desk: Desk) -> dict[str, list[Submitted]]:
    found: dict[str, list[Submitted]] = {}
    for pair in desk.standing.votes.pairs():
        for one in desk.standing.votes.on(pair):
            if one.role == "reviewer":
                found.setdefault(one.by, []).append(one)
    return found


def _person(desk: Desk, name: str, said: list[Submitted]) -> Reviewer:
    person, votes = desk.standing.people[name], desk.standing.votes
    own = [one for one in said if not one.gold]
    others = [
        side(one) == side(other)
        for one in own for other in votes.on(one.candidate_id) if other.by != name and other.role == "reviewer"
    ]  # fmt: skip
    here = [one for one in said if one.interface != ELSEWHERE]
    lefts = [(one.strength() or 0) > 0 if one.left == "a" else (one.strength() or 0) < 0 for one in here if side(one)]
    known = [side(one) == np.sign(desk.items[one.candidate_id].preferred or 0) for one in said
             if one.gold and one.candidate_id in desk.items]  # fmt: skip
    return Reviewer(
        name, person.role, person.welcome, votes.withdrawal(name), len(own), Rate(sum(others), len(others)),
        Rate(sum(lefts), len(lefts)), Rate(sum(known), len(known)), median(o.seconds for o in here) if here else None,
    )  # fmt: skip


def side(said: Submitted) -> int:
    """1: it prefers a; -1: b; 0: neither."""
    return int(np.sign(said.strength() or 0.0))


def codes(desk: Desk) -> tuple[list[Codes], list[Codes]]:
    """What reviewers said of pairs that two or more of them decided: by criterion, and all in all by category."""
    shared = [
        (pair, said)
        for pair in desk.standing.votes.pairs()
        if len(said := [s for s in desk.standing.votes.on(pair) if s.role == "reviewer" and not s.gold]) >= 2
    ]
    axes = [
        Codes(criterion, "ordinal", _matrix({s.by: s.strength(criterion) for s in said} for _, said in shared))
        for criterion in CRITERIA
    ]
    responses = sorted({label.response_id for _, said in shared for s in said for label in s.labels})
    safety: dict[str, dict[str, float | None]] = {response: {} for response in responses}
    for _, said in shared:
        for one in said:
            for label in one.labels:
                safety[label.response_id][one.by] = float(label.label == "unsafe")
    axes.append(Codes(SAFETY, "nominal", _matrix(safety.values())))
    where = {pair: desk.items[pair].category if pair in desk.items else None for pair, _ in shared}
    categories = [
        Codes(category, "ordinal", _matrix({s.by: s.strength(OVERALL) for s in said} for pair, said in shared if where[pair] == category))
        for category in sorted({c for c in where.values() if c})
    ]  # fmt: skip
    return axes, categories


def _matrix(rows: Iterable[dict[str, float | None]]) -> NDArray[np.float64]:
    rated = [{who: value for who, value in row.items() if value is not None} for row in rows]
    columns = {who: place for place, who in enumerate(sorted({who for row in rated for who in row}))}
    values = np.full((len(rated), len(columns)), np.nan)
    for place, row in enumerate(rated):
        for who, value in row.items():
            values[place, columns[who]] = value
    return values


def agreed(rated: Codes) -> Agrees:
    """Measure it: raw agreement on the side (or on safe and unsafe), alpha on the whole scale."""
    values = rated.values
    if values.size == 0:
        none = Agreement(None, None, None, agreement.ALONE, 0)
        return Agrees(rated.name, 0, none, none)
    raw = agreement.raw(np.sign(values), _RESAMPLING)
    return Agrees(rated.name, raw.items, raw, agreement.krippendorff(values, _RESAMPLING, level=rated.level))


def forecast(desk: Desk, now: float | None = None) -> Forecast:
    """From what was decided so far."""
    now = time.time() if now is None else now
    spent = [one.seconds for said in _by_person(desk).values() for one in said if one.interface != ELSEWHERE]
    pace = sum(now - at < 7 * _DAY for at in desk.standing.times.values())
    begun = min((at for at in desk.standing.times.values() if now - at < 7 * _DAY), default=now)
    a_day = pace / max(1.0, (now - begun) / _DAY)
    return Forecast(
        desk.owed * median(spent) / 3600 if spent else None, pace, desk.owed / a_day if a_day and desk.owed else None
    )
