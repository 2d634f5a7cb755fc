"""Merge sort, which believes every verdict: about n log2 n calls, but in many rounds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.contests.contest import Contest, Pair, drawn
from pipeline.tables import chance


@dataclass(frozen=True)
class MergeSort:
    """Each pair at most once, in an order by chance; a tie or no verdict counts for who was shown first. Merges of one
    level go on side by side, but each of them is a chain: 12 responses take up to 22 rounds."""

    def pairs(self, contests: Sequence[Contest]) -> list[list[Pair]]:
        """What the merges under way wait for."""
        return [self._pairs(contest) for contest in contests]

    def _pairs(self, contest: Contest) -> list[Pair]:
        better = {}
        for first, second, verdict in contest.asked:
            better[first, second] = (verdict or 0) >= 0
            better[second, first] = not better[first, second]
        sort = _Sort(better)
        sort.ordered(chance("merge sort", contest.prompt).sample(contest.responses, len(contest.responses)))
        return [drawn(contest, a, b) for a, b in sort.waiting]


@dataclass
class _Sort:
    better: Mapping[Pair, bool]
    """Of two whether the first is the better, as far as it is known."""
    waiting: list[Pair] = field(default_factory=list)
    """What is not known and needed."""

    def ordered(self, responses: list[str]) -> list[str] | None:
        """The best first; None: a verdict is missing."""
        if len(responses) < 2:
            return responses
        half = len(responses) // 2
        left, right = self.ordered(responses[:half]), self.ordered(responses[half:])
        return None if left is None or right is None else self._merged(left, right)

    def _merged(self, left: list[str], right: list[str]) -> list[str] | None:
        merged = list[str]()
        while left and right:
            pair = left[0], right[0]
            if pair not in self.better:
                self.waiting.append(pair)
                return None
            source = left if self.better[pair] else right
            merged.append(source[0])
            left, right = (left[1:], right) if source is left else (left, right[1:])
        return merged + left + right
