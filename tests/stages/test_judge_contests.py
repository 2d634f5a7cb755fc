"""Comparisons in rounds, the best and the worst they find, and what a run says of its judges."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import polars as pl
from rows import Answering, saying, table

from pipeline.contests.all_pairs import AllPairs
from pipeline.contests.best_and_worst import BestAndWorst
from pipeline.contests.different_groups import DifferentGroups
from pipeline.contests.merge_sort import MergeSort
from pipeline.contests.top_and_bottom import TopAndBottom
from pipeline.judges import Cells, comparison
from pipeline.requests import Answer, Chat, Message, Reply, Request, failed
from pipeline.stages import judge, settle
from pipeline.statistics.bradley_terry import Assumed
from pipeline.tables import Comparison, Judgment, Outcome, Prompt, Response

NAMES = "pqr"
PROMPTS = table(Prompt, *({"id": p, "question": f"{p}?", "domain": None} for p in NAMES))
RESPONSES = table(
    Response,
    *({"id": f"{p}{n}", "prompt_id": p, "respondent": f"r{n}", "text": f"{p} {n}"} for p in NAMES for n in range(6)),
)
WORTH = {f"{p} {n}": float((n * 5 + ord(p)) % 6) for p in NAMES for n in range(6)}
"""What each text is worth."""


@dataclass(frozen=True)
class Weighing:
    """Sees what each text is worth."""

    name: str = "w"
    share: float = 1.0
    model: str = "m"
    criterion: str = "overall"

    def ask(self, row: Cells) -> Request:
        shown = (row["a"], row["b"]) if row["first"] == "a" else (row["b"], row["a"])
        return Chat(model=self.model, messages=tuple(Message(role="user", text=text) for text in shown))

    def read(self, row: Cells, request_id: str, reply: Reply) -> Comparison:
        if not isinstance(reply.result, Answer):
            return comparison(self, row, request_id, None, "timeout")
        return comparison(self, row, request_id, max(-3, min(3, WORTH[row["a"]] - WORTH[row["b"]])), None)


def held(generate: Answering, **settings: Any) -> Outcome:
    return judge.contests(PROMPTS, RESPONSES, judges=(Weighing(),), generate=generate, **settings)


def first_words(request: Request) -> str:
    assert isinstance(request, Chat)
    return request.messages[0].text.partition(" ")[0]


def test_rounds_find_the_best_and_the_worst_of_each_prompt() -> None:
    made = held(Answering(lambda _: saying("")))
    found = judge.finals(made.kept).kept
    for p in NAMES:
        (pair,) = found.filter(prompt_id=p).iter_rows(named=True)
        ends = {WORTH[f"{p} {i[1:]}"] for i in (pair["a_id"], pair["b_id"])}
        assert ends == {0.0, 5.0}
    assert Counter(made.kept["prompt_id"]).most_common(1)[0][1] < 30, "all pairs in both orders are 30"
    assert made.kept.select("candidate_id", "first", "judge").is_duplicated().sum() == 0


def test_no_round_asks_again_what_another_asked_and_rounds_are_few() -> None:
    generate = Answering(lambda _: saying(""))
    held(generate, strategy=AllPairs())
    assert len(generate.asked) == len({r.model_dump_json() for r in generate.asked}) == 3 * 30
    short = Answering(lambda _: saying(""))
    held(short, rounds=1)
    assert len(short.asked) == 3 * 6, "the circle"


def test_a_prompt_to_which_a_reply_is_owed_waits_and_then_takes_the_same_path() -> None:
    whole = held(Answering(lambda _: saying("")), strategy=TopAndBottom(price=1e-6)).kept
    late = failed("timeout")
    waiting = held(
        Answering(lambda r: late if first_words(r) == "q" else saying("")), strategy=TopAndBottom(price=1e-6)
    )
    assert waiting.kept.filter(prompt_id="q").height == 6, "its first round, and no more"
    columns = ["prompt_id", "candidate_id", "first", "strength"]
    others = pl.col("prompt_id") != "q"
    assert (
        waiting.kept.filter(others)
        .select(columns)
        .sort(columns)
        .equals(whole.filter(others).select(columns).sort(columns))
    )


def test_another_prompt_changes_nobodys_path() -> None:
    alone = judge.contests(
        PROMPTS.head(1), RESPONSES.filter(prompt_id="p"), judges=(Weighing(),), generate=Answering(lambda _: saying(""))
    ).kept
    among = held(Answering(lambda _: saying(""))).kept.filter(prompt_id="p")
    assert alone.select("candidate_id", "first").equals(among.select("candidate_id", "first"))


def test_a_strategy_knows_the_scores_and_the_safety_groups() -> None:
    scores = table(Judgment, *({"id": f"j{r}", "response_id": r, "criterion": "safety", "score": WORTH[t], "label": "safe" if WORTH[t] > 2 else "unsafe"}
                               for r, t in RESPONSES.select("id", "text").iter_rows()))  # fmt: skip
    both = {}
    for strategy in (BestAndWorst(2), DifferentGroups()):
        generate = Answering(lambda _: saying(""))
        both[strategy] = judge.contests(
            PROMPTS, RESPONSES, scores, judges=(Weighing(),), strategy=strategy, generate=generate
        ).kept
    ends = both[BestAndWorst(2)]
    assert ends.height == 3 * 4
    assert set(ends["strength"].abs()) == {1.0}, "each end among itself"
    assert both[DifferentGroups()].height == 3 * 2


def test_merge_sort_may_take_as_many_rounds_as_it_is_given() -> None:
    few = held(Answering(lambda _: saying("")), strategy=MergeSort(), rounds=2).kept.height
    assert few < held(Answering(lambda _: saying("")), strategy=MergeSort(), rounds=20).kept.height


def test_of_answers_with_the_same_words_one_takes_part() -> None:
    same = pl.concat([
        RESPONSES.filter(prompt_id="p"),
        RESPONSES.filter(prompt_id="p").with_columns(id=pl.col("id") + "x", text=" " + pl.col("text").str.to_uppercase()),
    ])  # fmt: skip
    made = judge.contests(PROMPTS, same, judges=(Weighing(),), generate=Answering(lambda _: saying(""))).kept
    assert {*made["a_id"], *made["b_id"]} == set(RESPONSES.filter(prompt_id="p")["id"])


def test_where_none_is_better_there_are_no_finals() -> None:
    flat = held(Answering(lambda _: failed("timeout")), rounds=1)
    made = judge.finals(flat.kept)
    assert made.kept.height == 0
    assert set(made.dropped["reason"]) == {"none is better than another"}
    assert judge.finals(flat.kept.head(0)).considered == 0


def test_pairs_that_never_met_are_settled_by_their_ratings() -> None:
    made = held(Answering(lambda _: saying(""))).kept
    finals = judge.finals(made).kept
    by_ratings = settle.preferences(finals, table(Judgment), made, ratings=Assumed()).kept
    assert by_ratings["strength"].null_count() == 0
    for row in by_ratings.iter_rows(named=True):
        a, b = (WORTH[f"{i[0]} {i[1:]}"] for i in (row["a_id"], row["b_id"]))
        assert (row["strength"] > 0) == (a > b)
        assert abs(row["strength"]) <= 3
        assert row["sources"] == ["w"]


def test_a_runs_report_of_its_judges_has_calls_rates_and_costs() -> None:
    made = held(Answering(lambda _: saying("")), strategy=AllPairs()).kept
    finals = judge.finals(made).kept
    (row,) = judge.judge_report(
        RESPONSES, table(Judgment), made, finals, generate=Answering(lambda _: saying(""))
    ).kept.iter_rows(named=True)
    assert (row["judge"], row["calls"], row["settled"]) == ("w", 90, 3)
    assert (row["order_consistency"], row["first_rate"], row["calls_per_settled"]) == (1.0, 0.5, 30.0)
    assert row["cost_per_settled"] > 0
