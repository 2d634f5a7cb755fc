"""One version after the other: numbers by rule, rows that stay in their split, and what is gone and why."""

import hashlib
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from drawn import picture
from small import Small, quadruples, without
from tiny import tetrad

from pipeline.errors import UserError
from pipeline.pictures.hashes import hashed
from pipeline.release import versions
from pipeline.release.folder import MANIFEST, Folder

Cells = dict[str, Any]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Small:
    """Not to be changed."""
    return Small(tmp_path_factory.mktemp("first"), 20)


@pytest.fixture(scope="module")
def first(small: Small) -> Folder:
    return small.release()


def next_to(first: Folder, tmp_path: Path, pictures: int = 20, change: Any = None, **options: Any) -> Folder:
    return Small(tmp_path, pictures, change).release("next", base=first.path, **options)


def longer(name: str, row: Cells) -> Cells:
    return row | {"chosen": row["chosen"] + " Sorry."} if name == "Quadruple" and row["id"] == "qp0010" else row


def test_rows_added_make_a_minor_version(first: Folder, tmp_path: Path) -> None:
    made = next_to(first, tmp_path, 24)
    assert (first.version, made.version) == ("1.0.0", "1.1.0")
    assert made.manifest["changelog"] == [
        {"version": "1.1.0", "added": 8, "removed": 0, "changed": 0, "reasons": {}},
        {"version": "1.0.0", "added": 40, "removed": 0, "changed": 0, "reasons": {}},
    ]
    assert made.manifest["base"] == {
        "version": "1.0.0",
        "manifest": hashlib.sha256((first.path / "manifest.json").read_bytes()).hexdigest(),
    }
    assert not (made.path / "removed_ids.txt").exists()
    card = (made.path / "README.md").read_text()
    assert "| 1.1.0 | 8 | 0 | 0 | — |\n| 1.0.0 | 40 | 0 | 0 | — |" in card


def test_rows_stay_where_they_were_and_new_ones_come_behind_them(first: Folder, tmp_path: Path) -> None:
    made = next_to(first, tmp_path, 40)
    was, now = (dict(rows.rows("quadruples").select("id", "split").iter_rows()) for rows in (first, made))
    assert {row: now[row] for row in was} == was
    since = made.rows("quadruples")
    assert dict(since["since"].value_counts().iter_rows()) == {"1.0.0": 40, "1.1.0": 40}
    for config in made.configs:
        for split in ("train", "test"):
            before = first.rows(config).filter(split=split)["id"].to_list()
            after = made.rows(config).filter(split=split)["id"].to_list()
            assert after[: len(before)] == before, (config, split)


def test_nothing_but_text_makes_a_patch(first: Folder, tmp_path: Path) -> None:
    made = next_to(first, tmp_path)
    assert made.version == "1.0.1"
    assert {k: v for k, v in made.manifest["files"].items() if k not in ("README.md", "croissant.json")} == {
        k: v for k, v in first.manifest["files"].items() if k not in ("README.md", "croissant.json")
    }


def test_rows_changed_or_removed_make_a_major_version_and_say_why(first: Folder, tmp_path: Path) -> None:
    changed = next_to(first, tmp_path / "changed", 22, longer)
    assert changed.version == "2.0.0"
    assert changed.manifest["changelog"][0] == {
        "version": "2.0.0", "added": 4, "removed": 0, "changed": 1, "reasons": {"chosen": 1},
    }  # fmt: skip
    dropped = {"overallp0000": "tie"}
    removed = next_to(first, tmp_path / "removed", change=without("qp0000", "qp0011"), dropped=dropped)
    assert removed.version == "2.0.0"
    assert (removed.path / "removed_ids.txt").read_text() == (
        "qp0000\t2.0.0\ttie\nqp0011\t2.0.0\tthe run makes it no more\n"
    )
    third = Small(tmp_path / "third", 20, without("qp0000")).release("third", base=removed.path)
    assert third.version == "2.1.0"
    assert third.removed() == {"qp0000": "tie"}, "who is back is gone no more"
    assert dict(quadruples(third).select("id", "since").iter_rows())["qp0011"] == "2.1.0"


