"""Everybody against their neighbours in a circle."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.contests.contest import Contest, Pair
from pipeline.tables import chance


@dataclass(frozen=True)
class Circle:
    """The responses sit in a circle drawn by chance, and each is shown first with the next `neighbours`: n · neighbours
    calls in one round, evenly spread, everybody first as often as second. With n - 1 neighbours it is all pairs in both orders."""

    neighbours: int = 1

    def pairs(self, contests: Sequence[Contest]) -> list[list[Pair]]:
        """What of it was not asked for."""
        return [self._pairs(contest) for contest in contests]

    def _pairs(self, contest: Contest) -> list[Pair]:
        n, asked = len(contest.responses), contest.pairs
        seats = chance("circle", contest.prompt).sample(contest.responses, n)
        steps = range(1, min(self.neighbours, n - 1) + 1)
        wanted = [(seats[k], seats[(k + step) % n]) for step in steps for k in range(n)]
        return [pair for pair in wanted if pair not in asked]
