"""What is true of each item, if all that is known of the judges is what they say: each has a confusion matrix of its own.

The model is Dawid and Skene's (1979, Applied Statistics 28, 20-28): an item's class is drawn from the classes' shares, and
given the class the judges speak independently, judge j saying l of class k with the chance confusion[j, k, l]. Which labels
are missing tells nothing. EM finds shares, confusions and the classes' posteriors together, from each item's shares of votes on.

Labels are (n items, m judges), whole numbers from 0, or -1 where a judge was not asked or abstained. Items with the same labels
are one pattern and take no more time than one; memory is patterns x judges x classes.
"""

from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.integer]
_STILL = 1e-6
"""It has arrived when no posterior moves farther in one step."""
_STEPS = 1000
"""At most."""
_NEAR = 1e-4
"""Where a panel of three has arrived: its estimate is one of many."""
_ROUNDS = 5
"""How often the judges' correlations and the posteriors are found from each other."""
_THREES = 2000
"""Of more, so many are drawn."""
_SMOOTH = 0.1
"""Labels as if seen before, of each judge, class and label, where few are."""
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


def threes(labels: Labels, *, dependence: float = 1.0) -> Estimate:
    """Classes 0 and 1, 1 the rare one, of judges some of whom err together: `dawid_skene` takes what two such judges share for
    the truth, and the more items and the fewer 1s there are, the more it is misled.

    A judge's chances are the medians of those that the model finds in every panel of three, three being the fewest that
    determine them (S. D. Walter, L. M. Irwig, 1988, J. Clin. Epidemiol. 41:923-937; medians over triplets as in D. Y. Fu et
    al., 2020, Fast and Three-rious, ICML): judges who err together spoil only the panels in which they meet. Then all judges
    who labelled an item decide on it, each divided by how many it stands for: 1 and its correlations, where above 0, with the
    others among the items of class 0; to the power `dependence`, at 0 each counts whole. How it was chosen, and where it is
    worse than the plain model (from one item in ten on being a 1): bench/labels_simulation.py.

    Of fewer than three judges, and of those without a panel, nothing is known: their chances are a half and they decide nothing.
    The log-likelihood is that of independent judges with these chances."""
    seen = _Seen(labels, 2)
    m = labels.shape[1]
    panel, found, share, iterations, moved = _panels(seen)
    chances = np.full((m, 2, 2), 0.5)
    for judge in range(m):
        of = found[panel == judge]
        if len(of):
            chances[judge] = np.median(of, 0)
    shares = np.median(share, 0) if len(share) else np.array([0.5, 0.5])
    posterior, height = seen.posterior(chances, shares)
    for _ in range(_ROUNDS if dependence else 0):
        weight = seen.independent(posterior, chances) ** dependence
        posterior, _ = seen.posterior(chances, shares, weight)
    return Estimate(seen.spread(posterior, shares), chances, shares, height, iterations, moved <= _NEAR)


def _panels(seen: "_Seen") -> tuple[NDArray[np.int64], Floats, Floats, int, float]:
    """Every three judges who ever labelled an item together (t, 3), and what the model finds of them: their chances (t, 3, 2, 2),
    the classes' shares (t, 2); after how many steps, and how far the last one moved a posterior. All threes move at once."""
    panel = np.array(list(combinations(range(seen.patterns.shape[1]), 3)), np.int64).reshape(-1, 3)
    if len(panel) > _THREES:
        panel = panel[np.sort(np.random.default_rng(0).choice(len(panel), _THREES, replace=False))]
    place = np.array([9, 3, 1])
    rows = [np.bincount((seen.patterns[:, of] + 1) @ place, seen.times, 27) for of in panel]
    times = np.array(rows).reshape(-1, 27)[:, 1:]  # the first: labelled by none of the three
    patterns = np.array(list(product((-1, 0, 1), repeat=3)))[1:]
    together = times[:, (patterns >= 0).all(1)].any(1)
    panel, times = panel[together], times[together]
    said = (patterns[:, :, None] == np.arange(2)).reshape(26, 6).astype(np.float64)
    ones = (said[:, 1::2].sum(1) / said.sum(1)) * np.ones((len(panel), 1))
    iterations, moved = 0, np.inf
    while moved > _NEAR and iterations < _STEPS:
        posterior = np.stack([1 - ones, ones], 2)
        shares = _proportions((times[:, :, None] * posterior).sum(1))
        told = np.swapaxes(times[:, :, None] * posterior, 1, 2) @ said
        chances = _proportions(told.reshape(-1, 2, 3, 2) + _SMOOTH)
        height = np.log(chances).reshape(-1, 2, 6) @ said.T + np.log(np.maximum(shares, _LEAST))[:, :, None]
        after = 1 / (1 + np.exp(np.clip(height[:, 0] - height[:, 1], -700, 700)))
        moved = float(np.abs(after - ones).max(initial=0))
        ones, iterations = after, iterations + 1
    return panel, np.swapaxes(chances, 1, 2), shares, iterations, moved


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
        self.patterns, self._which, times = np.unique(
            labels[self._labelled], axis=0, return_inverse=True, return_counts=True
        )
        self.times: Floats = times.astype(np.float64)
        said = self.patterns[:, :, None] == np.arange(classes)
        self._said = said.reshape(len(said), labels.shape[1] * classes).astype(np.float64)

    def votes(self) -> Floats:
        """(p, k): each pattern's shares of the votes."""
        m, k, _ = self._shape
        return _proportions(self._said.reshape(-1, m, k).sum(1))

    def told(self, posterior: Floats) -> Floats:
        """(m, k, k): how often each judge, of each class, said each."""
        m, k, _ = self._shape
        of_class: Floats = (posterior * self.times[:, None]).T @ self._said
        return of_class.reshape(k, m, k).swapaxes(0, 1)

    def posterior(self, chances: Floats, shares: Floats, weight: Floats | None = None) -> tuple[Floats, float]:
        """(p, k), and the log-likelihood of all labels. A judge's word on a pattern may have another `weight` than 1, (p, m)."""
        m, k, _ = self._shape
        logs = np.log(np.maximum(chances, _LEAST)).swapaxes(1, 2).reshape(m * k, k)
        said = self._said if weight is None else self._said * np.repeat(weight, k, 1)
        height = said @ logs + np.log(np.maximum(shares, _LEAST))
        top = height.max(1, keepdims=True)
        odds = np.exp(height - top)
        total = odds.sum(1, keepdims=True)
        return odds / total, float(self.times @ (top + np.log(total))[:, 0])

    def independent(self, posterior: Floats, chances: Floats) -> Floats:
        """(p, m), of two classes: one over how many of the judges that labelled it each stands for, by how their labels go
        together where the class is 0; 0 of who did not label it."""
        asked = (self.patterns >= 0).astype(np.float64)
        alarm = chances[:, 0, 1]
        away = np.where(asked > 0, self.patterns - alarm, 0.0) / np.sqrt(np.maximum(alarm * (1 - alarm), _LEAST))
        weights = (self.times * posterior[:, 0])[:, None]
        both = (weights * asked).T @ asked
        together = ((weights * away).T @ away) / np.maximum(both, _LEAST)
        together = np.clip(together, 0.0, 1.0)
        np.fill_diagonal(together, 1.0)
        weight: Floats = asked / np.maximum(asked @ together, 1.0)
        return weight

    def spread(self, posterior: Floats, shares: Floats) -> Floats:
        """(n, k): from patterns to items."""
        spread = np.tile(shares, (self._n, 1))
        spread[self._labelled] = posterior[self._which]
        return spread
