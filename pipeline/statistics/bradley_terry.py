"""Ratings from graded comparisons, with their uncertainty: Bradley and Terry's model for verdicts from -3 to 3.

A response i, shown first, is compared with j, shown second. Of the verdict k (above zero prefers the first)

    P(k) is proportional to exp((k d - k²/2) / noise²),  d = rating_i - rating_j + bias,  k = -3 … 3

which is the adjacent-categories model of Agresti (1992, Applied Statistics 41, 287-297). With the verdicts -1 and 1 alone
it is Bradley and Terry's (1952, Biometrika 39, 324-345), with a tie between them Davidson's (1970, JASA 65, 317-328);
what the place is worth enters as in Davidson and Beaver (1977, Biometrics 33, 693-702). The k²/2 sets the unit: inside
the scale the mean verdict is about d and its standard deviation about `noise`, so ratings are in steps of strength.

Ratings and bias have Gaussian priors, so that who never lost has a finite rating. The estimate is the mode of the
posterior, by Newton's method; the covariance is Laplace's: the inverse of the Hessian there.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
STRONGEST = 3.0
"""The ends of the scale of verdicts."""
_VERDICTS = np.arange(-STRONGEST, STRONGEST + 1)
QUIETEST = 0.1
"""Steps of strength: with less noise all but one verdict are so unlikely that their shares cannot be computed."""
_NEWTON, _HALVINGS = 100, 40
"""Steps at most. The posterior is concave, so a few suffice; a step that leads down is halved."""
_STILL = 1e-9
"""Steps of strength: a contest whose next move is smaller has arrived, and moves no more."""


@dataclass(frozen=True)
class Assumed:
    """What is taken for granted of a judge and of what it judges, in steps of strength."""

    noise: float = 1.0
    """Standard deviation of a verdict about its mean."""
    spread: float = 2.0
    """Standard deviation of the ratings of one contest."""
    bias: float = 0.5
    """Standard deviation of what being shown first is worth, from contest to contest; 0: it is worth nothing."""

    def __post_init__(self) -> None:
        """ValueError: a deviation that cannot be."""
        if self.noise < QUIETEST or self.spread <= 0 or self.bias < 0:
            raise ValueError(f"noise is {QUIETEST} at least, spread above 0, bias not below 0: not {self}")


@dataclass(frozen=True)
class Comparisons:
    """m comparisons out of b contests of n responses each; all arrays have the shape (m,)."""

    contest: Integers
    """0 … b - 1."""
    first: Integers
    """0 … n - 1: who was shown first."""
    second: Integers
    strength: Floats
    """-3 … 3, above zero prefers the first."""
    shape: tuple[int, int]
    """b, n."""

    def __post_init__(self) -> None:
        """ValueError: a verdict off the scale, or somebody compared with itself."""
        if not (np.abs(self.strength) <= STRONGEST).all():
            raise ValueError(f"a strength is a number from {-STRONGEST:g} to {STRONGEST:g}")
        if (self.first == self.second).any():
            raise ValueError("a response is compared with itself")


@dataclass(frozen=True)
class Prior:
    """What is known of the ratings before anything is compared, in steps of strength."""

    mean: Floats
    """(b, n)."""
    spread: Floats
    """(b, n): standard deviation."""


@dataclass(frozen=True)
class Ratings:
    """The estimate for b contests of n responses each, in steps of strength."""

    rating: Floats
    """(b, n)."""
    covariance: Floats
    """(b, n, n)."""
    bias: Floats
    """(b,): what being shown first is worth."""
    bias_variance: Floats
    """(b,)."""


def information(difference: Floats, noise: float) -> Floats:
    """Fisher's, of one verdict about the difference d of two ratings, for any shape of d; 1 / steps². It fades where d
    leaves the scale: there the verdict is 3 whatever d is."""
    return _moments(difference, noise)[2] / noise**4


def rated(given: Comparisons, assumed: Assumed, *, prior: Prior | None = None, shared_bias: bool = False) -> Ratings:
    """Rate all contests at once. Each is rated by its own comparisons alone, to the last digit, unless the bias is
    `shared_bias`: then one bias is estimated from all of them. Without a `prior` the ratings' is 0, give or take the spread."""
    posterior = _Posterior(given, assumed, prior or _flat(given, assumed), shared_bias)
    rating, bias = posterior.mode()
    return posterior.at(rating, bias).laplace(rating, bias)


