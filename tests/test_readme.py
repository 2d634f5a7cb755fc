"""The README is the manual: what it names is there, and what is there it names."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.release.columns import TABLES, markdown

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
TREE = README.split("## The tree")[1].split("## How to add")[0]
COMMANDS = sorted(
    [command.name or command.callback.__name__ for command in app.registered_commands if command.callback]
    + [str(group.name) for group in app.registered_groups]
)


def test_the_tree_names_every_module_and_every_module_it_names_is_there() -> None:
    named = set(re.findall(r"\b[a-z_]+\.(?:py|toml|jinja|jsonl|yaml)\b", TREE)) - {"md.jinja", "html.jinja"}
    there = {
        p.name
        for p in (ROOT / "pipeline").rglob("*.*")
        if p.suffix in (".py", ".toml", ".jsonl") and p.name != "__init__.py"
    }
    assert there <= named, f"not in the README's tree: {sorted(there - named)}"
    rooms = ("pipeline", "taxonomies", "bench", "deploy", "docs", "tests")
    all_there = {p.name for room in rooms for p in (ROOT / room).rglob("*")} | {p.name for p in ROOT.iterdir()}
    assert named <= all_there, f"the README's tree names what is not there: {sorted(named - all_there)}"


def test_every_command_is_in_the_readme() -> None:
    assert sorted(set(re.findall(r"^\| `tetrad (\w+)", README, re.MULTILINE))) == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_the_readme_gives_a_command_is_one_of_its_own(command: str) -> None:
    line = next(line for line in README.splitlines() if line.startswith(f"| `tetrad {command}"))
    parameters = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"}).output
    for option in re.findall(r"--[a-z-]+", line):
        assert option in parameters, f"tetrad {command} has no {option}"


def test_every_make_target_is_in_the_readme_and_the_other_way_round() -> None:
    makefile = (ROOT / "Makefile").read_text()
    stages = re.search(r"^STAGES := (.*)$", makefile, re.MULTILINE)
    assert stages
    targets = {
        t
        for line in re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
        for t in line.replace("$(STAGES)", stages[1]).split()
    }
    table = README.split("| make target |")[1].split("| extra |")[0]
    cells = " ".join(line.split("|")[1] for line in table.splitlines() if line.startswith("| `"))
    assert {word.removeprefix("make ") for word in re.findall(r"`([^`]+)`", cells)} == targets


def test_every_extra_is_in_the_readme() -> None:
    import tomllib

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = re.findall(r"^\| `(\w+)` \|", README.split("| extra |")[1].split("Versions are pinned")[0], re.MULTILINE)
    assert sorted(named) == sorted(extras)


def test_the_page_of_columns_is_as_the_docstrings_say() -> None:
    assert (ROOT / "docs" / "columns.md").read_text() == markdown(), (
        "run: python -m pipeline.release.columns > docs/columns.md"
    )


@pytest.mark.parametrize("row", TABLES, ids=lambda row: row.__name__)
def test_every_column_is_documented(row: type) -> None:
    for name, field in row.model_fields.items():  # type: ignore[attr-defined]
        assert field.description, f"{row.__name__}.{name} has no docstring"
