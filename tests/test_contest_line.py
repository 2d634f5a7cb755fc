"""A line whose pairs are found by contests: from questions to quadruples, through the command line."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from tiny import RECIPE, Model, Place, settle_in

CONTESTS = (
    RECIPE.replace(
        "from pipeline.stages import judge",
        "from pipeline.statistics.bradley_terry import Assumed\nfrom pipeline.stages import judge",
    )
    .replace(
        """    candidates = run(judge.candidates, responses, judgments, rule=DifferentSafetyGroup(groups=3))
    panel = (Pairwise("tiny"),)
    comparisons = run(judge.comparisons, prompts, responses, candidates, judges=panel, generate=run.generate)
""",
        """    panel = (Pairwise("tiny"),)
    comparisons = run(judge.contests, prompts, responses, judgments, judges=panel, generate=run.generate)
    candidates = run(judge.finals, comparisons)
    run(judge.judge_report, responses, judgments, comparisons, candidates, generate=run.generate)
""",
    )
    .replace("candidates, judgments, comparisons)", "candidates, judgments, comparisons, ratings=Assumed())")
    .replace("comparisons, decisions)", "comparisons, decisions, ratings=Assumed())")
)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with Model() as model, pytest.MonkeyPatch.context() as patch:
        place = settle_in(tmp_path_factory.mktemp("contests"), model)
        place.recipe.write_text(CONTESTS)
        patch.setenv("TETRAD_MODELS", str(place.folder / "models.toml"))
        patch.setenv("COLUMNS", "400")
        place("run", place.recipe)
        yield place


def test_the_best_and_the_worst_of_each_prompt_become_a_quadruple(ran: Place) -> None:
    rows = ran.table("quadruples")
    assert rows.height == ran.table("finals").height == 7
    assert set(rows["chosen_respondent"]) == {"careful"}, "the model prefers who declines"
    assert rows["strength"].is_between(0.1, 3).all()


def test_run_again_nobody_is_asked_and_no_byte_differs(ran: Place) -> None:
    before, tables = len(ran.model.asked), ran.bytes_of()
    for path in (ran.workspace / "runs" / "tiny-tiny").glob("*_contests.*"):
        path.unlink()
    ran("run", ran.recipe)
    assert len(ran.model.asked) == before
    assert ran.bytes_of() == tables


def test_the_report_counts_what_the_judge_was_asked(ran: Place) -> None:
    contests = ran.table("contests")
    row = ran.table("judge_report").row(by_predicate=pl.col("judge") == "tiny/pairwise", named=True)
    assert row["calls"] == contests.height
    assert row["settled"] == 7
    assert row["calls_per_settled"] == pytest.approx(contests.height / 7)


def test_a_quadruples_story_tells_of_every_comparison_of_its_two_answers(ran: Place) -> None:
    row = ran.table("quadruples").row(0, named=True)
    both = [row["chosen_id"], row["rejected_id"]]
    met = ran.table("contests").filter(pl.col("a_id").is_in(both) | pl.col("b_id").is_in(both))
    story = ran("trace", row["id"]).out
    for name in met["id"]:
        assert f"contests {name}" in story


def test_the_recipe_is_the_one_that_is_meant(tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text(CONTESTS)
    assert CONTESTS.count("ratings=Assumed()") == 2
    assert "judge.candidates" not in CONTESTS
