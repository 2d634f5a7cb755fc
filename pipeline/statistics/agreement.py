"""How far do raters agree, and how far beyond chance? Each measure with a bootstrap interval over the items.

Every function takes codes (n items, m raters), where a rater may have left an item out: of floats NaN is missing, of whole
numbers -1 (grades below zero are therefore handed in as floats). Which rater stands in which column matters to `cohen` alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.floating] | NDArray[np.integer]
Level = Literal["nominal", "ordinal", "interval"]
_Measure = Callable[[Floats, Floats], Floats]
"""From what is to know of each pattern (p, f), and how often each occurs in every resample (d, p), to a value (d,) for each;
NaN where there is none."""
_AT_ONCE = 4_000_000
"""Cells of resamples x patterns that are held in memory at once."""
_UNDEFINED = 0.05
"""With a larger share of resamples without a value there is no interval: their percentiles would be those of the others."""
_NOTHING = 1e-12
"""A disagreement expected by chance that is smaller, beside its scale, is rounding."""
ALONE = "no item has two ratings"
UNANIMOUS = "all ratings are one category"


@dataclass(frozen=True)
class Agreement:
    """One measure of one set of codes."""

    value: float | None
    """1 is perfect agreement, 0 what chance would give (of `raw`: none at all); none where it is not defined."""
    low: float | None
    """The interval's ends, percentiles of the resamples; none without a value, with fewer than two items, or where too many
    resamples had no value. Where nobody disagrees both are 1 however few the items."""
    high: float | None
    reason: str | None
    """Why there is no value, or no interval."""
    items: int
    """How many have the two ratings that agreement takes."""


@dataclass(frozen=True)
class Resampling:
    """Of the items, with replacement; the same each time."""

    draws: int = 2000
    """0: no intervals."""
    level: float = 0.95
    seed: int = 0


USUAL = Resampling()


def raw(codes: Codes, resampling: Resampling = USUAL) -> Agreement:
    """The share of the pairs of ratings of one item that agree, averaged over the items with two ratings or more."""
    counts = _counts(_values(codes))
    several = counts[counts.sum(1) >= 2]
    if not len(several):
        return _none(ALONE, 0)
    return _resampled(_agreeing(several)[:, None], len(several), _mean, resampling)


def cohen(codes: Codes, resampling: Resampling = USUAL) -> Agreement:
    """Kappa of two raters, over the items that both rated: chance is that each keeps to their own shares of the categories.
    (J. Cohen, 1960, Educ. Psychol. Meas. 20:37-46.) ValueError: not two columns."""
    values = _values(codes)
    if values.shape[1] != 2:
        raise ValueError(f"Cohen's kappa is of two raters, not of {values.shape[1]}")
    both = values[~np.isnan(values).any(1)]
    if not len(both):
        return _none("no item was rated by both", 0)
    seen, which = np.unique(both, return_inverse=True)
    if len(seen) == 1:
        return _none(UNANIMOUS, len(both))
    return _resampled(which.reshape(-1, 2).astype(np.float64), len(both), _cohen, resampling)


def fleiss(codes: Codes, resampling: Resampling = USUAL) -> Agreement:
    """Kappa of any raters: chance is that all draw from the same shares of the categories. (J. L. Fleiss, 1971, Psychol. Bull.
    76:378-382.) Numbers of ratings may differ; then as in Gwet (2014, Handbook of Inter-Rater Reliability, 4th ed., ch. 2):
    the agreement is that of `raw`, and a category's share the mean, over all items rated at all, of its share of the item."""
    counts = _counts(_values(codes))
    items = int((counts.sum(1) >= 2).sum())
    if not items or counts.shape[1] == 1:
        return _none(UNANIMOUS if items else ALONE, items)
    return _resampled(counts, items, _fleiss, resampling)


def gwet(codes: Codes, resampling: Resampling = USUAL, *, categories: int | None = None) -> Agreement:
    """AC1: chance is that a rater who cannot tell picks any category. It holds where nearly all items are of one category, where
    kappa falls to zero. (K. L. Gwet, 2008, Br. J. Math. Stat. Psychol. 61:29-48.) Missing ratings are treated as in `fleiss`.

    `categories`: how many there are, if not those that occur. ValueError: fewer than occur."""
    counts = _counts(_values(codes))
    items, occurring = int((counts.sum(1) >= 2).sum()), counts.shape[1]
    if categories is not None and categories < occurring:
        raise ValueError(f"{occurring} categories occur, not {categories}")
    if not items or occurring == 1:
        return _none(UNANIMOUS if items else ALONE, items)
    return _resampled(counts, items, _gwet(categories or occurring), resampling)


