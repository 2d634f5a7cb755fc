"""Every recipe of ours that has a demo pool, by glob, on the embedded model: small, whole, and twice. (The others have tests of
their own.)"""

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from datasets import load_dataset

from pipeline import PACKAGE

TETRAD = Path(sys.executable).with_name("tetrad")
RECIPES = sorted(p.stem for p in (PACKAGE / "recipes").glob("[a-z]*.py") if '"demo"' in p.read_text())


def tetrad(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([TETRAD, *arguments], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module", params=RECIPES)
def ran(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, str]:
    """Name, workspace and last words of a small run of a recipe."""
    workspace = tmp_path_factory.mktemp("workspace") / request.param
    return (
        request.param,
        workspace,
        tetrad("run", request.param, "--pool", "demo", "--limit", "2", "--workspace", workspace).stderr,
    )


def pages(workspace: Path, name: str) -> list[dict[str, object]]:
    folder = workspace / "runs" / f"{name}-demo"
    return sorted((json.loads(p.read_text()) for p in folder.glob("*_*.json")), key=lambda page: int(page["number"]))


def released(ran: tuple[str, Path, str]) -> bool:
    """Whether there is a release: a small model may rate all answers of two prompts alike, and then the run says so."""
    name, workspace, words = ran
    rows = pages(workspace, name)[-1]["kept"]
    assert (workspace / "releases" / f"{name}-demo").is_dir() == bool(rows)
    assert ("made no quadruples" in words) == (not rows)
    return bool(rows)


@pytest.mark.demo
@pytest.mark.slow
def test_counts_add_up_along_the_whole_line(ran: tuple[str, Path, str]) -> None:
    name, workspace, _ = ran
    made = pages(workspace, name)
    assert [page["stage"] for page in made][-1] == "pair"
    for page in made:
        assert page["considered"] == page["kept"] + sum(page["dropped"].values()), page["name"]
        assert page["owed"] == 0
    kept = {page["name"]: page["kept"] for page in made}
    considered = {page["name"]: page["considered"] for page in made}
    assert considered["quadruples"] == kept["candidates"] <= kept["preferences"], "one by each criterion"
    assert considered["candidates"] <= kept["prompts" if "prompts" in kept else "given"]
    assert considered["judgments"] % kept["responses"] == 0
    folder = workspace / "runs" / f"{name}-demo"
    for page in made:
        assert pl.read_parquet(folder / f"{page['number']}_{page['name']}.parquet").height == page["kept"]


@pytest.mark.demo
@pytest.mark.slow
def test_a_second_run_asks_nothing_and_gives_the_same_release(ran: tuple[str, Path, str]) -> None:
    name, workspace, _ = ran
    release = workspace / "releases" / f"{name}-demo"
    first = {p.relative_to(release): p.read_bytes() for p in release.rglob("*") if p.is_file()}
    again = tetrad("run", name, "--pool", "demo", "--limit", "2", "--workspace", workspace).stderr
    assert "asking" not in again
    assert again.count("[fresh]") == len(pages(workspace, name))
    if not released(ran):
        return
    for path in first:
        (release / path).unlink()
    tetrad("publish", f"{name}-demo", "--workspace", workspace)
    assert {p.relative_to(release): p.read_bytes() for p in release.rglob("*") if p.is_file()} == first


@pytest.mark.demo
@pytest.mark.slow
def test_datasets_loads_the_release(ran: tuple[str, Path, str], tmp_path: Path) -> None:
    name, workspace, _ = ran
    if not released(ran):
        return
    splits = load_dataset(str(workspace / "releases" / f"{name}-demo"), "quadruples", cache_dir=str(tmp_path))
    rows = [row for split in splits.values() for row in split]
    assert len(rows) == pages(workspace, name)[-1]["kept"]
    for row in rows:
        assert row["question"]
        assert row["chosen"] != row["rejected"]
        if "image" in row:
            assert row["image"].mode == "RGB"


@pytest.mark.demo
@pytest.mark.slow
def test_every_published_row_can_be_traced(ran: tuple[str, Path, str]) -> None:
    name, workspace, _ = ran
    if not released(ran):
        return
    quadruples = pl.read_parquet(
        workspace / "releases" / f"{name}-demo" / "quadruples" / "*.parquet", columns=["id", "question"]
    )
    for row_id, question in quadruples.iter_rows():
        story = tetrad("trace", row_id, "--workspace", workspace).stdout
        assert "said:" in story
        assert " ".join(question.split())[:40] in story
