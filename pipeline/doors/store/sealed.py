"""A sealed segment: Parquet, compressed, with a checksum on every page."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from contextlib import contextmanager, suppress
from itertools import accumulate, groupby, pairwise
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.backends import LOG
from pipeline.doors.log import whole
from pipeline.doors.store.kept import COLUMNS, Row, frame_of, rows_of, table_of
from pipeline.doors.store.segments import Open, Segment, digits, purged
from pipeline.errors import UserError

_REPEATED = ["run", "model", "revision", "kind", "error", "finish", "answered_by"]
"""Columns of few different values."""


def segments(folder: Path, *, write: bool) -> list[Segment]:
    """The segments of a store, oldest first. Who writes also clears away what a kill left half done."""
    for _ in range(20):
        files = {int(p.stem): p for p in sorted(folder.glob("[0-9]*.*")) if p.suffix in (".jsonl", ".parquet")}
        if write:
            _clear(folder, files)
        opened: list[Segment] = []
        with suppress(FileNotFoundError):  # to a reader: the log was sealed in this moment, so look again
            for number, path in sorted(files.items()):
                opened.append(
                    Sealed(path) if path.suffix == ".parquet" else Open(path, write=write and number == max(files))
                )
            return opened
        for segment in opened:
            segment.close()
    raise UserError(f"the segments in {folder} change faster than they can be opened: try again")


def _clear(folder: Path, files: dict[int, Path]) -> None:
    for path in folder.glob("*.aside"):
        path.unlink()
    for path in files.values():
        if path.suffix == ".parquet":  # whole, so the log beside it has had its day
            path.with_suffix(".jsonl").unlink(missing_ok=True)


class Sealed:
    """A segment that is Parquet."""

    def __init__(self, path: Path) -> None:
        """FileNotFoundError: it is not there. UserError: it is damaged."""
        self.path, self.number = path, int(path.stem)
        with _sound(path):
            self._file = pq.ParquetFile(path, page_checksum_verification=True)
        heights = (self._file.metadata.row_group(n).num_rows for n in range(self._file.metadata.num_row_groups))
        self._starts = list(accumulate(heights, initial=0))
        """Places at which the row groups begin, and where the last one ends."""

    def index(self) -> pl.DataFrame:
        """See `Segment`."""
        with _sound(self.path):
            read = frame_of(self._file.read(["id", "kind"]))
        places = pl.int_range(pl.len(), dtype=pl.UInt64)
        return read.select(digits(read["id"]), place=places, kept=pl.col("kind").is_not_null())

    def spread(self, places: Iterable[int]) -> Iterator[tuple[int, list[int]]]:
        """For each row group that holds some of the places (sorted), which of its rows these are."""
        found = ((bisect_right(self._starts, place) - 1, place) for place in places)
        for group, pairs in groupby(found, key=lambda pair: pair[0]):
            yield group, [place - self._starts[group] for _, place in pairs]

    def group(self, number: int, columns: tuple[str, ...] = tuple(COLUMNS.names)) -> pa.Table:
        """Some columns of one row group. UserError: it is damaged."""
        with _sound(self.path):
            table = self._file.read_row_group(number, list(columns))
        for new in [c for c in columns if c not in table.column_names]:  # sealed before there was such a column
            table = table.append_column(COLUMNS.field(new), pa.nulls(table.num_rows, COLUMNS.field(new).type))
        return table.select(columns)

    def groups(self, columns: Sequence[str]) -> Iterator[tuple[list[int], list[Row]]]:
        """See `Segment`."""
        for number, (start, end) in enumerate(pairwise(self._starts)):
            yield list(range(start, end)), rows_of(self.group(number, tuple(columns)))

    def frames(self, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        """See `Segment`."""
        for number, start in enumerate(self._starts[:-1]):
            places = start + pl.int_range(pl.len(), dtype=pl.UInt64)
            yield frame_of(self.group(number, tuple(columns))).with_columns(place=places)

    def faults(self) -> Iterator[str]:
        """See `Segment`. Every page is read, and its checksum compared."""
        for number in range(len(self._starts) - 1):
            try:
                self.group(number)
            except UserError as error:
                yield f"row group {number}: {error}"

    def forget(self, ids: Set[str], images: Set[str]) -> int:
        """See `Segment`."""
        doomed = pl.col("id").is_in(list(ids)) | pl.col("request").str.contains_any([*images, "\0"])
        found = [frame.select(doomed.any()).item() for frame in self.frames(["id", "request"])]
        gone = 0

        def left() -> Iterator[pa.Table]:
            nonlocal gone
            for number, here in enumerate(found):
                table = self.group(number)
                if here:
                    rows = [row for r in rows_of(table) if (row := purged(r, ids, images))]
                    gone += table.num_rows - len(rows)
                    table = table_of(rows)
                yield table

        if any(found):
            write(self.path, left())
        return gone

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def seal(log: Open, wanted: Callable[[], bool] = lambda: True) -> Sealed | None:
    """Write a log that grows no more as Parquet, read it back, and only then remove it. None: it stays a log, because it is
    not wanted sealed any more, or holds what nobody can read. UserError: the disk is full, or the like."""
    ids: list[str] = []

    def tables() -> Iterator[pa.Table]:
        for _, rows in log.groups():
            if not wanted():
                raise _Unwanted
            ids.extend(row["id"] for row in rows)
            yield table_of(rows)

    log.sync()
    if log.unreadable:
        return None
    path = log.path.with_suffix(".parquet")
    try:
        write(path, tables())
    except (_Unwanted, pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        if not isinstance(error, _Unwanted):
            LOG.warning("%s stays a log, for a value in it fits no column: %s", log.path, error)
        return None
    sealed = Sealed(path)
    if next(sealed.faults(), None) or not sealed.index()["id"].equals(digits(pl.Series("id", ids, dtype=pl.String))):
        path.unlink()
        raise UserError(f"{path} does not read as it was written: look at the disk; its log is kept")
    log.path.unlink()
    return sealed


class _Unwanted(Exception):  # noqa: N818
    """The sealing is broken off."""


def write(path: Path, tables: Iterable[pa.Table]) -> None:
    """Write a sealed segment, each table a row group, whole or not at all."""
    with (
        whole(path) as file,
        pq.ParquetWriter(
            file, COLUMNS, compression="zstd", use_dictionary=_REPEATED, write_page_checksum=True
        ) as writer,
    ):
        for table in tables:
            writer.write_table(table, row_group_size=max(1, table.num_rows))


@contextmanager
def _sound(path: Path) -> Iterator[None]:
    """Whatever a damaged file makes its readers raise is one line for the user."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (OSError, pa.ArrowException) as error:
        raise UserError(
            f"{path} is damaged ({str(error).splitlines()[0]}): put a copy back, or move it away and its replies are asked anew"
        ) from None
