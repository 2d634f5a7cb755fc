"""SPA-VL's way: two responses from different safety groups."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from pipeline.contests.contest import Contest, Pair
from pipeline.tables import chance


@dataclass(frozen=True)
class DifferentGroups:
    """One pair whose respondents are in different safety groups, drawn by chance, in both orders: 2 calls in one round.
    (SPA-VL, arXiv 2406.12030, section 5.2 of the dataset's card; five groups of twelve.) It orders two responses and says
    nothing of the others."""

    def pairs(self, contests: Sequence[Contest]) -> list[list[Pair]]:
        """None where all are of one group, or of none known."""
        return [[] if contest.asked else self._pairs(contest) for contest in contests]

    def _pairs(self, contest: Contest) -> list[Pair]:
        group = {r: g for r, g in zip(contest.responses, contest.groups or (), strict=False) if g is not None}
        apart = [(a, b) for a, b in combinations(group, 2) if group[a] != group[b]]
        if not apart:
            return []
        a, b = chance("different groups", contest.prompt).choice(apart)
        return [(a, b), (b, a)]
