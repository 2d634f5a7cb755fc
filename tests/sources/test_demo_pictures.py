"""The pictures of the demo pool: photographs out of installed packages, and our own drawings."""

import io
from pathlib import Path
from typing import Any

import PIL
import pytest
import yaml
from PIL import Image

from pipeline import TAXONOMIES
from pipeline.errors import UserError
from pipeline.licences import spdx
from pipeline.sources import Source
from pipeline.sources.drawings import Drawings
from pipeline.sources.photographs import LICENCES, Photograph, Photographs
from tests.sources.listings import column, listed

NOT_INSTALLED = Photograph("no-such-package", "nowhere/cat.png", "theft", "A cat", "Nobody", "CC0-1.0")

each_source = pytest.mark.parametrize("source", [Photographs(), Drawings()], ids=lambda source: source.name)


def _subcategories(nodes: list[dict[str, Any]]) -> set[str]:
    leaves = {node["id"] for node in nodes if "children" not in node}
    return leaves.union(*(_subcategories(node["children"]) for node in nodes if "children" in node))


@each_source
def test_every_picture_has_a_licence_a_creator_and_an_attribution_that_names_both(source: Source) -> None:
    for row in listed(source):
        assert row["licence"] in LICENCES
        assert spdx(row["licence"]) == row["licence"]
        assert row["creator"]
        assert row["creator"] in row["attribution"]
        assert LICENCES[row["licence"]].partition(",")[0] in row["attribution"]


@each_source
def test_every_subcategory_exists_and_any_prefix_is_spread_out(source: Source) -> None:
    taxonomy = yaml.safe_load((TAXONOMIES / "spa_vl.yaml").read_text(encoding="utf-8"))
    shown_for = column(source, "subcategory")
    assert set(shown_for) <= _subcategories(taxonomy["nodes"])
    assert len(set(shown_for)) == len(shown_for) >= 12


@each_source
def test_every_picture_decodes_at_224_pixels_a_side_or_more(source: Source) -> None:
    for row in listed(source):
        with Image.open(io.BytesIO(source.read(row) or b"")) as image:
            image.load()
            assert min(image.size) >= 224, row["key"]


@each_source
def test_a_key_that_was_not_listed_is_a_missing_file(source: Source) -> None:
    with pytest.raises(FileNotFoundError, match=r"nothing\.png"):
        source.read({"key": "nothing.png"})


@each_source
def test_the_revision_stays_while_nothing_changes(source: Source) -> None:
    assert source.revision() == type(source)().revision()


def test_drawings_are_the_same_bytes_each_time_and_no_two_are_alike() -> None:
    drawings = Drawings()
    rows = listed(drawings)
    first = [drawings.read(row) for row in rows]
    assert [drawings.read(row) for row in rows[::3]] == first[::3]
    assert len(set(first)) == len(rows)


def test_a_missing_package_is_the_users_error_and_names_the_extra() -> None:
    photographs = Photographs((NOT_INSTALLED,))
    for attempt in (
        photographs.revision,
        lambda: list(photographs.listing()),
        lambda: photographs.read({"key": "cat.png"}),
    ):
        with pytest.raises(UserError, match=r"no-such-package.*pip install 'tetrad\[demo\]'"):
            attempt()


def test_a_changed_table_changes_the_revision_and_bytes_are_read_as_shipped() -> None:
    here = Photograph("pillow", "PIL/__init__.py", "theft", "Not a photograph", "Nobody", "CC0-1.0")
    renamed = Photograph("pillow", "PIL/__init__.py", "theft", "Not a photograph", "Somebody", "CC0-1.0")
    assert Photographs((here,)).revision() != Photographs((renamed,)).revision()
    assert Photographs((here,)).read({"key": "__init__.py"}) == Path(PIL.__file__).read_bytes()
