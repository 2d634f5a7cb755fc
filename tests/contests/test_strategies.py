"""What every strategy keeps to, and what each of them is for."""

import math
from collections import Counter
from dataclasses import replace
from itertools import pairwise, permutations

import numpy as np
import pytest
from simulated import contest, exact, judge, played, quality

from pipeline.contests.all_pairs import AllPairs
from pipeline.contests.best_and_worst import BestAndWorst
from pipeline.contests.circle import Circle
from pipeline.contests.contest import Contest, Strategy
from pipeline.contests.different_groups import DifferentGroups
from pipeline.contests.merge_sort import MergeSort
from pipeline.contests.standing import standings
from pipeline.contests.swiss import Swiss
from pipeline.contests.top_and_bottom import TopAndBottom
from pipeline.statistics.bradley_terry import Assumed

STRATEGIES: list[Strategy] = [
    AllPairs(), AllPairs(both_orders=False), Circle(), Circle(3), DifferentGroups(), BestAndWorst(), MergeSort(), Swiss(),
    Swiss(3), TopAndBottom(), TopAndBottom(trust=0.7), TopAndBottom(most=9),
]  # fmt: skip
every = pytest.mark.parametrize("strategy", STRATEGIES, ids=str)


def truly(done: Contest) -> list[str]:
    """The worst first."""
    return sorted(done.responses, key=quality)


def ends(contests: list[Contest], trust: float = 0.0) -> list[tuple[str, str]]:
    """Who is rated lowest and highest."""
    ratings = [s.rating for s in standings(contests, Assumed(), trust=trust)]
    return [(c.responses[r.argmin()], c.responses[r.argmax()]) for c, r in zip(contests, ratings, strict=True)]


def found(contests: list[Contest]) -> float:
    """The share of contests whose best and worst are found."""
    right = [end == (truly(c)[0], truly(c)[-1]) for c, end in zip(contests, ends(contests), strict=True)]
    return sum(right) / len(right)


@every
def test_it_ends_and_never_asks_the_same_twice_whatever_the_judge_says(strategy: Strategy) -> None:
    sizes = (0, 1, 2, 3, 5, 12)
    for silent in (0.0, 0.3, 1.0):
        done = played(strategy, [contest(f"p{n}", n) for n in sizes], judge(silent=silent))
        for c in done:
            assert len(c.pairs) == len(c.asked)
            assert all(first != second for first, second in c.pairs)
        assert [len(c.asked) for c in done[:2]] == [0, 0]


@every
def test_another_prompt_changes_nobodys_path(strategy: Strategy) -> None:
    contests = [contest(f"p{n}", n % 4 + 3) for n in range(24)]
    together = played(strategy, contests, judge())
    assert played(strategy, contests[:5], judge()) == together[:5], "a longer run begins as a shorter one"
    assert played(strategy, contests[::-1], judge()) == together[::-1]
    assert [played(strategy, [c], judge())[0] for c in contests[:3]] == together[:3]


@every
def test_a_round_half_asked_is_finished_by_asking_again(strategy: Strategy) -> None:
    begun = contest("p", 8)
    (wanted,) = strategy.pairs([begun])
    assert strategy.pairs([begun]) == [wanted]


def test_all_pairs_are_all_pairs() -> None:
    twelve = [contest("p", 12)]
    assert played(AllPairs(), twelve, exact, rounds=2)[0].pairs == set(permutations(twelve[0].responses, 2))
    half = played(AllPairs(both_orders=False), twelve, exact, rounds=2)[0].pairs
    assert len(half) == len({frozenset(pair) for pair in half}) == 66


@pytest.mark.parametrize("neighbours", [1, 2, 5, 11, 20])
def test_in_a_circle_everybody_is_shown_first_as_often_as_second(neighbours: int) -> None:
    (done,) = played(Circle(neighbours), [contest("p", 12)], exact, rounds=2)
    times = min(neighbours, 11)
    assert set(Counter(first for first, _ in done.pairs).values()) == {times}
    assert set(Counter(second for _, second in done.pairs).values()) == {times}
    assert len(done.asked) == 12 * times


def test_two_of_different_groups_are_compared_in_both_orders_and_none_if_there_is_one_group() -> None:
    for n in range(30):
        begun = contest(f"p{n}", 8)
        assert begun.groups
        (done,) = played(DifferentGroups(), [begun], exact)
        (a, b), (c, d) = (row[:2] for row in done.asked)
        assert (a, b) == (d, c)
        assert begun.groups[begun.place[a]] != begun.groups[begun.place[b]]
    one = replace(contest("p", 3), groups=(1, 1, None))
    assert DifferentGroups().pairs([one, replace(one, groups=None)]) == [[], []]


def test_after_scores_the_best_meet_the_best_and_the_worst_the_worst() -> None:
    begun = Contest("p", tuple("abcdef"), scores=(1.0, 6.0, None, 2.0, 5.0, 3.0))
    (pairs,) = BestAndWorst(2).pairs([begun])
    assert set(pairs) == {("b", "e"), ("e", "b"), ("a", "d"), ("d", "a")}
    assert BestAndWorst().pairs([replace(begun, scores=None)]) == [[]]


def test_equal_scores_are_drawn_and_not_taken_by_name() -> None:
    equal = [replace(contest(f"p{n}", 4), scores=(1.0, 1.0, 1.0, 1.0)) for n in range(60)]
    chosen = Counter(c.place[pairs[0][0]] for c, pairs in zip(equal, BestAndWorst(2).pairs(equal), strict=True))
    assert len(chosen) == 4


