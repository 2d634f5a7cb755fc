"""One of many: against brute force, and by hand."""

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_fscore_support, roc_auc_score

from pipeline.statistics.aggregation import Hits, hits, majority, roc_auc, three_most_similar

MISSING = float("nan")
GRADES = st.one_of(st.just(MISSING), st.sampled_from([0.0, 0.1, 0.2, 0.3, 1.0, 2.0, 3.0, 4.0]))


def tables(cell: st.SearchStrategy[float], most: int = 6) -> st.SearchStrategy[list[list[float]]]:
    return st.integers(1, most).flatmap(
        lambda width: st.lists(st.lists(cell, min_size=width, max_size=width), max_size=8)
    )


def matrix(rows: list[list[float]], kind: type = float) -> np.ndarray:
    return np.array(rows, kind).reshape(len(rows), -1 if rows else 3)


def by_trying_all_threes(scores: list[float]) -> tuple[float, float]:
    """Mean and spread."""
    given = [score for score in scores if score == score]
    if not given:
        return MISSING, MISSING
    threes = list(combinations(given, 3)) or [tuple(given)]
    spread = min(max(three) - min(three) for three in threes)
    # the mean of the threes as sets of values: one that several scores could make counts once for each place in the order
    ordered = sorted(given)
    side_by_side = [ordered[i : i + 3] for i in range(len(ordered) - 2)] or [ordered]
    close = [np.mean(three) for three in side_by_side if three[-1] - three[0] < spread + 1e-6]
    return float(np.mean(close)), spread


@settings(derandomize=True, deadline=None)
@given(tables(GRADES))
def test_the_three_most_similar_are_those_that_trying_all_finds(rows: list[list[float]]) -> None:
    settled = three_most_similar(matrix(rows))
    wanted = matrix([list(by_trying_all_threes(row)) for row in rows]).reshape(-1, 2)
    np.testing.assert_allclose(settled.mean, wanted[:, 0], atol=1e-9)
    np.testing.assert_allclose(settled.spread, wanted[:, 1], atol=1e-9)


@pytest.mark.parametrize(
    ("scores", "mean", "spread"),
    [
        ([0, 3, 3, 4], 10 / 3, 1),  # the outlier does not count
        ([1, 2, 3, 4], 2.5, 2),  # equally close: neither end is favoured
        ([4, 4, 0, 4, 0], 4, 0),
        ([0, 4], 2, 4),
        ([0, MISSING, 4, 4], 8 / 3, 4),
        ([MISSING, 2, MISSING, MISSING], 2, 0),
    ],
)
def test_an_outlier_does_not_count(scores: list[float], mean: float, spread: float) -> None:
    settled = three_most_similar(np.array([scores], float))
    assert (settled.mean[0], settled.spread[0]) == (pytest.approx(mean), spread)


def test_who_has_no_score_has_no_mean() -> None:
    assert np.isnan(three_most_similar(np.full((2, 4), MISSING)).mean).all()
    assert np.isnan(three_most_similar(np.empty((2, 0))).mean).all()
    assert three_most_similar(np.empty((0, 5))).mean.shape == (0,)


@settings(derandomize=True, deadline=None)
@given(tables(GRADES), st.randoms(use_true_random=False))
def test_turning_the_scale_round_turns_the_mean_round_and_the_judges_order_is_nothing(rows, luck) -> None:
    scores = matrix(rows)
    order = luck.sample(range(scores.shape[1]), scores.shape[1])
    before, after = three_most_similar(scores), three_most_similar(4 - scores[:, order])
    np.testing.assert_allclose(4 - after.mean, before.mean, atol=1e-9)
    np.testing.assert_allclose(after.spread, before.spread, atol=1e-9)


@settings(derandomize=True, deadline=None)
@given(tables(st.integers(-1, 3)))
def test_the_majority_is_who_leads_alone(rows: list[list[int]]) -> None:
    wanted = []
    for row in rows:
        votes = [row.count(label) for label in range(4)]
        leads = [label for label in range(4) if votes[label] == max(votes) > 0]
        wanted.append(leads[0] if len(leads) == 1 else -1)
    assert majority(matrix(rows, int)).tolist() == wanted


def test_nobody_and_two_who_share_the_lead_make_no_majority() -> None:
    assert majority(np.array([[0, 1, -1], [-1, -1, -1], [2, 1, 2]])).tolist() == [-1, -1, 2]
    assert majority(np.empty((0, 3), int)).tolist() == []
    assert majority(np.empty((2, 0), int)).tolist() == [-1, -1]


@settings(derandomize=True, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1))
def test_precision_and_recall_are_scikit_learns(pairs: list[tuple[bool, bool]]) -> None:
    found, true = np.array(pairs).T
    counted = hits(found, true)
    theirs = precision_recall_fscore_support(true, found, average="binary", zero_division=np.nan)[:3]
    for ours, other in zip((counted.precision, counted.recall, counted.f1), theirs, strict=True):
        assert (MISSING if ours is None else ours) == pytest.approx(other, nan_ok=True)
    assert counted.found + counted.alarms + counted.missed + counted.passed == len(pairs)


def test_shares_of_nothing_are_none() -> None:
    assert Hits(0, 0, 0, 5).precision is Hits(0, 0, 0, 5).recall is Hits(0, 0, 0, 5).f1 is None
    assert (Hits(0, 2, 0, 0).precision, Hits(0, 2, 0, 0).recall, Hits(0, 2, 0, 0).f1) == (0, None, 0)
    assert (Hits(3, 1, 2, 4).precision, Hits(3, 1, 2, 4).recall, Hits(3, 1, 2, 4).f1) == (3 / 4, 3 / 5, 6 / 9)


@settings(derandomize=True, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), max_size=30))
def test_the_area_is_the_share_of_pairs_in_the_right_order(pairs: list[tuple[int, bool]]) -> None:
    ones = [score for score, positive in pairs if positive]
    others = [score for score, positive in pairs if not positive]
    found = roc_auc(np.array([score for score, _ in pairs]), np.array([positive for _, positive in pairs], bool))
    if not ones or not others:
        assert found is None
        return
    wins = [(a > b) + (a == b) / 2 for a, b in product(ones, others)]
    assert found == pytest.approx(np.mean(wins))
    assert found == pytest.approx(roc_auc_score([p for _, p in pairs], [s for s, _ in pairs]))


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (lambda: three_most_similar(np.zeros(3)), "a matrix"),
        (lambda: three_most_similar(np.array([[np.inf, 1.0]])), "infinite"),
        (lambda: majority(np.zeros(3, int)), "a matrix"),
        (lambda: majority(np.array([[-2]])), "below -1"),
        (lambda: hits(np.ones(2, bool), np.ones(3, bool)), "shapes differ"),
        (lambda: roc_auc(np.ones(2), np.ones(3, bool)), "shapes differ"),
        (lambda: roc_auc(np.array([MISSING]), np.ones(1, bool)), "missing"),
    ],
)
def test_what_makes_no_sense_is_refused(call, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        call()
