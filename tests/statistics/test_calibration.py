"""Confidences beside the truth."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.statistics.calibration import PRIOR, SURE, Curve, fitted, reliability

SAID = st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=40)


def test_confidences_that_claim_too_much_come_down() -> None:
    chance = np.random.default_rng(0)
    said = chance.uniform(0.5, 1, 4000)
    right = chance.random(4000) < 0.5 + (said - 0.5) / 2
    curve = fitted(said, right)
    before, after = reliability(said, right), reliability(curve(said), right)
    assert before is not None
    assert after is not None
    assert after.error < 0.03 < before.error
    assert after.brier < before.brier
    assert curve([0.95])[0] == pytest.approx(0.75, abs=0.05)


def test_those_that_are_true_stay_as_they_are() -> None:
    chance = np.random.default_rng(1)
    said = chance.uniform(0.01, 0.99, 20_000)
    curve = fitted(said, chance.random(20_000) < said)
    assert (curve.slope, curve.shift) == pytest.approx((1, 0), abs=0.06)


def test_of_nothing_nothing_is_learnt_and_of_one_little() -> None:
    assert fitted([], []) == Curve()
    assert reliability([], []) is None
    assert 0.8 < fitted([0.9], [0])([0.9])[0] < 0.9


@pytest.mark.parametrize(
    ("said", "share"), [([1.0], 0.6), ([1.0], 0.95), ([1.0, 0.75, 0.5], 0.7), ([1.0, 2 / 3], 0.85)]
)
@pytest.mark.parametrize("many", [60, 500, 5000])
def test_panels_that_are_always_sure_are_believed_as_often_as_they_are_right(
    said: list[float], share: float, many: int
) -> None:
    chance = np.random.default_rng(3)
    confidence = chance.choice(said, many)
    right = (chance.random(many) < share).astype(np.float64)
    curve = fitted(confidence, right)
    made = curve(confidence)
    assert made.mean() == pytest.approx(right.mean(), abs=20 / many)
    off = reliability(made, right)
    assert off is not None
    assert off.error < (0.15 if many == 60 else 0.04), "of few the curve stays near 1"
    assert risen(curve, confidence, right) == pytest.approx([0, 0], abs=1e-6 * many)


def risen(curve: Curve, said: np.ndarray, right: np.ndarray) -> list[float]:
    """How steeply the posterior still rises by slope and by shift: at its top, by neither."""
    clipped = np.clip(said, 1 - SURE, SURE)
    left = right - curve(said)
    slope = float((left * np.log(clipped / (1 - clipped))).sum()) - PRIOR * (curve.slope - 1)
    return [slope, float(left.sum()) - PRIOR * curve.shift]


def test_those_that_are_the_wrong_way_round_tell_nothing_but_how_many_are_right() -> None:
    """1.0 is never right and 0.0 always: the curve is flat, at the share of 0.3."""
    said = np.repeat([1.0, 0.0], [700, 300])
    curve = fitted(said, 1 - said)
    assert curve.slope == 0
    assert curve(said) == pytest.approx(np.full(1000, 0.3), abs=0.02)


def test_the_figures_by_hand() -> None:
    """Two bins: 0.9 twice, once right: off by 0.4; 0.2 once, wrong: off by 0.2."""
    made = reliability([0.9, 0.9, 0.2], [1, 0, 0])
    assert made is not None
    assert made.brier == pytest.approx((0.01 + 0.81 + 0.04) / 3)
    assert made.error == pytest.approx((2 * 0.4 + 0.2) / 3)


@given(SAID)
def test_whatever_was_said_chances_are_chances_and_a_greater_confidence_is_never_less_likely_right(
    said: list[tuple[float, bool]],
) -> None:
    curve = fitted([c for c, _ in said], [r for _, r in said])
    made = curve(np.linspace(0, 1, 101))
    assert np.isfinite(made).all()
    assert ((made >= 0) & (made <= 1)).all()
    assert (np.diff(made) >= -1e-12).all()