def test_merge_sort_sorts_and_believes_a_tie_for_who_was_shown_first() -> None:
    contests = [contest(f"p{n}", 12) for n in range(20)]
    done = played(MergeSort(), contests, exact)
    for c in done:
        assert len(c.asked) <= sum(math.ceil(math.log2(n)) for n in range(1, 13)), "n log2 n, and no pair twice"
        above = {(a, b) if verdict and verdict > 0 else (b, a) for a, b, verdict in c.asked}
        assert set(zip(truly(c)[1:], truly(c), strict=False)) <= above, "neighbours were compared"
    ties = played(MergeSort(), contests, lambda *_: 0.0)
    assert all(len(c.asked) < 50 for c in ties)


def test_in_the_swiss_system_nobody_meets_the_same_twice_and_winners_meet_winners() -> None:
    begun = [contest(f"p{n}", 12) for n in range(20)]
    for c in played(Swiss(5), begun, exact):
        assert len({frozenset(pair) for pair in c.pairs}) == len(c.asked)
        assert 28 <= len(c.asked) <= 30, "at the end of a round two may be left who have met"
        assert max(Counter(r for pair in c.pairs for r in pair).values()) == 5
    for c in played(Swiss(2), begun, exact):
        first, second = c.asked[:6], c.asked[6:]
        won = {a if verdict and verdict > 0 else b for a, b, verdict in first}
        assert all((a in won) == (b in won) for a, b, _ in second)


def test_somebody_sits_out_where_they_are_odd() -> None:
    done = played(Swiss(3), [contest(f"p{n}", 5) for n in range(20)], exact)
    assert all(2 <= len(c.asked) / 3 <= 2 for c in done)


def test_with_a_judge_that_never_errs_the_best_and_the_worst_are_found_for_few_calls() -> None:
    done = played(TopAndBottom(), [contest(f"p{n}", 12) for n in range(60)], exact, rounds=7)
    assert found(done) > 0.95
    assert np.mean([len(c.asked) for c in done]) < 36


def test_it_finds_more_than_as_many_calls_of_a_tournament_and_than_twice_as_many_evenly_spread() -> None:
    contests = [contest(f"p{n}", 12) for n in range(120)]
    adaptive = played(TopAndBottom(), contests, judge(), rounds=6)
    calls = np.mean([len(c.asked) for c in adaptive])
    assert 28 < calls < 36
    assert found(adaptive) > found(played(Swiss(6), contests, judge())) + 0.05
    assert found(adaptive) > found(played(Circle(6), contests, judge()))


def test_a_bias_for_who_is_shown_first_changes_little() -> None:
    contests = [contest(f"p{n}", 12) for n in range(120)]
    fair, biased = (found(played(TopAndBottom(), contests, judge(bias=b), rounds=6)) for b in (0.0, 1.5))
    assert biased > fair - 0.1


def test_what_is_clear_is_settled_sooner_than_what_is_close_and_what_is_alike_is_given_up() -> None:
    def calls(*qualities: float) -> float:
        worth = dict(zip("abcdef", qualities, strict=True))

        def say(c: Contest, first: str, second: str) -> float:
            noise = judge(noise=0.7, bias=0)(c, first, second) or 0
            noise -= float(np.clip(round(quality(first) - quality(second)), -3, 3))
            return float(np.clip(round(worth[first] - worth[second] + noise), -3, 3))

        contests = [Contest(f"p{n}", tuple("abcdef")) for n in range(100)]
        return float(np.mean([len(c.asked) for c in played(TopAndBottom(), contests, say)]))

    clear, close, two_alike = calls(-4, 0, 0, 0, 0, 4), calls(-1.2, -0.8, 0, 0, 0.8, 1.2), calls(-4, 0, 0, 0, 4, 4)
    assert clear < 0.7 * close
    assert clear < two_alike < 30, "of 30 there are"


def test_a_round_grows_as_it_should_and_no_prompt_takes_more_than_it_may() -> None:
    contests = [contest(f"p{n}", 12) for n in range(40)]
    sizes = [
        np.array([len(c.asked) for c in played(TopAndBottom(), contests, judge(), rounds=rounds)])
        for rounds in range(1, 7)
    ]
    assert set(sizes[0]) == {12}
    assert all((later <= np.ceil(1.5 * sooner)).all() for sooner, later in pairwise(sizes))
    for most in (5, 15, 20):
        assert max(len(c.asked) for c in played(TopAndBottom(most=most), contests, judge())) == most


def test_scores_that_are_trusted_stand_in_for_the_circle() -> None:
    begun = [
        replace(c, scores=tuple(quality(r) for r in c.responses)) for c in (contest(f"p{n}", 12) for n in range(60))
    ]
    strategy = TopAndBottom(trust=0.9)
    for c, pairs in zip(begun, strategy.pairs(begun), strict=True):
        far = {frozenset((truly(c)[0], truly(c)[-1])), frozenset((truly(c)[1], truly(c)[-1]))}
        assert len(pairs) <= 6
        assert not far & {frozenset(pair) for pair in pairs}, "the best need not meet the worst"
    done = played(strategy, begun, judge(), rounds=5)
    right = [end == (truly(c)[0], truly(c)[-1]) for c, end in zip(done, ends(done, trust=0.9), strict=True)]
    assert sum(right) / len(right) > 0.7
    assert np.mean([len(c.asked) for c in done]) < 24
