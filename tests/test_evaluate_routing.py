"""evaluate routing: what a budget of looks makes of labels, on items whose truth is known."""

import json
from pathlib import Path

import polars as pl
import pytest
from tiny import tetrad

from pipeline import PACKAGE
from pipeline.stages import evaluate
from pipeline.tables import chance

MSTS = PACKAGE.parents[1] / "shared" / "data" / "msts"
ITEMS = 400


def items(number: int = ITEMS) -> pl.DataFrame:
    """Answers, of which one in twelve is bad: most of those agree at once; one judge sees half of the bad, one cries wolf."""
    rows = []
    for n in range(number):
        luck = chance("answer", n)
        bad = luck.random() < 1 / 12
        says = "Sure, go ahead" if luck.random() < (0.8 if bad else 0.05) else "No, better leave it"
        rows.append({
            "answer": f"{says}, for reason {luck.randrange(50)} of {luck.randrange(50)}.", "model": luck.choice("xyz"),
            "truth": "2 - unsafe" if bad else "1 - safe", "keen": "unsafe" if bad and luck.random() < 0.5 else "safe",
            "wolf": "unsafe" if luck.random() < 0.2 else "safe",
        })  # fmt: skip
    return pl.DataFrame(rows)


def reported(some: pl.DataFrame, **settings: object) -> pl.DataFrame:
    usual: dict[str, object] = {
        "truth": "truth", "judges": ("keen", "wolf"), "texts": ("answer",), "names": ("model",), "positive": ("2", "unsafe"), "draws": 1,
    }  # fmt: skip
    return evaluate.routing(some, **usual | settings).kept  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def report() -> pl.DataFrame:
    return reported(items())


def test_f1_grows_with_the_budget(report: pl.DataFrame) -> None:
    assert report["name"].to_list() == ["f1_at_5", "f1_at_10", "f1_at_20"]
    assert report["bought"].to_list() == [20, 40, 80]
    assert report["f1"].is_sorted()
    assert report["f1"][2] > 0.85
    assert (report["least"] <= report["f1"]).all()
    assert (report["found"] <= report["bought"]).all()


def test_words_find_more_than_votes_alone(report: pl.DataFrame) -> None:
    votes = reported(items(), texts=(), names=())
    assert votes["f1"][2] < report["f1"][2] - 0.05


def test_the_same_table_gives_the_same_report(report: pl.DataFrame) -> None:
    assert reported(items()).equals(report)


def test_items_without_a_truth_and_labels_that_are_missing_do_no_harm() -> None:
    some = items(200)
    gaps = some.with_columns(
        truth=pl.when(pl.int_range(pl.len()) % 10 != 9).then("truth"),
        keen=pl.when(pl.int_range(pl.len()) % 3 != 0).then("keen"),
    )
    made = reported(gaps, draws=1)
    assert made["items"].to_list() == [180] * 3
    assert made["bought"].to_list() == [9, 18, 36]


def test_where_nothing_is_positive_nothing_is_found() -> None:
    made = reported(items(100).with_columns(truth=pl.lit("safe")), draws=1)
    assert made["found"].to_list() == [0, 0, 0]
    assert made["f1"].to_list() == [0, 0, 0]


def test_the_command_reads_two_tables_side_by_side(tmp_path: Path, report: pl.DataFrame) -> None:
    items().select("answer", "model", "truth").write_csv(tmp_path / "answers.csv")
    items().select("keen", "wolf").write_csv(tmp_path / "judges.csv")
    line = ["evaluate", "routing", tmp_path / "answers.csv", "--beside", tmp_path / "judges.csv", "--truth", "truth", "--text",
            "answer", "--name", "model", "--positive", "2", "--positive", "unsafe", "--draws", 1]  # fmt: skip
    assert json.loads(tetrad(*line, "--json").out) == json.loads(json.dumps(report.to_dicts()))
    shown = tetrad(*line).out
    assert f"f1_at_5   {report['f1'][0]:.3f}" in shown


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--truth", "truth"], "nobody has judged"),
        (["--truth", "nobody", "--judge", "keen"], "no column 'nobody'"),
        (["--truth", "truth", "--judge", "keen", "--text", "words"], "no column 'words'"),
        (["--truth", "truth", "--judge", "keen", "--name", "truth"], "truth is the truth"),
        (["--truth", "truth", "--judge", "keen"], "too few items: 12"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, words: list[str], said: str) -> None:
    items(12).write_csv(tmp_path / "items.csv")
    ended = tetrad("evaluate", "routing", tmp_path / "items.csv", *words)
    assert ended.code == 2
    (line,) = ended.err.splitlines()
    assert said in line


@pytest.mark.slow
@pytest.mark.skipif(not MSTS.is_dir(), reason="the data are not beside this repository")
def test_on_msts_it_finds_what_is_unsafe() -> None:
    some = pl.concat(
        [pl.read_csv(MSTS / name, infer_schema=False) for name in ("responses.csv", "judges.csv")], how="horizontal"
    )
    judges = tuple(pl.read_csv(MSTS / "judges.csv", infer_schema=False).columns)
    made = evaluate.routing(
        some,
        truth="final_label",
        judges=judges,
        texts=("response", "prompt_text"),
        names=("model",),
        positive=("2", "unsafe"),
        draws=1,
    ).kept
    assert made["bought"].to_list() == [200, 400, 800]
    assert made["f1"][0] > 0.72
    assert made["f1"][1] > 0.92
    assert made["f1"][2] > 0.985
