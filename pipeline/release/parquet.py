"""Rows as Parquet, in the layout that `datasets` writes and the Hub's viewer expects: pictures embedded and uncompressed,
features declared, content-defined chunks with a page index, row groups and files of bounded size.

Of the pictures only two row groups' are ever held: a release of a hundred thousand takes no more memory than one of a thousand.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import UserError
from pipeline.tables import row_id

Picture = Literal["image", "images"]
"""The name of the column with the picture: `image` is one, `images` a list of one, as trainers want it."""
GROUP = 48_000_000
"""Bytes of a row group, at most, unless one row has more: the viewer reads none over 300 MB, and so much is held of each file."""
AT_ONCE = 2
"""Files that are written side by side."""
SHARD = 245_000_000
"""Bytes of a file, at most: the Hub advises no more than 500 MB, and of two there is one for each hand."""
CHUNKS = {"min_chunk_size": 32 * 1024, "max_chunk_size": 64 * 1024, "norm_level": 0}
"""Bytes of a content-defined page. `datasets` takes 256 kB to 1 MB; but then the pages behind a row that is gone are cut elsewhere
for hundreds of rows. So a picture above 64 kB has a page of its own, wherever it stands, and one row can be read alone."""
NAMED_BY = "image_sha256"
"""The column that says which picture belongs to a row."""


def features(columns: Mapping[str, pl.DataType], picture: Picture | None) -> Any:
    """The Hub's features: all columns, with the picture behind the first of them."""
    from datasets import Features, Image, List

    kinds = {name: _feature(kind) for name, kind in columns.items()}
    first = next(iter(kinds))
    shown = {} if picture is None else {picture: Image() if picture == "image" else List(Image())}
    return Features({first: kinds.pop(first)} | shown | kinds)


def _feature(kind: pl.DataType) -> Any:
    from datasets import List, Value

    if isinstance(kind, pl.List):
        return List(_feature(pl.List(kind.inner).inner))  # type: ignore[arg-type]
    if isinstance(kind, pl.Struct):
        return {field.name: _feature(field.dtype) for field in kind.fields}  # type: ignore[arg-type]
    named = {pl.String(): "string", pl.Float64(): "float64", pl.Int64(): "int64", pl.Boolean(): "bool"}
    return Value(named[kind])


def options(features: Any) -> dict[str, Any]:
    """How Parquet is written: as `datasets` 5.2 does, but in smaller pages."""
    from datasets.arrow_writer import get_parquet_column_options

    return {
        "use_content_defined_chunking": CHUNKS,
        "write_page_index": True,
        **get_parquet_column_options(features, features.arrow_schema),
    }


def write(
    rows: pl.DataFrame, picture: Picture | None, files: Mapping[str, Path], folder: Path, split: str,
    *, most: tuple[int, int] = (GROUP, SHARD),
) -> list[Path]:  # fmt: skip
    """Write a split's rows in their order, in as many files as it takes; returns them. The same rows give the same bytes.
    `files`: `image_sha256` to the picture's file; a row whose picture is not among them gets a null. `most`: bytes of a row
    group and of a file."""
    declared = features(rows.schema, picture)
    schema, how = declared.arrow_schema, options(declared)
    folder.mkdir(parents=True, exist_ok=True)
    shards = _shards(_groups(rows, files if picture else {}, most[0]), most[1])
    paths = [folder / f"{split}-{number:05}-of-{len(shards):05}.parquet" for number in range(len(shards))]

    def put(path: Path, groups: list[pl.DataFrame]) -> None:
        with pq.ParquetWriter(path, schema, **how) as writer:
            writer.add_key_value_metadata({"content_defined_chunking": json.dumps(CHUNKS)})
            for group in groups:
                writer.write_table(_table(group, schema, picture, files))

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(put, paths, shards))
    return paths


def _shards(groups: Iterable[tuple[pl.DataFrame, int]], most: int) -> list[list[pl.DataFrame]]:
    """The groups of each file."""
    found: list[list[pl.DataFrame]] = []
    held = most + 1  # so that the first group begins a file
    for group, size in groups:
        if held + size > most:
            found.append([])
            held = 0
        found[-1].append(group)
        held += size
    return found


def _groups(rows: pl.DataFrame, files: Mapping[str, Path], most: int) -> Iterator[tuple[pl.DataFrame, int]]:
    """The rows in groups, with the bytes of each; one empty group where there are no rows. Where one ends, among the last quarter
    of those that fit, is drawn from the rows' ids: so a row that is gone in the next version moves the ends of few groups."""
    if rows.is_empty():
        yield rows, 0
        return
    sizes = {name: files[name].stat().st_size for name in rows[NAMED_BY].unique() if name in files}
    text = -(-int(rows.estimated_size()) // rows.height)
    ends = np.cumsum([text + sizes.get(name, 0) for name in rows[NAMED_BY]])
    drawn = np.array([row_id("group", name) for name in rows["id"]])
    start, before = 0, 0
    while start < rows.height:
        least, stop = np.searchsorted(ends, (before + most * 3 // 4, before + most), side="right")
        if stop < rows.height:
            stop = least + int(np.argmin(drawn[least:stop])) + 1 if least < stop else stop
        stop = max(int(stop), start + 1)
        yield rows[start:stop], int(ends[stop - 1]) - before
        start, before = stop, int(ends[stop - 1])


def _table(rows: pl.DataFrame, schema: pa.Schema, picture: Picture | None, files: Mapping[str, Path]) -> pa.Table:
    plain = rows.to_arrow()
    columns = [
        _pictures(rows[NAMED_BY].to_list(), files, schema.field(picture).type)
        if field.name == picture
        else plain[field.name].cast(field.type).combine_chunks()
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def _pictures(names: list[str | None], files: Mapping[str, Path], kind: pa.DataType) -> pa.Array:
    """Structs of bytes and path, read straight into Arrow's memory; in lists, where the type is one. A picture that is not
    there is null; a row without any has a null, or an empty list."""
    there = [name for name in names if name is not None and name in files]
    ends = np.cumsum([0, *(files[name].stat().st_size for name in there)])
    data = pa.allocate_buffer(int(ends[-1]))
    view = memoryview(data)
    for name, start, stop in zip(there, ends, ends[1:], strict=False):
        with files[name].open("rb", buffering=0) as file:
            if file.readinto(view[start:stop]) != stop - start:
                raise UserError(f"the picture {files[name]} changed while it was read")
    offsets = pa.py_buffer(ends.astype(np.int32))
    read = pa.Array.from_buffers(pa.binary(), len(there), [None, offsets, data])
    paths = pa.array([f"{name[:16]}.jpg" for name in there], pa.string())
    structs = pa.StructArray.from_arrays([read, paths], names=["bytes", "path"])
    has = np.array([name in files for name in names], np.bool_)
    if pa.types.is_list(kind):
        stub = pa.array([name is not None and name not in files for name in names])
        return pa.ListArray.from_arrays(
            pa.array(np.concatenate([[0], np.cumsum(has)]), pa.int32()), structs, mask=stub
        ).cast(kind)
    if has.all():
        return structs
    places = pa.array(np.cumsum(has) - 1, mask=~has)
    return structs.take(places)
