"""How a run's judges judged."""

from typing import Any

import polars as pl
import pytest
from rows import table

from pipeline.judges.report import report
from pipeline.statistics.intervals import wilson
from pipeline.tables import Candidate, Comparison, JudgeReport, Judgment, Response

Cells = dict[str, Any]
LONG, SHORT = "A long answer.", "Short."


def said(n: int, strength: float | None, first: str = "a", pair: str = "x", judge: str = "j", **values: Any) -> Cells:
    """A comparison of x1 and x2."""
    return {
        "id": f"c{n}", "candidate_id": pair, "prompt_id": f"p{pair}", "a_id": f"{pair}1", "b_id": f"{pair}2", "judge": judge,
        "model": "Qwen3-VL-30B", "criterion": "overall", "first": first, "strength": strength, "request_id": f"r{judge}{n}",
        "error": None if strength is not None else "no_verdict",
    } | values  # fmt: skip


def answers(
    pair: str = "x", texts: tuple[str, str] = (LONG, SHORT), models: tuple[str, str] = ("m", "n")
) -> list[Cells]:
    return [
        {"id": f"{pair}{n}", "prompt_id": f"p{pair}", "text": text, "model": model}
        for n, (text, model) in enumerate(zip(texts, models, strict=True), 1)
    ]


def reported(
    comparisons: list[Cells], responses: list[Cells], judgments: list[Cells] | None = None,
    candidates: list[Cells] | None = None, spent: dict[str, float] | None = None,
) -> list[Cells]:  # fmt: skip
    found = report(
        table(Comparison, *comparisons), table(Judgment, *judgments or []), table(Response, *responses),
        table(Candidate, *candidates or []), spent,
    )  # fmt: skip
    assert dict(found.schema) == JudgeReport.columns()
    return found.to_dicts()


def test_no_judges_are_no_rows() -> None:
    found = report(table(Comparison), table(Judgment), table(Response), table(Candidate))
    assert found.height == 0
    assert dict(found.schema) == JudgeReport.columns()


def test_order_consistency_is_of_pairs_read_in_both_orders() -> None:
    verdicts = [
        said(1, 2.0, "a", "w"), said(2, 1.0, "b", "w"),  # the same side
        said(3, 2.0, "a", "x"), said(4, -2.0, "b", "x"),  # the first each time
        said(5, 0.0, "a", "y"), said(6, 1.0, "b", "y"),  # a tie, then a side
        said(7, 2.0, "a", "z"), said(8, None, "b", "z"),  # read in one order
    ]  # fmt: skip
    (row,) = reported(verdicts, [r for pair in "wxyz" for r in answers(pair)])
    assert row["order_consistency"] == pytest.approx(1 / 3)
    firsts = [True, False, True, True, False, True]  # w, w, x, x, y, z: ties and silence aside
    assert row["first_rate"] == pytest.approx(sum(firsts) / 6)
    assert (row["first_low"], row["first_high"]) == pytest.approx(wilson(4, 6) or ())


def test_a_judge_that_loves_length_is_seen_whatever_the_order() -> None:
    verdicts = [said(n, 1.0 if n % 2 else -1.0, "ab"[n % 2], f"x{n}") for n in range(6)]
    responses = [r for n in range(6) for r in answers(f"x{n}", (LONG, SHORT) if n % 2 else (SHORT, LONG))]
    responses += answers("same", (LONG, LONG))
    (row,) = reported([*verdicts, said(9, 1.0, "a", "same")], responses)
    assert (row["longer_rate"], row["longer_high"]) == (1.0, 1.0)
    assert row["longer_low"] == pytest.approx((wilson(6, 6) or (0.0,))[0])


def test_a_pair_counts_once_by_the_mean_of_both_orders() -> None:
    verdicts = [said(1, 3.0, "a"), said(2, -1.0, "b"), said(3, 2.0, "a", "y"), said(4, -2.0, "b", "y")]
    (row,) = reported(verdicts, [*answers(), *answers("y")])
    assert row["longer_rate"] == 1.0, "x goes to the longer by its mean; y is even, and counts for nothing"
    assert row["longer_low"] == pytest.approx((wilson(1, 1) or (0.0,))[0])


def test_self_preference_is_beside_what_others_say_of_the_same_pairs() -> None:
    pairs = [f"x{n}" for n in range(4)]
    responses = [r for pair in pairs for r in answers(pair, models=("Qwen2.5-VL-7B", "Gemma-3-12B"))]
    responses += answers("both", models=("Qwen2.5-VL-7B", "Qwen3-VL-8B"))
    own = [said(n, 1.0, pair=pair) for n, pair in enumerate(pairs)] + [said(9, 1.0, pair="both")]
    others = [
        said(n, 1.0 if n else -1.0, pair=pair, judge="k", model="Mistral-Small-3.1-24B") for n, pair in enumerate(pairs)
    ]
    kin = [said(n, -1.0, pair=pair, judge="l", model="qwen-vl-max") for n, pair in enumerate(pairs)]
    by_name = {row["judge"]: row for row in reported(own + others + kin, responses)}
    assert (by_name["j"]["own_rate"], by_name["j"]["own_rate_by_others"]) == (1.0, 0.75)
    assert (by_name["l"]["own_rate"], by_name["l"]["own_rate_by_others"]) == (0.0, 0.75)
    assert (by_name["k"]["own_rate"], by_name["k"]["own_rate_by_others"]) == (None, None)
    assert by_name["j"]["own_high"] == 1.0


