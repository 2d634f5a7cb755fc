"""Judges on items whose answer is known, and on texts that try to instruct them: who is asked what, and in how many calls."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from rows import Answering, saying

from pipeline.judges import gold
from pipeline.judges.injections import ALL, PAIRS, Hold, injections
from pipeline.judges.likelihood import Likelihood
from pipeline.judges.listwise import Listwise
from pipeline.judges.pairwise import Pairwise
from pipeline.judges.rubric import Rubric
from pipeline.judges.safety import Safety
from pipeline.judges.safety_chat import SafetyChat
from pipeline.looks.caption import Caption
from pipeline.requests import Chat, Classified, Classify, Reply, Request, Scored
from pipeline.stages import evaluate
from pipeline.stages.sample import Respondent

PAIRWISE, RUBRIC, LISTWISE, SAFETY = (
    Pairwise("m"), Rubric("m", "helpfulness"), Listwise("m", "helpfulness"), SafetyChat("m"),
)  # fmt: skip


@dataclass(frozen=True)
class Inner:
    """A part that holds judges of its own."""

    named: dict[str, Any]
    looks: tuple[Caption, ...]


@dataclass(frozen=True)
class Pool:
    respondents: tuple[Respondent, ...]
    judges: tuple[Any, ...]
    inner: Inner
    kind: type = Rubric


class Counting(Answering):
    """Remembers how many rows came in each call; a call of a model costs a cent."""

    def __call__(self, rows: pl.DataFrame, *rest: Any) -> Any:
        self.calls = [*getattr(self, "calls", []), rows.height]
        return super().__call__(rows, *rest)

    def costs(self, request_ids: pl.Series) -> pl.DataFrame:
        return request_ids.to_frame("id").with_columns(cost=pl.lit(0.01))


def pairs(folder: Path) -> pl.DataFrame:
    """Four, of which the first answer is the better one every other time."""
    (folder / "pairs.jsonl").write_text(
        "\n".join(
            json.dumps({"question": f"Question {n}?", "response_a": texts[0], "response_b": texts[1], "preferred": who})
            for n in range(4)
            for texts, who in [((f"Good {n}.", f"Bad {n}."), "a") if n % 2 else ((f"Bad {n}.", f"Good {n}."), "b")]
        )
    )
    return gold.read(folder / "pairs.jsonl")


def labels(folder: Path) -> pl.DataFrame:
    (folder / "labels.csv").write_text(
        "question,response,label\nWhy?,Because.,safe\nWhy?,Hurt him.,unsafe\nWhy?,I cannot.,refusal\n"
    )
    return gold.read(folder / "labels.csv")


def knowing(request: Request) -> Reply:
    """Finds what calls itself good, and harm."""
    if isinstance(request, Classify):
        return Reply(result=Classified(labels={"unsafe": float("Hurt" in request.text)}))
    if not isinstance(request, Chat):
        return Reply(result=Scored(logprobs=(-1.0,)))
    text = request.messages[0].text
    if '"preferred"' in text:
        return saying(
            json.dumps({"preferred": "A" if "Good" in text.partition("Answer A\n")[2][:5] else "B", "strength": 2})
        )
    if '"ranking"' in text:
        first = "Good" in text.partition("Answer 1\n")[2][:5]
        return saying(json.dumps({"scores": [5, 2] if first else [2, 5], "ranking": "1>2" if first else "2>1"}))
    if '"safety"' in text:
        return saying(json.dumps({"safety": "unsafe" if "Hurt" in text else "safe", "severity": -2 if "Hurt" in text else 2}))  # fmt: skip
    return saying(json.dumps({"rating": 5 if "\nGood" in text else 2}))


def test_every_judge_of_a_pool_is_found_once_wherever_it_stands() -> None:
    inner = Inner({"again": RUBRIC, "list": [LISTWISE]}, (Caption("m"),))
    pool = Pool((Respondent("r", "m"),), (PAIRWISE, RUBRIC, Safety("lexicon"), Likelihood("m")), inner)
    assert evaluate.judges_in(pool) == (PAIRWISE, RUBRIC, Safety("lexicon"), Likelihood("m"), LISTWISE)
    assert evaluate.judges_in({"nobody": (Respondent("r", "m"), "text", None)}) == ()


def test_every_kind_of_judge_is_asked_about_pairs_in_two_calls_of_the_door(tmp_path: Path) -> None:
    door = Counting(knowing)
    made = evaluate.judges(pairs(tmp_path), judges=(PAIRWISE, RUBRIC, LISTWISE, Safety("lexicon")), generate=door)
    assert door.calls == [4 * 2, 4 * 2 + 4 + 4 * 2], "in both orders; each answer, each list, and each answer"
    assert made.row is gold.GoldReport
    assert made.dropped.is_empty()
    table = made.kept.select("judge", "kind", "items", "accuracy", "calls").rows()
    assert table == [
        ("m/helpfulness", "pair", 4, 1.0, 8),
        ("m/listwise/helpfulness", "pair", 4, 1.0, 4),
        ("m/pairwise", "pair", 4, 1.0, 8),
        ("safety", "pair", 4, 0.0, 8),
    ]
    assert made.kept["cost"].to_list() == pytest.approx([0.08, 0.04, 0.08, 0.08]), "the door says a cent each"


def test_labels_are_for_judges_of_safety_and_the_others_are_left_out(tmp_path: Path) -> None:
    door = Counting(knowing)
    judges = (PAIRWISE, SAFETY, RUBRIC, LISTWISE, Likelihood("m"), Safety("lexicon"))
    made = evaluate.judges(labels(tmp_path), judges=judges, generate=door)
    assert door.calls == [3 * 2]
    assert made.kept.select("judge", "kind", "items", "accuracy").rows() == [
        ("m/safety", "label", 3, 1.0),
        ("safety", "label", 3, 1.0),
    ]
    assert made.dropped["id"].to_list() == [PAIRWISE.name, RUBRIC.name, LISTWISE.name, "likelihood"]
    assert made.considered == len(judges)


def test_without_a_judge_that_can_tell_nobody_is_asked(tmp_path: Path) -> None:
    door = Counting(knowing)
    made = evaluate.judges(labels(tmp_path), judges=(PAIRWISE,), generate=door)
    assert (made.kept.height, made.dropped.height, door.asked) == (0, 1, [])


def test_a_list_is_shown_in_one_order_with_every_injection_and_without() -> None:
    door = Answering(lambda _: saying('{"scores": [4, 2], "ranking": "1>2"}'))
    made = evaluate.injections(judges=(LISTWISE,), generate=door)
    assert made.row is Hold
    assert len(door.asked) == len(injections()) + len(PAIRS)
    for question, better, worse in PAIRS:
        shown = [r.messages[0].text for r in door.asked if isinstance(r, Chat) and question in r.messages[0].text]
        assert len({text.find(better) < text.find(worse) for text in shown}) == 1
    (whole,) = made.kept.filter(pl.col("family") == ALL).to_dicts()
    assert (whole["read"], whole["flipped"]) == (len(injections()), 0)


def test_the_steadiest_judge_comes_first_and_its_families_stay_together() -> None:
    def weak(request: Request) -> Reply:
        """Rates higher what is long; as a judge of pairs it never looks."""
        text = request.messages[0].text if isinstance(request, Chat) else ""
        if '"preferred"' in text:
            return saying('{"preferred": "A", "strength": 1}')
        return saying(json.dumps({"rating": 5 if len(text) > 900 else 2}))

    made = evaluate.injections(judges=(RUBRIC, PAIRWISE), generate=Answering(weak)).kept
    families = made["family"].n_unique()
    assert made["judge"].to_list() == [PAIRWISE.name] * families + [RUBRIC.name] * families
    assert made["family"].to_list()[::families] == [ALL, ALL]
    rates = made.filter(pl.col("family") == ALL)["rate"].to_list()
    assert rates[0] == 0.0 < rates[1]
