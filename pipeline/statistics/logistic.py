"""How likely is each item's label 1, by the labels of a few: logistic regression with a ridge, found by Newton's method on the
labelled items' products with each other, so that it costs the same for ten features as for a million."""

import numpy as np
from numpy.typing import NDArray

from pipeline.statistics.words import Floats, Sparse

RIDGE = 0.1
"""Precision of the weights' Gaussian prior around 0; features are of length about 1."""
_STEPS = 50
_FAR = 8.0
"""The logit moves no farther in one step."""
_STILL = 1e-6


class Learner:
    """Of n items with features (n, d), some of which are labelled, one after another."""

    def __init__(self, features: Sparse, ridge: float = RIDGE) -> None:
        self._features, self._ridge = features, ridge
        self._known = np.empty(0, np.int64)
        self._label: Floats = np.empty(0)
        self._products: Floats = np.empty((0, 0))
        self._dual: Floats = np.empty(0)

    def add(self, items: NDArray[np.integer], labels: NDArray[np.integer]) -> None:
        """Labels, 0 or 1, of items that had none."""
        before = len(self._known)
        self._known = np.concatenate([self._known, items])
        self._label = np.concatenate([self._label, labels])
        self._dual = np.concatenate([self._dual, np.zeros(len(items))])
        mine = self._features.rows(self._known)
        one = np.zeros(1, np.int64)
        new = np.array([mine.times(mine.rows(one + n).back(np.ones(1))) for n in range(before, len(self._known))])
        grown = np.empty((len(self._known), len(self._known)))
        grown[:before, :before] = self._products
        grown[before:], grown[:, before:] = new, new.T
        self._products = grown

    def chances(self) -> Floats:
        """(n,): of the label 1; a half without any label."""
        self._fit()
        weights = self._features.rows(self._known).back(self._dual)
        return chance(self._features.times(weights))

    def _fit(self) -> None:
        """The weights are the labelled items' features times `_dual` (the representer theorem); a Newton step in the form of
        C. E. Rasmussen, C. K. I. Williams, 2006, Gaussian Processes for Machine Learning, algorithm 3.1."""
        logit = self._products @ self._dual
        for _ in range(_STEPS):
            p = chance(logit)
            spread = np.maximum(p * (1 - p), 1e-12) / self._ridge
            root = np.sqrt(spread)
            aim = spread * logit + (self._label - p) / self._ridge
            system = np.eye(len(p)) + root[:, None] * self._products * root
            dual = aim - root * np.linalg.solve(system, root * (self._products @ aim))
            moved = self._products @ dual - logit
            far = float(np.abs(moved).max(initial=0))
            share = min(1.0, _FAR / far) if far else 1.0
            self._dual = self._dual + share * (dual - self._dual)
            logit = logit + share * moved
            if far < _STILL:
                return


def chance(logit: Floats) -> Floats:
    """1 / (1 + exp(-logit)), whatever its size."""
    made: Floats = 0.5 * (1 + np.tanh(logit / 2))
    return made
