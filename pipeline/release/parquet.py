"""Quadruples as Parquet, in the layout `datasets` and the Hub's viewer expect: images embedded, features declared."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.doors.blobs import Blobs
from pipeline.licences import ALLOWED

ROWS_PER_GROUP = 100
"""Keeps a row group under the viewer's 300 MB, for images of up to 3 MB."""


def features(quadruples: pl.DataFrame) -> Any:
    """The Hub's features: `image` (a picture, or null where its licence forbids), then all columns of `Quadruple`."""
    from datasets import Features, Image, List, Value

    kinds: dict[pl.DataType, Any] = {pl.String(): Value("string"), pl.Float64(): Value("float64"), pl.Boolean(): Value("bool"),
                                     pl.List(pl.String): List(Value("string"))}  # fmt: skip
    columns = {name: kinds[kind] for name, kind in quadruples.schema.items() if name != "image"}
    first = {"image": Image()} if quadruples["image"].is_not_null().any() else {}
    return Features({"id": columns.pop("id")} | first | {"image_sha256": Value("string")} | columns)


def write(quadruples: pl.DataFrame, images: Blobs, path: Path) -> int:
    """Write the rows in the order of their ids, streaming; the same rows give the same bytes. Returns the size."""
    schema = features(quadruples).arrow_schema
    path.parent.mkdir(parents=True, exist_ok=True)
    with pq.ParquetWriter(
        path, schema, compression="snappy", use_content_defined_chunking=True, write_page_index=True, store_schema=True
    ) as writer:
        ordered = quadruples.sort("id")
        for start in range(0, ordered.height, ROWS_PER_GROUP):
            rows = list(_rows(ordered.slice(start, ROWS_PER_GROUP), images, with_image="image" in schema.names))
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
    return path.stat().st_size


def _rows(quadruples: pl.DataFrame, images: Blobs, *, with_image: bool) -> Iterator[dict[str, Any]]:
    for row in quadruples.iter_rows(named=True):
        sha256 = row.pop("image")
        free = sha256 and row["licence"] in ALLOWED
        picture = (
            {"image": {"bytes": images.read(sha256), "path": f"{sha256[:16]}.jpg"} if free else None}
            if with_image
            else {}
        )
        yield row | picture | {"image_sha256": sha256}