def test_what_was_forgotten_stays_away_from_every_later_version(small: Small, first: Folder, tmp_path: Path) -> None:
    image = small.tables["images"]["id"][0]
    second = next_to(first, tmp_path / "2", forgotten={image})
    assert second.version == "2.0.0"
    assert second.removed() == {"qp0000": "forgotten", "qp0001": "forgotten"}
    assert second.manifest["forgotten"] == sorted([image, small.tables["images"]["original_sha256"][0]])
    third = Small(tmp_path / "3", 21).release("third", base=second.path)
    assert third.version == "2.1.0", "another workspace, which never heard of it"
    assert third.manifest["dropped"] == {"forgotten": 2}
    assert image not in set(third.rows("quadruples")["image_sha256"])
    assert third.removed() == second.removed()


def test_a_picture_that_only_an_earlier_version_held_is_kept_from_every_later_one(
    small: Small, first: Folder, tmp_path: Path
) -> None:
    image, original = small.tables["images"].row(0, named=True)["id"], small.tables["images"]["original_sha256"][0]
    second = next_to(first, tmp_path / "2", change=without("qp0000", "qp0001"))
    third = Small(tmp_path / "3", 20, without("qp0000", "qp0001")).release(
        "third", base=second.path, forgotten={original}
    )
    assert third.manifest["forgotten"] == sorted([image, original])
    fourth = Small(tmp_path / "4", 20).release("fourth", base=third.path)
    assert fourth.manifest["dropped"] == {"forgotten": 2}, "another workspace, which never heard of it"


def test_a_forgotten_picture_that_is_encoded_otherwise_is_known_by_its_original(
    small: Small, first: Folder, tmp_path: Path
) -> None:
    """By another Pillow, say, in another workspace."""
    image = small.tables["images"]["id"][0]
    second = next_to(first, tmp_path / "2", forgotten={image})

    def otherwise(name: str, row: Cells) -> Cells:
        column = {"Image": "id", "Prompt": "image", "Quadruple": "image"}.get(name)
        if column is None or row[column] != image:
            return row
        renamed = {"id": "new" + row["id"], "preference_id": "other"} if name == "Quadruple" else {}
        return row | {column: "e" * 64} | renamed | ({} if name == "Prompt" else {"licence": "CC-BY-NC-4.0"})

    third = Small(tmp_path / "3", 20, otherwise).release("third", base=second.path)
    assert third.manifest["dropped"] == {"forgotten": 2}
    assert "e" * 64 not in set(third.rows("quadruples")["image_sha256"])


def test_a_row_that_was_removed_and_comes_back_is_where_it_was(tmp_path: Path) -> None:
    """So is what shares something with it. The salt says otherwise here: as if it was tried for other rows."""
    shares = {"train": 0.5, "test": 0.5}
    first = Small(tmp_path / "1", 20).release(shares=shares)
    was = dict(first.rows("quadruples").select("id", "split").iter_rows())
    tested = sorted(row for row, split in was.items() if split == "test")
    second = next_to(first, tmp_path / "2", change=without(*tested[1:]), shares=shares)
    third = Small(tmp_path / "3", 20, without(*tested[1:])).release("third", base=second.path, shares=shares)
    page = third.path / MANIFEST
    salt = third.manifest["splits"]["salt"]
    page.write_text(page.read_text().replace(f'"salt": {salt}', f'"salt": {salt + 1}'))
    shown = first.rows("quadruples").filter(id=tested[-1])["page_url"][0]

    def beside(name: str, row: Cells) -> Cells:
        return row | {"page_url": shown} if name == "Image" and row["key"] == "20" else row

    fourth = Small(tmp_path / "4", 21, beside).release("fourth", base=third.path, shares=shares)
    now = dict(fourth.rows("quadruples").select("id", "split").iter_rows())
    assert {row: now[row] for row in was} == was
    assert now["qp0200"] == "test"
    assert not (fourth.path / "removed_rows.jsonl").exists(), "all are back"
    told = (third.path / "removed_rows.jsonl").read_text()
    assert "page.example" not in told, "only hashes are kept"


