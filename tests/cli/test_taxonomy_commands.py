"""The commands for taxonomies: a file is checked, and a tree is shown with what a run holds of it."""

import json
from dataclasses import asdict
from pathlib import Path

import polars as pl
import pytest
from rows import table
from tiny import tetrad

from pipeline import TAXONOMIES
from pipeline.tables import Image, Prompt, Quadruple
from pipeline.taxonomy import faults, load, notes
from pipeline.workspace import Made

OWN = """\
id: own
name: Our own
version: "1"
source: here
licence: CC0-1.0
levels: [domain, category, subcategory]
nodes:
  - id: tricks
    name: Tricks
    definition: Tricks.
    children:
      - id: fraud
        name: Fraud
        definition: Fraud.
        children:
          - {id: scams, name: Scams, aliases: [swindles], definition: Scams., keywords: [fake prize]}
          - {id: forgery, name: Forgery, definition: Forgery., keywords: [false stamp]}
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A sound taxonomy's file."""
    path = tmp_path / "own.yaml"
    path.write_text(OWN)
    return path


def keep(workspace: Path, *tables: tuple[str, pl.DataFrame], run: str = "held") -> None:
    """A run that holds these tables."""
    folder = workspace / "runs" / run
    folder.mkdir(parents=True)
    (folder / "run.json").write_text("{}")
    for number, (name, rows) in enumerate(tables, 1):
        rows.write_parquet(folder / f"{number}_{name}.parquet")
        page = Made(
            number=number, name=name, stage="", row="", key="", sha256="", considered=rows.height, kept=rows.height,
            dropped={}, errors={}, owed=0, seconds=0,
        )  # fmt: skip
        (folder / f"{number}_{name}.json").write_text(json.dumps(asdict(page)))


def images(*subcategories: str) -> pl.DataFrame:
    return table(Image, *({"subcategory": subcategory} for subcategory in subcategories))


def shown(*arguments: str | Path) -> dict[str, str]:
    """The counts beside each node's id (or beside what has none)."""
    done = tetrad("taxonomy", "show", *arguments)
    assert (done.code, done.err) == (0, "")
    parts = [line.lstrip("│├└─ ").rstrip().split("  ", 2) for line in done.out.splitlines()]
    return {part[1] if len(part) > 2 else part[0]: part[-1] for part in parts}


@pytest.mark.parametrize("path", sorted(TAXONOMIES.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_taxonomy_that_ships_is_sound(path: Path) -> None:
    done = tetrad("taxonomy", "check", path)
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == notes(load(str(path)))


def test_every_fault_is_one_line_and_the_code_is_two(own: Path) -> None:
    own.write_text(OWN.replace("id: forgery", "id: scams").replace("name: Tricks", f"nmae: {'long ' * 50}"))
    done = tetrad("taxonomy", "check", own)
    assert (done.code, done.err) == (2, "")
    assert done.out.splitlines() == faults(own)
    assert len(faults(own)) > 1


def test_what_a_file_says_is_no_command_to_the_terminal(own: Path) -> None:
    own.write_text(OWN.replace("id: forgery", 'id: "[bold]\\e[31m"'))
    done = tetrad("taxonomy", "check", own)
    assert done.code == 2
    assert "\x1b" not in done.out
    assert "[bold]" in done.out, "nor is it markup"


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\xff", b"nodes: [", b"[]"])
def test_a_file_that_is_no_taxonomy_is_a_fault(content: bytes, own: Path) -> None:
    own.write_bytes(content)
    done = tetrad("taxonomy", "check", own)
    assert (done.code, done.err) == (2, "")
    assert done.out.startswith(f"{own}:")


@pytest.mark.parametrize("name", ["gone.yaml", "."])
def test_a_file_that_cannot_be_read_is_a_fault(name: str, tmp_path: Path) -> None:
    done = tetrad("taxonomy", "check", tmp_path / name)
    assert (done.code, done.err) == (2, "")
    assert len(done.out.splitlines()) == 1


def test_the_tree_that_is_shown_unasked_is_spa_vl_s() -> None:
    done = tetrad("taxonomy", "show")
    assert (done.code, done.err) == (0, "")
    assert set(done.out.split()) > set(load("spa_vl").leaves)


def test_a_run_s_rows_are_counted_by_subcategory(own: Path, workspace: Path) -> None:
    keep(
        workspace,
        ("images", images("scams", "scams", "forgery")),
        ("prompts", table(Prompt, {"subcategory": "scams"})),
        (
            "quadruples",
            table(Quadruple, {"subcategory": "Scams"}, {"subcategory": "Forgery"}, {"subcategory": "Forgery"}),
        ),
    )
    counted = shown(own, "--run", "held", "--workspace", workspace)
    assert counted["scams"] == "images 2, prompts 1, quadruples 1"
    assert counted["forgery"] == "images 1, prompts 0, quadruples 2"
    assert counted["tricks"] == counted["fraud"] == "images 3, prompts 1, quadruples 3"


def test_a_subcategory_has_the_rows_of_all_its_names(own: Path, workspace: Path) -> None:
    keep(workspace, ("images", images("scams", "swindles", "SCAMS")))
    assert shown(own, "--run", "held", "--workspace", workspace)["scams"] == "images 3"


def test_rows_of_no_subcategory_are_counted_apart(own: Path, workspace: Path) -> None:
    held = [{"subcategory": said} for said in ("scams", None, "elsewhere", "fraud")]
    keep(workspace, ("prompts", table(Prompt, *held)))
    counted = shown(own, "--run", "held", "--workspace", workspace)
    assert (counted["own"], counted["scams"]) == ("prompts 4", "prompts 1")
    assert counted["in none of these"] == "prompts 3"


def test_of_two_tables_of_one_name_the_last_counts(own: Path, workspace: Path) -> None:
    keep(workspace, ("images", images("scams", "forgery")), ("images", images("forgery")))
    assert shown(own, "--run", "held", "--workspace", workspace)["own"] == "images 1"


def test_a_tree_is_not_broken_where_a_terminal_ends(own: Path) -> None:
    own.write_text(OWN.replace("name: Scams", f"name: {'Scams and more ' * 10}"))
    assert len(tetrad("taxonomy", "show", own).out.splitlines()) == len(OWN.split("id: ")) - 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nosuch"], "no such taxonomy: "),
        (["gone.yaml"], "no such taxonomy: gone.yaml"),
        (["--run", "nosuch"], "no such run: nosuch"),
        (["--run", "begun"], "the run begun has no images, no prompts, no quadruples yet: `tetrad run` it first"),
        (["--run", "cleared"], "is gone: run the recipe again"),
    ],
)
def test_a_mistake_is_one_line(arguments: list[str], words: str, workspace: Path) -> None:
    keep(workspace, ("given", images()), run="begun")
    keep(workspace, ("images", images()), run="cleared")
    (workspace / "runs" / "cleared" / "1_images.parquet").unlink()
    done = tetrad("taxonomy", "show", *arguments, "--workspace", workspace)
    (line,) = done.err.splitlines()
    assert done.code == 2
    assert line.startswith("tetrad: ")
    assert words in line
