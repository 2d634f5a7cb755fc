"""Parquet files of images, or of their addresses, with or without embeddings."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import UserError
from pipeline.sources import Embedded, Source
from pipeline.sources.parquet import Parquet
from pipeline.sources.parts.cells import LONGEST, LONGEST_URL, TEXTS, Cells, table
from pipeline.sources.parts.presets import guessed
from pipeline.sources.parts.slot import Slot
from pipeline.sources.vectors import ParquetWithVectors
from pipeline.tables import Listed
from tests.sources.listings import SAYINGS, column, listed, picture

LAION = {
    "URL": "http://a.example/1.jpg",
    "TEXT": "A cat",
    "WIDTH": 300,
    "HEIGHT": 400,
    "similarity": 0.3,
    "punsafe": 0.1,
}
"""A row of LAION-5B's metadata."""


def write(path: Path, *rows: dict[str, Any], group: int = 1000, schema: pa.Schema | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist([*rows], schema), path, row_group_size=group)
    return path


def hf(data: bytes | None, path: str | None = None) -> dict[str, Any]:
    """An image as `datasets` writes it."""
    return {"bytes": data, "path": path}


def test_laions_columns_are_known_in_capitals_or_not(tmp_path: Path) -> None:
    new = {"url": "http://a.example/2.jpg", "text": "A dog", "similarity": 0.4, "license": "CC BY 4.0"}
    for name, row in (("old", LAION | {"LICENSE": "?"}), ("new", new)):
        write(tmp_path / f"{name}.parquet", row)
    rows = listed(Parquet(tmp_path))
    assert [row["url"] for row in rows] == ["http://a.example/2.jpg", "http://a.example/1.jpg"]
    assert [row["caption"] for row in rows] == ["A dog", "A cat"]
    assert [row["licence"] for row in rows] == ["CC-BY-4.0", None]
    assert [row["key"] for row in rows] == ["new/00000000", "old/00000000"]
    assert [Parquet(tmp_path).read(row) for row in rows] == [None, None]
    assert {(row["text"], row["attribution"], row["place"]) for row in rows} == {(None, None, None)}


def test_img2datasets_columns_are_known_and_its_bytes_are_read(tmp_path: Path) -> None:
    row = {"key": "000000001", "url": "http://a.example/1.jpg", "caption": "A cat", "status": "success", "width": 256,
           "original_width": 900, "original_height": 800, "jpg": picture("red")}  # fmt: skip
    write(tmp_path / "00000.parquet", row, row | {"status": "failed_to_download", "jpg": None})
    source = Parquet(tmp_path / "*.parquet", smallest=512)
    first, second = listed(source)
    assert (first["url"], first["caption"]) == ("http://a.example/1.jpg", "A cat")
    assert source.read(first) == picture("red")
    with pytest.raises(FileNotFoundError, match="no bytes"):
        source.read(second)
    assert guessed(pq.read_schema(tmp_path / "00000.parquet"))["width"] == "original_width"


@pytest.mark.parametrize("kind", ["bytes", "struct", "list"])
def test_bytes_are_read_out_of_their_row_group_by_many_threads(tmp_path: Path, kind: str) -> None:
    def cell(number: int) -> object:
        image = hf(b"%d" % number, f"folder/{number}.jpg")
        return {"bytes": image["bytes"], "struct": image, "list": [image, hf(b"another")]}[kind]

    for file in range(2):
        rows = [{"image": cell(file * 100 + number), "label": "theft"} for number in range(100)]
        write(tmp_path / "data" / f"train-{file}.parquet", *rows, group=7)
    source = Parquet(tmp_path, {"image": "image", "subcategory": "label"})
    rows = listed(source)
    with ThreadPoolExecutor(8) as threads:
        assert [*threads.map(source.read, rows)] == [b"%d" % number for number in range(200)]
    assert rows[101]["place"] == "data/train-1.parquet#0:1"
    assert rows[110]["place"] == "data/train-1.parquet#1:3"
    assert rows[101]["key"] == "data/train-1/00000001" + ("-101.jpg" if kind == "struct" else "")
    assert {row["subcategory"] for row in rows} == {"theft"}


def test_a_thing_that_many_threads_want_is_made_once_and_the_two_used_last_stay() -> None:
    made: list[str] = []
    all_here = threading.Barrier(8)

    def make(name: str) -> str:
        made.append(name)
        return name.upper()

    slot = Slot(make)

    def want(name: str) -> str:
        all_here.wait(10)
        return slot(name)

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(want, "a" * 8)) == {"A"}
    assert [slot(name) for name in "abbcaacb"] == [*"ABBCAACB"]
    assert made == ["a", "b", "c", "a", "b"]


