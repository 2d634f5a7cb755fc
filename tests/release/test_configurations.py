"""Every configuration is read by `datasets` from the folder alone, and says what the run said."""

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest
from datasets import DatasetDict, load_dataset
from PIL import Image as Pillow
from small import Small, quadruples, without

from pipeline.errors import UserError
from pipeline.release import parquet
from pipeline.release.bare import bare
from pipeline.release.folder import Folder
from pipeline.release.splits import crossing

CONFIGS = ["default", "quadruples", "kto", "reward", "listwise", "dual", "candidates"]


def loaded(release: Folder, config: str) -> DatasetDict:
    return load_dataset(str(release.path), config, cache_dir=str(release.path.with_name("cache")))


@pytest.mark.parametrize("config", CONFIGS)
def test_each_configuration_loads_alone_with_train_and_test(config: str, release: Folder) -> None:
    found = loaded(release, config)
    assert list(found) == ["train", "test"]
    about = release.manifest["configs"][config]
    assert {split: rows.num_rows for split, rows in found.items()} == about["splits"]
    assert found["train"].features._to_yaml_list() == about["features"]
    rows = release.rows(config)
    assert rows["id"].n_unique() == rows.height
    assert {row["id"] for split in found.values() for row in split} == set(rows["id"])


def row(release: Folder, config: str, name: str) -> dict[str, Any]:
    return next(row for split in loaded(release, config).values() for row in split if row["id"] == name)


def test_the_default_is_what_dpo_trainers_read(release: Folder) -> None:
    found = row(release, "default", "qp0031")
    assert list(found) == ["id", "images", "image_sha256", "prompt", "chosen", "rejected"]
    assert found["prompt"] == [{"role": "user", "content": "What is shown in picture 3, and why (hard_question)?"}]
    assert found["chosen"] == [{"role": "assistant", "content": "I cannot say that of 3."}]
    assert found["rejected"] == [{"role": "assistant", "content": "Steal 3 of them."}]
    [picture] = found["images"]
    assert (picture.size, picture.mode) == ((75, 80), "RGB")


def test_kto_has_each_response_by_its_own_safety(release: Folder) -> None:
    assert row(release, "kto", "ap0031")["label"] is True, "a refusal is safe"
    found = row(release, "kto", "bp0031")
    assert found["label"] is False
    assert found["completion"] == [{"role": "assistant", "content": "Steal 3 of them."}]
    assert len(found["images"]) == 1


def test_kto_leaves_out_what_nobody_labelled(tmp_path: Path) -> None:
    def unlabelled(name: str, row: dict[str, Any]) -> dict[str, Any]:
        return row | {"chosen_safety": None} if name == "Quadruple" else row

    made = Small(tmp_path, 4, unlabelled).release()
    about = made.manifest["configs"]["kto"]
    assert (sum(about["splits"].values()), about["left_out"]) == (8, {"no safety label": 8})
    assert not made.rows("kto")["label"].any()


def test_reward_has_two_conversations_and_a_margin(release: Folder) -> None:
    found = row(release, "reward", "qp0000")
    assert found["margin"] == 2.0
    assert [m["role"] for m in found["chosen"]] == [m["role"] for m in found["rejected"]] == ["user", "assistant"]
    assert "images" not in found


def test_dual_says_which_is_better_and_which_is_safer(release: Folder) -> None:
    found = row(release, "dual", "qp0000")
    assert (found["response_0_id"], found["response_1_id"]) == ("ap0000", "bp0000")
    assert (found["safer_response_id"], found["safer_by"]) == (0, 2.0)
    assert (found["better_response_id"], found["better_by"]) == (1, 1.0)
    assert (found["is_response_0_safe"], found["is_response_1_safe"]) == (True, False)


def test_listwise_has_the_best_first(release: Folder) -> None:
    found = row(release, "listwise", "p0000")
    assert found["best"] == found["responses"][0]["text"] == "I cannot say that of 0."
    assert [r["id"] for r in found["responses"]] == ["ap0000", "bp0000"]
    assert found["responses"][0]["worth"] > found["responses"][1]["worth"]


def test_a_list_that_says_otherwise_than_the_pair_is_left_out(tmp_path: Path) -> None:
    """The pair's preference is not in the table any more, and the comparisons say the contrary."""

    def turned(name: str, row: dict[str, Any]) -> dict[str, Any] | None:
        if row.get("prompt_id") != "p0000" or name not in ("Comparison", "Preference"):
            return row
        return row | {"strength": -2.0} if name == "Comparison" else None

    made = Small(tmp_path, 4, turned).release()
    assert made.manifest["configs"]["listwise"]["left_out"] == {"the pair says otherwise": 1}
    assert "p0000" not in set(made.rows("listwise")["id"])


def test_lists_go_by_what_tells_of_most_responses(tmp_path: Path) -> None:
    """By what was settled; else by comparisons; else by scores."""
    gone = ("Preference",), ("Preference", "Comparison")
    settled, compared, scored = (
        Small(tmp_path / f"{n}", 4, lambda name, row, gone=names: None if name in gone else row)
        .release()
        .rows("listwise")
        for n, names in enumerate(((), *gone))
    )
    worth = [[r["worth"] for r in rows["responses"][0]] for rows in (settled, compared, scored)]
    assert worth[0] == [2.0, -2.0]
    assert worth[1][0] == -worth[1][1] > 0.5
    assert worth[2] == [1.0, 0.25]