def test_refusals_unreadable_replies_and_failures_are_shares_of_the_calls() -> None:
    errors = ["judge_refused", "no_verdict", "off_scale", "cut_off", "timeout", None, None, None]
    verdicts = [said(n, None if e else 1.0, pair=f"x{n}", error=e) for n, e in enumerate(errors)]
    (row,) = reported(verdicts, [r for n in range(8) for r in answers(f"x{n}")])
    assert (row["calls"], row["refusal_rate"], row["unreadable_rate"], row["failure_rate"]) == (8, 1 / 8, 3 / 8, 1 / 8)


def scored(response: str, score: float | None, judge: str = "s", request: str | None = None, **values: Any) -> Cells:
    return {
        "id": f"{judge}{response}", "prompt_id": f"p{response[:-1]}", "response_id": response, "judge": judge, "model": "Gemma-3",
        "criterion": "helpfulness", "score": score, "request_id": request or f"{judge}{response}",
        "error": None if score is not None else "off_scale",
    } | values  # fmt: skip


def test_of_scores_the_higher_is_preferred() -> None:
    judgments = [
        scored("x1", 4.0),
        scored("x2", 2.0),
        scored("y1", 3.0),
        scored("y2", 3.0),
        scored("z1", 1.0),
        scored("z2", None),
    ]
    responses = [r for pair in "xyz" for r in answers(pair, models=("gemma-2", "m"))]
    (row,) = reported([], responses, judgments)
    assert (row["judge"], row["criterion"], row["calls"]) == ("s", "helpfulness", 6)
    assert row["unreadable_rate"] == pytest.approx(1 / 6)
    assert (row["longer_rate"], row["own_rate"], row["order_consistency"], row["first_rate"]) == (1.0, 1.0, None, None)


def test_a_call_that_judged_many_is_one_call_and_its_pairs_count_once() -> None:
    judgments = [scored(f"x{n}", float(4 - n), "l", "call", criterion="overall") for n in (1, 2, 3)]
    verdicts = [
        said(n, strength, pair="x", judge="l", model="Gemma-3", a_id=a, b_id=b, candidate_id=a + b, request_id="call",
             error=None if strength is not None else "contradiction")
        for n, (a, b, strength) in enumerate([("x1", "x2", 1.0), ("x1", "x3", None), ("x2", "x3", 1.0)])
    ]  # fmt: skip
    responses = [{"id": f"x{n}", "prompt_id": "px", "text": "x" * (5 - n), "model": "m"} for n in (1, 2, 3)]
    (row,) = reported(verdicts, responses, judgments)
    assert (row["calls"], row["unreadable_rate"]) == (1, 0.0), "a call that gave something was read"
    assert row["longer_low"] == pytest.approx((wilson(2, 2) or (0.0,))[0]), "the pair that contradicts itself is none"


def test_the_price_of_a_settled_pair_is_of_all_the_judges_calls() -> None:
    verdicts = [said(n, 1.0, "ab"[n % 2], f"x{n // 2}") for n in range(8)]
    verdicts += [said(n, 1.0, "a", f"x{n}", criterion="harmlessness", request_id=f"h{n}") for n in range(4)]
    verdicts[3:] = [v | {"strength": None} if v["candidate_id"] == "x2" else v for v in verdicts[3:]]
    pairs = [{"a_id": f"x{n}1", "b_id": f"x{n}2"} for n in (0, 2, 3)]  # x1 was compared, too, but is none
    rows = reported(verdicts, [r for n in range(4) for r in answers(f"x{n}")], candidates=pairs, spent={"j": 6.0})
    assert [(r["criterion"], r["calls"], r["settled"], r["calls_per_settled"], r["cost_per_settled"]) for r in rows] == [
        ("harmlessness", 4, 2, 6.0, 3.0), ("overall", 8, 2, 6.0, 3.0),
    ]  # fmt: skip
    (free, _) = reported(verdicts, [r for n in range(4) for r in answers(f"x{n}")])
    assert (free["settled"], free["calls_per_settled"], free["cost_per_settled"]) == (0, None, None)


def test_the_report_does_not_depend_on_the_order_of_the_rows() -> None:
    verdicts = [said(n, [1.0, -2.0, 0.0, None][n % 4], "ab"[n % 2], f"x{n // 2}", "jk"[n % 3 == 0]) for n in range(40)]
    responses = [r for n in range(20) for r in answers(f"x{n}", models=("qwen", "gemma"))]
    comparisons, answered = table(Comparison, *verdicts), table(Response, *responses)
    one = report(comparisons, table(Judgment), answered, table(Candidate))
    other = report(comparisons.reverse(), table(Judgment), answered.reverse(), table(Candidate))
    assert isinstance(one, pl.DataFrame)
    assert one.equals(other)
