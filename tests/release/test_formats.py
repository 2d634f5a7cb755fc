"""docs/formats.md shows what a release holds, as it is."""

import json
import re
from pathlib import Path

import pytest
from small import Small

from pipeline.release.exporting import FORMATS
from pipeline.release.formats import markdown

PAGE = (Path(__file__).parents[2] / "docs" / "formats.md").read_text()
HOW = "run: python -m pipeline.release.formats RELEASE > docs/formats.md"


def sections(page: str) -> dict[str, str]:
    return {part.partition("`\n")[0]: part.partition("`\n")[2] for part in page.split("\n## `")[1:]}


def without_rows(section: str) -> str:
    return re.sub(r"```json\n.*?\n```", "", section, flags=re.DOTALL)


def keys(section: str) -> list[str]:
    [row] = re.findall(r"```json\n(.*?)\n```", section, flags=re.DOTALL)
    return list(json.loads(row))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return sections(markdown(Small(tmp_path_factory.mktemp("small")).release()))


def test_every_configuration_and_export_is_there(made: dict[str, str]) -> None:
    assert list(sections(PAGE)) == list(made), HOW
    assert sum(name.startswith("tetrad release export") for name in made) == len(FORMATS)


def test_what_is_said_of_each_is_as_the_code_says(made: dict[str, str]) -> None:
    for name, section in sections(PAGE).items():
        assert without_rows(section) == without_rows(made[name]), f"{name}; {HOW}"
        assert keys(section) == keys(made[name]), f"{name}; {HOW}"


def test_no_picture_is_printed(made: dict[str, str]) -> None:
    assert "JFIF" not in PAGE
    assert re.search(r'"bytes": "\d+ bytes"', made["default"])