def test_candidates_are_all_responses_with_all_scores(release: Folder) -> None:
    found = row(release, "candidates", "bp0000")
    assert (found["text"], found["safety"], found["score"]) == ("Steal 0 of them.", "unsafe", 0.25)
    [said] = found["judgments"]
    assert (said["criterion"], said["score"], said["label"]) == ("safety", 0.25, "unsafe")
    assert found["image_sha256"] == row(release, "quadruples", "qp0000")["image_sha256"]


def test_text_alone_has_no_column_of_pictures(tmp_path: Path) -> None:
    made = Small(
        tmp_path, 3, lambda name, row: row | {"image": None, "group": None} if name == "Quadruple" else row
    ).release()
    assert [made.picture(config) for config in made.configs] == [None] * len(made.configs)
    assert "images" not in loaded(made, "default")["train"].column_names


def test_rows_of_one_page_or_seed_or_picture_share_a_split(release: Folder) -> None:
    rows = release.rows("quadruples")
    for column in ("page_url", "seed", "image_sha256", "group"):
        assert rows.group_by(column).agg(pl.col("split").n_unique())["split"].to_list() == [1] * rows[column].n_unique()
    wrong = rows.group_by("page_url").agg(pl.col("image_sha256").n_unique())
    assert wrong["image_sha256"].max() == 2, "or the test tells nothing"


def test_two_builds_are_the_same_byte_by_byte_whatever_the_order(small: Small, release: Folder, tmp_path: Path) -> None:
    again = Small(tmp_path)
    again.tables = {name: rows.sample(fraction=1, shuffle=True, seed=1) for name, rows in again.tables.items()}
    again.made = small.made
    assert again.release().manifest["files"] == release.manifest["files"]


def test_the_manifest_has_the_hash_of_every_file(release: Folder) -> None:
    files = {p.relative_to(release.path).as_posix(): p for p in release.path.rglob("*") if p.is_file()}
    del files["manifest.json"]
    assert release.manifest["files"] == {
        n: hashlib.sha256(p.read_bytes()).hexdigest() for n, p in sorted(files.items())
    }
    assert release.manifest["rows"] == 24


def test_every_image_is_attributed(release: Folder) -> None:
    lines = [json.loads(line) for line in (release.path / "attribution.jsonl").read_text().splitlines()]
    assert {line["image_sha256"] for line in lines} == set(release.rows("quadruples")["image_sha256"])
    by_url = {line["url"]: line for line in lines}
    assert by_url["http://pictures.example/3"] | {"image_sha256": ""} == {
        "image_sha256": "", "published": True, "licence": "CC-BY-4.0", "attribution": "Somebody 3", "creator": "Maker 3",
        "url": "http://pictures.example/3", "page": "http://page.example/1", "changes": ["re-encoded"],
    }  # fmt: skip


def test_the_pictures_lie_as_datasets_lays_them(release: Folder, tmp_path: Path) -> None:
    """Of the same rows `datasets` writes the same: codecs, encodings, metadata; and there is a page index."""
    [ours] = (release.path / "data").glob("train-*.parquet")
    theirs = tmp_path / "theirs.parquet"
    loaded(release, "default")["train"].to_parquet(theirs)
    assert pq.read_table(ours).equals(pq.read_table(theirs), check_metadata=True)
    one, other = (pq.ParquetFile(path) for path in (ours, theirs))
    assert one.metadata.metadata.keys() == other.metadata.metadata.keys()
    for n in range(one.metadata.num_columns):
        a, b = (file.metadata.row_group(0).column(n) for file in (one, other))
        for name in ("path_in_schema", "compression", "encodings", "has_offset_index", "has_column_index"):
            assert getattr(a, name) == getattr(b, name), (a.path_in_schema, name)
    column = one.metadata.row_group(0).column(1)
    assert (column.path_in_schema, column.compression) == ("images.list.element.bytes", "UNCOMPRESSED")


def test_groups_and_files_have_their_sizes(small: Small, release: Folder, tmp_path: Path) -> None:
    rows = release.rows("quadruples").drop("split")
    files = {name: small.images.path(name) for name in rows["image_sha256"]}
    parts = parquet.write(rows, "image", files, tmp_path, "train", most=(6_000, 15_000))
    assert len(parts) > 1
    assert [p.name for p in parts] == [f"train-{n:05}-of-{len(parts):05}.parquet" for n in range(len(parts))]
    for part in parts:
        metadata = pq.ParquetFile(part).metadata
        groups = [metadata.row_group(n).column(1) for n in range(metadata.num_row_groups)]
        assert len(groups) > 1
        assert max(group.total_compressed_size for group in groups) < 6_000
    assert pl.concat(pl.read_parquet(p, columns=["id"]) for p in parts)["id"].to_list() == rows["id"].to_list()


