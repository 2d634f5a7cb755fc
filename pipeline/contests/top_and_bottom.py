"""The comparisons that tell most about who is best and who is worst, a few rounds of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from pipeline.contests.circle import Circle
from pipeline.contests.contest import Contest, Pair, balanced
from pipeline.contests.gain import plan
from pipeline.contests.standing import alike, together
from pipeline.statistics.bradley_terry import Assumed, Integers


@dataclass(frozen=True)
class TopAndBottom:
    """First a circle, one call a response; then round by round what is worth most (see `gain`), each pair at most once in
    each order. A contest is settled when no call is worth its price: because it is clear who is best and who is worst, or
    because those in question are so alike that it does not matter. Twelve responses take about 33 calls in six rounds; the
    close contests take the calls that the clear ones leave (`bench/judging.py`)."""

    assumed: Assumed = field(default_factory=Assumed)
    price: float = 0.0002
    """What a call must promise: by how much the chosen response is better, or the rejected one worse, as a share of the
    spread of the ratings."""
    growth: float = 0.5
    """A round asks at most this share of what was asked before it; and a call for every two responses in any case."""
    most: int | None = None
    """Calls for one prompt, at most."""
    trust: float = 0.0
    """The correlation of scores and ratings within a contest. Above 0 the scores stand in for the circle."""

    def pairs(self, contests: Sequence[Contest]) -> list[list[Pair]]:
        """Each contest's next round."""
        found: dict[int, list[Pair]] = {n: [] for n, contest in enumerate(contests) if len(contest.responses) < 2}
        if not self.trust:
            opening = [n for n, contest in enumerate(contests) if not contest.asked]
            circles = Circle().pairs([contests[n] for n in opening])
            found.update((n, pairs[: self.most]) for n, pairs in zip(opening, circles, strict=True))
        later = [n for n in range(len(contests)) if n not in found]
        for part in alike([contests[n] for n in later]):
            chosen = [later[k] for k in part]
            found.update(zip(chosen, self._planned([contests[n] for n in chosen]), strict=True))
        return [found[n] for n in range(len(contests))]

    def _planned(self, contests: list[Contest]) -> list[list[Pair]]:
        """Of contests that have the same number of responses."""
        ratings = together(contests, self.assumed, trust=self.trust)
        price = self.price * self.assumed.spread
        planned = plan(ratings, self.assumed, _left(contests), self._room(contests), price)
        return [
            balanced(contest, [(contest.responses[i], contest.responses[j]) for i, j in pairs])
            for contest, pairs in zip(contests, planned, strict=True)
        ]

    def _room(self, contests: list[Contest]) -> Integers:
        """(b,): calls of this round, at most."""
        asked = np.array([len(contest.asked) for contest in contests])
        room = np.maximum(np.ceil(self.growth * asked).astype(np.int64), len(contests[0].responses) // 2)
        return room if self.most is None else np.minimum(room, self.most - asked)


def _left(contests: list[Contest]) -> Integers:
    """(b, n, n): in how many orders each pair, the smaller index first, was not asked yet."""
    n = len(contests[0].responses)
    left = np.full((len(contests), n, n), 2)
    for number, contest in enumerate(contests):
        for first, second in contest.pairs:
            i, j = sorted((contest.place[first], contest.place[second]))
            left[number, i, j] -= 1
    return left