def test_a_row_that_would_link_two_splits_is_left_out(first: Folder, tmp_path: Path) -> None:
    rows = first.rows("quadruples")
    pages = {split: rows.filter(split=split)["page_url"][0] for split in ("train", "test")}
    group = rows.filter(split="train")["group"][0]

    def linking(name: str, row: Cells) -> Cells:
        if name == "Image" and row["key"] == "20":
            return row | {"page_url": pages["test"]}
        return row | {"group": group} if name == "Quadruple" and row["id"] == "qp0201" else row

    made = next_to(first, tmp_path, 21, linking)
    assert made.manifest["dropped"] == {"would link two splits": 1}
    where = dict(made.rows("quadruples").select("id", "split").iter_rows())
    assert where["qp0200"] == "test"
    assert "qp0201" not in where


def test_a_near_duplicate_of_a_published_picture_goes_where_that_is(tmp_path: Path) -> None:
    """The new run knows nothing of the old one's pictures: they are known again by their fingerprints."""

    def fingerprinted(name: str, row: Cells) -> Cells:
        if name != "Image":
            return row
        number = int(row["key"])
        drawn = picture(f"{number % 20}")
        if number >= 20:
            drawn = drawn.resize((300, 240))
        return row | {"fingerprint": hashed(drawn), "page_url": None}

    first = Small(tmp_path / "first", 20, fingerprinted).release()
    made = Small(tmp_path / "next", 40, fingerprinted).release("next", base=first.path)
    where = dict(made.rows("quadruples").select("id", "split").iter_rows())
    assert set(where.values()) == {"train", "test"}
    for number in range(20):
        assert where[f"qp{number:03}0"] == where[f"qp{number + 20:03}0"], number


def test_diff_tells_what_changed_by_class_and_why(first: Folder, tmp_path: Path) -> None:
    made = next_to(first, tmp_path, 21, lambda n, r: longer(n, r) and without("qp0000")(n, longer(n, r)))
    done = tetrad("release", "diff", first.path, made.path, "--rows")
    assert done.code == 0, done.err
    lines = [" ".join(line.split()) for line in done.out.splitlines()]
    assert lines[0] == "v1.0.0 → v2.0.0: 2 added, 1 removed, 1 changed"
    for line in (
        "added Domain / Category / Sub 2 2", "changed Domain / Category / Sub 1 1", "removed Domain / Category / Sub 0 1",
        "1 the run makes it no more", "1 chosen", "added qp0200", "removed qp0000 the run makes it no more", "changed qp0010 chosen",
    ):  # fmt: skip
        assert line in lines, line
    back = tetrad("release", "diff", made.path, first.path)
    assert back.out.startswith("v2.0.0 → v1.0.0: 1 added, 2 removed, 1 changed")


@pytest.mark.parametrize("text", ["1.0", "v1", "1.0.0-rc1", "", "one"])
def test_what_is_no_version_is_one_line_for_the_user(text: str) -> None:
    with pytest.raises(UserError, match="is no version"):
        versions.parts(text)


def test_versions_are_ordered_by_number(first: Folder, tmp_path: Path) -> None:
    """1.10.0 comes behind 1.9.0."""
    shutil.copytree(first.path, tmp_path / "1.8.0")
    page = tmp_path / "1.8.0" / MANIFEST
    page.write_text(page.read_text().replace('"version": "1.0.0"', '"version": "1.8.0"'))
    ninth = Small(tmp_path / "9", 22).release("next", base=tmp_path / "1.8.0")
    tenth = Small(tmp_path / "10", 23).release("next", base=ninth.path)
    assert tenth.version == "1.10.0"
    since = tenth.rows("quadruples").filter(split="train")["since"].unique(maintain_order=True).to_list()
    assert since == sorted(since, key=versions.parts)
    assert since[-2:] == ["1.9.0", "1.10.0"], "which a sort of words would put the other way round"


def test_a_folder_that_is_no_release_is_one_line_for_the_user(tmp_path: Path, first: Folder) -> None:
    for command in (
        ("diff", tmp_path, first.path),
        ("export", tmp_path, tmp_path / "x", "--to", "spa-vl"),
        ("hydrate", tmp_path),
    ):
        done = tetrad("release", *command)
        assert (done.code, done.err.count("\n")) == (2, 1)
        assert "is no release: it has no manifest.json" in done.err


def test_changes_of_nothing_are_none() -> None:
    rows = pl.DataFrame({"id": ["a"], "x": [None]}, schema={"id": pl.String, "x": pl.String})
    assert versions.changes(rows, rows, {}).is_empty()
