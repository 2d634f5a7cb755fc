"""Bounds from a random audit, beside scipy's exact distributions and by enumeration."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pipeline.statistics.audit import (
    KNOWN,
    Audit,
    Reviewers,
    corrected,
    most_wrong,
    most_wrong_of_all,
    most_wrong_so_far,
    reviewers,
    share,
)


@st.composite
def audits(draw: st.DrawFn, most: int = 300) -> Audit:
    size = draw(st.integers(1, most))
    audited = draw(st.integers(1, size))
    return Audit(draw(st.integers(0, audited)), audited, size)


NOISY = st.builds(
    lambda low, more: Reviewers((low + more) / 2, low, low + more, 0.99), st.floats(0, 0.1), st.floats(0, 0.1)
)


@settings(derandomize=True, deadline=None)
@given(audits())
def test_the_bound_is_the_largest_number_that_the_hypergeometric_distribution_allows(audit: Audit) -> None:
    numbers = range(audit.found, audit.size - audit.audited + audit.found + 1)
    allowed = [m for m in numbers if stats.hypergeom.cdf(audit.found, audit.size, m, audit.audited) > 0.05 - 1e-9]
    found = most_wrong(audit)
    assert found == max(allowed)


@settings(derandomize=True, deadline=None)
@given(st.integers(0, 60), st.integers(1, 500))
def test_of_endlessly_many_it_is_clopper_and_pearsons(found: int, trials: int) -> None:
    if found < trials:
        assert share(found, trials) == pytest.approx(stats.beta.ppf(0.95, found + 1, trials - found))
    else:
        assert share(trials, trials) == 1.0


@settings(derandomize=True, deadline=None)
@given(audits(), NOISY)
def test_more_found_is_never_a_lower_bound_and_reviewers_who_miss_never_a_tighter_one(
    audit: Audit, by: Reviewers
) -> None:
    bound = most_wrong(audit, by)
    if audit.found < audit.audited:
        assert most_wrong(Audit(audit.found + 1, audit.audited, audit.size), by) >= bound
    careless = Reviewers(by.error, by.low, min(by.high + 0.1, 0.45), by.level)
    assert most_wrong(audit, careless) >= bound


@settings(derandomize=True, deadline=None)
@given(audits(), NOISY)
def test_watched_as_it_grows_it_promises_less(audit: Audit, by: Reviewers) -> None:
    assert most_wrong_so_far(audit, by) >= most_wrong(audit, by)


@settings(derandomize=True, deadline=None)
@given(st.lists(audits(80), min_size=2, max_size=3))
def test_over_groups_it_is_no_tighter_than_that_of_what_was_found_in_all(groups: list[Audit]) -> None:
    bound = most_wrong_of_all(groups)
    assert sum(a.found for a in groups) <= bound <= sum(a.size for a in groups)
    assert most_wrong_of_all(groups[:1]) == most_wrong(groups[0])


def test_over_groups_it_holds_whatever_is_wrong_where() -> None:
    """By enumeration: of every way to spread wrong labels over two groups of unequal shares the chance of a bound too low."""
    sizes, drawn = (12, 30), (6, 5)
    bounds = {
        found: most_wrong_of_all([Audit(k, n, size) for k, n, size in zip(found, drawn, sizes, strict=True)])
        for found in itertools.product(*(range(n + 1) for n in drawn))
    }
    for wrong in itertools.product(*(range(size + 1) for size in sizes)):
        chances = [
            stats.hypergeom.pmf(range(n + 1), size, m, n) for n, size, m in zip(drawn, sizes, wrong, strict=True)
        ]
        miss = sum(chances[0][a] * chances[1][b] for (a, b), bound in bounds.items() if bound < sum(wrong))
        assert miss <= 0.05 + 1e-9, wrong


def test_with_reviewers_who_err_it_holds_whatever_is_wrong() -> None:
    """By enumeration, at the worst that is allowed of them."""
    size, audited, error = 60, 25, 0.08
    by = Reviewers(error, error, error, 1.0)
    bounds = [most_wrong(Audit(k, audited, size), by) for k in range(audited + 1)]
    for wrong in range(size + 1):
        chance = np.zeros(audited + 1)
        for inside in range(audited + 1):
            rightly = stats.binom.pmf(range(inside + 1), inside, 1 - error)
            falsely = stats.binom.pmf(range(audited - inside + 1), audited - inside, error)
            chance += stats.hypergeom.pmf(inside, size, wrong, audited) * np.convolve(rightly, falsely)
        assert chance.sum() == pytest.approx(1)
        assert sum(p for p, bound in zip(chance, bounds, strict=True) if bound < wrong) <= 0.05 + 1e-9


def test_an_audit_that_stops_when_its_bound_pleases_still_holds() -> None:
    """Each audit is watched after every item, and believed where its bound is lowest."""
    luck, size, wrong = np.random.default_rng(5), 120, 18
    bounds = {(k, n): most_wrong_so_far(Audit(k, n, size)) for n in range(5, 61, 5) for k in range(min(n, wrong) + 1)}
    failed = naive = 0
    for _ in range(400):
        seen = luck.permuted(np.arange(size) < wrong).cumsum()
        failed += min(bounds[int(seen[n - 1]), n] for n in range(5, 61, 5)) < wrong
        naive += min(most_wrong_cached(int(seen[n - 1]), n, size) for n in range(5, 61, 5)) < wrong
    assert failed <= 0.05 * 400
    assert naive > 0.07 * 400, "the bound for a fixed size does not bear it"


_cache: dict[tuple[int, int, int], int] = {}


def most_wrong_cached(found: int, audited: int, size: int) -> int:
    key = (found, audited, size)
    if key not in _cache:
        _cache[key] = most_wrong(Audit(*key))
    return _cache[key]


def test_how_often_reviewers_err_is_told_by_overlap_and_by_gold() -> None:
    assert reviewers(0, 0) is None
    overlap = reviewers(19, 200)
    assert overlap
    assert overlap.error == pytest.approx((1 - math.sqrt(1 - 2 * 0.095)) / 2)
    assert overlap.low < 0.05 < overlap.high
    both = reviewers(19, 200, mistaken=10, gold=200)
    assert both
    assert both.high - both.low < overlap.high - overlap.low
    alone = reviewers(0, 0, mistaken=3, gold=100)
    assert alone
    assert alone.high == pytest.approx(stats.beta.ppf(0.995, 4, 97), abs=1e-6)
    assert alone.low == pytest.approx(stats.beta.ppf(0.005, 3, 98), abs=1e-6)
    coins = reviewers(50, 100)
    assert coins
    assert most_wrong(Audit(60, 100, 1000), coins) == 1000, "who tosses coins tells nothing"


def test_false_alarms_are_taken_off_the_estimate_and_misses_added() -> None:
    assert corrected(10, 200) == 0.05
    assert corrected(10, 200, Reviewers(0.05, 0.02, 0.08, 0.99)) == 0.0
    assert corrected(100, 200, Reviewers(0.1, 0.1, 0.1, 0.99)) == pytest.approx(0.5)
    assert corrected(0, 0) is None
    assert most_wrong(Audit(10, 200, 4000), Reviewers(0.04, 0.03, 0.05, 0.99)) < most_wrong(Audit(10, 200, 4000), KNOWN)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="found of"):
        Audit(3, 2, 10)
    with pytest.raises(ValueError, match="found of"):
        share(1, 0)
    with pytest.raises(ValueError, match="leaves nothing"):
        most_wrong(Audit(0, 1, 2), Reviewers(0.1, 0.1, 0.1, 0.9))
