"""Parquet files of images or of their addresses: a download from the Hub, LAION's metadata, what img2dataset wrote."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import UserError
from pipeline.sources.parts.arrow import first_image, has_path
from pipeline.sources.parts.batches import ROW, Batch, batches, opened, plain
from pipeline.sources.parts.cells import TEXTS, Cells, Columns, file_name
from pipeline.sources.parts.files import MOST_BYTES, found, named, quoted, rooted, stamp, unquoted
from pipeline.sources.parts.presets import NUMBERS, guessed
from pipeline.sources.parts.slot import Slot

MOST_UNPACKED = 4 << 30
"""Bytes of one row group: its images are unpacked together."""
_UNSAFE = {"UNLIKELY": "0", "UNSURE": "0.5", "NSFW": "1", "false": "0", "true": "1"}
"""LAION-400M's words, as probabilities."""


@dataclass(frozen=True)
class Parquet:
    """A Parquet file, a folder of them, or a pattern."""

    path: Path
    columns: Columns | None = None
    """Our name of a column to theirs: those of `Listed`; `image`, the column of bytes (without it, those at `url` are
    downloaded); `width` and `height` in pixels; `unsafe`, a probability. None: by their names (presets.py)."""
    licence: str | None = None
    """Of the rows that say none."""
    classes: Mapping[str, str | None] = field(default_factory=dict)
    """See `Cells.classes`."""
    smallest: int | None = None
    """Pixels: rows that say that they are narrower or lower are not listed."""
    most_unsafe: float | None = None
    """0 to 1: rows above it, and those that say nothing of it, are not listed."""
    name: str = ""
    _near: Slot[str, pa.ChunkedArray] = field(init=False, repr=False, compare=False)
    """The row groups that were read last."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name or named(self.path))
        object.__setattr__(self, "_near", Slot(self._unpacked))

    def revision(self) -> str:
        """Changes with the files' sizes and times of change, and with what is asked of them."""
        asked = (sorted((self.columns or {}).items()), self.licence, sorted(self.classes.items()))
        return stamp(rooted(self.path)[0], found(self.path, ".parquet"), *asked, self.smallest, self.most_unsafe)

    def listing(self) -> Iterator[pl.DataFrame]:
        """Every row that is large and safe enough, under its file's name and its number."""
        for file, cells, batch in self.batches():
            key = pl.lit(file.removesuffix(".parquet") + "/") + pl.col(ROW).cast(pl.String).str.zfill(8)
            images, raw = cells.theirs("image"), batch.raw
            for path in (f"{image}.path" for image in images if f"{image}.path" in raw.columns):
                key += file_name(pl.col(path))
            listed = cells.listed(raw, self.name, key, pl.lit(batch.places(file)) if images else None)
            fits = self.fits(cells, raw)
            if fits is None or fits.any():
                yield listed if fits is None else listed.filter(fits)

    def read(self, row: dict[str, Any]) -> bytes | None:
        """The bytes as they are. A row group is unpacked once for all threads that read of it."""
        if row["place"] is None:
            return None
        group, _, number = row["place"].rpartition(":")
        try:
            data, _ = first_image(self._near(group)[int(number)].as_py())
        except (pa.ArrowException, IndexError, UnicodeDecodeError) as error:
            raise OSError(f"{group} cannot be read: {error}") from None
        if data is None:
            raise FileNotFoundError("the row holds no bytes")
        if len(data) > MOST_BYTES:
            raise OSError(f"too large: {len(data) / 1e6:.0f} MB")
        return data

    def _unpacked(self, group: str) -> pa.ChunkedArray:
        """The images of a row group: file#number."""
        name, _, number = group.rpartition("#")
        with plain(rooted(self.path)[0] / unquoted(name)) as file:
            (image,) = self._cells(file.schema_arrow, name).theirs("image")
            bytes_alone = pa.types.is_struct(file.schema_arrow.field(image).type)
            columns = [f"{image}.bytes" if bytes_alone else image]
            return file.read_row_group(int(number), columns=columns, use_threads=False)[image]

    def batches(self, *more: str) -> Iterator[tuple[str, Cells, Batch]]:
        """All rows with the columns that are known, and these besides: each with its file's name in the folder."""
        for path in found(self.path, ".parquet"):
            with opened(path) as file:
                cells = self._cells(file.schema_arrow, path)
                Cells({name: name for name in more}).check(more, file.schema_arrow.names, path)
                columns = [*cells.theirs(*TEXTS, *NUMBERS), *more]
                for image in cells.theirs("image"):
                    _check_groups(file.metadata, path)
                    columns += [f"{image}.path"] if has_path(file.schema_arrow.field(image).type) else []
                for batch in batches(file, columns):
                    yield quoted(path.relative_to(rooted(self.path)[0]).as_posix()), cells, batch

    def _cells(self, schema: pa.Schema, where: object) -> Cells:
        cells = Cells(guessed(schema) if self.columns is None else self.columns, self.licence, self.classes)
        cells.check((*TEXTS, *NUMBERS, "image"), schema.names, where)
        needed = {"width", "height"} if self.smallest is not None else set()
        needed |= {"unsafe"} if self.most_unsafe is not None else set()
        if not {"url", "image"} & set(cells.columns) or not needed <= set(cells.columns):
            what = "url or image" if needed <= set(cells.columns) else ", ".join(sorted(needed))
            raise UserError(
                f"{where}: which column is {what}? It has {', '.join(schema.names)[:500]}; say so in `columns`"
            )
        return cells

    def fits(self, cells: Cells, raw: pl.DataFrame) -> pl.Series | None:
        """Which rows are large and safe enough; None: nothing was asked."""
        tests = []
        if self.smallest is not None:
            sides = (pl.col(side).cast(pl.Float64, strict=False) for side in cells.theirs("width", "height"))
            tests += [(side >= self.smallest).fill_null(value=True) for side in sides]
        if self.most_unsafe is not None:
            (flag,) = cells.theirs("unsafe")
            probability = pl.col(flag).cast(pl.String).replace(_UNSAFE).cast(pl.Float64, strict=False)
            tests.append((probability <= self.most_unsafe).fill_null(value=False))
        return raw.select(pl.all_horizontal(tests)).to_series() if tests else None


def _check_groups(metadata: pq.FileMetaData, path: Path) -> None:
    """Refuse a file whose row groups do not fit into memory. (What they say of each column is not asked: on a damaged file
    Arrow aborts the process there.)"""
    for number in range(metadata.num_row_groups):
        if (size := metadata.row_group(number).total_byte_size) > MOST_UNPACKED:
            raise UserError(
                f"{path}: its row group {number} unpacks to {size / 1e9:.1f} GB; write it anew with smaller ones"
            )