def evidence(given: Comparisons, assumed: Assumed) -> float:
    """The logarithm of how likely the verdicts, whole numbers, are if this is assumed (Laplace's approximation). Of several
    assumptions take the one with the largest: so a judge's noise is measured, from as many comparisons as there are."""
    posterior = _Posterior(given, assumed, _flat(given, assumed), shared=False)
    here = posterior.at(*posterior.mode())
    squares = float((given.strength**2).sum()) / 2 / assumed.noise**2  # what `height` leaves out
    return float((here.height + here.room()).sum()) - squares


def _flat(given: Comparisons, assumed: Assumed) -> Prior:
    return Prior(np.zeros(given.shape), np.full(given.shape, assumed.spread))


def _stepped(posterior: "_Posterior", rating: Floats, bias: Floats) -> tuple[Floats, Floats, Floats]:
    """One of Newton's steps, shortened in each contest until it leads up; and how far each moved, (b,)."""
    here = posterior.at(rating, bias)
    step, turn, ascent = here.newton()
    moved = np.maximum(np.abs(step).max(1, initial=0), np.abs(turn))
    share = (here.pooled(moved) >= _STILL).astype(np.float64)
    for _ in range(_HALVINGS):
        there = posterior.height(rating + share[:, None] * step, bias + share * turn)
        low = there < here.height + 1e-4 * share * ascent - 1e-9 * (1 + np.abs(here.height))  # the last: rounding
        if not low.any():
            break
        share = np.where(low, share / 2, share)
    return rating + share[:, None] * step, bias + share * turn, moved * share


@dataclass(frozen=True)
class _Here:
    """The log-posterior of all contests at one place."""

    height: Floats
    """(b,): but for a constant."""
    slope: Floats
    """(b, n): its derivatives in the ratings."""
    tilt: Floats
    """(b,): in the bias."""
    tight: Floats
    """(b, n): the precision of the ratings' prior."""
    firm: float
    """Of the bias's."""
    inverse: Floats
    """(b, n, n): of minus its second derivatives in the ratings."""
    lean: Floats
    """(b, n): minus its mixed second derivatives."""
    stiff: Floats
    """(b,): minus its second derivative in the bias."""
    shared: bool
    """Whether all contests have one bias."""

    def pooled(self, value: Floats) -> Floats:
        """(b,): of each contest; where they share a bias, of all."""
        return np.full_like(value, value.sum()) if self.shared else value

    def _eliminated(self) -> tuple[Floats, Floats]:
        """How the ratings follow the bias (b, n), and the precision of the bias when they do (b,)."""
        follow = (self.inverse @ self.lean[:, :, None])[:, :, 0]
        return follow, self.pooled(self.stiff - (self.lean * follow).sum(1))

    def room(self) -> Floats:
        """(b,): the logarithm of how much less room the posterior takes than the prior."""
        prior = np.log(self.tight).sum(1) + np.log(self.firm)
        room: Floats = (prior + np.linalg.slogdet(self.inverse)[1] - np.log(self._eliminated()[1])) / 2
        return room

    def newton(self) -> tuple[Floats, Floats, Floats]:
        """The step for ratings (b, n) and bias (b,), and how steep it leads up (b,)."""
        follow, precision = self._eliminated()
        turn = self.pooled(self.tilt - (follow * self.slope).sum(1)) / precision
        step = (self.inverse @ self.slope[:, :, None])[:, :, 0] - follow * turn[:, None]
        return step, turn, self.pooled((self.slope * step).sum(1) + self.tilt * turn)

    def laplace(self, rating: Floats, bias: Floats) -> Ratings:
        """The Gaussian that has this curvature."""
        follow, precision = self._eliminated()
        covariance = self.inverse + follow[:, :, None] * follow[:, None, :] / precision[:, None, None]
        return Ratings(rating, covariance, bias, 1 / precision)


