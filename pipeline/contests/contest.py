"""The responses to one prompt, and what has been compared of them so far."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Protocol

from pipeline.tables import chance

Pair = tuple[str, str]
"""Ids of two responses: who is shown first, who is shown second."""


@dataclass(frozen=True)
class Contest:
    """What a strategy knows of one prompt. ValueError: an id that is not among the responses, or a list of another length."""

    prompt: str
    """Its id, from which all chance is drawn."""
    responses: tuple[str, ...]
    """Their ids, sorted: so that who answered first is worth nothing."""
    asked: tuple[tuple[str, str, float | None], ...] = ()
    """Who was shown first, who second, and the verdict: -3 to 3, above zero prefers the first; None: there came none, and
    it is not asked for again."""
    scores: tuple[float | None, ...] | None = None
    """What another judge gave each response alone, on any scale; None: nothing."""
    groups: tuple[int | None, ...] | None = None
    """The safety group of whoever gave each response; None: unknown."""
    place: dict[str, int] = field(init=False, repr=False, compare=False)
    """Response id to its index in `responses`."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "place", {response: n for n, response in enumerate(self.responses)})
        if list(self.responses) != sorted(self.place):
            raise ValueError(f"{self.prompt}: the ids of responses are not sorted, or one is there twice")
        if strange := set(chain.from_iterable(row[:2] for row in self.asked)) - self.place.keys():
            raise ValueError(f"{self.prompt}: {min(strange)} was compared, but is no response")
        for column in (self.scores, self.groups):
            if column is not None and len(column) != len(self.responses):
                raise ValueError(f"{self.prompt}: {len(column)} scores or groups for {len(self.responses)} responses")

    @property
    def pairs(self) -> set[Pair]:
        """What was asked for."""
        return {(first, second) for first, second, _ in self.asked}


class Strategy(Protocol):
    """What to compare next."""

    def pairs(self, contests: Sequence[Contest]) -> list[list[Pair]]:
        """The next round's comparisons of each contest; none: it is settled. A contest's depend on nothing but itself."""
        ...


def drawn(contest: Contest, a: str, b: str) -> Pair:
    """The two in an order drawn by chance: the same whenever, and whichever of them is named first."""
    a, b = sorted((a, b))
    return (a, b) if chance("shown first", contest.prompt, a, b).random() < 0.5 else (b, a)


def balanced(contest: Contest, pairs: Sequence[Pair]) -> list[Pair]:
    """Each pair once more, in such an order that everybody is shown first about as often as second: then what the place
    is worth cancels out. In the order that was not asked yet, where one was; where it makes no difference, by chance."""
    lead = dict.fromkeys(contest.responses, 0)
    for first, second, _ in contest.asked:
        lead[first], lead[second] = lead[first] + 1, lead[second] - 1
    taken, found = contest.pairs, list[Pair]()
    for a, b in pairs:
        first, second = drawn(contest, a, b)
        if (first, second) in taken or ((second, first) not in taken and lead[first] > lead[second]):
            first, second = second, first
        lead[first], lead[second] = lead[first] + 1, lead[second] - 1
        taken.add((first, second))
        found.append((first, second))
    return found
