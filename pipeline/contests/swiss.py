"""The Swiss system: in each round everybody meets somebody of about the same points."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.contests.contest import Contest, Pair, balanced
from pipeline.tables import chance


@dataclass(frozen=True)
class Swiss:
    """n / 2 calls a round, `rounds` of them. A win is worth two points, a tie or no verdict one; of equal points whose
    verdicts add up to more stands higher. From the top down each meets the next whom it has not met; who is left over,
    sits out."""

    rounds: int = 6

    def pairs(self, contests: Sequence[Contest]) -> list[list[Pair]]:
        """The next round's."""
        return [self._pairs(contest) for contest in contests]

    def _pairs(self, contest: Contest) -> list[Pair]:
        met = {frozenset(pair) for pair in contest.pairs}
        played = Counter(response for pair in met for response in pair)
        if max(played.values(), default=0) >= self.rounds:
            return []
        free, found = _table(contest), list[Pair]()
        while free:
            one = free.pop(0)
            other = next((r for r in free if frozenset((one, r)) not in met), None)
            if other is not None:
                free.remove(other)
                found.append((one, other))
        return balanced(contest, found)


def _table(contest: Contest) -> list[str]:
    """The highest first; before the first round by chance."""
    points, sums = dict.fromkeys(contest.responses, 0), dict.fromkeys(contest.responses, 0.0)
    for first, second, strength in contest.asked:
        verdict = strength or 0.0
        points[first] += 1 + (verdict > 0) - (verdict < 0)
        points[second] += 1 + (verdict < 0) - (verdict > 0)
        sums[first] += verdict
        sums[second] -= verdict
    luck = chance("swiss", contest.prompt)
    return sorted(contest.responses, key=lambda r: (-points[r], -sums[r], luck.random()))
