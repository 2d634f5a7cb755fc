"""Dawid and Skene's model in every three of the judges: judges who err together spoil only the panels in which they meet."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pipeline.statistics.dawid_skene import dawid_skene, threes


def said(chance: np.random.Generator, true: np.ndarray, finds: list[float], alarms: list[float]) -> np.ndarray:
    draw = chance.random((len(true), len(finds)))
    return np.where(true[:, None], draw < finds, draw < alarms).astype(np.int64)


def test_of_independent_judges_it_finds_how_often_each_is_right() -> None:
    chance = np.random.default_rng(1)
    true = chance.random(20_000) < 0.1
    finds, alarms = [0.9, 0.8, 0.7, 0.6, 0.5], [0.02, 0.05, 0.01, 0.03, 0.08]
    made = threes(said(chance, true, finds, alarms))
    assert made.confusion[:, 1, 1] == pytest.approx(finds, abs=0.05)
    assert made.confusion[:, 0, 1] == pytest.approx(alarms, abs=0.01)
    assert made.shares[1] == pytest.approx(0.1, abs=0.01)
    assert made.converged


def test_two_judges_who_copy_each_other_do_not_pass_for_the_truth() -> None:
    """Two that alarm together on one item in twenty, and four that know; the plain model believes the two."""
    chance = np.random.default_rng(2)
    true = chance.random(8000) < 0.04
    honest = said(chance, true, [0.6, 0.55, 0.5, 0.6], [0.02, 0.02, 0.03, 0.02])
    fooled = chance.random(8000) < 0.05
    together = np.stack([fooled ^ (chance.random(8000) < 0.01) for _ in range(2)], 1).astype(np.int64)
    labels = np.hstack([honest, together])

    def found(posterior: np.ndarray) -> float:
        return float((posterior[:, 1] > 0.5)[true].mean())

    assert found(dawid_skene(labels, 2).posterior) < 0.2
    assert found(threes(labels).posterior) > 0.5


def test_two_judges_are_too_few_to_know_anything_of() -> None:
    made = threes(np.array([[1, 0], [1, 1], [0, 0]]))
    assert (made.confusion == 0.5).all()
    assert (made.posterior == 0.5).all()


def test_who_labelled_nothing_together_with_two_others_decides_nothing() -> None:
    labels = np.full((300, 4), -1)
    labels[:200, :3] = said(np.random.default_rng(3), np.arange(200) % 5 == 0, [0.9] * 3, [0.05] * 3)
    labels[200:, 3] = 1
    made = threes(labels)
    assert (made.confusion[3] == 0.5).all()
    assert made.posterior[200:] == pytest.approx(np.tile(made.shares, (100, 1)))


@settings(deadline=None, max_examples=60)
@given(arrays.arrays(np.int64, st.tuples(st.integers(0, 30), st.integers(1, 6)), elements=st.integers(-1, 1)))
def test_whatever_was_said_chances_are_chances_and_the_order_of_items_is_none(labels: np.ndarray) -> None:
    made = threes(labels)
    assert np.isfinite(made.posterior).all()
    assert made.posterior.sum(1) == pytest.approx(1.0)
    assert made.confusion.sum(2) == pytest.approx(1.0)
    assert threes(labels[::-1]).posterior[::-1] == pytest.approx(made.posterior, abs=1e-6)