def test_what_cannot_be_made_leaves_the_next_thread_its_turn() -> None:
    def make(number: int) -> float:
        return 1 / number

    slot = Slot(make)
    for number in (0, 0, 2):
        if number:
            assert slot(number) == 0.5
        else:
            with pytest.raises(ZeroDivisionError):
                slot(number)


def test_several_columns_of_classes_count_from_the_deepest_and_are_translated(tmp_path: Path) -> None:
    rows = [
        ("Toxicity", "Hate", "Insult"),
        ("Toxicity", "Hate", None),
        ("Misuse", "", ""),
        (None, None, None),
        ("Odd", None, None),
    ]
    path = write(tmp_path / "x.parquet", *({"url": "http://a", "1": a, "2": b, "3": c} for a, b, c in rows))
    columns: dict[str, str | tuple[str, ...]] = {"url": "url", "subcategory": ("1", "2", "3")}
    assert column(Parquet(path, columns), "subcategory") == ["Insult", "Hate", "Misuse", None, "Odd"]
    classes = {"Hate": "hate_speech", "Misuse": None}
    assert column(Parquet(path, columns, classes=classes), "subcategory") == [
        "Insult",
        "hate_speech",
        None,
        None,
        "Odd",
    ]


def test_what_is_known_to_be_small_or_unsafe_is_not_listed(tmp_path: Path) -> None:
    cells: list[dict[str, Any]] = [
        {},
        {"WIDTH": 63},
        {"HEIGHT": 63},
        {"WIDTH": None},
        {"punsafe": 0.9},
        {"punsafe": None},
    ]
    write(tmp_path / "x.parquet", *(LAION | {"TEXT": str(n)} | cell for n, cell in enumerate(cells)))
    assert column(Parquet(tmp_path, smallest=64), "caption") == ["0", "3", "4", "5"]
    assert column(Parquet(tmp_path, most_unsafe=0.5), "caption") == ["0", "1", "2", "3"]
    assert column(Parquet(tmp_path, smallest=64, most_unsafe=0.5), "caption") == ["0", "3"]
    assert column(Parquet(tmp_path, smallest=9999, most_unsafe=0.0), "caption") == []


@pytest.mark.parametrize("flags", [["UNLIKELY", "UNSURE", "NSFW", None, "?"], [False, True, None]])
def test_flags_in_words_are_probabilities_too(tmp_path: Path, flags: list[Any]) -> None:
    row = {name: value for name, value in LAION.items() if name != "punsafe"}
    write(tmp_path / "x.parquet", *(row | {"NSFW": flag, "TEXT": str(flag)} for flag in flags))
    assert column(Parquet(tmp_path, most_unsafe=0.2), "caption") == [str(flags[0])]
    assert len(listed(Parquet(tmp_path))) == len(flags)


def test_hostile_cells_are_made_plain(tmp_path: Path) -> None:
    broken = pa.Array.from_buffers(pa.string(), 2, pa.array([b"\xff\xfe caption", b"x" * 10_000_000]).buffers())
    addresses = ["http://a.example/\n1.jpg", "http://a.example/" + "x" * 100_000]
    numbers, nested = pa.array([7, None]), pa.array([[{"a": 1}], []])
    hostile = pa.table(
        {"url": addresses, "caption": broken, "creator": numbers, "text": nested, "licence": [b"\0", b""]}
    )
    pq.write_table(hostile, tmp_path / "x.parquet")
    first, second = listed(Parquet(tmp_path))
    assert first["caption"] == "\ufffd\ufffd caption"
    assert second["caption"] == "x" * LONGEST
    assert (first["url"], second["url"]) == (None, None)
    assert (first["creator"], first["text"], first["licence"]) == ("7", None, None)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(TEXTS, SAYINGS)), min_size=1))
def test_no_text_of_a_stranger_gets_into_a_listing_unprintable_or_too_long(rows: list[dict[str, str]]) -> None:
    told = [{name: text.encode("utf-8", "replace").decode() for name, text in row.items()} for row in rows]
    cells = Cells({name: name for name in TEXTS})
    made = cells.listed(table(told, TEXTS), "source", pl.int_range(pl.len()).cast(pl.String))
    assert dict(made.schema) == Listed.columns()
    assert made.height == len(rows)
    for cell in (cell for row in made.to_dicts() for cell in row.values() if cell is not None):
        assert 0 < len(cell) <= LONGEST_URL
        assert not {"\0", "\n", "\u202e"} & set(cell)


