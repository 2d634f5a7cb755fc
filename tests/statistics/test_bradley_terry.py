"""Ratings from graded comparisons: against an independent optimiser, against the truth, and by their symmetries."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.statistics.bradley_terry import Assumed, Comparisons, Prior, evidence, information, rated

VERDICTS = np.arange(-3, 4)
ASSUMED = Assumed(noise=0.9, spread=1.7, bias=0.6)
UNBIASED = replace(ASSUMED, bias=0)
SEEDS = st.integers(0, 10**6)


def log_likelihood(difference: float, noise: float) -> NDArray[np.float64]:
    """Of each verdict, as the docstring has it."""
    logs: NDArray[np.float64] = (VERDICTS * difference - VERDICTS**2 / 2) / noise**2
    shifted = logs - logs.max()
    shares: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum())
    return shares


def some(seed: int, contests: int = 3, responses: int = 5, comparisons: int = 40) -> Comparisons:
    """Comparisons by chance, fractions among them, and by chance of some contests none."""
    luck = np.random.default_rng(seed)
    first = luck.integers(responses, size=comparisons)
    second = (first + luck.integers(1, responses, size=comparisons)) % responses
    strength = np.round(luck.uniform(-3, 3, comparisons) * 2) / 2
    return Comparisons(luck.integers(contests, size=comparisons), first, second, strength, (contests, responses))


def drawn(quality: NDArray[np.float64], bias: float, noise: float, rounds: int, seed: int) -> Comparisons:
    """What a judge says who is as assumed: all pairs in both orders, so many times. `quality`: (b, n)."""
    luck = np.random.default_rng(seed)
    b, n = quality.shape
    i, j = np.nonzero(~np.eye(n, dtype=bool))
    contest = np.repeat(np.arange(b), len(i) * rounds)
    first, second = np.tile(i, b * rounds), np.tile(j, b * rounds)
    difference = quality[contest, first] - quality[contest, second] + bias
    logs = (difference[:, None] * VERDICTS - VERDICTS**2 / 2) / noise**2
    chosen = (logs + luck.gumbel(size=logs.shape)).argmax(1)
    return Comparisons(contest, first, second, VERDICTS[chosen].astype(float), (b, n))


def by_scipy(given: Comparisons, assumed: Assumed, *, shared: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Ratings (b, n) and biases (b,), by a general optimiser over the sum that the docstring defines."""
    from scipy.optimize import minimize  # type: ignore[import-untyped]

    b, n = given.shape

    def cost(at: NDArray[np.float64]) -> float:
        rating, bias = at[: b * n].reshape(b, n), at[b * n :]
        total = (rating**2).sum() / 2 / assumed.spread**2 + (bias**2).sum() / 2 / assumed.bias**2
        for c, i, j, y in zip(given.contest, given.first, given.second, given.strength, strict=True):
            d = rating[c, i] - rating[c, j] + bias[0 if shared else c]
            # a tie is as likely as one over the normaliser
            total -= y * d / assumed.noise**2 + log_likelihood(d, assumed.noise)[3]
        return float(total)

    found = minimize(cost, np.zeros(b * n + (1 if shared else b)), method="BFGS", options={"gtol": 1e-7}).x
    bias = found[b * n :]
    return found[: b * n].reshape(b, n), np.repeat(bias, b) if shared else bias


@given(seed=SEEDS, shared=st.booleans())
@settings(max_examples=6, deadline=None)
def test_another_optimiser_finds_the_same(seed: int, shared: bool) -> None:
    comparisons = some(seed, contests=2, responses=4, comparisons=20)
    ours = rated(comparisons, ASSUMED, shared_bias=shared)
    rating, bias = by_scipy(comparisons, ASSUMED, shared=shared)
    np.testing.assert_allclose(ours.rating, rating, atol=1e-4)
    np.testing.assert_allclose(ours.bias, bias, atol=1e-4)


@pytest.mark.parametrize("noise", [0.1, 0.5, 1.0, 3.0])
def test_the_information_is_the_variance_of_the_verdict_however_far_apart_the_two_are(noise: float) -> None:
    apart = np.array([0.0, 0.3, -1.2, 2.5, -3.0, 4.0, 30.0])
    shares = np.array([np.exp(log_likelihood(d, noise)) for d in apart])
    variance = (shares * VERDICTS**2).sum(1) - (shares * VERDICTS).sum(1) ** 2
    np.testing.assert_allclose(information(apart, noise), variance / noise**4, rtol=1e-6, atol=1e-9 / noise**4)


def test_inside_the_scale_a_rating_is_in_steps_of_strength() -> None:
    for difference in (0.0, 0.5, 1.0):
        shares = np.exp(log_likelihood(difference, 0.7))
        assert (shares * VERDICTS).sum() == pytest.approx(difference, abs=0.03)
        assert information(np.array(difference), 0.7) == pytest.approx(1 / 0.7**2, rel=0.05)