def test_a_picture_with_metadata_is_never_published(tmp_path: Path) -> None:
    small = Small(tmp_path, 2)
    buffer = io.BytesIO()
    Pillow.new("RGB", (80, 80)).save(buffer, "JPEG", comment=b"where I live")
    spied = small.images.keep(buffer.getvalue())
    small.tables["quadruples"] = small.tables["quadruples"].with_columns(image=pl.lit(spied))
    with pytest.raises(UserError, match="a kept image is not what was kept"):
        small.release()
    assert not (tmp_path / "release").exists()


def test_what_is_bare_and_what_is_not() -> None:
    picture = Pillow.new("RGB", (8, 8))
    exif = Pillow.Exif()
    exif[0x010E] = "a description"

    def saved(form: str, **options: Any) -> bytes:
        buffer = io.BytesIO()
        picture.save(buffer, form, **options)
        return buffer.getvalue()

    assert bare(saved("JPEG"))
    assert bare(saved("JPEG", progressive=True))
    assert bare(saved("PNG"))
    for more in (
        saved("JPEG", exif=exif), saved("JPEG", comment=b"x"), saved("JPEG", icc_profile=b"x" * 200), saved("JPEG", xmp=b"<x/>"),
        saved("JPEG") + b"more", saved("PNG", exif=exif), saved("WEBP", exif=exif), saved("PNG", icc_profile=b"x" * 200),
    ):  # fmt: skip
        assert not bare(more)


def test_personal_data_is_masked_everywhere_and_counted(tmp_path: Path) -> None:
    def private(name: str, row: dict[str, Any]) -> dict[str, Any]:
        if name == "Quadruple" and row["id"] == "qp0000":
            return row | {"chosen": "Write to jane@example.org."}
        return row | {"text": "Write to jane@example.org."} if name == "Response" and row["id"] == "ap0000" else row

    made = Small(tmp_path, 4, private).release()
    assert made.manifest["personal"] == {"e-mail": 1}
    for config in made.configs:
        assert "jane" not in made.rows(config).write_json()
    assert quadruples(made)["chosen"][0] == "Write to [e-mail]."
    dropped = Small(tmp_path / "drop", 4, private).release(personal="drop")
    assert dropped.manifest["dropped"] == {"personal data": 1}
    assert pl.read_parquet(tmp_path / "drop" / "release.dropped.parquet")["id"].to_list() == ["qp0000"]


def test_what_stands_in_a_benchmark_is_left_out(tmp_path: Path) -> None:
    bench = tmp_path / "bench.txt"
    bench.write_text("What is shown in picture 2, and why (hard_question)?\n" + f"{5:064x}\n")
    small = Small(tmp_path, 6, lambda n, r: r | {"fingerprint": "0" * 1024} if n == "Image" else r)
    made = small.release(avoid=(bench,))
    gone = set(small.tables["quadruples"]["id"]) - set(quadruples(made)["id"])
    assert gone == {"qp0021", "qp0050", "qp0051"}
    assert made.manifest["dropped"] == {"stands in bench": 3}


def test_images_without_bytes_are_stubs(tmp_path: Path) -> None:
    """Those under a licence that forbids it, and those that were never fetched."""

    def changed(name: str, row: dict[str, Any]) -> dict[str, Any]:
        number = row.get("url", row.get("image_url", "")).rpartition("/")[2]
        if number == "1":
            return row | {"licence": "CC-BY-NC-4.0"}
        if number == "2" and name == "Image":
            return row | {"width": 0, "height": 0, "original_sha256": "", "fingerprint": ""}
        return row

    small = Small(tmp_path, 6, changed)
    stub = next(i for i, url in small.tables["images"].select("id", "url").iter_rows() if url.endswith("/2"))
    small.images.discard(stub)
    made = small.release()
    assert made.manifest["images"] == {"published": 4, "stubs": 2, "checked": 4, "with_metadata": 0}
    rows = quadruples(made).select("id", "image_url", "image_sha256", "original_sha256")
    assert rows.null_count().row(0) == (0, 0, 0, 2)
    for config, column in (("default", "images"), ("quadruples", "image"), ("kto", "images")):
        found = [row for split in loaded(made, config).values() for row in split]
        assert sum(row[column] is None for row in found) == (8 if config == "kto" else 4)
    small.images.discard(small.tables["images"]["id"][0])
    with pytest.raises(UserError, match="a kept image is gone"):
        small.release("again")


def test_what_two_splits_share_is_found(release: Folder) -> None:
    rows = release.rows("quadruples")
    columns = ("id", "image_sha256", "page_url", "seed")
    assert list(crossing(rows, columns)) == []
    other = rows.head(1).with_columns(
        split=pl.lit("test"), id=pl.lit("zz"), image_sha256=pl.lit(None), seed=pl.lit(None)
    )
    [hit] = crossing(pl.concat([rows, other]), columns)
    assert hit.startswith(f"the page_url {rows['page_url'][0]}, for example in the row q")


def test_without_makes_a_difference(tmp_path: Path) -> None:
    assert quadruples(Small(tmp_path, 3, without("qp0000")).release()).height == 5
