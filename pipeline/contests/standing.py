"""How contests stand: the ratings by all verdicts so far."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.contests.contest import Contest
from pipeline.statistics.bradley_terry import Assumed, Comparisons, Floats, Prior, Ratings, evidence, rated

TOGETHER = 512
"""Contests rated at once where none needs the others."""


@dataclass(frozen=True)
class Standing:
    """Of one contest; arrays are in the order of its `responses`."""

    rating: Floats
    """(n,): steps of strength; 0 for all of whom nothing was heard."""
    covariance: Floats
    """(n, n): of the ratings."""
    bias: float
    """What being shown first is worth, in steps."""


def standings(
    contests: Sequence[Contest], assumed: Assumed, *, trust: float = 0.0, shared_bias: bool = False
) -> list[Standing]:
    """Each contest's, by its own verdicts, and by its scores as far as they are trusted (see `together`). With
    `shared_bias` one bias is estimated from all contests of a size: a little more exact, but then another prompt moves
    everybody's ratings a little."""
    found: dict[int, Standing] = {}
    for part in alike(contests, None if shared_bias else TOGETHER):
        ratings = together([contests[n] for n in part], assumed, trust=trust, shared_bias=shared_bias)
        for k, n in enumerate(part):
            found[n] = Standing(ratings.rating[k], ratings.covariance[k], float(ratings.bias[k]))
    return [found[n] for n in range(len(contests))]


def alike(contests: Sequence[Contest], most: int | None = TOGETHER) -> list[list[int]]:
    """The indices of the contests, in lists of at most `most` that have the same number of responses."""
    by_size: dict[int, list[int]] = {}
    for n, contest in enumerate(contests):
        by_size.setdefault(len(contest.responses), []).append(n)
    return [
        group[k : k + (most or len(group))]
        for group in by_size.values()
        for k in range(0, len(group), most or len(group))
    ]


def together(
    contests: Sequence[Contest], assumed: Assumed, *, trust: float = 0.0, shared_bias: bool = False
) -> Ratings:
    """The ratings of contests that have the same number of responses. `trust` is the correlation, within a contest, of the
    responses' scores and ratings; at 0 scores count for nothing."""
    return rated(_heard(contests), assumed, prior=_prior(contests, assumed.spread, trust), shared_bias=shared_bias)


def likeliest(contests: Sequence[Contest], among: Sequence[Assumed]) -> Assumed:
    """Which of several assumptions fits best what a judge said so far. The pilot for it: all pairs of some fifty prompts."""
    heard = [_heard([contests[n] for n in part]) for part in alike(contests)]
    return max(among, key=lambda assumed: sum(evidence(given, assumed) for given in heard))


def _heard(contests: Sequence[Contest]) -> Comparisons:
    """The verdicts in contests that have the same number of responses."""
    rows = [
        (number, contest.place[first], contest.place[second], strength)
        for number, contest in enumerate(contests)
        for first, second, strength in contest.asked
        if strength is not None
    ]
    columns = np.array(rows, np.float64).reshape(-1, 4).T
    number, first, second = columns[:3].astype(np.int64)
    return Comparisons(number, first, second, columns[3], (len(contests), len(contests[0].responses)))


def _prior(contests: Sequence[Contest], spread: float, trust: float) -> Prior:
    """What scores say of the ratings, as far as they are trusted."""
    nothing: list[float | None] = [None] * len(contests[0].responses)
    scores = np.array([contest.scores or nothing for contest in contests], np.float64)
    known = ~np.isnan(scores)
    many = np.maximum(known.sum(1, keepdims=True), 1)
    off = np.where(known, scores - np.where(known, scores, 0).sum(1, keepdims=True) / many, 0)
    deviation = np.sqrt((off**2).sum(1, keepdims=True) / many)
    told = known & (deviation > 0)
    standard = off / np.where(deviation > 0, deviation, 1)
    return Prior(trust * spread * standard, spread * np.sqrt(1 - trust**2 * told))