def krippendorff(codes: Codes, resampling: Resampling = USUAL, *, level: Level = "nominal") -> Agreement:
    """Alpha: 1 less the disagreement within items beside that among all ratings of items with two or more. How far two ratings
    disagree: not at all or wholly (nominal), by the ratings that lie between them (ordinal), by the square of their difference
    (interval). (K. Krippendorff, 2011, Computing Krippendorff's alpha-reliability, University of Pennsylvania.)"""
    values = _values(codes)
    several = values[(~np.isnan(values)).sum(1) >= 2]
    if not len(several):
        return _none(ALONE, 0)
    if np.nanmin(several) == np.nanmax(several):
        return _none(UNANIMOUS, len(several))
    if level == "interval":
        return _resampled(_moments(several), len(several), _interval, resampling)
    measure = {"nominal": _nominal, "ordinal": _ordinal}[level]
    return _resampled(_counts(several), len(several), measure, resampling)


def _values(codes: Codes) -> Floats:
    """NaN where missing."""
    if codes.ndim != 2:
        raise ValueError(f"codes are a matrix (items, raters), not of shape {codes.shape}")
    values = codes.astype(np.float64)
    if codes.dtype.kind == "i":
        if (codes < -1).any():
            raise ValueError("of whole numbers -1 is missing and none is smaller: hand in grades below zero as floats")
        values[codes == -1] = np.nan
    if np.isinf(values).any():
        raise ValueError("an infinite code")
    return values


def _counts(values: Floats) -> Floats:
    """(n', k): how many ratings of each category each item has, of those that have any."""
    rated = ~np.isnan(values)
    seen, which = np.unique(values[rated], return_inverse=True)
    n, k = len(values), len(seen)
    counts = np.bincount(np.nonzero(rated)[0] * k + which, minlength=n * k).reshape(n, k)
    return counts[rated.any(1)].astype(np.float64)


def _moments(values: Floats) -> Floats:
    """(n, 4), of each item: its number of ratings, their sum, the sum of their squares (about the median of all), and the sum of
    the squared differences of all its ordered pairs beside its number less one."""
    values = np.sort(values, 1)  # so that sums are the same to the last digit whoever stands in which column
    rated = ~np.isnan(values)
    away = np.where(rated, values - np.median(values[rated]), 0.0)
    m, total, squares = rated.sum(1), away.sum(1), (away**2).sum(1)
    within = np.where(rated, away - (total / m)[:, None], 0.0)
    return np.stack([m, total, squares, 2 * m * (within**2).sum(1) / (m - 1)], 1).astype(np.float64)


def _none(reason: str, items: int) -> Agreement:
    return Agreement(None, None, None, reason, items)


