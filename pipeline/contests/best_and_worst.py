"""After another judge has scored each response alone: those near the top, and those near the bottom."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

from pipeline.contests.contest import Contest, Pair
from pipeline.tables import chance


@dataclass(frozen=True)
class BestAndWorst:
    """The `candidates` best scored against each other in both orders, and likewise the worst: 2 · candidates ·
    (candidates - 1) calls in one round, beside the scores' own."""

    candidates: int = 3

    def pairs(self, contests: Sequence[Contest]) -> list[list[Pair]]:
        """What of it was not asked for; none where nothing is scored."""
        return [self._pairs(contest) for contest in contests]

    def _pairs(self, contest: Contest) -> list[Pair]:
        luck = chance("equal scores", contest.prompt)
        scored = [(score, luck.random(), r) for r, score in zip(contest.responses, contest.scores or (), strict=False)
                  if score is not None]  # fmt: skip
        order = [response for _, _, response in sorted(scored)]
        ends = (order[-self.candidates :], order[: self.candidates])
        asked = contest.pairs
        wanted = dict.fromkeys(pair for end in ends for pair in permutations(end, 2))
        return [pair for pair in wanted if pair not in asked]
