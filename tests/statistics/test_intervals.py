"""Intervals of shares and of means."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.statistics.intervals import bootstrap_mean, wilson


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    # by hand from Wilson's formula; 15 of 148 is the textbook's (Newcombe 1998, table I: 0.0624, 0.1605; 81 of 263: 0.2553, 0.3662)
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilsons_interval_is_that_of_the_literature(hits: int, trials: int, low: float, high: float) -> None:
    found = wilson(hits, trials)
    assert found == pytest.approx((low, high), abs=5e-5)


@settings(derandomize=True, max_examples=80, deadline=None)
@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_an_interval_holds_its_share_and_mirrors_that_of_the_misses(counted: tuple[int, int]) -> None:
    hits, trials = counted
    low, high = wilson(hits, trials) or (math.nan, math.nan)
    assert 0 <= low <= hits / trials <= high <= 1
    assert wilson(trials - hits, trials) == pytest.approx((1 - high, 1 - low))


def test_without_trials_there_is_no_interval() -> None:
    assert wilson(0, 0) is None
    assert bootstrap_mean(np.array([])) is None


@pytest.mark.parametrize(("hits", "trials"), [(2, 1), (-1, 3)])
def test_hits_are_among_the_trials(hits: int, trials: int) -> None:
    with pytest.raises(ValueError, match=f"{hits} hits of {trials} trials"):
        wilson(hits, trials)


def test_the_bootstraps_interval_of_a_share_is_near_wilsons() -> None:
    values = np.array([1.0] * 130 + [0.0] * 70)
    low, high = bootstrap_mean(values) or (math.nan, math.nan)
    assert (low, high) == pytest.approx(wilson(130, 200) or (), abs=0.02)


def test_the_bootstrap_is_the_same_each_time_and_of_equal_values_a_point() -> None:
    values = np.arange(20.0)
    assert bootstrap_mean(values) == bootstrap_mean(values)
    assert bootstrap_mean(values) != bootstrap_mean(values, seed=1)
    assert bootstrap_mean(np.full(9, 0.25)) == (0.25, 0.25)
