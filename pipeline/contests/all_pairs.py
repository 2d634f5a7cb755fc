"""Everybody against everybody."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, permutations

from pipeline.contests.contest import Contest, Pair, drawn


@dataclass(frozen=True)
class AllPairs:
    """n (n - 1) calls in one round; half of them if each pair is shown in one order, by chance."""

    both_orders: bool = True

    def pairs(self, contests: Sequence[Contest]) -> list[list[Pair]]:
        """What of it was not asked for."""
        return [self._pairs(contest) for contest in contests]

    def _pairs(self, contest: Contest) -> list[Pair]:
        if self.both_orders:
            wanted = list(permutations(contest.responses, 2))
        else:
            wanted = [drawn(contest, a, b) for a, b in combinations(contest.responses, 2)]
        asked = contest.pairs
        return [pair for pair in wanted if pair not in asked]