def test_a_column_that_is_not_there_or_not_known_or_not_told_is_the_users_to_mend(tmp_path: Path) -> None:
    path = write(tmp_path / "x.parquet", {"link": "http://a", "words": "x"})
    twice = tmp_path / "twice.parquet"
    pq.write_table(pa.table([["http://a"], ["http://b"]], ["url", "url"]), twice)
    faults: list[tuple[Source, str]] = [
        (Parquet(path), "which column is url or image"),
        (Parquet(path, {"url": "URL"}), "has no column URL, or more than one; it has link, words"),
        (Parquet(path, {"url": "link", "colour": "words"}), "no column colour can be told; there are subcategory, url"),
        (Parquet(path, {"url": "link"}, smallest=64), "which column is height, width"),
        (Parquet(path, {"url": "link"}, most_unsafe=0.5), "which column is unsafe"),
        (Parquet(twice, {"url": "url"}), "more than one"),
        (Parquet(tmp_path / "nowhere"), r"no file \*.parquet at .*nowhere"),
        (Parquet(tmp_path / "y*.parquet"), "no file"),
        (
            ParquetWithVectors(path, {"url": "link"}, model="clip", embedding="words"),
            "no vectors of floats, but string",
        ),
        (ParquetWithVectors(path, {"url": "link"}, model="clip", embedding="nowhere"), "has no column nowhere"),
        (ParquetWithVectors(path, {"url": "link"}, model="clip"), "name the column of vectors"),
    ]
    for source, words in faults:
        with pytest.raises(UserError, match=words) as raised:
            list(source.vectors() if isinstance(source, ParquetWithVectors) else source.listing())
        assert "\n" not in str(raised.value)


