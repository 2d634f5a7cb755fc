"""How likely is each item's label 1, by the labels of a few and a guess for each: logistic regression with a ridge, found by
Newton's method on the labelled items' products with each other, so that it costs the same for ten features as for a million."""

import numpy as np
from numpy.typing import NDArray

from pipeline.statistics.words import Floats, Sparse

RIDGE = 0.1
"""Precision of the weights' Gaussian prior around 0; each block of features is of length about 1."""
GUESSED = 300
"""So many items without a label stand for all."""
WEIGHT = 0.05
"""What a guess counts beside a label: without guesses, labels that were asked for where 1s are likely would make them seem
common everywhere."""
_STEPS = 50
_FAR = 8.0
"""The logit moves no farther in one step."""
_STILL = 1e-2
"""After a step so small the logit is right to about its square."""


class Learner:
    """Of n items with features (n, d), some of which are labelled, one after another."""

    def __init__(self, features: Sparse, guess: Floats, draw: Floats) -> None:
        """`guess`: (n,) of each item the chance of a 1, before any label. `draw`: (n,) numbers by chance, that say whose count."""
        self._features = features
        self._known = np.empty(0, np.int64)
        self._label: Floats = np.empty(0)
        self._products: Floats = np.empty((0, 0))
        self._dual: Floats = np.empty(0)
        some = np.argsort(draw, kind="stable")[:GUESSED]
        self._add(some, guess[some])
        self._guessed = len(some)
        self._each = WEIGHT * len(features) / max(len(some), 1)

    def add(self, items: NDArray[np.integer], labels: NDArray[np.integer]) -> None:
        """Labels, 0 or 1, of items that had none."""
        self._add(items, labels)

    def chances(self) -> Floats:
        """(n,): of the label 1."""
        self._fit()
        return chance(self._features.times(self._features.rows(self._known).back(self._dual)))

    def _add(self, items: NDArray[np.integer], labels: NDArray[np.number]) -> None:
        before = len(self._known)
        self._known = np.concatenate([self._known, items])
        self._label = np.concatenate([self._label, labels])
        self._dual = np.concatenate([self._dual, np.zeros(len(items))])
        mine = self._features.rows(self._known)
        grown = np.empty((len(self._known), len(self._known)))
        grown[:before, :before] = self._products
        for n in range(before, len(self._known)):
            grown[n] = grown[:, n] = mine.times(mine.rows(np.array([n])).back(np.ones(1)))
        self._products = grown

    def _fit(self) -> None:
        """The weights are the known items' features times `_dual` (the representer theorem); a Newton step in the form of
        C. E. Rasmussen, C. K. I. Williams, 2006, Gaussian Processes for Machine Learning, algorithm 3.1."""
        labelled = np.isin(self._known[: self._guessed], self._known[self._guessed :])
        count = np.ones(len(self._known))
        count[: self._guessed] = np.where(labelled, 0.0, self._each)
        logit = self._products @ self._dual
        for _ in range(_STEPS):
            p = chance(logit)
            spread = np.maximum(count * p * (1 - p), 1e-12) / RIDGE
            root = np.sqrt(spread)
            aim = spread * logit + count * (self._label - p) / RIDGE
            system = np.eye(len(p)) + root[:, None] * self._products * root
            dual = aim - root * np.linalg.solve(system, root * (self._products @ aim))
            moved = self._products @ dual - logit
            far = float(np.abs(moved).max(initial=0))
            share = min(1.0, _FAR / max(far, _FAR))
            self._dual = self._dual + share * (dual - self._dual)
            logit = logit + share * moved
            if far < _STILL:
                return


def chance(logit: Floats) -> Floats:
    """1 / (1 + exp(-logit)), whatever its size."""
    made: Floats = 0.5 * (1 + np.tanh(logit / 2))
    return made