@given(seed=SEEDS, shared=st.booleans())
@settings(max_examples=40, deadline=None)
def test_who_is_called_what_makes_no_difference(seed: int, shared: bool) -> None:
    comparisons = some(seed)
    other = np.random.default_rng(seed).permutation(comparisons.shape[1])
    renamed = replace(comparisons, first=other[comparisons.first], second=other[comparisons.second])
    before, after = (rated(c, ASSUMED, shared_bias=shared) for c in (comparisons, renamed))
    np.testing.assert_allclose(after.rating[:, other], before.rating, atol=1e-7)
    np.testing.assert_allclose(after.covariance[:, other[:, None], other], before.covariance, atol=1e-7)
    np.testing.assert_allclose(after.bias, before.bias, atol=1e-7)


@given(seed=SEEDS)
@settings(max_examples=40, deadline=None)
def test_a_contest_is_rated_by_its_own_comparisons_to_the_last_digit(seed: int) -> None:
    comparisons = some(seed, contests=4)
    together = rated(comparisons, ASSUMED)
    for contest in range(4):
        own = comparisons.contest == contest
        alone = rated(
            Comparisons(
                np.zeros(own.sum(), np.int64), comparisons.first[own], comparisons.second[own],
                comparisons.strength[own], (1, 5),
            ),
            ASSUMED,
        )  # fmt: skip
        assert alone.rating.tolist() == together.rating[[contest]].tolist()
        assert alone.covariance.tolist() == together.covariance[[contest]].tolist()


def test_equal_verdicts_give_equal_ratings_and_the_place_its_worth() -> None:
    i, j = np.nonzero(~np.eye(4, dtype=bool))
    ratings = rated(Comparisons(np.zeros(12, np.int64), i, j, np.ones(12), (1, 4)), replace(ASSUMED, bias=100))
    np.testing.assert_allclose(ratings.rating, 0, atol=1e-9)
    mean = (np.exp(log_likelihood(float(ratings.bias[0]), ASSUMED.noise)) * VERDICTS).sum()
    assert mean == pytest.approx(1, abs=1e-3)


@given(seed=SEEDS, raised=st.integers(0, 39), by=st.floats(0.5, 3))
@settings(max_examples=60, deadline=None)
def test_a_better_verdict_never_lowers_who_it_is_for_nor_raises_the_other(seed: int, raised: int, by: float) -> None:
    comparisons = some(seed)
    strength = comparisons.strength.copy()
    strength[raised] = min(strength[raised] + by, 3)
    before, after = (rated(c, UNBIASED).rating for c in (comparisons, replace(comparisons, strength=strength)))
    contest, first, second = (column[raised] for column in (comparisons.contest, comparisons.first, comparisons.second))
    assert after[contest, first] >= before[contest, first] - 1e-9
    assert after[contest, second] <= before[contest, second] + 1e-9


