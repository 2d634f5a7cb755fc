"""What a comparison is worth before it is made."""

import numpy as np
import pytest

from pipeline.contests.gain import AHEAD, _race, plan
from pipeline.statistics.bradley_terry import Assumed, Comparisons, Prior, Ratings, information, rated

ASSUMED = Assumed(noise=1.0, spread=2.0, bias=0)


def known(*ratings: float, spread: float = 1.0) -> Ratings:
    """One contest, and how well it is known."""
    n = len(ratings)
    return Ratings(np.array([ratings]), spread**2 * np.eye(n)[None], np.zeros(1), np.zeros(1))


def planned(ratings: Ratings, price: float = 1e-6, room: int = 1, left: int = 2) -> list[tuple[int, int]]:
    n = ratings.rating.shape[1]
    return plan(ratings, ASSUMED, np.full((1, n, n), left), np.array([room]), price)[0]


@pytest.mark.parametrize("lead", [0.0, 0.5, 2.0])
def test_the_worth_is_what_the_better_choice_gains_on_average(lead: float) -> None:
    """Drawn: ratings from what is believed, a verdict on their difference, and the choice after it."""
    luck = np.random.default_rng(0)
    before = np.array([lead, 0.0])
    true = before + luck.standard_normal((400_000, 2))
    noise = _mean_noise(lead) / AHEAD
    heard = true[:, 0] - true[:, 1] + np.sqrt(noise) * luck.standard_normal(len(true))
    after = lead + 2 / (2 + noise) * (heard - lead)
    won = np.where(after > 0, true[:, 0], true[:, 1]).mean() - lead
    worth = 2 * won / AHEAD  # of two, who is not best is worst: it counts at both ends
    assert planned(known(lead, 0.0), price=worth * 0.9) == [(0, 1)]
    assert planned(known(lead, 0.0), price=worth * 1.1 + 1e-4) == []


def _mean_noise(lead: float) -> float:
    """One over the information of a verdict, on average over what is believed of the difference."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(3)
    return float(1 / (information(lead + np.sqrt(2) * nodes, ASSUMED.noise) @ weights / weights.sum()))


def test_the_rivals_of_the_best_and_of_the_worst_are_compared_and_the_middle_is_not() -> None:
    pairs = planned(known(4.0, 3.8, 1.0, 0.0, -1.0, -3.8, -4.0, spread=0.4), room=2)
    assert set(pairs) == {(0, 1), (5, 6)}


def test_what_is_planned_counts_as_heard_so_that_the_next_pair_is_another() -> None:
    pairs = planned(known(2.0, 2.0, 2.0, -9.0, spread=0.7), room=2, left=10)
    assert len(set(pairs)) == 2


def test_a_pair_is_planned_as_often_as_it_may_and_never_for_nothing() -> None:
    assert planned(known(0.0, 0.0), room=9, left=2) == [(0, 1), (0, 1)]
    assert planned(known(0.0, 0.0), room=9, left=0, price=0) == []
    assert planned(known(0.0, 0.0), room=0) == []


def test_settled_contests_and_equal_ones_promise_nothing() -> None:
    assert planned(known(5.0, 0.0, -5.0, spread=0.3), price=1e-4) == []
    assert planned(known(2.0, 2.0, -5.0, spread=0.01), price=2e-2) == []
    assert planned(known(2.0, 2.0, -5.0, spread=0.5), price=2e-2) == [(0, 1)]


def test_the_covariance_that_is_foreseen_is_the_one_that_comes() -> None:
    """Verdicts on a pair at the middle of the scale, foreseen one by one or rated at once."""
    prior = Prior(np.zeros((1, 3)), np.array([[0.3, 0.4, 0.5]]))
    nobody = np.zeros(0, np.int64)
    nothing = Comparisons(nobody, nobody, nobody, np.zeros(0), (1, 3))
    pairs = np.triu_indices(3, 1)
    race = _race(rated(nothing, ASSUMED, prior=prior), ASSUMED, np.full((1, 3), 9), np.array([9]), pairs)
    for _ in range(3):
        race = race.heard(pairs, np.array([0]))
    ties = Comparisons(np.zeros(3, np.int64), np.zeros(3, np.int64), np.ones(3, np.int64), np.zeros(3), (1, 3))
    np.testing.assert_allclose(race.covariance, rated(ties, ASSUMED, prior=prior).covariance, atol=2e-3)
