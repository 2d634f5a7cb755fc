"""evaluate labels: agreement of people, and judges and rules beside the truth."""

import json
from pathlib import Path

import polars as pl
import pytest
from tiny import tetrad

from pipeline.stages import evaluate

TRUTH = ["unsafe", "Unsafe ", "safe", "safe", "safe", "unsafe"]
ITEMS = pl.DataFrame({
    "ann": ["2.1 bad", "2.2 bad", "1.1 fine", "1.1 fine", "1.2 fine", "1.1 fine"],
    "bob": ["2.1 bad", "2.1 bad", "1.1 fine", "1.1 fine", "1.1 fine", ""],
    "truth": TRUTH,
    "good": TRUTH,
    "blind": ["safe"] * 6,
    "half": ["unsafe", "safe", "unsafe", "safe", None, "safe"],
})  # fmt: skip
JUDGES = ("good", "blind", "half")


def reported(**settings: object) -> pl.DataFrame:
    usual = {"truth": "truth", "people": ("ann", "bob"), "judges": JUDGES, "positive": ("unsafe", "2")}
    return evaluate.labels(ITEMS, **usual | settings).kept  # type: ignore[arg-type]


def test_each_judge_is_counted_beside_the_truth() -> None:
    rows = reported().filter(who="judge")
    assert rows.select("name", "items", "found", "alarms", "missed").rows() == [
        ("good", 6, 3, 0, 0), ("blind", 6, 0, 0, 3), ("half", 5, 1, 1, 2),
    ]  # fmt: skip
    assert rows["f1"].to_list() == [1.0, 0.0, 0.4]
    assert rows["precision"].to_list() == [1.0, None, 0.5]


def test_votes_are_counted_from_one_to_all() -> None:
    rows = reported().filter(pl.col("name").str.starts_with("at least"))
    assert rows["name"].to_list() == ["at least 1 of 3", "at least 2 of 3", "at least 3 of 3"]
    assert rows["f1"].to_list() == [pytest.approx(6 / 7), 0.5, 0.0]


def test_two_judges_are_no_threes() -> None:
    """Each item would be as likely positive as not, and so above the cut."""
    names = reported(judges=("good", "half"))["name"].to_list()
    assert "Dawid-Skene" in names
    assert "Dawid-Skene in threes" not in names
    assert "Dawid-Skene in threes" in reported()["name"].to_list()


def test_people_are_compared_by_what_is_positive_and_by_their_labels_in_full() -> None:
    rows = reported().filter(who="people")
    raw = {row["labels"]: row for row in rows.filter(name="raw").iter_rows(named=True)}
    assert (raw["positive"]["value"], raw["positive"]["items"]) == (1.0, 5)
    assert (raw["full"]["value"], raw["full"]["items"]) == (0.6, 5)
    assert set(rows["name"]) == {"raw", "Krippendorff's alpha", "Fleiss' kappa", "Gwet's AC1", "Cohen's kappa"}
    three = reported(people=("ann", "bob", "truth")).filter(who="people")
    assert "Cohen's kappa" not in set(three["name"]), "it is of two"


def test_labels_that_are_all_alike_have_no_agreement_beyond_chance_and_say_why() -> None:
    same = pl.DataFrame({"a": ["safe"] * 4, "b": ["safe"] * 4})
    made = evaluate.labels(same, truth=None, people=("a", "b"), judges=(), positive=("unsafe",)).kept
    alpha = made.filter(name="Krippendorff's alpha", labels="positive").row(0, named=True)
    assert alpha["value"] is None
    assert "one category" in alpha["reason"]


def test_items_without_a_truth_do_not_count() -> None:
    some = ITEMS.with_columns(truth=pl.Series([*TRUTH[:3], "", None, TRUTH[5]]))
    made = evaluate.labels(some, truth="truth", people=(), judges=("good",), positive=("unsafe",)).kept
    assert made.filter(who="judge").select("items", "found").rows() == [(4, 3)]


def test_the_command_reads_two_tables_side_by_side(tmp_path: Path) -> None:
    ITEMS.select("ann", "bob", "truth").write_csv(tmp_path / "people.csv")
    ITEMS.select(JUDGES).write_csv(tmp_path / "judges.csv")
    line = ["evaluate", "labels", tmp_path / "people.csv", "--beside", tmp_path / "judges.csv", "--truth", "truth",
            "--person", "ann", "--person", "bob", "--positive", "unsafe", "--positive", "2"]  # fmt: skip
    rows = json.loads(tetrad(*line, "--json").out)
    assert rows == json.loads(json.dumps(reported().to_dicts()))
    shown = tetrad(*line).out
    for word in ("good", "blind", "half", "at least 2 of 3", "Dawid-Skene", "Krippendorff's alpha"):
        assert word in shown


def test_of_the_columns_beside_the_truth_and_people_are_no_judges(tmp_path: Path) -> None:
    ITEMS.with_row_index().select("index").write_csv(tmp_path / "items.csv")
    ITEMS.select("bob", "good", "truth", "half").write_csv(tmp_path / "labels.csv")
    line = [
        "evaluate",
        "labels",
        tmp_path / "items.csv",
        "--beside",
        tmp_path / "labels.csv",
        "--json",
        "--truth",
        "truth",
    ]
    rows = json.loads(tetrad(*line, "--person", "bob").out)
    assert [row["name"] for row in rows if row["who"] == "judge"] == ["good", "half"]
    assert "at least 2 of 2" in {row["name"] for row in rows}
    named = json.loads(tetrad(*line, "--person", "bob", "--judge", "bob", "--judge", "half").out)
    assert [row["name"] for row in named if row["who"] == "judge"] == ["bob", "half"], (
        "a person may be held against the truth"
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["people.csv"], "nothing to compare"),
        (["people.csv", "--truth", "nobody", "--judge", "ann"], "no column 'nobody'; there are ann, bob, truth"),
        (["people.csv", "--truth", "truth", "--judge", "ann", "--judge", "truth"], "truth is the truth: it cannot be"),
        (["short.csv", "--beside", "more.csv", "--truth", "truth"], "nothing to compare"),
        (["gone.csv", "--truth", "truth"], "no such file"),
        (["people.txt", "--truth", "truth"], "a table is one of .csv, .jsonl, .parquet"),
        (["people.csv", "--beside", "short.csv", "--truth", "truth"], "must be the same items"),
        (["people.csv", "--beside", "people.csv", "--truth", "truth"], "is there already"),
        (["broken.parquet", "--truth", "truth"], "broken.parquet"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], said: str) -> None:
    monkeypatch.chdir(tmp_path)
    ITEMS.select("ann", "bob", "truth").write_csv("people.csv")
    ITEMS.select("half").head(2).write_csv("short.csv")
    ITEMS.select("truth").head(2).write_csv("more.csv")
    Path("broken.parquet").write_bytes(b"not parquet")
    ended = tetrad("evaluate", "labels", *words)
    assert ended.code == 2
    (line,) = ended.err.splitlines()
    assert said in line
