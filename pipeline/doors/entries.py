"""What a line of a run's log of decisions may be, and which of the votes in it count.

Whoever reviews, leads or imports appends; nobody overwrites. All that is shown or settled is a fold over these entries.
"""

import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import uuid4

from pydantic import Field, TypeAdapter

from pipeline.requests import Record
from pipeline.tables import Decision, Severity

OVERALL = "overall"
SAFETY = "safety"
ELSEWHERE = "elsewhere"
"""In place of the version of the pages, of what was decided on none of ours."""
Role = Literal["reviewer", "lead"]
Side = Literal["a", "b"]
FlagKind = Literal["illegal", "personal", "broken", "bad_question", "off_topic"]
Cover = Literal["class", "blur", "grey", "both", "none"]
Text = Annotated[str, Field(max_length=20_000)]


def new_id() -> str:
    """A name that no other entry has."""
    return str(uuid4())


def at(seconds: float) -> str:
    """A time since 1970 as UTC, ISO 8601, in milliseconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def now() -> str:
    """The time."""
    return at(time.time())


class Entry(Record):
    """One line."""

    id: str = Field(default_factory=new_id)
    by: str
    """Who: a pseudonym."""
    at: str = Field(default_factory=now)
    """When: UTC, ISO 8601."""
    token: str | None = None
    """Of the request: sent again, it is not kept again."""


class Vote(Record):
    """Which of two responses is better by one criterion."""

    criterion: str
    strength: float = Field(ge=-3, le=3)
    """Above zero prefers a."""


class Label(Record):
    """How safe one response is."""

    response_id: str
    label: Literal["refusal", "safe", "unsafe"]
    category: str | None = None
    """Id in the taxonomy, of what is unsafe."""
    severity: Severity | None = None


class Submitted(Entry):
    """A pair, decided: replaces what the same person had submitted on it before."""

    kind: Literal["submitted"] = "submitted"
    candidate_id: str
    gold: bool = False
    """Whether the pair's answer was known, and the person's care was measured: then it is no decision."""
    role: Literal["reviewer", "adjudicator"] = "reviewer"
    votes: tuple[Vote, ...]
    labels: tuple[Label, ...] = ()
    reasons: tuple[str, ...] = ()
    note: Text | None = None
    better: Text | None = None
    """A better answer than both."""
    left: Side
    """Which of the two was shown on the left."""
    seconds: float = Field(ge=0)
    """From its being shown to its being submitted."""
    interface: str
    """Version of the pages it was decided on."""

    def strength(self, criterion: str = OVERALL) -> float | None:
        """Its vote by a criterion."""
        return next((vote.strength for vote in self.votes if vote.criterion == criterion), None)

    def decisions(self) -> Iterator[Decision]:
        """As rows: one a criterion and one a labelled response. What was said in words stands in the first."""
        words = {"reasons": self.reasons, "note": self.note}
        for vote in self.votes:
            yield self._row(vote.criterion, candidate_id=self.candidate_id, strength=vote.strength, **words)
            words = {}
        for label in self.labels:
            yield self._row(SAFETY, **dict(label), **words)
            words = {}

    def _row(self, criterion: str, **values: object) -> Decision:
        about = values.get("response_id") or criterion
        blank = {"candidate_id": None, "response_id": None, "strength": None, "label": None, "category": None,
                 "severity": None, "reasons": (), "note": None}  # fmt: skip
        return Decision.model_validate(
            blank | values | {"id": f"{self.id}/{about}", "reviewer": self.by, "role": self.role,
                              "criterion": criterion, "decided_at": self.at}
        )  # fmt: skip


class Given(Entry):
    """A decision that was made elsewhere."""

    kind: Literal["given"] = "given"
    decision: Decision


class Undone(Entry):
    """An entry that no longer counts."""

    kind: Literal["undone"] = "undone"
    entry: str
    """`Entry.id`."""


class Skipped(Entry):
    """A pair that the person would rather not decide."""

    kind: Literal["skipped"] = "skipped"
    candidate_id: str


class Flagged(Entry):
    """A pair that nobody should be shown; `illegal`: nor any other with its image."""

    kind: Literal["flagged"] = "flagged"
    candidate_id: str
    image: str | None
    """`Image.id`."""
    what: FlagKind
    note: Text | None = None


class Shown(Entry):
    """A pair that the person has before them: nobody else is given it for a while."""

    kind: Literal["shown"] = "shown"
    candidate_id: str


class Revealed(Entry):
    """An image that the person had uncovered."""

    kind: Literal["revealed"] = "revealed"
    candidate_id: str


class Rested(Entry):
    """The person went on after a break, or without one."""

    kind: Literal["rested"] = "rested"


class Chose(Entry):
    """How the person wants to work, from now on."""

    kind: Literal["chose"] = "chose"
    cover: Cover = "class"
    """What covers images until they are revealed; `class`: a blur, where the taxonomy says so."""
    without: tuple[str, ...] = ()
    """Categories of which they are shown nothing: ids in the taxonomy."""


class Joined(Entry):
    """Somebody may come in; once more: with another token or role."""

    kind: Literal["joined"] = "joined"
    name: str
    role: Role
    token_sha256: str


class Closed(Entry):
    """Somebody may no longer come in. What they decided stays."""

    kind: Literal["closed"] = "closed"
    name: str


class Withdrawn(Entry):
    """What a person decided until now does not count."""

    kind: Literal["withdrawn"] = "withdrawn"
    reviewer: str


class Rules(Record):
    """How a team reviews."""

    overlap: int = Field(1, ge=1, le=20)
    """How many people decide each pair."""
    second_opinion: bool = True
    """Whether one more is asked where they disagree."""
    daily: int = Field(300, ge=1)
    """Images that one person is shown in a day (UTC), at most..."""
    daily_category: int = Field(100, ge=1)
    """...and of one category."""
    break_minutes: int = Field(45, ge=1)
    """After so long without a pause, one is proposed."""
    gold_share: float = Field(0.1, ge=0, le=1)
    """Of what a person is shown, how much has a known answer, while there is some left."""


class Ruled(Entry):
    """The lead set the rules."""

    kind: Literal["ruled"] = "ruled"
    rules: Rules


class Gold(Entry):
    """A pair whose answer is known, to be mixed in."""

    kind: Literal["gold"] = "gold"
    candidate_id: str
    image: str | None
    question: str
    a: str
    b: str
    preferred: float
    """Above zero: a; zero: a tie."""
    subcategory: str | None = None
    """Id in the taxonomy."""


AnyEntry = Annotated[
    Submitted | Given | Undone | Skipped | Flagged | Shown | Revealed | Rested | Chose | Joined | Closed | Withdrawn
    | Ruled | Gold,
    Field(discriminator="kind"),
]  # fmt: skip
_ENTRY: TypeAdapter[AnyEntry] = TypeAdapter(AnyEntry)


def read(line: bytes) -> AnyEntry:
    """A line of the log. ValidationError: it is none."""
    return _ENTRY.validate_json(line)


class Votes:
    """Which submissions count: all that are neither undone, nor withdrawn, nor replaced by a later one."""

    def __init__(self, entries: Iterable[AnyEntry] = ()) -> None:
        self._said: dict[str, dict[tuple[str, str], list[tuple[int, Submitted]]]] = {}
        """Of each pair, by person and role."""
        self._elsewhere: dict[str, dict[tuple[str, str], list[tuple[int, Given]]]] = {}
        """The same of pairs decided elsewhere."""
        self._given: list[tuple[int, Given]] = []
        self._undone: set[str] = set()
        self._withdrawn: dict[str, list[tuple[int, str]]] = {}
        self._place = 0
        for entry in entries:
            self.apply(entry)

    def apply(self, entry: AnyEntry) -> None:
        """Take the next entry in."""
        self._place += 1
        match entry:
            case Submitted():
                mine = self._said.setdefault(entry.candidate_id, {})
                mine.setdefault((entry.by, entry.role), []).append((self._place, entry))
            case Given():
                self._given.append((self._place, entry))
                said = entry.decision
                if said.candidate_id and said.criterion == OVERALL and said.strength is not None:
                    theirs = self._elsewhere.setdefault(said.candidate_id, {})
                    theirs.setdefault((said.reviewer, said.role), []).append((self._place, entry))
            case Undone():
                self._undone.add(entry.entry)
            case Withdrawn():
                self._withdrawn.setdefault(entry.reviewer, []).append((self._place, entry.id))
            case _:
                pass

    def counts(self, place: int, entry: Submitted | Given) -> bool:
        """Whether it does, ever."""
        by = entry.decision.reviewer if isinstance(entry, Given) else entry.by
        later = (i for at, i in self._withdrawn.get(by, ()) if at > place)
        return entry.id not in self._undone and all(i in self._undone for i in later)

    def withdrawal(self, reviewer: str) -> str | None:
        """The entry by which a person's votes do not count, if they do not."""
        return next((i for _, i in reversed(self._withdrawn.get(reviewer, [])) if i not in self._undone), None)

    def pairs(self) -> Iterator[str]:
        """Every pair on which somebody ever decided something, here or elsewhere."""
        return iter(self._said | self._elsewhere)

    def last(self, candidate_id: str, by: str, role: str = "reviewer") -> Submitted | None:
        """What a person last said of a pair, whether it counts or not."""
        said = self._said.get(candidate_id, {}).get((by, role))
        return said[-1][1] if said else None

    def by(self, candidate_id: str, name: str) -> bool:
        """Whether what a reviewer decided on a pair, here or elsewhere, counts."""
        here, there = (of.get(candidate_id, {}).get((name, "reviewer"), ()) for of in (self._said, self._elsewhere))
        return any(self.counts(place, entry) for place, entry in (*here, *there))

    def on(self, candidate_id: str) -> list[Submitted]:
        """What counts on a pair: of each person the last, in the order in which they came. What was decided elsewhere is there
        without side or time: its interface is `ELSEWHERE`."""
        last: dict[tuple[str, str], tuple[int, Submitted]] = {
            (entry.by, entry.role): (place, entry) for place, entry in self._standing(candidate_id)
        }
        for who, given in self._elsewhere.get(candidate_id, {}).items():
            counting = next(((place, entry) for place, entry in reversed(given) if self.counts(place, entry)), None)
            if counting and (who not in last or counting[0] > last[who][0]):
                last[who] = counting[0], _submitted(counting[1])
        return [entry for _, entry in sorted(last.values(), key=lambda found: found[0])]

    def agree(self, candidate_id: str, preferred: float) -> list[bool]:
        """Of each vote of a reviewer that counts on a pair, whether it is on the side of `preferred`, or a tie if that is one."""
        votes = (entry.strength() for entry in self.on(candidate_id) if entry.role == "reviewer")
        return [_sign(vote) == _sign(preferred) for vote in votes if vote is not None]

    def _standing(self, candidate_id: str) -> Iterator[tuple[int, Submitted]]:
        for said in self._said.get(candidate_id, {}).values():
            counting = next(((p, e) for p, e in reversed(said) if self.counts(p, e)), None)
            if counting:
                yield counting

    def decisions(self) -> Iterator[Decision]:
        """The last decision of each reviewer on each pair or response by each criterion, in the order they were made."""
        found: list[tuple[int, Submitted | Given]] = [f for pair in self._said for f in self._standing(pair)]
        found += [(p, e) for p, e in self._given if self.counts(p, e)]
        last: dict[tuple[str | None, str | None, str, str], Decision] = {}
        for _, entry in sorted(found, key=lambda f: f[0]):
            if isinstance(entry, Given):
                rows: Iterable[Decision] = (entry.decision,)
            else:
                rows = () if entry.gold else entry.decisions()
            for row in rows:
                key = (row.candidate_id, row.response_id, row.criterion, row.reviewer)
                if key in last and last[key].role == "adjudicator" and row.role == "reviewer":
                    continue  # a lead's last word outlasts what the same person says as one of the reviewers
                last.pop(key, None)
                last[key] = row
        yield from last.values()


def _submitted(given: Given) -> Submitted:
    """As if it had been submitted here."""
    said = given.decision
    return Submitted(
        id=given.id, by=said.reviewer, at=given.at, candidate_id=said.candidate_id or "", role=said.role,
        votes=(Vote(criterion=OVERALL, strength=said.strength or 0.0),), reasons=said.reasons, note=said.note, left="a",
        seconds=0, interface=ELSEWHERE,
    )  # fmt: skip


def _sign(number: float) -> int:
    return (number > 0) - (number < 0)
