"""Labels that are to be had for a price: the oracle, what is bought, what is made of the rest."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.statistics.buying import BATCH, Oracle, best_f1, spend
from pipeline.statistics.logistic import Learner, chance
from pipeline.statistics.words import Sparse, beside, dense, kinds, words


def world(items: int = 400, seed: int = 1) -> tuple[Sparse, np.ndarray, np.ndarray, np.ndarray]:
    """Features, of which two tell; guesses that tell a little; draws; the truth: one in eight is a 1."""
    luck = np.random.default_rng(seed)
    true = (luck.random(items) < 0.125).astype(np.int64)
    told = luck.normal(size=(items, 6)) + 1.5 * true[:, None] * np.array([1, 1, 0, 0, 0, 0])
    guess = np.clip(0.2 + 0.2 * true + luck.normal(0, 0.1, items), 0.01, 0.6)
    return beside(dense(np.ones((items, 1))), dense(told)), guess, luck.random(items), true


def test_the_oracle_sells_no_more_than_the_budget_and_nothing_twice() -> None:
    oracle = Oracle(lambda items: items % 2, 3)
    assert oracle.buy(np.array([4, 5])).tolist() == [0, 1]
    with pytest.raises(ValueError, match="bought once"):
        oracle.buy(np.array([5]))
    with pytest.raises(ValueError, match="bought once"):
        oracle.buy(np.array([7, 7]))
    with pytest.raises(ValueError, match="the budget is 3"):
        oracle.buy(np.array([6, 7]))
    assert oracle.sold == {4, 5}


def test_no_label_is_seen_before_it_is_bought() -> None:
    """Another truth behind what was not bought changes nothing."""
    features, guess, draw, true = world()
    asked: list[int] = []

    def told(items: np.ndarray) -> np.ndarray:
        asked.extend(items.tolist())
        return true[items]

    first = list(spend(features, guess, draw, Oracle(told, 100), [50, 100]))
    assert len(asked) == len(set(asked)) == 100
    other = 1 - true
    other[asked] = true[asked]
    again = list(spend(features, guess, draw, Oracle(lambda items: other[items], 100), [50, 100]))
    for one, two in zip(first, again, strict=True):
        assert (one.positive == two.positive).all()
        assert (one.chances == two.chances).all()
    assert [one.bought for one in first] == [int((one.known >= 0).sum()) for one in first] == [50, 100]
    assert (first[-1].positive[asked] == (true[asked] == 1)).all(), "what was bought is right"


def test_what_is_bought_finds_more_than_guessing() -> None:
    features, guess, draw, true = world()
    settled = next(spend(features, guess, draw, Oracle(lambda items: true[items], 80), [80]))
    found = int((settled.known == 1).sum())
    by_guess = int(true[np.argsort(-guess)[:80]].sum())
    assert found > by_guess
    assert BATCH < 80


@settings(derandomize=True, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=7), st.lists(st.integers(-1, 1), min_size=7, max_size=7))
def test_the_labels_called_positive_have_the_best_ratio_of_all_sets(chances: list[float], labels: list[int]) -> None:
    p, known = np.array(chances), np.array(labels[: len(chances)])
    positive, ratio = best_f1(known, p)
    assert ((known < 0) | (positive == (known == 1))).all()
    open_ = np.flatnonzero(known < 0)
    sure = (known == 1).sum()
    total = sure + p[open_].sum()
    best = 0.0
    for called in itertools.product((0, 1), repeat=len(open_)):
        some = open_[np.array(called, dtype=bool)]
        if sure + len(some) + total > 0:
            best = max(best, 2 * (sure + p[some].sum()) / (sure + len(some) + total))
    assert ratio == pytest.approx(best, abs=1e-9)


def test_labels_teach_what_the_others_are() -> None:
    features, _, draw, true = world(600)
    learner = Learner(features, np.full(600, 0.125), draw)
    before = learner.chances()
    assert np.ptp(before) < 0.02, "alike guesses tell nobody apart"
    learner.add(np.arange(150), true[:150])
    after = learner.chances()
    assert after[150:][true[150:] == 1].mean() > 3 * after[150:][true[150:] == 0].mean()


def test_a_fit_is_where_the_gradient_is_nothing() -> None:
    """The penalised likelihood, by its definition, in terms of weights."""
    luck = np.random.default_rng(3)
    matrix = luck.normal(size=(40, 3))
    learner = Learner(dense(matrix), np.full(40, 0.3), luck.random(40))
    labels = (luck.random(20) < 0.5).astype(np.int64)
    learner.add(np.arange(20), labels)
    learner.chances()
    after = learner.chances()  # from where the first ended
    logit = np.log(after / (1 - after))
    weights, *_ = np.linalg.lstsq(matrix, logit, rcond=None)
    assert matrix @ weights == pytest.approx(logit, abs=1e-6)
    count = np.where(np.arange(40) < 20, 0.0, 0.05)  # of guesses: only of what has no label
    p = chance(matrix @ weights)
    gradient = matrix[:20].T @ (labels - p[:20]) + matrix.T @ (count * (0.3 - p)) - 0.1 * weights
    assert gradient == pytest.approx(np.zeros(3), abs=1e-3)


def test_words_are_those_that_two_texts_share_and_rare_ones_weigh_more() -> None:
    made = words(["Yes, do it. Yes!", "do it now", None, "now", "it"])
    full = np.array([made.times(unit) for unit in np.eye(made.columns)]).T
    assert made.columns == 4, "do, it, now, do it"
    assert np.linalg.norm(full, axis=1) == pytest.approx([1, 1, 0, 1, 1])
    do, pair, it, now = full[1]
    assert it < do
    assert [pair, now] == pytest.approx([do, do])
    assert words(["never do", "do never", "do"], first=1).columns == 1


def test_a_sparse_matrix_is_one() -> None:
    luck = np.random.default_rng(0)
    full = luck.random((7, 5)) * (luck.random((7, 5)) < 0.4)
    made = dense(full)
    w, v = luck.random(5), luck.random(7)
    assert made.times(w) == pytest.approx(full @ w)
    assert made.back(v) == pytest.approx(full.T @ v)
    some = np.array([6, 0, 6])
    assert made.rows(some).times(w) == pytest.approx(full[some] @ w)
    both = beside(made, kinds(["x", None, "x", "y", "y", "x", "z"]))
    assert both.columns == 9
    assert both.times(np.concatenate([w, np.zeros(4)])) == pytest.approx(full @ w)