@given(seed=SEEDS, winner=st.integers(0, 4), loser=st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_one_more_clear_win_never_lowers_a_rating(seed: int, winner: int, loser: int) -> None:
    old = some(seed, contests=1)
    new = Comparisons(
        np.append(old.contest, 0),
        np.append(old.first, winner),
        np.append(old.second, (winner + loser) % 5),
        np.append(old.strength, 3),
        old.shape,
    )
    assert rated(new, UNBIASED).rating[0, winner] >= rated(old, UNBIASED).rating[0, winner] - 1e-9


def test_who_never_lost_has_a_finite_rating_and_who_never_met_anybody_the_priors() -> None:
    won = np.array([0, 0, 0])
    ratings = rated(Comparisons(won, won, np.array([1, 2, 1]), np.full(3, 3.0), (2, 4)), UNBIASED)
    assert 0 < ratings.rating[0, 0] < 3 * UNBIASED.spread
    assert ratings.rating[0, 3] == 0
    assert ratings.rating[1].tolist() == [0, 0, 0, 0]
    np.testing.assert_allclose(ratings.covariance[1], UNBIASED.spread**2 * np.eye(4))


def test_what_is_known_before_counts_as_far_as_it_is_sure() -> None:
    nobody = np.zeros(0, np.int64)
    nothing = Comparisons(nobody, nobody, nobody, np.zeros(0), (1, 2))
    prior = Prior(np.array([[1.0, -1.0]]), np.array([[0.5, 2.0]]))
    before = rated(nothing, UNBIASED, prior=prior)
    assert before.rating.tolist() == [[1, -1]]
    np.testing.assert_allclose(before.covariance, np.array([[[0.25, 0.0], [0.0, 4.0]]]))
    zero, one = np.array([0]), np.array([1])
    lost = rated(Comparisons(zero, zero, one, np.array([-3.0]), (1, 2)), UNBIASED, prior=prior).rating[0]
    assert lost[0] < 1
    assert lost[1] + 1 > 5 * (1 - lost[0]), "who was less sure moves more"


def test_known_qualities_and_a_known_bias_are_recovered_as_exactly_as_it_says() -> None:
    quality = np.random.default_rng(0).normal(0, ASSUMED.spread, (300, 6))
    given = drawn(quality, 0.4, ASSUMED.noise, 1, seed=1)
    ratings = rated(given, ASSUMED, shared_bias=True)
    assert ratings.bias[0] == pytest.approx(0.4, abs=4 * ratings.bias_variance[0] ** 0.5)
    assert ratings.bias_variance[0] < 0.0002
    off = (ratings.rating - quality) / np.sqrt(np.diagonal(ratings.covariance, 0, 1, 2))
    assert abs(off.mean()) < 0.1
    assert off.std() == pytest.approx(1, abs=0.1)
    between = ratings.rating[:, 0] - ratings.rating[:, 1] - quality[:, 0] + quality[:, 1]
    variance = ratings.covariance[:, 0, 0] + ratings.covariance[:, 1, 1] - 2 * ratings.covariance[:, 0, 1]
    assert (between / np.sqrt(variance)).std() == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize(("noise", "spread"), [(0.5, 2.0), (1.0, 2.0), (2.0, 2.0), (1.0, 1.0)])
def test_of_several_assumptions_the_true_one_is_the_likeliest(noise: float, spread: float) -> None:
    quality = np.random.default_rng(0).normal(0, spread, (40, 8))
    given = drawn(quality, 0.3, noise, 1, seed=1)
    among = [Assumed(noise=n, spread=s) for n in (0.5, 0.7, 1.0, 1.4, 2.0) for s in (0.7, 1.0, 1.4, 2.0, 2.8)]
    assert max(among, key=lambda assumed: evidence(given, assumed)) == Assumed(noise=noise, spread=spread)


@pytest.mark.parametrize("verdict", [0.0, 1.0, 3.0])
def test_the_evidence_is_the_integral_over_all_ratings(verdict: float) -> None:
    zero = np.array([0])
    given = Comparisons(zero, zero, zero + 1, np.array([verdict]), (1, 2))
    apart = np.linspace(-12, 12, 4001)
    deviation = np.sqrt(2 * ASSUMED.spread**2 + ASSUMED.bias**2)
    density = np.exp(-((apart / deviation) ** 2) / 2) / deviation / np.sqrt(2 * np.pi)
    likely = np.exp([log_likelihood(d, ASSUMED.noise)[int(verdict) + 3] for d in apart])
    integral = float((likely * density).sum() * (apart[1] - apart[0]))
    assert evidence(given, ASSUMED) == pytest.approx(np.log(integral), abs=0.15)


def test_each_contest_has_a_bias_of_its_own_where_it_is_not_shared() -> None:
    quality = np.zeros((2, 8))
    one, other = (drawn(quality, bias, ASSUMED.noise, 3, seed=2) for bias in (0.8, -0.8))
    given = replace(one, strength=np.where(one.contest == 0, one.strength, other.strength))
    own, shared = (rated(given, ASSUMED, shared_bias=s).bias for s in (False, True))
    np.testing.assert_allclose(own, [0.8, -0.8], atol=0.3)
    np.testing.assert_allclose(shared, 0, atol=0.15)
    assert shared[0] == shared[1]


def test_contradictions_and_little_noise_do_not_keep_it_from_its_end() -> None:
    first, second = np.array([0, 1, 2, 0, 1, 2]), np.array([1, 2, 0, 1, 2, 0])
    strength = np.array([3.0, 3, 3, 3, 3, -3])
    given = Comparisons(np.zeros(6, np.int64), first, second, strength, (1, 3))
    ratings = rated(given, Assumed(noise=0.1, spread=50, bias=5))
    assert np.isfinite(ratings.rating).all()
    assert ratings.rating[0, 0] > ratings.rating[0, 1] > ratings.rating[0, 2]


@pytest.mark.parametrize(("second", "strength"), [(1, 3.5), (1, np.nan), (0, 1.0)])
def test_a_comparison_that_cannot_be_is_an_error(second: int, strength: float) -> None:
    with pytest.raises(ValueError, match=r"from -3 to 3|with itself"):
        Comparisons(np.array([0]), np.array([0]), np.array([second]), np.array([strength]), (1, 2))


@pytest.mark.parametrize("wrong", [{"noise": 0.05}, {"spread": 0}, {"bias": -1}])
def test_a_deviation_that_cannot_be_is_an_error(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"noise is 0\.1 at least"):
        Assumed(**wrong)