def _resampled(rows: Floats, items: int, measure: _Measure, resampling: Resampling) -> Agreement:
    """The measure of (n, f) rows, one an item, and its interval. Items of which the same is known are one pattern, and a resample
    is how often it holds each: so few numbers are drawn."""
    patterns, times = np.unique(rows, axis=0, return_counts=True)
    n, p = len(rows), len(patterns)
    value = float(measure(patterns, times[None].astype(np.float64))[0])
    if not resampling.draws:
        return Agreement(value, None, None, None, items)
    if items < 2:
        return Agreement(value, None, None, "an interval takes two items or more", items)
    chance = np.random.default_rng(resampling.seed)
    size = max(1, _AT_ONCE // (n if _many(times) else p))
    found = []
    for done in range(0, resampling.draws, size):
        drawn = _drawn(chance, times, min(size, resampling.draws - done))
        found.append(measure(patterns, drawn.astype(np.float64)))
    values = np.concatenate(found)
    values = values[~np.isnan(values)]
    if len(values) < (1 - _UNDEFINED) * resampling.draws:
        reason = f"{resampling.draws - len(values)} of {resampling.draws} resamples have no value"
        return Agreement(value, None, None, reason, items)
    low, high = np.quantile(values, [(1 - resampling.level) / 2, (1 + resampling.level) / 2])
    return Agreement(value, float(low), float(high), None, items)


def _many(times: NDArray[np.int64]) -> bool:
    """Whether the patterns are so many that drawing items is quicker than drawing how often each pattern comes."""
    return len(times) * 100 > int(times.sum())


def _drawn(chance: np.random.Generator, times: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """(size, p): how often each resample of the items holds each pattern, which they hold so many `times`."""
    n, p = int(times.sum()), len(times)
    if not _many(times):
        return chance.multinomial(n, times / n, size)
    pattern = np.repeat(np.arange(p), times)
    return np.stack([np.bincount(pattern[chance.integers(n, size=n)], minlength=p) for _ in range(size)])


def _ratio(above: Floats, below: Floats, scale: Floats | float = 1.0) -> Floats:
    """NaN where what is below is nothing beside its scale."""
    sound = below > _NOTHING * scale
    return np.where(sound, above / np.where(sound, below, 1.0), np.nan)


def _agreeing(counts: Floats) -> Floats:
    """(n,): the share of each item's pairs that agree; 0 where it has none."""
    m = counts.sum(1)
    return np.asarray((counts * (counts - 1)).sum(1) / np.maximum(m * (m - 1), 1), np.float64)


def _mean(values: Floats, times: Floats) -> Floats:
    return np.asarray((times @ values)[:, 0] / times.sum(1), np.float64)


def _cohen(pairs: Floats, times: Floats) -> Floats:
    first, second = np.eye(int(pairs.max()) + 1)[pairs.astype(np.int64)].swapaxes(0, 1)
    n = times.sum(1)
    agreeing = times @ (pairs[:, 0] == pairs[:, 1])
    by_chance = ((times @ first) * (times @ second)).sum(1)
    return _ratio(n * agreeing - by_chance, n * n - by_chance, n * n)


def _shares(counts: Floats, times: Floats) -> tuple[Floats, Floats]:
    """The agreement within items (d,), NaN where none has two ratings; and the categories' shares (d, k)."""
    several = (counts.sum(1) >= 2).astype(np.float64)
    of_item = counts / counts.sum(1, keepdims=True)
    return _ratio(times @ _agreeing(counts), times @ several), times @ of_item / times.sum(1, keepdims=True)


def _fleiss(counts: Floats, times: Floats) -> Floats:
    agreeing, shares = _shares(counts, times)
    by_chance = (shares**2).sum(1)
    return _ratio(agreeing - by_chance, 1 - by_chance)


def _gwet(categories: int) -> _Measure:
    def measure(counts: Floats, times: Floats) -> Floats:
        agreeing, shares = _shares(counts, times)
        by_chance = (shares * (1 - shares)).sum(1) / (categories - 1)
        return _ratio(agreeing - by_chance, 1 - by_chance)

    return measure


def _alpha(within: Floats, among: Floats, ratings: Floats, scale: Floats | float) -> Floats:
    """(d,) of the disagreement of the pairs within items and among all ratings, ordered pairs of each."""
    return 1 - _ratio((ratings - 1) * np.maximum(within, 0), among, scale)


def _nominal(counts: Floats, times: Floats) -> Floats:
    m = counts.sum(1)
    within = times @ ((m * m - (counts**2).sum(1)) / (m - 1))
    totals = times @ counts
    ratings = totals.sum(1)
    return _alpha(within, ratings**2 - (totals**2).sum(1), ratings, ratings**2)


def _ordinal(counts: Floats, times: Floats) -> Floats:
    """What lies between two categories is the difference of their middle ranks."""
    m = counts.sum(1)
    totals = times @ counts
    ratings = totals.sum(1)
    rank = (totals.cumsum(1) - totals / 2) / ratings[:, None] - 0.5
    squares = (times / (1 - 1 / m)) @ counts * rank**2  # of an item of m ratings: m / (m - 1)
    within = 2 * (squares.sum(1) - (times / (m - 1) * (rank @ counts.T) ** 2).sum(1))
    among = 2 * (ratings * (totals * rank**2).sum(1) - (totals * rank).sum(1) ** 2)
    return _alpha(within, among, ratings, ratings**2)


def _interval(moments: Floats, times: Floats) -> Floats:
    ratings, total, squares, within = (times @ moments).T
    return _alpha(within, 2 * (ratings * squares - total**2), ratings, ratings * squares)
