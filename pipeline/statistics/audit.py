"""How many labels are wrong where nobody looked: bounds from a random audit, by reviewers who err themselves.

Of `size` labels some number is wrong; `audited` of them, drawn at random and without replacement, were looked at, and `found`
were called wrong: a wrong one with the chance `caught`, a right one, falsely, with the chance `alarm`. How many wrong ones the
audit holds is hypergeometric, so that what it finds has an exact distribution for each number that may be wrong, and the bound
is the largest number for which so few findings are not too unlikely (C. J. Clopper, E. S. Pearson, 1934, Biometrika 26:404-413;
without replacement: J. Buonaccorsi, 1987, Am. Stat. 41:215-218; with errors of the test: W. J. Rogan, B. Gladen, 1978, Am. J.
Epidemiol. 107:71-76).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
LEVEL = 0.95
FOR_REVIEWERS = 0.2
"""Of the chance that a bound fails, the share that goes to not knowing how often reviewers err."""
MOST = 0.49
"""Reviewers who err more often tell nothing."""
_RATES = (1.0, 20.0)
"""Beta prior of the share of wrong labels, by which a confidence sequence weighs what it may be: fixed before any audit."""
_ROUNDING = 1e-9
_GRID = 200
"""So many shares stand for all."""


@dataclass(frozen=True)
class Audit:
    """One group of labels, drawn from with one chance."""

    found: int
    """Called wrong."""
    audited: int
    """Looked at."""
    size: int
    """There are, with those looked at."""

    def __post_init__(self) -> None:
        if not 0 <= self.found <= self.audited <= self.size:
            raise ValueError(f"{self.found} found of {self.audited} audited of {self.size}")


@dataclass(frozen=True)
class Reviewers:
    """How often reviewers err, whichever of two labels is the right one."""

    error: float
    """The estimate, 0 to 0.5."""
    low: float
    """With the ends of its interval, which holds with `level`..."""
    high: float
    level: float
    """...and 1 if nothing is uncertain."""


KNOWN = Reviewers(0.0, 0.0, 0.0, 1.0)
"""Reviewers who never err."""


@lru_cache(4096)
def reviewers(
    differ: int, twice: int, mistaken: int = 0, gold: int = 0, level: float = 1 - FOR_REVIEWERS * (1 - LEVEL)
) -> Reviewers | None:
    """From items that two reviewers saw (`differ` of `twice`: two who err alone with the chance e differ with 2e(1-e)) and from
    items whose answer is known (`mistaken` of `gold`): exact, by the sum of both counts. None without either."""
    if not (twice or gold):
        return None
    seen, miss = differ + mistaken, (1 - level) / 2

    def at_most(some: int, error: float) -> float:
        known = _binomial(np.arange(min(some, gold) + 1), gold, error)
        apart = _binomial(np.arange(some + 1), twice, 2 * error * (1 - error)).cumsum()
        return float(known @ apart[some - np.arange(len(known))])

    return Reviewers(
        _crossing(lambda error: gold * error + twice * 2 * error * (1 - error) < seen),
        _crossing(lambda error: 1 - at_most(seen - 1, error) < miss) if seen else 0.0,
        _crossing(lambda error: at_most(seen, error) > miss),
        level,
    )


def _crossing(below: Callable[[float], bool]) -> float:
    """Where it ceases to hold, between 0 and MOST."""
    low, high = 0.0, MOST
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if below(middle) else (low, middle)
    return high if low else 0.0


@lru_cache(4096)
def share(found: int, trials: int, level: float = LEVEL) -> float:
    """Clopper and Pearson's upper bound of a share; exact, and one-sided. ValueError: no trials."""
    if not 0 <= found <= trials or not trials:
        raise ValueError(f"{found} found of {trials}")
    if found == trials:
        return 1.0
    low, high = found / trials, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        above = _binomial(np.arange(found + 1), trials, middle).sum() > 1 - level
        low, high = (middle, high) if above else (low, middle)
    return high


def most_wrong(audit: Audit, by: Reviewers = KNOWN, level: float = LEVEL) -> int:
    """So many of all labels are wrong, or fewer, with the chance `level`: a size of audit that was fixed beforehand."""
    miss = by.level - level
    if miss <= 0:
        raise ValueError(
            f"what is known of the reviewers holds with {by.level}, which leaves nothing for a bound of {level}"
        )
    seen = _at_most(audit.found, audit.audited, 1 - by.high, by.low)
    return _last(lambda wrong: float(_drawn(wrong, audit) @ seen) > miss - _ROUNDING, 0, audit.size)


def most_wrong_of_all(audits: list[Audit], by: Reviewers = KNOWN, level: float = LEVEL) -> int:
    """The same over several groups, each drawn from with a chance of its own. All findings together are a sum of independent
    hits and misses, and a sum of those is never so far below its mean as the binomial one (W. Hoeffding, 1956, Ann. Math. Stat.
    27:713-721); of what fits that, the worst case is that the wrong ones are where least was looked at."""
    if len(audits) == 1:
        return most_wrong(audits[0], by, level)
    audited = sum(a.audited for a in audits)
    if not audited:
        return sum(a.size for a in audits)
    caught = 1 - by.high
    mean = audited * share(sum(a.found for a in audits), audited, 1 - (by.level - level))
    left = max(mean - audited * by.low, 0.0) / (caught - by.low)  # wrong ones that the audit may hold
    worst = 0
    for audit in sorted(audits, key=lambda a: a.audited / a.size if a.size else 1.0):
        here = min(audit.size, int(left * audit.size / audit.audited + 1e-9)) if audit.audited else audit.size
        worst, left = worst + here, left - here * audit.audited / max(audit.size, 1)
    return worst


