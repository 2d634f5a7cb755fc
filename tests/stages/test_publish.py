"""A release from small tables made by hand: what `datasets` reads in it is what was put in."""

import dataclasses
import io
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from datasets import load_dataset
from PIL import Image as Pillow
from rows import make, table

from pipeline.doors.blobs import Blobs
from pipeline.errors import UserError
from pipeline.licences import ALLOWED
from pipeline.release.rows import Published
from pipeline.stages import publish
from pipeline.tables import Candidate, Comparison, Prompt, Quadruple, Response, Row
from pipeline.workspace import Made

Cells = dict[str, Any]
DATA = "data/train-00000-of-00001.parquet"


@pytest.fixture
def images(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "images")


def jpeg(images: Blobs, colour: str) -> str:
    """Keep a small picture; its SHA-256."""
    buffer = io.BytesIO()
    Pillow.new("RGB", (70, 80), colour).save(buffer, "JPEG")
    return images.keep(buffer.getvalue())


def quadruples(*rows: Cells) -> pl.DataFrame:
    plain = {"kind": "hard_question", "domain": "Domain", "category": "Category", "subcategory": "Subcategory"}
    return table(Quadruple, *(plain | {"id": f"q{n}", "licence": "CC0-1.0"} | row for n, row in enumerate(rows)))


def made(*names: str, of: type[Row] = Quadruple, **changes: Any) -> list[Made]:
    return [
        Made(n, name, "pair", of.__name__, "key", f"sha256 of {name}", 3, 2, {"tie": 1}, {}, 0, 1.5)
        if not changes
        else dataclasses.replace(made(name)[0], number=n, **changes)
        for n, name in enumerate(names, 1)
    ]


def build(
    folder: Path, images: Blobs, rows: pl.DataFrame, pages: list[Made] | None = None, **tables: pl.DataFrame
) -> bool:
    """As the command does: unless it is there."""
    pages = made("quadruples") if pages is None else pages
    if publish.holds(folder, pages):
        return False
    publish.release({"quadruples": rows} | tables, made=pages, images=images, folder=folder, name="small-demo")
    return True