class _Posterior:
    """The log-posterior of all contests. Sums are such that no contest's depends on which others are there."""

    def __init__(self, given: Comparisons, assumed: Assumed, prior: Prior, shared: bool) -> None:
        self._given, self._noise, self._shared = given, assumed.noise, shared
        b, n = given.shape
        self._firm = 1 / max(assumed.bias, 1e-6) ** 2 / (max(b, 1) if shared else 1)  # a shared bias has its prior once
        self._centre, self._tight = prior.mean, 1 / prior.spread**2
        self._cell = (given.contest * n + given.first) * n + given.second

    def _difference(self, rating: Floats, bias: Floats) -> Floats:
        of = self._given
        return rating[of.contest, of.first] - rating[of.contest, of.second] + bias[of.contest]

    def _cells(self, weights: Floats) -> Floats:
        """(b, n, n): sums over the comparisons of each pair, the first in the row."""
        b, n = self._given.shape
        sums = np.bincount(self._cell, weights, b * n * n).astype(np.float64)  # of nothing it makes integers
        return sums.reshape(b, n, n)

    def height(self, rating: Floats, bias: Floats) -> Floats:
        """(b,): of each contest; where they share a bias, of all."""
        d = self._difference(rating, bias)
        return self._height(rating, bias, d, _moments(d, self._noise)[0])

    def _height(self, rating: Floats, bias: Floats, d: Floats, normaliser: Floats) -> Floats:
        likely = self._given.strength * d / self._noise**2 - normaliser
        away = (self._tight * (rating - self._centre) ** 2).sum(1) + self._firm * bias**2
        height = np.bincount(self._given.contest, likely, len(bias)) - away / 2
        return np.full_like(height, height.sum()) if self._shared else height

    def at(self, rating: Floats, bias: Floats) -> _Here:
        """Its height and derivatives."""
        d = self._difference(rating, bias)
        normaliser, mean, variance = _moments(d, self._noise)
        push = self._cells((self._given.strength - mean) / self._noise**2)
        weight = self._cells(variance / self._noise**4)
        out, into = weight.sum(2), weight.sum(1)
        hessian = -(weight + weight.swapaxes(1, 2))
        diagonal = np.arange(rating.shape[1])
        hessian[:, diagonal, diagonal] = out + into + self._tight
        return _Here(
            height=self._height(rating, bias, d, normaliser),
            slope=push.sum(2) - push.sum(1) - self._tight * (rating - self._centre),
            tilt=push.sum(2).sum(1) - self._firm * bias,
            inverse=np.asarray(np.linalg.inv(hessian), np.float64),
            lean=out - into,
            stiff=out.sum(1) + self._firm,
            tight=self._tight,
            firm=self._firm,
            shared=self._shared,
        )

    def mode(self) -> tuple[Floats, Floats]:
        """Ratings (b, n) and biases (b,) where it is highest."""
        rating, bias = self._centre, np.zeros(len(self._centre))
        for _ in range(_NEWTON):
            rating, bias, moved = _stepped(self, rating, bias)
            if moved.max(initial=0) < _STILL:
                break
        return rating, bias


def _moments(difference: Floats, noise: float) -> tuple[Floats, Floats, Floats]:
    """Of the verdict at each difference: the logarithm of the normaliser, the mean and the variance."""
    apart = np.abs(difference) / noise**2
    fall = [np.ones_like(apart), np.exp(-apart)]  # by how much less likely is who stands one verdict lower, two …
    while len(fall) < 7:
        fall.append(fall[-1] * fall[1])  # a product of its own each: ** is slow
    total, mean, square = fall[3].copy(), np.zeros_like(apart), np.zeros_like(apart)
    for verdict in (1, 2, 3):
        share = np.exp(-(verdict**2) / 2 / noise**2)
        up, down = share * fall[3 - verdict], share * fall[3 + verdict]
        total += up + down
        mean += verdict * (up - down)
        square += verdict**2 * (up + down)
    mean /= total
    variance = np.maximum(square / total - mean * mean, 0)
    return 3 * apart + np.log(total), np.copysign(mean, difference), variance
