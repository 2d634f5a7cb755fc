"""Where labels are to be had for a price: which items' to buy, and what to make of the others'."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.statistics.logistic import Learner
from pipeline.statistics.words import Floats, Sparse

Items = NDArray[np.int64]
BATCH = 20
"""Bought before the rest is thought over; of the first, of which nothing is known yet, twice as many."""


class Oracle:
    """Knows every label, 0 or 1, sells so many, and counts. What is not bought nobody sees."""

    def __init__(self, truth: Callable[[Items], Items], budget: int) -> None:
        self._truth = truth
        self.budget = budget
        self.sold: set[int] = set()

    def buy(self, items: Items) -> Items:
        """Their labels. ValueError: that is more than the budget, or an item was bought before."""
        wanted = set(items.tolist())
        if len(wanted) < len(items) or wanted & self.sold:
            raise ValueError("an item is bought once")
        if len(self.sold) + len(wanted) > self.budget:
            raise ValueError(f"{len(self.sold) + len(wanted)} labels, and the budget is {self.budget}")
        self.sold |= wanted
        return self._truth(items)


@dataclass(frozen=True)
class Settled:
    """All labels, after some were bought."""

    bought: int
    known: Items
    """(n,): what was bought; -1 of the others."""
    positive: NDArray[np.bool_]
    """(n,): of what was bought the truth, of the others what gives the highest F1 to be expected."""
    chances: Floats
    """(n,): of a 1, of what was not bought."""
    expected: float
    """That F1."""


def spend(features: Sparse, guess: Floats, draw: Floats, oracle: Oracle, marks: list[int]) -> Iterator[Settled]:
    """Buy what is most likely a 1, batch by batch, and learn from it what the others are; say how it stands at each number of
    items in `marks`, which rise. `features` (n, d); `guess` (n,): before any label, the chance of a 1; `draw` (n,): numbers by
    chance, that settle ties."""
    learner, chances = Learner(features, guess, draw), guess
    known = np.full(len(features), -1)
    for mark in marks:
        while len(oracle.sold) < mark:
            some = min(BATCH if oracle.sold else 2 * BATCH, mark - len(oracle.sold))
            open_ = np.flatnonzero(known < 0)
            items = open_[np.lexsort((draw[open_], -chances[open_]))[:some]]
            known[items] = oracle.buy(items)
            learner.add(items, known[items])
            chances = learner.chances()
        positive, expected = best_f1(known, chances)
        yield Settled(mark, known.copy(), positive, chances, expected)


def best_f1(known: Items, chances: Floats) -> tuple[NDArray[np.bool_], float]:
    """Which items to call positive: all that are `known` (1; 0: not; -1: unknown) to be, and of the unknown the most likely,
    as many as give the highest ratio of expectations 2 E[found] / (called + E[positive]); and that ratio."""
    open_ = np.flatnonzero(known < 0)
    order = open_[np.argsort(-chances[open_], kind="stable")]
    sure = float((known == 1).sum())
    found = sure + np.concatenate([[0.0], chances[order].cumsum()])
    called = sure + np.arange(len(order) + 1)
    ratio = 2 * found / np.maximum(called + found[-1], 1e-12)
    most = int(ratio.argmax())
    positive = known == 1
    positive[order[:most]] = True
    return positive, float(ratio[most])
