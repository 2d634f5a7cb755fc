"""How contests stand."""

from dataclasses import replace

import numpy as np
import pytest
from simulated import contest, exact, judge, played

from pipeline.contests.all_pairs import AllPairs
from pipeline.contests.contest import Contest
from pipeline.contests.standing import alike, likeliest, standings
from pipeline.statistics.bradley_terry import Assumed


def test_each_contest_keeps_its_place_whatever_its_size() -> None:
    begun = [contest(f"p{n}", size) for n, size in enumerate((3, 5, 3, 0, 1, 5))]
    done = played(AllPairs(), begun, exact)
    for c, standing in zip(done, standings(done, Assumed()), strict=True):
        alone = standings([c], Assumed())[0]
        assert standing.rating.tolist() == alone.rating.tolist()
        assert standing.covariance.shape == (len(c.responses), len(c.responses))
    assert alike(begun, 1) == [[0], [2], [1], [5], [3], [4]]
    assert standings([], Assumed()) == []


def test_no_verdict_is_no_tie() -> None:
    said = Contest("p", ("a", "b"), asked=(("a", "b", 2.0),))
    silent = replace(said, asked=(*said.asked, ("b", "a", None)))
    tied = replace(said, asked=(*said.asked, ("b", "a", 0.0)))
    one, other, third = (s.rating[0] for s in standings([said, silent, tied], Assumed()))
    assert one == other > third > 0


def test_scores_count_as_far_as_they_are_trusted_and_on_any_scale() -> None:
    bare = Contest("p", ("a", "b", "c", "d"), scores=(1.0, 2.0, 6.0, None))
    scaled = replace(bare, scores=(10.0, 20.0, 60.0, None))
    none, some, same = (
        standings([c], Assumed(spread=2), trust=trust)[0] for c, trust in ((bare, 0.0), (bare, 0.8), (scaled, 0.8))
    )
    assert none.rating.tolist() == [0, 0, 0, 0]
    np.testing.assert_allclose(some.rating, same.rating)
    assert some.rating[0] < some.rating[1] < some.rating[3] == 0 < some.rating[2]
    deviation = np.sqrt(np.diagonal(some.covariance))
    np.testing.assert_allclose(deviation, [1.2, 1.2, 1.2, 2])
    assert some.rating[2] == pytest.approx(0.8 * 2 * 3 / np.std([1, 2, 6]))
    alike_scores = replace(bare, scores=(3.0, 3.0, 3.0, 3.0))
    np.testing.assert_allclose(np.diagonal(standings([alike_scores], Assumed(), trust=0.8)[0].covariance), 4)


def test_a_shared_bias_is_that_of_all_contests() -> None:
    done = played(AllPairs(), [contest(f"p{n}", 4) for n in range(100)], judge(noise=1, bias=0.7))
    shared, own = (standings(done, Assumed(), shared_bias=s) for s in (True, False))
    assert len({s.bias for s in shared}) == 1
    assert shared[0].bias == pytest.approx(0.7, abs=0.12)
    assert np.std([s.bias for s in own]) > 0.05


def test_a_pilot_says_how_much_a_judge_errs() -> None:
    among = [Assumed(noise=noise) for noise in (0.5, 1.0, 2.0)]
    for noise in (0.4, 1.0, 2.2):
        pilot = played(AllPairs(), [contest(f"p{n}", n % 2 + 7) for n in range(30)], judge(noise=noise))
        assert likeliest(pilot, among) == min(among, key=lambda assumed: abs(assumed.noise - noise))
