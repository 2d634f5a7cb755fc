"""Judges on items whose answer is known."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from rows import saying

from pipeline.errors import UserError
from pipeline.judges import gold
from pipeline.judges.pairwise import Pairwise
from pipeline.judges.rubric import Rubric
from pipeline.judges.safety_chat import SafetyChat
from pipeline.requests import Reply, failed
from pipeline.tables import Comparison, Judgment, frame

Cells = dict[str, Any]
PAIRS = [
    {"question": f"Question {n}?", "image": None, "response_a": f"Good {n}." if n % 2 else f"Bad {n}.",
     "response_b": f"Bad {n}." if n % 2 else f"Good {n}.", "preferred": "a" if n % 2 else "b"}
    for n in range(8)
]  # fmt: skip
TIE = {"question": "Which?", "image": None, "response_a": "This.", "response_b": "That.", "preferred": "tie"}
SINGLES = [
    {"question": "Why?", "image": "0" * 64, "response": text, "label": label}
    for text, label in (("Because.", "safe"), ("Hurt him.", "unsafe"), ("I can't help.", "refusal"))
]
NO_COMPARISONS, NO_JUDGMENTS = frame([], Comparison), frame([], Judgment)


def written(folder: Path, name: str, rows: list[dict[str, Any]]) -> Path:
    path = folder / name
    table = pl.DataFrame(rows, infer_schema_length=None)
    if path.suffix == ".csv":
        table.write_csv(path)
    elif path.suffix == ".jsonl":
        table.write_ndjson(path)
    else:
        table.write_parquet(path)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_every_format_gives_the_same_items(tmp_path: Path, suffix: str) -> None:
    pairs = gold.read(written(tmp_path, f"pairs{suffix}", [*PAIRS, TIE]))
    assert pairs["preferred"].to_list() == [-1.0, 1.0] * 4 + [0.0]
    assert pairs["label"].null_count() == pairs["image"].null_count() == 9
    singles = gold.read(written(tmp_path, f"singles{suffix}", SINGLES))
    assert singles.select("a", "b", "label", "image").rows() == [
        ("Because.", None, "safe", "0" * 64), ("Hurt him.", None, "unsafe", "0" * 64), ("I can't help.", None, "refusal", "0" * 64),
    ]  # fmt: skip


def test_an_item_that_comes_twice_counts_once(tmp_path: Path) -> None:
    assert gold.read(written(tmp_path, "g.csv", [*PAIRS, *PAIRS])).height == 8


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("g.txt", "x", "a gold file is one of .csv, .jsonl, .ndjson, .parquet"),
        ("g.csv", "question,answer\nWhy?,x\n", "its columns must be question and response_a, response_b, preferred; or"),
        ("g.csv", "question,response_a,response_b,preferred\nWhy?,x,y,a\nWhy?,x,y,both\n", "row 2: 'both' is none of a, b, tie"),
        ("g.csv", "question,response,label\nWhy?,x,\n", "row 1: 'none' is none of safe, unsafe, refusal"),
        ("g.csv", "question,response_a,response_b,preferred\nWhy?,x,,a\n", "row 1: question, response_a and response_b are texts"),
        ("g.jsonl", '{"question": "Why?", "response": 3, "label": "safe"}\n', "row 1: question and response are texts"),
        ("g.jsonl", "{broken\n", "g.jsonl: "),
        ("g.parquet", "no parquet", "g.parquet: "),
        ("g.csv", "", "g.csv: "),
    ],
)  # fmt: skip
def test_a_file_that_will_not_do_says_where(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError) as caught:
        gold.read(tmp_path / name)
    assert message in str(caught.value)
    assert str(tmp_path / name) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^no such gold file: .*nosuch\.csv$"):
        gold.read(tmp_path / "nosuch.csv")


def compared(items: pl.DataFrame, judge: Pairwise, answer: Any) -> pl.DataFrame:
    rows = gold.pair_rows(items).iter_rows(named=True)
    return frame([judge.read(row, f"{judge.model}{n:031x}", answer(judge.ask(row).messages[0].text)) for n, row in enumerate(rows)], Comparison)  # fmt: skip


def likes_good(text: str) -> Reply:
    """Prefers the answer that calls itself good."""
    answer_a = text.partition("Answer A\n")[2]
    return saying(json.dumps({"preferred": "A" if answer_a.startswith("Good") else "B", "strength": 2}))


def test_a_judge_that_knows_is_right_in_both_orders(tmp_path: Path) -> None:
    items = gold.read(written(tmp_path, "g.csv", PAIRS))
    (row,) = gold.report(
        compared(items, Pairwise("m"), likes_good), NO_JUDGMENTS, items, {"m/pairwise": 0.5}
    ).to_dicts()
    assert row == {
        "judge": "m/pairwise", "criterion": "overall", "kind": "pair", "items": 8, "accuracy": 1.0, "accuracy_low": 1.0,
        "accuracy_high": 1.0, "order_consistency": 1.0, "unreadable_rate": 0.0, "refusal_rate": 0.0, "calls": 16, "cost": 0.5,
    }  # fmt: skip


def test_a_judge_that_takes_the_first_is_right_of_nothing_but_ties(tmp_path: Path) -> None:
    items = gold.read(written(tmp_path, "g.csv", [*PAIRS, TIE]))
    always = saying('{"preferred": "A", "strength": 2}')
    (row,) = gold.report(compared(items, Pairwise("m"), lambda _: always), NO_JUDGMENTS, items).to_dicts()
    assert row["accuracy"] == pytest.approx(1 / 9)
    assert row["accuracy_low"] == 0.0 < row["accuracy"] < row["accuracy_high"] < 0.5
    assert (row["order_consistency"], row["cost"]) == (0.0, None)


def test_what_is_not_read_is_not_right(tmp_path: Path) -> None:
    items = gold.read(written(tmp_path, "g.csv", PAIRS))

    def moody(text: str) -> Reply:
        if "Question 0" in text:
            return saying("I can't help with that.")
        return (
            saying("Hm.") if "Question 1" in text else failed("timeout") if "Question 2" in text else likes_good(text)
        )

    (row,) = gold.report(compared(items, Pairwise("m"), moody), NO_JUDGMENTS, items).to_dicts()
    assert (row["accuracy"], row["unreadable_rate"], row["refusal_rate"]) == (5 / 8, 1 / 8, 1 / 8)
    assert row["order_consistency"] == 1.0


def test_two_templates_are_told_apart_and_the_better_comes_first(tmp_path: Path) -> None:
    items = gold.read(written(tmp_path, "g.csv", PAIRS))
    good, bad = Pairwise("m", critique=True), Pairwise("m")
    both = pl.concat([
        compared(items, bad, lambda _: saying('{"preferred": "tie"}')), compared(items, good, likes_good),
    ])  # fmt: skip
    table = gold.report(both, NO_JUDGMENTS, items)
    assert table["judge"].to_list() == [good.name, bad.name]
    assert table["accuracy"].to_list() == [1.0, 0.0]


def judged(items: pl.DataFrame, judge: Rubric | SafetyChat, answer: Any) -> pl.DataFrame:
    rows = gold.response_rows(items).iter_rows(named=True)
    return frame([judge.read(row, f"{n:032x}", answer(row["text"])) for n, row in enumerate(rows)], Judgment)


def test_scores_decide_a_pair_by_the_higher(tmp_path: Path) -> None:
    items = gold.read(written(tmp_path, "g.csv", [*PAIRS, TIE]))
    found = judged(
        items, Rubric("m", "helpfulness"), lambda text: saying(f'{{"rating": {5 if "Good" in text else 2}}}')
    )
    (row,) = gold.report(NO_COMPARISONS, found, items).to_dicts()
    assert (row["kind"], row["items"], row["accuracy"], row["calls"]) == ("pair", 9, 1.0, 18)
    assert row["order_consistency"] is None


def test_labels_are_safe_or_unsafe_and_a_refusal_is_safe(tmp_path: Path) -> None:
    items = gold.read(written(tmp_path, "g.csv", SINGLES))

    def finding(text: str) -> Reply:
        unsafe = text == "Hurt him."
        return saying(json.dumps({"safety": "unsafe" if unsafe else "safe", "severity": -2 if unsafe else 3}))

    (row,) = gold.report(NO_COMPARISONS, judged(items, SafetyChat("m"), finding), items).to_dicts()
    assert (row["kind"], row["items"], row["accuracy"]) == ("label", 3, 1.0)
    silent = judged(items, SafetyChat("m"), lambda _: saying("Hm."))
    (row,) = gold.report(NO_COMPARISONS, silent, items).to_dicts()
    assert (row["accuracy"], row["unreadable_rate"]) == (0.0, 1.0)


def test_no_verdicts_are_no_rows(tmp_path: Path) -> None:
    items = gold.read(written(tmp_path, "g.csv", PAIRS))
    assert gold.report(NO_COMPARISONS, NO_JUDGMENTS, items).height == 0
