"""The recipe msts: what others asked, answered, judged and decided goes through our doors."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from pipeline import PACKAGE

TETRAD = Path(sys.executable).with_name("tetrad")
MSTS = PACKAGE.parents[1] / "shared" / "data" / "msts"
"""Where the real files are, if they are there."""
MODELS = ("calm", "eager", "wild")
JUDGES = ("strict", "lenient")
SAFE, UNSAFE = "1.1 - rejection", "2.2 - advice"
CASES = {"case_1": ("Non-Violent Crimes", "Theft"), "case_2": ("Violent Crimes", "Murder")}


def written(folder: Path, *, annotators: dict[str, tuple[str, str, str | None]]) -> Path:
    """Files of MSTS's shape: two cases, each asked in two ways of three models. `annotators`: of each model what two people
    say, and an expert where they differ."""

    def write(name: str, rows: list[dict[str, str]]) -> None:
        with (folder / f"{name}.csv").open("w", newline="") as file:
            table = csv.DictWriter(file, list(rows[0]))
            table.writeheader()
            table.writerows(rows)

    folder.mkdir()
    asked = [(case, kind, f"{opening} {case}?") for case in CASES
             for kind, opening in (("assistance", "Should I do this in"), ("intention", "What if I do this in"))]  # fmt: skip
    answered = [(case, kind, model) for case, kind, _ in asked for model in MODELS]
    write("images", [
        {"case_id": case, "unsafe_image_url": f"https://example.org/{case}.jpg", "unsafe_image_license": "CC BY 4.0",
         "unsafe_image_description": "A shop"} for case in CASES
    ])  # fmt: skip
    write("prompts", [
        {"case_id": case, "prompt_type": kind, "prompt_text": text, "hazard_category": CASES[case][0],
         "hazard_subcategory": CASES[case][1], "hazard_subsubcategory": ""} for case, kind, text in asked
    ])  # fmt: skip
    write("responses", [
        {"case_id": case, "prompt_type": f"prompt_{kind}_text", "model": model, "response": f"The {model} answer to {kind} of {case}.",
         "annot1_name": "7", "annot1_label": annotators[model][0], "annot1_note": "", "annot2_name": "9",
         "annot2_label": annotators[model][1], "annot2_note": "plain", "final_expert": "4" if annotators[model][2] else "",
         "final_label": "", "final_taxonomy": annotators[model][2] or annotators[model][0], "final_note": ""}
        for case, kind, model in answered
    ])  # fmt: skip
    write("judges", [{"strict": "unsafe", "lenient": "safe" if model == "calm" else "unsafe" if model == "wild" else ""}
                     for _, _, model in answered])  # fmt: skip
    return folder


def tetrad(*arguments: str | Path) -> str:
    done = subprocess.run(
        [TETRAD, *arguments], capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "300"}
    )
    return done.stdout + done.stderr


def table(workspace: Path, name: str) -> pl.DataFrame:
    return pl.read_parquet(
        max((workspace / "runs" / "msts-given").glob(f"*_{name}.parquet"), key=lambda p: int(p.name.split("_")[0]))
    )


PEOPLE = {"calm": (SAFE, SAFE, None), "eager": (SAFE, UNSAFE, UNSAFE), "wild": (UNSAFE, UNSAFE, None)}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A workspace, and what the run said."""
    place = tmp_path_factory.mktemp("msts")
    words = tetrad(
        "run", "msts", "--source", written(place / "files", annotators=PEOPLE), "--workspace", place / "workspace"
    )
    return place / "workspace", words


def test_what_people_say_decides_and_an_expert_settles_what_they_differ_on(ran: tuple[Path, str]) -> None:
    workspace, words = ran
    settled = table(workspace, "labels").join(
        table(workspace, "responses").select("respondent", response_id="id"), on="response_id"
    )
    found = {(r["respondent"], r["label"], tuple(r["sources"])) for r in settled.iter_rows(named=True)}
    assert found == {
        ("calm", "safe", ("human/7", "human/9", "lenient", "strict")),
        ("eager", "unsafe", ("human/4", "strict")),
        ("wild", "unsafe", ("human/7", "human/9", "lenient", "strict")),
    }, words
    quadruples = table(workspace, "quadruples")
    assert quadruples.height == 4 * 2
    assert set(quadruples["chosen_model"]) == {"calm"}
    assert set(quadruples["rejected_is"]) == {"unsafe"}
    assert quadruples["reviewed"].all()
    assert set(quadruples["strength"]) == {3.0}
    assert set(quadruples["licence"]) == {"CC-BY-4.0"}
    assert set(quadruples["subcategory"]) == {"Theft", "Murder"}


def test_a_given_answer_and_a_given_label_are_kept_replies(ran: tuple[Path, str]) -> None:
    workspace, _ = ran
    response = table(workspace, "responses").filter(respondent="wild").row(0, named=True)
    story = tetrad("trace", response["id"], "--workspace", workspace)
    assert "The wild answer to" in story
    stats = tetrad("store", "stats", "--workspace", workspace)
    for name in (*MODELS, *JUDGES):
        assert f"{name} by MSTS" in stats


def test_a_judge_that_said_nothing_is_a_row_with_an_error(ran: tuple[Path, str]) -> None:
    silent = table(ran[0], "judgments").filter(pl.col("label").is_null())
    assert set(silent["judge"]) == {"lenient"}
    assert set(silent["error"]) == {"no_answer"}
    assert silent.height == 4


def test_again_nothing_is_made_and_nobody_decides_twice(ran: tuple[Path, str]) -> None:
    workspace, _ = ran
    log = workspace / "runs" / "msts-given" / "decisions.jsonl"
    before = log.read_bytes()
    words = tetrad("run", "msts", "--source", workspace.parent / "files", "--workspace", workspace)
    assert words.count("[fresh]") == len(list((workspace / "runs" / "msts-given").glob("*_*.json")))
    assert log.read_bytes() == before
    assert before.count(b"\n") == 2 * 12 + 4


def test_files_that_are_not_there_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    words = tetrad("run", "msts", "--source", tmp_path / "empty", "--workspace", tmp_path / "w")
    assert "the recipe msts reads the files of MSTS" in words
    assert "Traceback" not in words
    assert "name their folder with --source" in tetrad("run", "msts", "--workspace", tmp_path / "w")


@pytest.mark.slow
@pytest.mark.skipif(not MSTS.is_dir(), reason=f"the files of MSTS are not at {MSTS}")
def test_of_the_real_ones_97_prompts_give_1293_pairs(tmp_path: Path) -> None:
    tetrad("run", "msts", "--source", MSTS, "--workspace", tmp_path)
    quadruples = table(tmp_path, "quadruples")
    assert quadruples.height == 1293
    assert quadruples["prompt_id"].n_unique() == 97
    assert table(tmp_path, "labels").filter(label="unsafe").height == 181
