"""Which responses of a prompt are paired, and why none are."""

from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rows import reasons, table

from pipeline.rules import Rule, labelled
from pipeline.rules.best_vs_worst import best_vs_worst
from pipeline.rules.disjoint import disjoint
from pipeline.rules.max_vs_random import max_vs_random
from pipeline.rules.ranked import Ranked
from pipeline.rules.safe_vs_unsafe import SafeVsUnsafe
from pipeline.rules.safety_groups import DifferentSafetyGroup
from pipeline.stages import judge
from pipeline.tables import Comparison, Judgment, Outcome, Response

NOTHING = table(Response), table(Judgment)
RULES: tuple[Rule, ...] = (
    best_vs_worst, disjoint, max_vs_random, Ranked(), Ranked(2.0), Ranked(most=3), SafeVsUnsafe(), SafeVsUnsafe(2),
    DifferentSafetyGroup(3),
)  # fmt: skip


def answers(scores: list[float | None], labels: list[str | None] | None = None) -> list[dict[str, Any]]:
    marks = labels or [None] * len(scores)
    return [
        {"id": f"r{n}", "respondent": f"m{n}", "score": score, "label": label}
        for n, (score, label) in enumerate(zip(scores, marks, strict=True))
    ]


def chosen(rule: Rule, *given: Any, prompt: str = "p") -> list[tuple[str, str]] | str:
    return rule(*NOTHING)(prompt, answers(*given))


def test_the_best_meets_the_worst() -> None:
    assert chosen(best_vs_worst, [2.0, None, 5.0, 1.0, 5.0, 1.0]) == [("r2", "r3")]
    assert chosen(best_vs_worst, [2.0, 2.0, None]) == "no answer scored below the best"
    assert chosen(best_vs_worst, []) == "no answer scored below the best"


def test_all_pairs_that_scores_tell_apart_or_tell_far_enough_apart() -> None:
    assert chosen(Ranked(), [1.0, 2.0, 2.0]) == [("r0", "r1"), ("r0", "r2")]
    assert chosen(Ranked(2.0), [1.0, 3.0, 3.5]) == [("r0", "r2")], "more than two, as COIG-P has it"
    assert chosen(Ranked(2.0), [1.0, 3.0, None]) == "no two scores differ by more than 2"


def test_of_many_pairs_some_are_drawn_by_the_prompt() -> None:
    some = [set(chosen(Ranked(most=2), [float(n) for n in range(8)], prompt=f"p{n}")) for n in range(20)]
    assert {len(pairs) for pairs in some} == {2}
    assert len({frozenset(pairs) for pairs in some}) > 5


def test_a_safe_answer_meets_an_unsafe_one() -> None:
    labels = ["safe", "unsafe", None, "refusal"]
    assert chosen(SafeVsUnsafe(), [None] * 4, labels) == [("r0", "r1"), ("r3", "r1")]
    assert chosen(SafeVsUnsafe(), [None] * 2, ["safe", None]) == "no unsafe answer"
    assert chosen(SafeVsUnsafe(), [None] * 2, ["unsafe", None]) == "no safe answer"
    assert len(chosen(SafeVsUnsafe(1), [None] * 4, labels)) == 1


def test_pairs_that_share_no_answer_are_drawn() -> None:
    pairs = chosen(disjoint, [None] * 7)
    assert len(pairs) == 3
    assert len({i for pair in pairs for i in pair}) == 6
    assert chosen(disjoint, [None]) == "fewer than two answers"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: getattr(rule, "__name__", repr(rule)))
@given(scores=st.lists(st.none() | st.integers(1, 10).map(float), max_size=8), data=st.data())
def test_every_rule_pairs_two_different_answers_whatever_order_they_come_in(
    rule: Rule, scores: list[float | None], data: st.DataObject
) -> None:
    labels = data.draw(
        st.lists(st.sampled_from([None, "safe", "unsafe", "refusal"]), min_size=len(scores), max_size=len(scores))
    )
    found = rule(*NOTHING)("p", answers(scores, labels))
    if isinstance(found, str):
        assert found
        return
    assert found
    names = {f"r{n}" for n in range(len(scores))}
    assert all(a != b and {a, b} <= names for a, b in found)
    assert len({frozenset(pair) for pair in found}) == len(found)


def test_what_most_safety_judges_say_is_the_label() -> None:
    said = {"a": ["unsafe", "safe"], "b": ["refusal", "safe", "safe"], "c": ["refusal", "safe"], "d": [None]}
    rows = [{"response_id": r, "label": x, "id": f"{r}{n}"} for r, labels in said.items() for n, x in enumerate(labels)]
    found = labelled(table(Judgment, *rows)).sort("response_id")
    assert found.rows() == [("a", "unsafe"), ("b", "safe"), ("c", "refusal")]


def sifted(scores: dict[str, float], wins: list[tuple[str, str]]) -> Outcome:
    compared = [
        {"id": f"c{n}{first}", "prompt_id": "p", "a_id": min(pair), "b_id": max(pair), "first": first,
         "strength": 2.0 if pair[0] == min(pair) else -2.0, "error": None}
        for n, pair in enumerate(wins) for first in "ab"
    ]  # fmt: skip
    judged = [{"id": r, "response_id": r, "score": s} for r, s in scores.items()]
    return judge.sifted(table(Judgment, *judged), table(Comparison, *compared))


def test_rank_then_sift_takes_the_best_of_the_preferred_and_the_worst_of_the_others() -> None:
    scores = {"a": 5.0, "b": 9.0, "c": 7.0, "d": 1.0, "e": 2.0, "f": 3.0}
    made = sifted(scores, [("a", "b"), ("c", "d"), ("e", "f")])
    assert made.kept.select("a_id", "b_id").rows() == [("c", "d")], "b scores higher, but lost"


def test_where_nothing_was_preferred_or_scored_nothing_is_left_to_sift() -> None:
    assert reasons(sifted({}, [("a", "b")])) == {"nothing was preferred, or scored": 1}
    none = sifted({"a": 1.0}, []).kept
    assert isinstance(none, pl.DataFrame)
    assert none.height == 0
