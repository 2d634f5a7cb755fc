"""What a comparison is worth before it is made: the knowledge gradient, for the best and the worst of a contest.

Who is thought best leads a challenger by m, give or take √V. A comparison will move m by a Gaussian of standard deviation
s; if the challenger is ahead then, it is chosen instead, and by that alone the expected quality of what is chosen grows
by s h(m / s), h(z) = φ(z) - z Φ(-z) (Frazier, Powell and Dayanik, INFORMS Journal on Computing 21, 2009, 599-613, for two
alternatives). Summed over the challengers of the best and of the worst it is the worth of the comparison, in steps of
strength. A contest that is settled promises nothing more; nor does one whose best two are as good as each other.
"""

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from pipeline.statistics.bradley_terry import Assumed, Floats, Integers, Ratings, information

CHALLENGERS = 5
"""Of the best, and of the worst, the likeliest to be it after all; the others add nothing that counts."""
AHEAD = 2
"""Calls at once by which a pair's worth is computed, per call: one alone may turn nothing where two do."""
_FAR, _FINE = 8, 4096
"""h is looked up: beyond 8 it is nothing, and 4096 steps of 1 are fine enough for what is an estimate."""
_NODES = ((0.0, 2 / 3), (math.sqrt(3), 1 / 6), (-math.sqrt(3), 1 / 6))
"""Gauss and Hermite's quadrature of three points."""


def plan(
    ratings: Ratings, assumed: Assumed, left: Integers, room: Integers, price: float
) -> list[list[tuple[int, int]]]:
    """The pairs (i, j), i < j, that tell most of each contest, one after another, each as if those before it had been asked.
    A pair is taken only while a call promises at least `price` (steps of strength), and then at most `left` (b, n, n) times
    and `room` (b,) in all."""
    pairs = np.triu_indices(ratings.rating.shape[1], 1)
    race = _race(ratings, assumed, left[:, *pairs], room, pairs)
    found: list[list[tuple[int, int]]] = [[] for _ in room]
    while len(race.contest):
        gain = race.gain(pairs)
        best, most = gain.argmax(1), gain.max(1)
        worth = (most >= price) & (most > 0) & (race.room > 0)
        race = race.only(worth).heard(pairs, best[worth])
        for contest, pair in zip(race.contest.tolist(), best[worth].tolist(), strict=True):
            found[contest].append((int(pairs[0][pair]), int(pairs[1][pair])))
    return found


@dataclass(frozen=True)
class _Race:
    """Contests in which something may be asked: b of them, p pairs each, and e rivals of those who lead at the two ends."""

    contest: Integers
    """(b,): which."""
    leader: Integers
    """(b, e)."""
    rival: Integers
    """(b, e)."""
    lead: Floats
    """(b, e): by how much, in steps; not below 0."""
    covariance: Floats
    """(b, n, n): of the ratings, when all that is planned is asked."""
    noise: Floats
    """(b, p): variance of what one call says of a pair's difference."""
    left: Integers
    """(b, p): how often each pair may still be asked."""
    room: Integers
    """(b,): how many calls may still be planned."""

    def only(self, those: NDArray[np.bool_]) -> "_Race":
        """Some of the contests."""
        return replace(self, **{name: value[those] for name, value in vars(self).items()})

    def gain(self, pairs: tuple[Integers, Integers]) -> Floats:
        """(b, p): what a call for each pair is worth; 0 where none is left."""
        row = np.arange(len(self.contest))[:, None]
        with_lead = self.covariance[row, self.leader] - self.covariance[row, self.rival]
        moved = np.abs(with_lead[:, :, pairs[0]] - with_lead[:, :, pairs[1]])
        moved /= np.sqrt(self.noise / AHEAD + _variance(self.covariance, pairs))[:, None, :]
        gain = _hope(self.lead[:, :, None], moved).sum(1) / AHEAD
        return np.where(self.left > 0, gain, 0)

    def heard(self, pairs: tuple[Integers, Integers], pair: Integers) -> "_Race":
        """After one more call for a pair (b,) of each contest: whatever it says, a Gaussian's covariance shrinks alike."""
        row, i, j = np.arange(len(self.contest)), pairs[0][pair], pairs[1][pair]
        lean = self.covariance[row, :, i] - self.covariance[row, :, j]
        certain = self.noise[row, pair] + lean[row, i] - lean[row, j]
        covariance = self.covariance - lean[:, :, None] * lean[:, None, :] / certain[:, None, None]
        left = self.left.copy()
        left[row, pair] -= 1
        return replace(self, covariance=covariance, left=left, room=self.room - 1)


def _race(
    ratings: Ratings, assumed: Assumed, left: Integers, room: Integers, pairs: tuple[Integers, Integers]
) -> _Race:
    row = np.arange(len(room))[:, None]
    ends = []
    for sign in (1, -1):
        leader = (sign * ratings.rating).argmax(1)[:, None]
        lead = np.abs(ratings.rating[row, leader] - ratings.rating)
        itself = ratings.covariance[row, leader, leader]
        variance = itself + np.diagonal(ratings.covariance, 0, 1, 2) - 2 * ratings.covariance[row, leader][:, 0]
        hope = _hope(lead, np.sqrt(np.maximum(variance, 0)))
        np.put_along_axis(hope, leader, -1, 1)
        rival = np.argsort(-hope, axis=1, kind="stable")[:, : min(CHALLENGERS, lead.shape[1] - 1)]
        ends.append((np.broadcast_to(leader, rival.shape), rival, np.take_along_axis(lead, rival, 1)))
    leader, rival, lead = (np.concatenate(column, axis=1) for column in zip(*ends, strict=True))
    variance = _variance(ratings.covariance, pairs)
    difference = ratings.rating[:, pairs[0]] - ratings.rating[:, pairs[1]]
    told = sum(w * information(difference + z * np.sqrt(variance), assumed.noise) for z, w in _NODES)
    return _Race(
        contest=np.arange(len(room)), leader=leader, rival=rival, lead=lead, covariance=ratings.covariance,
        noise=1 / np.maximum(told, 1e-9), left=left, room=room,
    )  # fmt: skip


def _variance(covariance: Floats, pairs: tuple[Integers, Integers]) -> Floats:
    """(b, p): of each pair's difference."""
    own = np.diagonal(covariance, 0, 1, 2)
    variance: Floats = own[:, pairs[0]] + own[:, pairs[1]] - 2 * covariance[:, *pairs]
    return np.maximum(variance, 0)


def _hope(lead: Floats, moved: Floats) -> Floats:
    """s h(m / s) of leads m and movements s."""
    moved = np.maximum(moved, 1e-12)
    hope: Floats = moved * _heights().take((np.minimum(lead / moved, _FAR) * _FINE).astype(np.int64))
    return hope


@lru_cache
def _heights() -> Floats:
    """h, at every 1 / _FINE from 0 to _FAR."""
    normal = NormalDist()
    return np.array([normal.pdf(z) - z * normal.cdf(-z) for z in (n / _FINE for n in range(_FAR * _FINE + 1))])
