"""What a run comes to, on rows small enough to count by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rows import table
from runs_by_hand import frames, lazy

from pipeline.findings import agreement, answers, classes, makers, pairs, people, spending
from pipeline.models import SHIPPED, Catalogue
from pipeline.statistics.intervals import wilson
from pipeline.tables import Candidate, Comparison, Decision, Judgment, Prompt, Quadruple, Response, SafeRate
from pipeline.workspace import Asking, Made


def test_safe_rates_are_pooled_over_categories_by_answers() -> None:
    spread = table(
        SafeRate,
        {"respondent": "x", "category": "toxic", "answers": 30, "safe_rate": 0.9, "refusal_rate": 0.1},
        {"respondent": "x", "category": None, "answers": 10, "safe_rate": 0.5, "refusal_rate": 0.5},
        {"respondent": "y", "category": "toxic", "answers": 5, "safe_rate": 1.0, "refusal_rate": 0.0},
    )
    together, apart = answers.safe_rates({"spread": spread.lazy()})
    assert [(r.respondent, r.answers, r.safe) for r in together] == [("y", 5, 1.0), ("x", 40, 0.8)]
    assert together[1].refused == pytest.approx(0.2)
    assert (together[1].low, together[1].high) == wilson(32, 40)
    assert [r.category for r in apart] == ["toxic", "", "toxic"]


def test_a_run_without_a_table_of_spread_has_safe_rates_all_the_same() -> None:
    responses = table(
        Response, {"id": "a", "respondent": "x"}, {"id": "b", "respondent": "x"}, {"id": "c", "respondent": "y"}
    )
    judged = [("a", "guard", "unsafe"), ("b", "guard", "refusal"), ("b", "other", "safe"), ("c", "guard", None)]
    rows = [{"id": str(n), "response_id": r, "judge": j, "label": label} for n, (r, j, label) in enumerate(judged)]
    together, _ = answers.safe_rates({"responses": responses.lazy(), "judgments": table(Judgment, *rows).lazy()})
    assert [(r.respondent, r.answers, r.safe, r.refused) for r in together] == [("x", 2, 0.5, 0.25)]


def test_scores_are_shares_of_their_scales() -> None:
    responses = table(Response, {"id": "a", "respondent": "x"}, {"id": "b", "respondent": "x"})
    judged = [("a", 1.0, 1.0, 5.0), ("a", 3.0, 1.0, 5.0), ("b", 5.0, 1.0, 5.0), ("b", -2.0, None, None)]
    rows = [{"id": str(n), "response_id": r, "criterion": "honesty", "judge": str(n), "score": s, "low": lo, "high": hi}
            for n, (r, s, lo, hi) in enumerate(judged)]  # fmt: skip
    found = answers.scores({"responses": responses.lazy(), "judgments": table(Judgment, *rows).lazy()})
    assert [(s.respondent, s.criterion, s.answers, s.mean) for s in found] == [("x", "honesty", 2, 0.625)]


def test_names_come_from_the_taxonomy_that_knows_the_classes() -> None:
    assert classes.paths(["malware", "weapons"])["malware"] == ("Malicious use", "Security threats", "Malware")
    assert classes.paths(["of my own"]) == {"of my own": ("no class", "no class", "of my own")}
    assert classes.paths([]) == {}


def test_prompts_without_a_class_are_counted_too() -> None:
    found = classes.coverage({"given": table(Prompt, {"id": "p", "subcategory": None, "kind": "given"}).lazy()})
    assert [(leaf.path[2], leaf.prompts_in_all) for leaf in found.leaves] == [("no class", 1)]


def compared(pair: str, judge: str, *strengths: float | None) -> list[dict[str, object]]:
    return [{"id": f"{pair}{judge}{n}", "candidate_id": pair, "judge": judge, "criterion": "overall", "strength": s}
            for n, s in enumerate(strengths)]  # fmt: skip


def test_two_judges_agree_as_often_as_they_prefer_the_same() -> None:
    rows = [
        *compared("1", "x", 2, 1), *compared("1", "y", 3), *compared("2", "x", 1), *compared("2", "y", -1),
        *compared("3", "x", 1, -1), *compared("3", "y", -1), *compared("4", "x", 1), *compared("4", "y", None),
    ]  # fmt: skip
    tables = {"comparisons": table(Comparison, *rows).lazy()}
    assert agreement.pairs(tables) == [agreement.Pair("x · overall", "y · overall", 2, 1)]
    (found,) = agreement.agreements(tables)
    assert (found.raters, found.raw.items, found.raw.value) == (("x", "y"), 3, pytest.approx(1 / 3))


def test_people_are_raters_too() -> None:
    pair = {"id": "1", "a_id": "a", "b_id": "b"}
    decisions = [{"id": "d1", "candidate_id": "1", "reviewer": "ann", "strength": -2.0, "role": "reviewer", "criterion": "overall"},
                 {"id": "d2", "response_id": "a", "reviewer": "ann", "label": "unsafe", "role": "reviewer", "criterion": "safety"}]  # fmt: skip
    judgments = [
        {"id": "j", "response_id": "a", "judge": "guard", "criterion": "safety", "label": "unsafe", "score": 0.0}
    ]
    found = agreement.agreements({
        "candidates": table(Candidate, pair).lazy(), "decisions": table(Decision, *decisions).lazy(),
        "judgments": table(Judgment, *judgments).lazy(),
        "comparisons": table(Comparison, *compared("1", "x", 2.0)).lazy(),
    })  # fmt: skip
    assert [(a.matter, a.raters, a.raw.value) for a in found] == [
        ("safe or unsafe", ("guard", "human/ann"), 1.0), ("which is better: overall", ("human/ann", "x"), 0.0),
    ]  # fmt: skip


@given(st.lists(st.tuples(st.floats(0.001, 3), st.text(max_size=300), st.text(max_size=300)), min_size=1, max_size=20))  # fmt: skip
def test_every_quadruple_is_in_one_bin(rows: list[tuple[float, str, str]]) -> None:
    made = [{"strength": s, "chosen": a, "rejected": b} for s, a, b in rows]
    found = pairs.shape({"quadruples": table(Quadruple, *made).lazy()})
    assert found is not None
    for counts in (found.strength, found.chosen, found.rejected):
        assert sum(counts) == len(rows)


def test_bins_hold_their_upper_edge() -> None:
    made = [{"strength": s, "confidence": 1.0, "chosen": "x" * 25, "rejected": ""} for s in (0.25, 0.2501, 3.0)]
    found = pairs.shape({"quadruples": table(Quadruple, *made).lazy()})
    assert found is not None
    assert (found.strength[0], found.strength[1], found.strength[-1]) == (1, 1, 1)
    assert (found.chosen[0], found.rejected[0]) == (3, 3)
    assert (found.longer, found.area) == (1.0, 1.0)


def test_review_counts_what_people_did() -> None:
    found = people.review(lazy(frames()))
    assert (found.queued, found.decisions, found.reviewers, found.pairs, found.rows, found.reviewed) == (
        {"audit": 1, "uncertain": 1}, 1, 1, 1, 6, 1,
    )  # fmt: skip


def test_cost_is_by_the_price_in_models_toml() -> None:
    models = Catalogue(SHIPPED)
    asking = {"gpt-6.1-sol": Asking(requests=2, tokens_in=1_000_000, tokens_out=500_000), "gone": Asking(requests=1)}
    made = Made(1, "responses", "sample", "Response", "k", "s", 2, 2, {}, {}, 0, 0.0, asking)
    priced, gone = spending.spending([made], models)
    price = models["gpt-6.1-sol"].price
    assert price
    assert priced.cost == pytest.approx(price.input + price.output / 2)
    assert gone.cost is None


def test_a_hand_written_prompt_has_no_model() -> None:
    prompts = [{"id": "1", "writer": "m", "request_id": "r1", "template": "t@1"}, {"id": "2", "writer": "fallback", "request_id": "r2"},
               {"id": "3", "writer": "hand"}, {"id": "4", "writer": "a file.csv"}]  # fmt: skip
    tables = {"prompts": table(Prompt, *prompts).lazy()}
    assert makers.models(tables) == {"m": ["writes prompts"]}
    assert makers.requests(tables) == {"m": "r1"}
    assert {(a.whom, a.template) for a in makers.asked(tables)} == {
        ("m (writes)", "t@1"), ("fallback (writes)", "hand-written"), ("hand (writes)", "hand-written"), ("a file.csv (writes)", "given"),
    }  # fmt: skip


def test_nothing_is_found_in_no_tables() -> None:
    assert agreement.agreements({}) == []
    assert agreement.pairs({}) == []
    assert answers.safe_rates({}) == ([], [])
    assert answers.scores({}) == []
    assert pairs.shape({}) is None
    assert classes.coverage({}).leaves == ()
    assert makers.models({}) == {}
