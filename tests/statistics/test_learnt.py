"""What is learnt from labels is told of other items than those it was learnt from."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.statistics.aggregation import hits
from pipeline.statistics.learnt import best_cut, cross_validated


def test_a_judge_that_is_right_is_believed_and_one_that_says_the_opposite_too() -> None:
    true = np.arange(200) % 5 == 0
    noise = np.random.default_rng(0).integers(0, 2, 200)
    for judge in (true, ~true):
        assert (cross_validated(np.stack([judge, noise], 1).astype(np.int64), true) == true).all()


def test_nothing_is_learnt_from_an_item_s_own_truth() -> None:
    """Judges who say nothing: whoever peeked would find the truth, and who does not finds all or none of a fold."""
    chance = np.random.default_rng(1)
    true = chance.random(1000) < 0.3
    noise = chance.integers(0, 2, (1000, 12))
    f1 = hits(cross_validated(noise, true), true).f1
    assert f1 is not None
    assert f1 < 0.55  # calling all positive gives 0.46


def test_who_was_not_asked_says_something_else_than_no() -> None:
    true = np.arange(100) % 4 == 0
    labels = np.where(true, -1, 0)[:, None].astype(np.int64)
    assert (cross_validated(labels, true) == true).all()


@given(
    st.lists(st.tuples(st.sampled_from([0.1, 0.2, 0.5, 0.9]), st.booleans()), min_size=1).filter(
        lambda x: any(t for _, t in x)
    )
)
def test_no_other_cut_gives_a_higher_f1(items: list[tuple[float, bool]]) -> None:
    chance, true = np.array([c for c, _ in items]), np.array([t for _, t in items])
    scores = {cut: hits(chance >= cut, true).f1 or 0.0 for cut in set(chance)}
    assert scores[best_cut(chance, true)] == max(scores.values())