def files(folder: Path) -> Mapping[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def published(folder: Path, config: str = "quadruples") -> pl.DataFrame:
    """All rows of a configuration, with its pictures, by id."""
    return pl.concat(pl.read_parquet(path) for path in sorted((folder / config).glob("*.parquet"))).sort("id")


def loaded(folder: Path, config: str = "quadruples") -> list[Cells]:
    """The same, by `datasets`."""
    splits = load_dataset(str(folder), config, cache_dir=str(folder.with_name("cache")))
    return sorted((row for split in splits.values() for row in split), key=lambda row: str(row["id"]))


def test_datasets_reads_back_what_was_published(tmp_path: Path, images: Blobs) -> None:
    red, blue = jpeg(images, "red"), jpeg(images, "blue")
    rows = quadruples(
        {"image": blue, "question": "Wer? 谁?", "chosen": "a\nb", "sources": ("j", "k"), "strength": 2.5},
        {"image": red, "reviewed": True, "chosen_safety": "safe"},
    )
    assert build(tmp_path / "release", images, rows)
    for row, expected in zip(loaded(tmp_path / "release"), rows.iter_rows(named=True), strict=True):
        sha256 = expected.pop("image")
        picture = row.pop("image")
        assert (picture.mode, picture.size) == ("RGB", (70, 80))
        assert row["image_sha256"] == sha256
        assert row["since"] == "1.0.0"
        assert {name: row[name] for name in expected} == expected


def test_the_published_bytes_are_the_kept_ones(tmp_path: Path, images: Blobs) -> None:
    names = [jpeg(images, colour) for colour in ("red", "green", "blue")]
    build(tmp_path / "release", images, quadruples(*({"image": i} for i in names)))
    rows = published(tmp_path / "release")
    for row in rows.iter_rows(named=True):
        assert row["image"]["bytes"] == images.read(row["image_sha256"])
        assert row["image"]["path"] == f"{row['image_sha256'][:16]}.jpg"
    assert rows["image_sha256"].to_list() == names


@pytest.mark.parametrize("licence", [None, "CC-BY-NC-4.0", "LicenseRef-unknown", "cc0-1.0", ""])
def test_a_picture_that_is_not_free_is_not_published(licence: str | None, tmp_path: Path, images: Blobs) -> None:
    free, other = jpeg(images, "red"), jpeg(images, "blue")
    build(tmp_path / "release", images, quadruples({"image": free}, {"image": other, "licence": licence}))
    rows = published(tmp_path / "release")
    assert rows["image"].is_null().to_list() == [False, True]
    assert rows["image_sha256"].to_list() == [free, other], "but the row is, and names it"
    assert all(images.read(other) not in data for data in files(tmp_path / "release").values())
    assert loaded(tmp_path / "release")[1]["image"] is None
    assert [row["images"] is None for row in loaded(tmp_path / "release", "default")] == [False, True]


def test_every_licence_that_counts_as_free_publishes_the_picture(tmp_path: Path, images: Blobs) -> None:
    red = jpeg(images, "red")
    rows = quadruples(*({"image": red, "licence": licence} for licence in sorted(ALLOWED)))
    build(tmp_path / "release", images, rows)
    assert published(tmp_path / "release")["image"].null_count() == 0


def test_a_release_without_images_has_no_column_for_them(tmp_path: Path, images: Blobs) -> None:
    build(tmp_path / "release", images, quadruples({"image": None, "kind": "given"}))
    [row] = loaded(tmp_path / "release")
    assert "image" not in row
    assert row["image_sha256"] is None
    assert "images" not in loaded(tmp_path / "release", "default")[0]


def test_an_empty_release_still_declares_its_columns(tmp_path: Path, images: Blobs) -> None:
    build(tmp_path / "release", images, quadruples())
    rows = published(tmp_path / "release")
    assert rows.height == 0
    assert set(rows.columns) == set(Published.model_fields) - {"image"}


def test_two_builds_are_the_same_byte_by_byte(tmp_path: Path, images: Blobs) -> None:
    rows = quadruples(*({"image": jpeg(images, c), "sources": (c,)} for c in ("red", "green", "blue")))
    for place, shuffled in (("one", rows), ("two", rows.reverse())):
        build(tmp_path / place, images, shuffled)
    one, two = files(tmp_path / "one"), files(tmp_path / "two")
    assert {"README.md", "manifest.json", "attribution.jsonl", "data/train-00000-of-00001.parquet"} <= set(one)
    assert one == two


def test_the_time_a_table_took_changes_no_byte(tmp_path: Path, images: Blobs) -> None:
    rows = quadruples({"image": None})
    build(tmp_path / "one", images, rows, made("quadruples", seconds=1.0, owed=0))
    build(tmp_path / "two", images, rows, made("quadruples", seconds=99.0, owed=0))
    assert files(tmp_path / "one") == files(tmp_path / "two")


def test_a_second_call_does_nothing(tmp_path: Path, images: Blobs) -> None:
    rows = quadruples({"image": jpeg(images, "red")})
    folder = tmp_path / "release"
    assert build(folder, images, rows) is True
    before = {path: (folder / path).stat().st_mtime_ns for path in files(folder)}
    assert build(folder, images, rows) is False
    assert {path: (folder / path).stat().st_mtime_ns for path in files(folder)} == before


@pytest.mark.parametrize("path", ["README.md", DATA, "manifest.json", "data/of somebody.txt"])
def test_a_release_that_was_touched_is_built_again(path: str, tmp_path: Path, images: Blobs) -> None:
    rows, folder = quadruples({"image": jpeg(images, "red")}), tmp_path / "release"
    build(folder, images, rows)
    whole = files(folder)
    if path == "manifest.json":
        (folder / path).unlink()
    else:
        (folder / path).write_bytes(b"touched")
    assert build(folder, images, rows) is True
    assert files(folder) == whole
    assert not folder.with_name("release.aside").exists()


def test_new_tables_make_a_new_release(tmp_path: Path, images: Blobs) -> None:
    folder = tmp_path / "release"
    build(folder, images, quadruples({"image": None, "question": "Old?"}))
    assert build(folder, images, quadruples({"image": None, "question": "New?"}), made("quadruples", sha256="other"))
    assert published(folder)["question"].to_list() == ["New?"]


def test_a_build_that_broke_off_leaves_nothing_behind(tmp_path: Path, images: Blobs) -> None:
    folder = tmp_path / "release"
    build(folder, images, quadruples({"image": jpeg(images, "red")}))
    before = files(folder)
    with pytest.raises(UserError, match="a kept image is gone"):
        build(folder, images, quadruples({"image": "0" * 64}), made("quadruples", sha256="other"))
    assert files(folder) == before
    assert [p.name for p in tmp_path.iterdir() if "release" in p.name] == ["release"]


def card(folder: Path) -> tuple[Cells, str]:
    text = (folder / "README.md").read_text()
    _, header, body = text.split("---\n", 2)
    return yaml.safe_load(header), body


def test_the_card_says_that_nobody_has_looked(tmp_path: Path, images: Blobs) -> None:
    build(tmp_path / "release", images, quadruples({"image": None}, {"image": None}))
    _, body = card(tmp_path / "release")
    assert "**Unreviewed.**" in body
    assert "People decided" not in body


def test_the_card_says_how_many_pairs_people_decided(tmp_path: Path, images: Blobs) -> None:
    build(tmp_path / "release", images, quadruples({"image": None}, {"image": None, "reviewed": True}, {"image": None}))
    _, body = card(tmp_path / "release")
    assert "People decided 1 of the 3 pairs" in body
    assert "Unreviewed" not in body


def test_the_cards_metadata_is_what_the_hub_wants(tmp_path: Path, images: Blobs) -> None:
    build(tmp_path / "release", images, quadruples({"image": None}))
    header, body = card(tmp_path / "release")
    assert header["pretty_name"] == "small-demo"
    assert header["size_categories"] == ["n<1K"]
    assert header["configs"][0] == {
        "config_name": "default", "default": True, "data_files": [{"split": "train", "path": "data/train-*"}],
    }  # fmt: skip
    assert re.match(header["configs"][0]["data_files"][0]["path"].replace("*", ".*"), DATA)
    assert [info["config_name"] for info in header["dataset_info"]] == [c["config_name"] for c in header["configs"]]
    assert "# small-demo" in body


def test_the_card_counts_what_each_table_kept_and_dropped(tmp_path: Path, images: Blobs) -> None:
    pages = made("responses", considered=9, kept=7, dropped={"empty answer": 1, "too long": 1}, errors={"timeout": 3})
    build(tmp_path / "release", images, quadruples({"image": None}), [*pages, *made("quadruples")])
    _, body = card(tmp_path / "release")
    assert "| 1 responses | 9 | 7 | 1 empty answer; 1 too long | 3 timeout |" in body
    assert "| 1 quadruples | 3 | 2 | 1 tie | 0 |" in body


def test_the_card_counts_classes_respondents_labels_and_licences(tmp_path: Path, images: Blobs) -> None:
    one: Cells = {"image": None, "chosen_respondent": "x", "rejected_respondent": "y"}
    other = one | {"subcategory": "Other", "licence": None, "chosen_safety": "refusal", "rejected_safety": "unsafe"}
    build(tmp_path / "release", images, quadruples(one, one, other))
    _, body = card(tmp_path / "release")
    for line in (
        "| Domain | Category | Subcategory | 2 |",
        "| Domain | Category | Other | 1 |",
        "| hard_question | 3 |",
        "| x | y | 3 |",
        "| refusal | unsafe | 1 |",
        "| — | — | 2 |",
        "| CC0-1.0 | 2 | published |",
        "| — | 1 | named by URL and hash alone |",
    ):
        assert line in body.splitlines(), line


def test_the_card_documents_every_column(tmp_path: Path, images: Blobs) -> None:
    build(tmp_path / "release", images, quadruples({"image": jpeg(images, "red")}))
    columns = published(tmp_path / "release").columns
    _, body = card(tmp_path / "release")
    for name in columns:
        assert f"| {name} | " in body, name


def compared(judge: str, candidate: str, a_first: float | None, b_first: float | None) -> list[Cells]:
    return [
        {"id": f"{judge}{candidate}{first}", "judge": judge, "candidate_id": candidate, "first": first, "strength": s}
        for first, s in (("a", a_first), ("b", b_first))
    ]


def test_the_card_says_how_often_a_judge_follows_the_order(tmp_path: Path, images: Blobs) -> None:
    """`steady` always prefers a; `lazy` prefers what comes first, fails once, and ties once."""
    rows = [
        *(row for c in "cdef" for row in compared("steady", c, 2, 1)),
        *compared("lazy", "c", 1, -1), *compared("lazy", "d", 1, -3), *compared("lazy", "e", 1, None),
        *compared("lazy", "f", 0, 0),
    ]  # fmt: skip
    build(tmp_path / "release", images, quadruples({"image": None}), comparisons=table(Comparison, *rows))
    _, body = card(tmp_path / "release")
    assert "| steady | 50 % of 8 | 100 % of 4 |" in body
    assert "| lazy | 100 % of 5 | 33 % of 3 |" in body


def test_the_manifest_names_every_file_and_every_table(tmp_path: Path, images: Blobs) -> None:
    build(tmp_path / "release", images, quadruples({"image": None}), made("prompts", "quadruples"))
    manifest = json.loads((tmp_path / "release" / "manifest.json").read_text())
    assert len(manifest["inputs"].pop("code")) == 64
    assert manifest["inputs"] == {
        "1_prompts": "sha256 of prompts", "2_quadruples": "sha256 of quadruples", "personal": "mask",
        "shares": '{"train": 0.9, "test": 0.1}',
    }  # fmt: skip
    assert set(manifest["files"]) == set(files(tmp_path / "release")) - {"manifest.json"}


def test_a_quadruple_made_by_hand_has_the_columns_of_the_type() -> None:
    assert quadruples({"image": None}).columns == list(make(Quadruple).model_dump())


def test_every_model_that_had_a_hand_in_it_is_known() -> None:
    tables = [
        table(
            Prompt, {"writer": "m1", "request_id": "r"}, {"writer": "fallback", "request_id": "r"}, {"writer": "web"}
        ),
        table(Response, {"model": "m2", "request_id": "r"}),
        table(Candidate, {}),
    ]
    assert publish.models(t.lazy() for t in tables) == {"m1", "m2"}
