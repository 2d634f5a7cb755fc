"""What a contest holds, and in which order two responses are shown."""

from collections import Counter
from itertools import combinations

import pytest

from pipeline.contests.contest import Contest, balanced, drawn

FOUR = ("a", "b", "c", "d")


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"responses": ("b", "a")}, "not sorted"),
        ({"responses": ("a", "a")}, "there twice"),
        ({"responses": FOUR, "asked": (("a", "z", 1.0),)}, "z was compared"),
        ({"responses": FOUR, "scores": (1.0,)}, "1 scores or groups for 4"),
        ({"responses": FOUR, "groups": (1, 2)}, "2 scores or groups for 4"),
    ],
)
def test_a_contest_that_cannot_be_is_an_error(given: dict[str, object], fault: str) -> None:
    with pytest.raises(ValueError, match=f"p: .*{fault}"):
        Contest("p", **given)  # type: ignore[arg-type]


def test_the_order_is_the_prompts_chance_and_not_who_is_named_first() -> None:
    contests = [Contest(f"p{n}", FOUR) for n in range(400)]
    assert all(drawn(c, "a", "b") == drawn(c, "b", "a") for c in contests)
    firsts = Counter(drawn(c, "a", "b")[0] for c in contests)
    assert 160 < firsts["a"] < 240


def test_everybody_is_shown_first_about_as_often_as_second() -> None:
    for n in range(50):
        contest = Contest(f"p{n}", FOUR)
        shown = balanced(contest, [*combinations(FOUR, 2)])
        lead = Counter(first for first, _ in shown)
        lead.subtract(second for _, second in shown)
        assert sum(abs(v) for v in lead.values()) <= 6, "of 12 places"
        assert {frozenset(pair) for pair in shown} == {frozenset(pair) for pair in combinations(FOUR, 2)}


def test_a_pair_that_was_asked_is_asked_in_the_other_order() -> None:
    contest = Contest("p", FOUR, asked=(("a", "b", 1.0), ("d", "c", None)))
    assert balanced(contest, [("a", "b"), ("c", "d")]) == [("b", "a"), ("c", "d")]
    assert set(balanced(Contest("p", FOUR), [("a", "b"), ("a", "b")])) == {("a", "b"), ("b", "a")}
