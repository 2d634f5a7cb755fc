"""What may be done, by whom: who is shown which pair next, and what becomes of what they say."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from typing import Literal

from pipeline.doors.decide import Decide
from pipeline.doors.entries import AnyEntry, Flagged, Ruled, Shown, Side, Skipped, Submitted, Undone, Withdrawn, at
from pipeline.errors import UserError
from pipeline.review.items import Item, of_gold
from pipeline.review.standing import CLAIM, PAUSE, Person, Standing, at_odds
from pipeline.tables import chance
from pipeline.taxonomy import Taxonomy

Stop = Literal["done", "waiting", "enough", "rest"]
"""Nothing is left; what is left lies before others; today's cap is reached; a break is due."""


@dataclass(frozen=True)
class Progress:
    """How far the queue is."""

    pairs: int
    """Of the queue, without those withheld."""
    done: int
    """Of them, decided by as many people as the rules want."""
    owed: int
    """Decisions that are still wanted."""
    disputed: tuple[str, ...]
    """Pairs that wait for the lead's word."""


class Desk:
    """The log, what it comes to, and the pairs. One event loop uses it; writing is done in a thread, one after the other."""

    def __init__(
        self, decide: Decide, items: Mapping[str, Item], clock: Callable[[], float] = time.time, *, taxonomy: Taxonomy | None = None,
        blocked: Set[str] = frozenset(),
    ) -> None:  # fmt: skip
        """`taxonomy`: of the pairs whose answer is known; `blocked`: images that were flagged as illegal in another run."""
        self._decide = decide
        self._clock = clock
        self._blocked = blocked
        self._writing = asyncio.Lock()
        self._waiting: list[tuple[AnyEntry, bool, asyncio.Future[None]]] = []
        """What is to be written, whether it is taken in already, and who waits for it."""
        self.standing = Standing(decide.entries())
        self.items: dict[str, Item] = {**items, **of_gold(self.standing.gold.values(), taxonomy)}
        self.queue = tuple(items)
        self._need: dict[str, int] = {}
        self._owed = 0
        self.version = 0
        """Changes with every entry."""
        self._count(self.queue)

    # What is kept

    async def keep(self, entry: AnyEntry) -> None:
        """Keep an entry, on the disk, unless its request was heard before. UserError: it could not be written."""
        await self._write(entry, applied=False)

    async def _write(self, entry: AnyEntry, *, applied: bool) -> None:
        """Whoever comes first writes all that waits, with one sync for all of them."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((entry, applied, done))
        async with self._writing:
            if not done.done():
                await self._write_waiting()
        done.result()

    async def _write_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        fresh: list[tuple[AnyEntry, bool]] = []
        tokens: set[str | None] = set()
        for entry, applied, _ in waiting:
            if entry.token is None or (entry.token not in self.standing.tokens and entry.token not in tokens):
                fresh.append((entry, applied))
                tokens.add(entry.token)
        try:
            await asyncio.to_thread(self._decide.keep, *(entry for entry, _ in fresh))
        except UserError as error:
            for _, _, done in waiting:
                done.set_exception(error)
            return
        for entry, applied in fresh:
            if not applied:
                self._take_in(entry)
        for _, _, done in waiting:
            done.set_result(None)

    def _take_in(self, entry: AnyEntry) -> None:
        self.standing.apply(entry)
        self.version += 1
        if isinstance(entry, Submitted):
            self._count((entry.candidate_id,))
        elif isinstance(entry, Undone | Flagged | Withdrawn | Ruled):
            self._count(self.queue)

    def _count(self, pairs: tuple[str, ...]) -> None:
        for pair in pairs:
            if pair in self.items and pair not in self.standing.gold:
                wanted = self._wanted(pair)
                self._owed += wanted - self._need.get(pair, 0)
                self._need[pair] = wanted

    def _wanted(self, pair: str) -> int:
        """How many more people are to decide a pair."""
        if self.withheld(pair):
            return 0
        said, rules = self.standing.votes.on(pair), self.standing.rules
        if any(s.role == "adjudicator" for s in said):
            return 0
        more = rules.second_opinion and len(said) >= rules.overlap and at_odds(said[: rules.overlap])
        return max(0, rules.overlap + more - len(said))

    # What is shown

    def withheld(self, pair: str) -> bool:
        """Whether nobody is shown it."""
        image = self.items[pair].image
        return pair in self.standing.withheld or image in self.standing.blocked or image in self._blocked

    def may_see(self, person: Person, pair: str) -> bool:
        """Whether its image and answers are shown to them: it was in their queue, or is disputed and they lead."""
        if pair not in self.items or self.withheld(pair):
            return False
        return pair in person.seen or (person.role == "lead" and pair in self._need and self.disputed(pair))

    async def next_for(self, person: Person) -> Item | Stop:
        """What a person is shown: what lies before them, or the next pair of the queue that wants them."""
        now = self._clock()
        before = self.items.get(person.current or "")
        if before and not self.withheld(before.id) and before.category not in person.without:
            return before
        if now - person.last < PAUSE and now - person.sitting_since > self.standing.rules.break_minutes * 60:
            return "rest"
        found = self._choose(person, now)
        if isinstance(found, Item):
            shown = Shown(by=person.name, at=at(now), candidate_id=found.id)
            self._take_in(shown)  # at once: while it is written, nobody else may be given the pair
            await self._write(shown, applied=True)
        return found

    def _choose(self, person: Person, now: float) -> Item | Stop:
        today = person.shown_on(time.strftime("%Y-%m-%d", time.gmtime(now)))
        pictured = [self.items[pair] for pair in today if pair in self.items and self.items[pair].image]
        rules = self.standing.rules
        if len(pictured) >= rules.daily:
            return "enough"
        often = Counter(item.category for item in pictured if item.category)
        closed = person.without | {c for c, n in often.items() if n >= rules.daily_category}
        if gold := self._gold(person, closed):
            return gold
        waiting = False
        for pair, need in self._need.items():
            if need <= 0 or pair in person.passed or self.items[pair].category in closed:
                continue
            if self.standing.votes.by(pair, person.name):
                continue
            held = sum(
                now - since < CLAIM for who, since in self.standing.claims.get(pair, {}).items() if who != person.name
            )
            if held < need:
                return self.items[pair]
            waiting = True
        return "waiting" if waiting else "done"

    def _gold(self, person: Person, closed: Set[str]) -> Item | None:
        """A pair whose answer is known, if it is time for one: drawn by the person's name and how many they have seen. Of one without
        a class nobody knows whether they would leave it out."""
        if chance("gold", person.name, len(person.seen)).random() >= self.standing.rules.gold_share:
            return None
        known = (
            self.items[g]
            for g in self.standing.gold
            if g in self.items and g not in person.seen and not self.withheld(g)
        )
        left = [item for item in known if item.category not in closed and (item.category or not person.without)]
        return chance("which", person.name, len(person.seen)).choice(left) if left else None

    def left(self, person: Person, pair: str) -> Side:
        """Which answer is on their left: fixed by the pair and the person."""
        return "a" if chance("side", pair, person.name).random() < 0.5 else "b"

    def draft(self, person: Person, pair: str) -> Submitted | None:
        """What they last said of a pair, undone or not: they begin from it."""
        return self.standing.votes.last(pair, person.name)

    def undoable(self, person: Person) -> Submitted | Skipped | Flagged | None:
        """What they would undo: never a flag of something illegal, which is the lead's to judge."""
        acts = person.acts
        return acts[-1] if acts and not (isinstance(acts[-1], Flagged) and acts[-1].what == "illegal") else None

    def elapsed(self, person: Person, pair: str) -> float:
        """Seconds since they were shown it, and worked on: a break is not counted."""
        since = self.standing.claims.get(pair, {}).get(person.name) or max(
            person.seen.get(pair, 0.0), person.sitting_since
        )
        return max(0.0, self._clock() - since)

    @property
    def owed(self) -> int:
        """Decisions that the queue still wants."""
        return self._owed

    # For the lead

    def disputed(self, pair: str) -> bool:
        """Whether people are at odds on it, nobody has settled it, and all who were to decide have."""
        said = self.standing.votes.on(pair)
        settled = any(s.role == "adjudicator" for s in said)
        return not settled and self._need[pair] == 0 and not self.withheld(pair) and at_odds(said)

    def progress(self) -> Progress:
        """Of the queue."""
        open_pairs = [pair for pair in self._need if not self.withheld(pair)]
        done = sum(self._need[pair] == 0 for pair in open_pairs)
        return Progress(len(open_pairs), done, self._owed, tuple(p for p in open_pairs if self.disputed(p)))
