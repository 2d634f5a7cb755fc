"""How a review stands: a fold over the log. The same log gives the same standing, after any number of restarts."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from pipeline.doors.entries import (
    AnyEntry,
    Chose,
    Closed,
    Cover,
    Entry,
    Flagged,
    Gold,
    Joined,
    Rested,
    Revealed,
    Role,
    Ruled,
    Rules,
    Shown,
    Skipped,
    Submitted,
    Undone,
    Votes,
)

PAUSE = 600.0
"""Seconds without a sign after which a person has had a break."""
CLAIM = 1200.0
"""Seconds for which a pair is kept for the one who has it before them."""


def seconds(at: str) -> float:
    """A time as seconds since 1970."""
    return datetime.fromisoformat(at).timestamp()


@dataclass
class Person:
    """Somebody who may come in, and what they did."""

    name: str
    role: Role
    token_sha256: str
    welcome: bool = True
    cover: Cover = "class"
    without: frozenset[str] = frozenset()
    current: str | None = None
    """The pair before them."""
    seen: dict[str, float] = field(default_factory=dict)
    """Every pair they were ever shown, and when first."""
    revealed: set[str] = field(default_factory=set)
    passed: set[str] = field(default_factory=set)
    """Pairs that they skipped or flagged."""
    today: tuple[str, set[str]] = ("", set())
    """The day (UTC) of their last one, and the pairs shown in it."""
    acts: list[Submitted | Skipped | Flagged] = field(default_factory=list)
    """What they could undo, the last one last."""
    rulings: list[Submitted] = field(default_factory=list)
    """Their last words on disputed pairs, which they could undo likewise."""
    sitting_since: float = 0.0
    """When they last came from a break."""
    last: float = 0.0
    """Their last sign."""

    def shown_on(self, day: str) -> set[str]:
        """The pairs that they were shown on a day, if it is their last one."""
        return self.today[1] if self.today[0] == day else set()


class Standing:
    """What all entries so far come to."""

    def __init__(self, entries: Iterable[AnyEntry] = ()) -> None:
        self.votes = Votes()
        self.people: dict[str, Person] = {}
        self.rules = Rules()
        self.gold: dict[str, Gold] = {}
        self.flags: dict[str, Flagged] = {}
        """Those that stand, by their ids."""
        self.withheld: set[str] = set()
        """Pairs that were flagged."""
        self.blocked: set[str] = set()
        """Images that were flagged as illegal: nobody is shown them."""
        self.tokens: set[str] = set()
        """Of all requests whose entries are kept."""
        self.claims: dict[str, dict[str, float]] = {}
        """Of each pair who has it before them, since when."""
        self.times: dict[str, float] = {}
        """When each submission came, by its id, if it was not undone."""
        self._acts: dict[str, AnyEntry] = {}
        for entry in entries:
            self.apply(entry)

    def apply(self, entry: AnyEntry) -> None:
        """Take the next entry in."""
        self.votes.apply(entry)
        if entry.token:
            self.tokens.add(entry.token)
        match entry:
            case Joined():
                known = self.people.setdefault(entry.name, Person(entry.name, entry.role, entry.token_sha256))
                known.role, known.token_sha256, known.welcome = entry.role, entry.token_sha256, True
            case Closed():
                self.people[entry.name].welcome = False
            case Ruled():
                self.rules = entry.rules
            case Gold():
                self.gold[entry.candidate_id] = entry
            case Undone():
                self._undo(entry)
            case Submitted() | Skipped() | Flagged() | Shown() | Revealed() | Rested() | Chose():
                self._work(entry)
            case _:
                pass

    def _work(self, entry: Submitted | Skipped | Flagged | Shown | Revealed | Rested | Chose) -> None:
        if isinstance(entry, Submitted | Skipped | Flagged):
            self._note(entry)
        person = self.people.get(entry.by)
        if person is None:
            return
        self._seen_at_work(person, entry)
        match entry:
            case Shown():
                self._show(entry, person)
            case Revealed():
                person.revealed.add(entry.candidate_id)
            case Chose():
                person.cover, person.without = entry.cover, frozenset(entry.without)
            case Submitted() | Skipped() | Flagged():
                self._act(entry, person)
            case _:
                pass

    def _seen_at_work(self, person: Person, entry: Entry) -> None:
        at = seconds(entry.at)
        if at - person.last > PAUSE or isinstance(entry, Rested):
            person.sitting_since = at
        person.last = at

    def _show(self, entry: Shown, person: Person) -> None:
        at, day = seconds(entry.at), entry.at[:10]
        person.today = (day, person.shown_on(day) | {entry.candidate_id})
        person.seen.setdefault(entry.candidate_id, at)
        person.current = entry.candidate_id
        self.claims.setdefault(entry.candidate_id, {})[person.name] = at

    def _note(self, entry: Submitted | Skipped | Flagged) -> None:
        """What it is for everybody."""
        self._acts[entry.id] = entry
        self.claims.get(entry.candidate_id, {}).pop(entry.by, None)
        if isinstance(entry, Flagged):
            self.flags[entry.id] = entry
            self._flags_changed()
        if isinstance(entry, Submitted):
            self.times[entry.id] = seconds(entry.at)

    def _act(self, entry: Submitted | Skipped | Flagged, person: Person) -> None:
        """What it is for the one who did it."""
        if isinstance(entry, Submitted) and entry.role == "adjudicator":
            person.rulings.append(entry)
            return
        if person.current == entry.candidate_id:
            person.current = None
        if not isinstance(entry, Submitted):
            person.passed.add(entry.candidate_id)
        person.acts.append(entry)

    def _undo(self, entry: Undone) -> None:
        undone = self._acts.pop(entry.entry, None)
        if undone is None or not isinstance(undone, Submitted | Skipped | Flagged):
            return
        if self.flags.pop(undone.id, None):
            self._flags_changed()
        self.times.pop(undone.id, None)
        person = self.people.get(undone.by)
        if person and undone in person.rulings:
            person.rulings.remove(undone)
        elif person:
            person.acts = [act for act in person.acts if act.id != undone.id]
            person.passed.discard(undone.candidate_id)
            if entry.by == undone.by:
                person.current = undone.candidate_id

    def _flags_changed(self) -> None:
        self.withheld = {flag.candidate_id for flag in self.flags.values()}
        self.blocked = {flag.image for flag in self.flags.values() if flag.what == "illegal" and flag.image}


def at_odds(votes: list[Submitted]) -> bool:
    """Whether two of them prefer different answers, or one calls an answer unsafe that another does not."""
    sides = {vote > 0 for said in votes if (vote := said.strength())}
    labels: dict[str, set[bool]] = {}
    for said in votes:
        for label in said.labels:
            labels.setdefault(label.response_id, set()).add(label.label == "unsafe")
    return len(sides) > 1 or any(len(found) > 1 for found in labels.values())
