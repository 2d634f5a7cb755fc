"""From several scores or labels of each item to one, and how good labels are beside the truth."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_SAME = 1e-9
"""Distances that differ by less, beside the scores, are equal but for rounding."""


@dataclass(frozen=True)
class Settled:
    """Of n items."""

    mean: Floats
    """(n,): NaN where nobody scored."""
    spread: Floats
    """(n,): the highest less the lowest of those that count; NaN where nobody scored."""


def three_most_similar(scores: NDArray[np.floating]) -> Settled:
    """The mean of the three scores of an item that lie closest together, so that outliers do not count; of (n, m), NaN where
    missing. Where several threes lie equally close, the mean of theirs; of three or fewer scores, that of all. (HelpSteer2,
    arXiv:2406.08673, and HelpSteer2-Preference, arXiv:2410.01257, which also leaves out items whose spread is above 2.)"""
    if scores.ndim != 2:
        raise ValueError(f"scores are a matrix (items, judges), not of shape {scores.shape}")
    given = np.sort(scores.astype(np.float64), 1)  # NaN last
    if np.isinf(given).any():
        raise ValueError("an infinite score")
    many = (~np.isnan(given)).sum(1)
    mean, spread = np.full(len(given), np.nan), np.full(len(given), np.nan)
    few = (many > 0) & (many < 3)
    if few.any():
        of = given[few, :2]
        mean[few], spread[few] = np.nanmean(of, 1), np.nanmax(of, 1) - of[:, 0]
    enough = given[many >= 3]
    if len(enough):
        apart = enough[:, 2:] - enough[:, :-2]  # of scores in order, those that lie closest stand side by side
        closest = np.nanmin(apart, 1)
        triple = (enough[:, 2:] + enough[:, 1:-1] + enough[:, :-2]) / 3
        closely = apart <= closest[:, None] + _SAME * np.nanmax(np.abs(enough), 1, keepdims=True)
        mean[many >= 3] = np.nanmean(np.where(closely, triple, np.nan), 1)
        spread[many >= 3] = closest
    return Settled(mean, spread)


def majority(labels: NDArray[np.integer]) -> NDArray[np.int64]:
    """(n,): of (n, m) labels, whole numbers from 0 or -1 where missing, the one that most gave each item; -1 where two share
    the lead, or nobody gave one."""
    if labels.ndim != 2:
        raise ValueError(f"labels are a matrix (items, judges), not of shape {labels.shape}")
    if (labels < -1).any():
        raise ValueError("a label below -1")
    n, k = len(labels), int(labels.max(initial=0)) + 1
    item, judge = np.nonzero(labels >= 0)
    votes = np.bincount(item * k + labels[item, judge], minlength=n * k).reshape(n, k)
    most = votes.max(1, keepdims=True)
    clear = ((votes == most).sum(1) == 1) & (most[:, 0] > 0)
    return np.where(clear, votes.argmax(1), -1)


@dataclass(frozen=True)
class Hits:
    """Which items were found, beside which should have been."""

    found: int
    """Rightly."""
    alarms: int
    """Found that should not have been."""
    missed: int
    passed: int
    """Rightly not found."""

    @property
    def precision(self) -> float | None:
        """Of what was found, the share that should have been; none if nothing was."""
        return _share(self.found, self.found + self.alarms)

    @property
    def recall(self) -> float | None:
        """Of what should have been found, the share that was; none if there is no such thing."""
        return _share(self.found, self.found + self.missed)

    @property
    def f1(self) -> float | None:
        """The harmonic mean of precision and recall; none if nothing was found and nothing should have been."""
        return _share(2 * self.found, 2 * self.found + self.alarms + self.missed)


def hits(found: NDArray[np.bool_], true: NDArray[np.bool_]) -> Hits:
    """Count (n,) beside (n,)."""
    if found.shape != true.shape:
        raise ValueError(f"shapes differ: {found.shape} and {true.shape}")
    both = int((found & true).sum())
    return Hits(both, int(found.sum()) - both, int(true.sum()) - both, int((~found & ~true).sum()))


def roc_auc(scores: NDArray[np.number], positive: NDArray[np.bool_]) -> float | None:
    """How often a positive item has a higher score than one that is not, a tie counting half: 0.5 is no relation. None if all
    or none are positive. The area under the ROC curve, by ranks. (J. A. Hanley, B. J. McNeil, 1982, Radiology 143:29-36.)"""
    if scores.shape != positive.shape:
        raise ValueError(f"shapes differ: {scores.shape} and {positive.shape}")
    if np.isnan(scores).any():
        raise ValueError("a score that is missing")
    ones = int(positive.sum())
    others = len(positive) - ones
    if not ones or not others:
        return None
    _, which, times = np.unique(scores, return_inverse=True, return_counts=True)
    rank = (times.cumsum() - (times - 1) / 2)[which]  # from 1; of equals the middle one
    return float((rank[positive].sum() - ones * (ones + 1) / 2) / (ones * others))


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