def test_a_file_that_is_no_parquet_or_torn_is_the_users_to_mend_and_a_row_of_it_not_read(tmp_path: Path) -> None:
    path = write(tmp_path / "x.parquet", *({"image": picture()[:-1] + bytes([n])} for n in range(50)), group=10)
    source = Parquet(path)
    rows = listed(source)
    sound = path.read_bytes()
    for broken in (b"", b"PAR1", sound[:-100], b"no parquet at all" * 9):
        path.write_bytes(broken)
        with pytest.raises(UserError, match="no sound Parquet file"):
            listed(Parquet(path))
        with pytest.raises(OSError, match=r"\w"):
            Parquet(path).read(rows[0])
    path.write_bytes(sound)
    assert source.read(rows[49]) == picture()[:-1] + bytes([49])
    for place in ("x.parquet#9:0", "x.parquet#0:99", "y.parquet#0:0"):
        with pytest.raises(OSError, match=r"\w"):
            source.read(rows[0] | {"place": place})


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_damage_anywhere_in_a_file_ends_in_one_line_or_in_rows_that_are_not_read(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("damaged") / "x.parquet"
    write(path, *({"image": hf(picture(), "a.png"), "caption": "words"} for _ in range(5)))
    content = bytearray(path.read_bytes())
    for place in data.draw(st.lists(st.integers(4, len(content) - 1), min_size=1, max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    source = Parquet(path)
    with suppress(UserError):
        for row in listed(source):
            with suppress(OSError):
                assert isinstance(source.read(row), bytes)


def test_a_file_whose_name_is_not_text_is_read(tmp_path: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9#:1.parquet"))
    source = Parquet(write(tmp_path / "x.parquet", {"image": b"a"}).rename(odd).parent)
    [row] = listed(source)
    assert (row["key"], source.read(row)) == ("caf\\udce9#:1/00000000", b"a")


def test_the_revision_changes_with_the_files_and_with_what_is_asked_of_them(tmp_path: Path) -> None:
    write(tmp_path / "x.parquet", LAION)
    seen = {Parquet(tmp_path).revision(), Parquet(tmp_path, classes={}).revision()}
    assert len(seen) == 1
    asked: list[dict[str, Any]] = [
        {"smallest": 1},
        {"most_unsafe": 1.0},
        {"licence": "CC0"},
        {"columns": {"url": "URL"}},
    ]
    seen |= {Parquet(tmp_path, **what).revision() for what in [*asked, {"classes": {"a": "b"}}]}
    for model, column_of_vectors in (("clip", "e"), ("siglip", "e"), ("clip", "f")):
        seen.add(ParquetWithVectors(tmp_path, model=model, embedding=column_of_vectors).revision())
    write(tmp_path / "y.parquet", LAION)
    seen.add(Parquet(tmp_path).revision())
    assert len(seen) == 10


def test_only_a_source_with_vectors_says_that_it_has_them(tmp_path: Path) -> None:
    assert not isinstance(Parquet(tmp_path), Embedded)
    assert isinstance(ParquetWithVectors(tmp_path, model="clip", embedding="e"), Embedded)


@pytest.mark.parametrize(
    "kind", [pa.list_(pa.float32()), pa.list_(pa.float16()), pa.large_list(pa.float64()), pa.list_(pa.float32(), 2)]
)
def test_vectors_of_a_column_stand_beside_the_rows_that_are_listed(tmp_path: Path, kind: pa.DataType) -> None:
    vectors = [None, [1.0, 2.0], [3.0, float("nan")], [5.0, 6.0], [7.0, 8.0]]
    if not pa.types.is_fixed_size_list(kind):
        vectors += [[9.0], [1.0, 2.0, 3.0], []]
    schema = pa.schema([("url", pa.string()), ("width", pa.int32()), ("height", pa.int32()), ("e", kind)])
    rows = [{"url": f"http://a/{n}", "width": 50 * n, "height": 900, "e": v} for n, v in enumerate(vectors)]
    for file in range(2):
        write(tmp_path / f"{file}.parquet", *rows, schema=schema)
    whole = ParquetWithVectors(tmp_path, model="clip", embedding="e")
    some = ParquetWithVectors(tmp_path, model="clip", embedding="e", smallest=60)
    for source, start in ((whole, 0), (some, 2)):
        matrices = [*source.vectors()]
        assert [len(matrix) for matrix in matrices] == [frame.height for frame in source.listing()]
        assert {matrix.dtype for matrix in matrices} == {np.dtype(np.float32)}
        expected = [[0, 0], [1, 2], [0, 0], [5, 6], [7, 8], [0, 0], [0, 0], [0, 0]][start : len(vectors)]
        assert np.concatenate(matrices).tolist() == expected * 2


def test_vectors_of_npy_files_follow_the_rows_over_the_ends_of_files(tmp_path: Path) -> None:
    rows, place = 40_000, 0
    for number, size in enumerate((10_000, 5, 29_995)):
        cells = {
            "url": [f"http://a/{n}" for n in range(place, place + size)],
            "width": [n % 7 for n in range(place, place + size)],
        }
        pq.write_table(
            pa.table(cells | {"height": [9] * size}), tmp_path / f"metadata_{number}.parquet", row_group_size=3000
        )
        place += size
    for number in range(12):  # the tenth comes behind the ninth, not behind the first
        part = np.arange(number * rows // 12, (number + 1) * rows // 12, dtype=np.float32)
        np.save(tmp_path / f"img_emb_{number}.npy", np.stack([part, part + 1], axis=1).astype(np.float32))
    source = ParquetWithVectors(tmp_path, model="clip", embeddings=tmp_path / "img_emb_*.npy", smallest=3)
    matrices, frames = [*source.vectors()], [*source.listing()]
    assert [len(matrix) for matrix in matrices] == [frame.height for frame in frames]
    urls = [f"http://a/{int(row[0])}" for matrix in matrices for row in matrix]
    assert urls == [url for frame in frames for url in frame["url"]]
    assert len(urls) == sum(n % 7 >= 3 for n in range(rows))


def test_npy_files_that_do_not_fit_are_the_users_to_mend(tmp_path: Path) -> None:
    write(tmp_path / "x.parquet", LAION, LAION)
    for content, words in (
        (np.zeros((3, 2), np.float16), "holds 3 vectors, .* 2 rows"),
        (np.zeros((2, 2), np.int64), "no matrix of floats"),
        (np.zeros(2, np.float32), "no matrix of floats"),
        (np.array([[None, 1]], object), r"no \.npy file"),
    ):
        np.save(tmp_path / "e.npy", content)
        with pytest.raises(UserError, match=words):
            list(ParquetWithVectors(tmp_path, model="clip", embeddings=tmp_path / "e.npy").vectors())
    (tmp_path / "e.npy").write_bytes(b"\x93NUMPY torn")
    with pytest.raises(UserError, match=r"no \.npy file"):
        list(ParquetWithVectors(tmp_path, model="clip", embeddings=tmp_path).vectors())
    for number in range(2):
        np.save(tmp_path / f"{number}.npy", np.zeros((1, number + 1), np.float32))
    with pytest.raises(UserError, match="several lengths"):
        list(ParquetWithVectors(tmp_path, model="clip", embeddings=tmp_path / "[01].npy").vectors())
