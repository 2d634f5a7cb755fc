"""What is true of each item, if all that is known of the judges is what they say: each has a confusion matrix of its own.

The model is Dawid and Skene's (1979, Applied Statistics 28, 20-28): an item's class is drawn from the classes' shares, and
given the class the judges speak independently, judge j saying l of class k with the chance confusion[j, k, l]. Which labels
are missing tells nothing. EM finds shares, confusions and the classes' posteriors together, from each item's shares of votes on.

Labels are (n items, m judges), whole numbers from 0, or -1 where a judge was not asked or abstained. Items with the same labels
are one pattern and take no more time than one; memory is patterns x judges x classes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.integer]
_STILL = 1e-6
"""It has arrived when no posterior moves farther in one step."""
_STEPS = 1000
"""At most."""
_LEAST = np.finfo(np.float64).tiny
"""A chance that is smaller counts as this, so that its logarithm is finite."""


@dataclass(frozen=True)
class Estimate:
    """Of n items, m judges, k classes."""

    posterior: Floats
    """(n, k): how likely each class is, of an item without labels the classes' shares."""
    confusion: Floats
    """(m, k, k): the judge's chance, given the class (row), to say each (column); where nothing is known of a row, equal chances."""
    shares: Floats
    """(k,): of the classes."""
    log_likelihood: float
    """Natural logarithm, of all labels given the estimates; the priors are not in it."""
    iterations: int
    converged: bool
    """Or it was stopped before it stood still."""


@dataclass(frozen=True)
class Beta:
    """A prior of chances, for all judges or, as arrays, one for each: (a - 1) hits and (b - 1) misses seen before."""

    a: float | Floats = 1.0
    b: float | Floats = 1.0

    def mode(self) -> Floats:
        """The likeliest chance; a half where all are equally likely."""
        hits, misses = self.counts()
        seen = hits + misses
        return np.asarray(np.where(seen > 0, hits / np.maximum(seen, _LEAST), 0.5), np.float64)

    def counts(self) -> tuple[Floats, Floats]:
        """Hits and misses. ValueError: a prior that is highest at the ends of its range has none."""
        hits, misses = np.asarray(self.a, np.float64) - 1, np.asarray(self.b, np.float64) - 1
        if not ((hits >= 0).all() and (misses >= 0).all()):
            raise ValueError(f"a prior's a and b are 1 or more, not {self.a} and {self.b}")
        return hits, misses


def dawid_skene(
    labels: Labels, classes: int, *, confusion: ArrayLike = 0.0, shares: ArrayLike = 0.0, steps: int = _STEPS
) -> Estimate:
    """The mode of the posterior; without priors the likeliest.

    Priors are labels as if seen before (Dirichlet, its parameters less one): `confusion`, of any shape that spreads to (m, k, k),
    for each judge of each class; `shares`, (k,), items of each class. A number stands for that many of each."""
    seen = _Seen(labels, classes)
    before = np.broadcast_to(np.asarray(confusion, np.float64), (labels.shape[1], classes, classes))
    items = np.broadcast_to(np.asarray(shares, np.float64), (classes,))
    if not ((before >= 0).all() and (items >= 0).all()):
        raise ValueError("a prior of fewer than no labels")
    posterior = seen.votes()
    chances, found, height = before, items, 0.0
    moved, iterations = np.inf, 0
    while moved > _STILL and iterations < steps:
        chances, found = _proportions(seen.told(posterior) + before), _proportions(seen.times @ posterior + items)
        after, height = seen.posterior(chances, found)
        moved = float(np.abs(after - posterior).max(initial=0))
        posterior, iterations = after, iterations + 1
    return Estimate(seen.spread(posterior, found), chances, found, height, iterations, moved <= _STILL)


def binary(labels: Labels, *, sensitivity: Beta, specificity: Beta, prevalence: Beta, steps: int = _STEPS) -> Estimate:
    """Classes 0 and 1, with priors: of the judges' chances to say 1 of a 1 and 0 of a 0, and of the share of 1s."""
    judges = (labels.shape[1],)
    right, missed = (np.broadcast_to(counts, judges) for counts in sensitivity.counts())
    passed, alarmed = (np.broadcast_to(counts, judges) for counts in specificity.counts())
    ones, zeros = prevalence.counts()
    before = np.stack([np.stack([passed, alarmed], 1), np.stack([missed, right], 1)], 1)
    return dawid_skene(labels, 2, confusion=before, shares=np.stack([zeros, ones]), steps=steps)


def _proportions(counts: Floats) -> Floats:
    """Along the last axis; of nothing, equal ones."""
    total = counts.sum(-1, keepdims=True)
    return np.where(total > 0, counts / np.where(total > 0, total, 1.0), 1 / counts.shape[-1])


class _Seen:
    """The patterns of labels, and how often each occurs."""

    def __init__(self, labels: Labels, classes: int) -> None:
        if labels.ndim != 2:
            raise ValueError(f"labels are a matrix (items, judges), not of shape {labels.shape}")
        if labels.size and not (labels.min() >= -1 and labels.max() < classes):
            raise ValueError(f"labels are from 0 to {classes - 1}, or -1, not from {labels.min()} to {labels.max()}")
        self._n, self._shape = len(labels), (labels.shape[1], classes, classes)
        self._labelled = (labels >= 0).any(1)
        patterns, self._which, times = np.unique(
            labels[self._labelled], axis=0, return_inverse=True, return_counts=True
        )
        self.times: Floats = times.astype(np.float64)
        said = patterns[:, :, None] == np.arange(classes)
        self._said = said.reshape(len(patterns), labels.shape[1] * classes).astype(np.float64)

    def votes(self) -> Floats:
        """(p, k): each pattern's shares of the votes."""
        m, k, _ = self._shape
        return _proportions(self._said.reshape(-1, m, k).sum(1))

    def told(self, posterior: Floats) -> Floats:
        """(m, k, k): how often each judge, of each class, said each."""
        m, k, _ = self._shape
        of_class: Floats = (posterior * self.times[:, None]).T @ self._said
        return of_class.reshape(k, m, k).swapaxes(0, 1)

    def posterior(self, chances: Floats, shares: Floats) -> tuple[Floats, float]:
        """(p, k), and the log-likelihood of all labels."""
        m, k, _ = self._shape
        logs = np.log(np.maximum(chances, _LEAST)).swapaxes(1, 2).reshape(m * k, k)
        height = self._said @ logs + np.log(np.maximum(shares, _LEAST))
        top = height.max(1, keepdims=True)
        odds = np.exp(height - top)
        total = odds.sum(1, keepdims=True)
        return odds / total, float(self.times @ (top + np.log(total))[:, 0])

    def spread(self, posterior: Floats, shares: Floats) -> Floats:
        """(n, k): from patterns to items."""
        spread = np.tile(shares, (self._n, 1))
        spread[self._labelled] = posterior[self._which]
        return spread