def most_wrong_so_far(audit: Audit, by: Reviewers = KNOWN, level: float = LEVEL) -> int:
    """The same, if the audit is watched as it grows, and may be ended when its bound pleases: with the chance `level` it holds
    at all sizes at once (a confidence sequence). A number of wrong labels is ruled out when what was found is 1 / (1 - level)
    times likelier under a mixture of all smaller ones, fixed beforehand (I. Waudby-Smith, A. Ramdas, 2020, Confidence sequences
    for sampling without replacement, NeurIPS; one-sided, and with reviewers' errors)."""
    seen = _exactly(audit.found, audit.audited, 1 - by.high, by.low)
    rates = (np.arange(_GRID) / _GRID) ** 3 / 2  # close together where they are small
    prior = rates ** (_RATES[0] - 1) * (1 - rates) ** (_RATES[1] - 1) * (np.arange(_GRID) + 0.5) ** 2
    prior /= prior.sum()
    numbers = np.unique(np.round(rates * audit.size).astype(np.int64), return_inverse=True)
    weights = np.bincount(numbers[1], prior)
    likely = np.array([float(_drawn(int(wrong), audit) @ seen) for wrong in numbers[0]])
    limit = by.level - level

    def possible(wrong: int) -> bool:
        below = numbers[0] < wrong
        return float(_drawn(wrong, audit) @ seen) > limit * float(weights[below] @ likely[below])

    rate = (audit.found / max(audit.audited, 1) - by.low) / (1 - by.high - by.low)
    return _last(possible, int(min(max(rate, 0.0), 1.0) * audit.size), audit.size)  # from the likeliest on


def corrected(found: int, audited: int, by: Reviewers = KNOWN) -> float | None:
    """The share of wrong labels, estimated: what was found less the false alarms, for what was missed (Rogan and Gladen), and
    within 0 and 1. None of nothing audited."""
    return min(max((found / audited - by.error) / (1 - 2 * by.error), 0.0), 1.0) if audited else None


def _last(holds: Callable[[int], bool], low: int, high: int) -> int:
    """The largest number for which it holds, from `low` to `high`, if it holds up to some number; `low` if for none."""
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if holds(middle) else (low, middle - 1)
    return low


def _drawn(wrong: int, audit: Audit) -> Floats:
    """(audited + 1,): the chance that the audit holds so many wrong ones (hypergeometric)."""
    n, rest = audit.audited, audit.size - audit.audited
    inside = np.arange(n + 1)
    outside = wrong - inside
    fits = (outside >= 0) & (outside <= rest)
    made = np.zeros(n + 1)
    logs = _choose(n, inside[fits]) + _choose(rest, outside[fits]) - _choose(audit.size, np.array([wrong]))
    made[fits] = np.exp(logs)
    return made


@lru_cache(64)
def _at_most(found: int, audited: int, caught: float, alarm: float) -> Floats:
    """(audited + 1,): the chance that at most `found` are called wrong, by how many of the audited are."""
    inside, some = np.arange(audited + 1)[:, None], np.arange(found + 1)
    rightly = _binomial(some, inside, caught)
    falsely = _binomial(some, audited - inside, alarm).cumsum(1)
    made: Floats = (rightly * falsely[:, ::-1]).sum(1)
    return made


@lru_cache(64)
def _exactly(found: int, audited: int, caught: float, alarm: float) -> Floats:
    """The same of just so many."""
    inside, some = np.arange(audited + 1)[:, None], np.arange(found + 1)
    made: Floats = (_binomial(some, inside, caught) * _binomial(some, audited - inside, alarm)[:, ::-1]).sum(1)
    return made


def _binomial(hits: NDArray[np.int64], trials: NDArray[np.int64] | int, chance: float) -> Floats:
    """The chance of so many hits; spreads."""
    hits, trials = np.broadcast_arrays(hits, trials)
    if chance in (0.0, 1.0):
        certain: Floats = (hits == (trials if chance else 0)).astype(np.float64)
        return certain
    fits = hits <= trials
    misses = np.where(fits, trials - hits, 0)
    logs = _choose(trials, np.where(fits, hits, 0)) + hits * np.log(chance) + misses * np.log1p(-chance)
    made: Floats = np.where(fits, np.exp(logs), 0.0)
    return made


def _choose(n: NDArray[np.int64] | int, k: NDArray[np.int64]) -> Floats:
    """Natural logarithm of n over k."""
    table = _log_factorials(1 << int(np.max(n, initial=1)).bit_length())
    made: Floats = table[n] - table[k] - table[n - k]
    return made


@lru_cache(4)
def _log_factorials(many: int) -> Floats:
    return np.concatenate([[0.0], np.log(np.arange(1, many + 1)).cumsum()])
