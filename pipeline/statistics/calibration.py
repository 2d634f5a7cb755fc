"""Are confidences what they say? How far they are off, and a curve that mends it, learnt from where the truth is known."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
SURE = 0.999
"""A confidence beyond it, or as near to 0, is taken for it: nobody is certain."""
PRIOR = 10.0
"""How strongly the curve is held to the confidences as they are: the precision of the normal priors of slope (1) and shift (0)."""
_STEPS = 100
"""At most; it takes about ten."""
_STILL = 1e-9
"""It has arrived when no weight moves farther in one step."""
_WORTH = 1e-4
"""What a step must win of what its slope promises."""


@dataclass(frozen=True)
class Curve:
    """P(right) = logistic(shift + slope · logit(confidence)) (J. Platt, 1999, on log-odds)."""

    slope: float = 1.0
    shift: float = 0.0

    def __call__(self, confidence: ArrayLike) -> Floats:
        """(n,) confidences, 0 to 1 → (n,) chances of being right."""
        return _logistic(self.shift + self.slope * _logit(confidence))


def fitted(confidence: ArrayLike, right: ArrayLike) -> Curve:
    """The likeliest curve, given (n,) confidences, 0 to 1, and whether each was right: 1, 0, or between where it was half so. Of
    few it stays near the confidences as they are; it never falls."""
    x, y = _logit(confidence), np.asarray(right, np.float64)
    slope, shift = _likeliest(np.stack([x, np.ones_like(x)], 1), y, np.array([1.0, 0.0]))
    if slope < 0:
        slope, (shift,) = 0.0, _likeliest(np.ones((len(x), 1)), y, np.zeros(1))
    return Curve(float(slope), float(shift))


def _likeliest(features: Floats, right: Floats, usual: Floats) -> Floats:
    """(k,): of (n, k) features the weights of the highest posterior, their priors being normal around the `usual` ones. By
    Newton's steps, each halved until the posterior rises: where all confidences are extreme a whole step leads far astray."""

    def height(weights: Floats) -> float:
        at = features @ weights
        return float(right @ at - np.logaddexp(0.0, at).sum() - PRIOR / 2 * ((weights - usual) ** 2).sum())

    weights = usual
    for _ in range(_STEPS):
        chance = _logistic(features @ weights)
        rise = features.T @ (right - chance) - PRIOR * (weights - usual)
        bend = (features * (chance * (1 - chance))[:, None]).T @ features + PRIOR * np.eye(len(usual))
        step = np.linalg.solve(bend, rise)
        while np.abs(step).max() > _STILL and height(weights + step) < height(weights) + _WORTH * float(step @ rise):
            step = step / 2
        if np.abs(step).max() <= _STILL:
            break
        weights = weights + step
    return weights


@dataclass(frozen=True)
class Reliability:
    """How far confidences are off."""

    brier: float
    """Mean squared difference of confidence and truth: 0 is perfect; always a half gives 0.25."""
    error: float
    """Expected calibration error: the mean, over items, of how far the mean confidence of an item's bin lies from the share of the
    bin that was right (ten bins of equal width)."""


def reliability(confidence: ArrayLike, right: ArrayLike, *, bins: int = 10) -> Reliability | None:
    """Of (n,) confidences and what was right (0 to 1); None of nothing."""
    said, true = np.asarray(confidence, np.float64), np.asarray(right, np.float64)
    if not len(said):
        return None
    place = np.minimum((said * bins).astype(np.int64), bins - 1)
    off = np.abs(np.bincount(place, said - true, bins))
    return Reliability(float(((said - true) ** 2).mean()), float(off.sum() / len(said)))


def _logit(confidence: ArrayLike) -> Floats:
    clipped = np.clip(np.asarray(confidence, np.float64), 1 - SURE, SURE)
    odds: Floats = np.log(clipped / (1 - clipped))
    return odds


def _logistic(x: Floats) -> Floats:
    chance: Floats = 1 / (1 + np.exp(-x))
    return chance
