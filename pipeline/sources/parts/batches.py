"""Parquet files, some thousand rows at a time, in memory that does not grow with them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import UserError
from pipeline.sources import BATCH
from pipeline.sources.parts.arrow import frame

ROWS = 4 * BATCH
"""At once: more than in a frame of rows that are made one by one, for each frame costs some milliseconds."""
ROW = "\0row"
"""A column: the row's number in the file."""


@dataclass(frozen=True)
class Batch:
    """Rows of one file that follow each other."""

    table: pa.Table
    """The columns that were asked for; of a struct, its fields."""
    start: int
    """The first row's number in the file."""
    groups: tuple[int, ...]
    """Number of each row group's first row."""

    @cached_property
    def raw(self) -> pl.DataFrame:
        """What can be said of it as text and numbers; and `ROW`."""
        rows = pl.int_range(self.start, self.start + self.table.num_rows, eager=True)
        return frame(self.table).with_columns(rows.alias(ROW))

    def places(self, file: str) -> pl.Series:
        """file#row-group:row."""
        groups, rows = pl.Series(self.groups, dtype=pl.Int64), self.raw[ROW]
        group = groups.search_sorted(rows, side="right") - 1
        return pl.select(pl.format("{}#{}:{}", pl.lit(file), group, rows - groups[group])).to_series()


@contextmanager
def plain(path: Path) -> Iterator[pq.ParquetFile]:
    """A file, opened here: Arrow takes no name that is not UTF-8."""
    with path.open("rb") as bytes_of, pq.ParquetFile(bytes_of, pre_buffer=False) as file:
        yield file


@contextmanager
def opened(path: Path) -> Iterator[pq.ParquetFile]:
    """A file whose faults are the user's to mend: it lies on this machine, and can be fetched anew."""
    try:
        with plain(path) as file:
            yield file
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is no sound Parquet file: {' '.join(str(error).split())[:200]}") from None


def batches(file: pq.ParquetFile, columns: list[str]) -> Iterator[Batch]:
    """All rows of a file, these columns of them: always `ROWS` but for the last, however they lie in the file."""
    metadata, start = file.metadata, 0
    sizes = (metadata.row_group(n).num_rows for n in range(metadata.num_row_groups))
    groups = tuple(accumulate(sizes, initial=0))[:-1]
    parts = file.iter_batches(ROWS, columns=columns, use_threads=False)
    for table in _even(parts) if columns else _blank(metadata.num_rows):
        yield Batch(table.flatten(), start, groups)
        start += table.num_rows


def _blank(rows: int) -> Iterator[pa.Table]:
    """Rows of which nothing is asked: Arrow does not count rows without columns."""
    for start in range(0, rows, ROWS):
        yield pa.table({"": pa.nulls(min(ROWS, rows - start))})


def _even(parts: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    waiting: list[pa.RecordBatch] = []
    for part in parts:
        waiting.append(part)
        while (rows := sum(p.num_rows for p in waiting)) >= ROWS:
            table = pa.Table.from_batches(waiting)
            yield table.slice(0, ROWS)
            waiting = table.slice(ROWS).to_batches() if rows > ROWS else []
    if waiting:
        yield pa.Table.from_batches(waiting)
