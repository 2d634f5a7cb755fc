"""The files of the store: a segment is a log while it grows, and compressed Parquet once it is sealed.

Both kinds give their rows in the order in which they were kept, and each row by its place: in a log the offset of its
line, in Parquet its number.
"""

from collections.abc import Iterable, Iterator, Sequence, Set
from pathlib import Path
from typing import Protocol

import polars as pl

from pipeline.doors.log import Log, rewrite
from pipeline.doors.store.kept import Row, frame_of, line_of, row_in, table_of

LOG_BYTES = 64 << 20
LOG_ROWS = 1 << 16
"""A log that has grown to either is sealed."""
GROUP_BYTES = 4 << 20
GROUP_ROWS = 1 << 12
"""Rows that are compressed together, and so read together: as many as reach either."""
NOBODY = "0" * 32
"""The id in whose name a forgotten request is owed: how often something was made owed must not change."""
_INDEX = {"id": pl.UInt128(), "segment": pl.UInt32(), "place": pl.UInt64()}
_ROWS = {"id": pl.UInt128(), "place": pl.UInt64(), "kept": pl.Boolean()}


def digits(ids: pl.Series) -> pl.Series:
    """Ids as numbers of 128 bits, which take a third of the memory and sort faster."""
    return ids.str.to_integer(base=16, dtype=pl.UInt128)


class Segment(Protocol):
    """One file of the store, log or Parquet."""

    path: Path
    number: int

    def index(self) -> pl.DataFrame:
        """Of every row its id, its place, and whether it keeps a reply."""
        ...

    def groups(self, columns: Sequence[str]) -> Iterator[tuple[list[int], list[Row]]]:
        """At least these columns of all rows, some thousands of rows at a time, with their places."""
        ...

    def frames(self, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        """The same as tables, with the places as a column."""
        ...

    def faults(self) -> Iterator[str]:
        """What is wrong with the file itself, a line each."""
        ...

    def forget(self, ids: Set[str], images: Set[str]) -> int:
        """Purge the rows of some ids and images, in a file written whole or not at all. Afterwards the segment must be
        opened anew. Returns how many replies went."""
        ...

    def close(self) -> None:
        """Close the file; a log is synced."""
        ...


class Open:
    """A segment that is still a log."""

    def __init__(self, path: Path, *, write: bool) -> None:
        """FileNotFoundError: it is not there (any more), and was opened for reading."""
        self.path, self.number = path, int(path.stem)
        self._log = Log(path, write=write)
        if not write and not path.exists():
            raise FileNotFoundError(path)
        self.places: dict[str, int | None] = {}
        """Of the last row of each id; None where that makes it owed again."""
        self.height = 0
        self.owed = 0
        """Rows that made something owed again."""
        self.unreadable: list[int] = []
        """Numbers of lines that nobody can read, from 1: such a log is never sealed."""
        for number, (place, line) in enumerate(self._log.lines(), 1):
            row = row_in(line)
            if row is None:
                self.unreadable.append(number)
            else:
                self._note(place, row)

    def _note(self, place: int, row: Row) -> None:
        self.height += 1
        self.places[row["id"]] = None if row.get("kind") is None else place
        self.owed += row.get("kind") is None

    @property
    def full(self) -> bool:
        """Whether it has grown enough."""
        return self.height >= LOG_ROWS or self._log.end >= LOG_BYTES

    def append(self, row: Row) -> None:
        """Write a row. UserError: the disk is full, or the like."""
        self._note(self._log.append(line_of(row)), row)

    def index(self) -> pl.DataFrame:
        """See `Segment`."""
        rows = [(int(row["id"], 16), place, row.get("kind") is not None) for place, row in self._read()]
        return pl.DataFrame(rows, schema=_ROWS, orient="row")

    def rows(self, places: Sequence[int]) -> list[Row]:
        """The rows at some places."""
        return [row_in(self._log.line(place)) or {} for place in places]

    def _read(self) -> Iterator[tuple[int, Row]]:
        return ((place, row) for place, line in self._log.lines() if (row := row_in(line)))

    def groups(self, columns: Sequence[str] = ()) -> Iterator[tuple[list[int], list[Row]]]:  # noqa: ARG002
        """See `Segment`; a line holds them all."""
        places: list[int] = []
        rows: list[Row] = []
        for place, row in self._read():
            if rows and (len(rows) == GROUP_ROWS or place - places[0] >= GROUP_BYTES):
                yield places, rows
                places, rows = [], []
            places.append(place)
            rows.append(row)
        if rows:
            yield places, rows

    def frames(self, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        """See `Segment`."""
        for places, rows in self.groups():
            yield frame_of(table_of(rows).select(columns)).with_columns(place=pl.Series(places, dtype=pl.UInt64))

    def faults(self) -> Iterator[str]:
        """See `Segment`."""
        yield from (f"line {number}: nobody can read it" for number in self.unreadable)

    def forget(self, ids: Set[str], images: Set[str]) -> int:
        """See `Segment`. Lines that nobody can read go too: they may hold anything, and what they held is owed anyway."""
        gone = sum(purged(row, ids, images) is None for _, row in self._read())
        self.close()

        def change(line: bytes) -> bytes | None:
            row = row_in(line)
            left = row and purged(row, ids, images)
            return None if left is None else line if left is row else line_of(left)

        rewrite(self.path, change)
        return gone

    def sync(self) -> None:
        """Have everything on the disk."""
        self._log.sync()

    def close(self) -> None:
        """Sync, and close."""
        self._log.close()


def purged(row: Row, ids: Set[str], images: Set[str]) -> Row | None:
    """The row itself; None, if it keeps a reply to one of these requests; or if it makes one owed, the same of nobody."""
    if row["id"] not in ids and not any(image in (row.get("request") or "") for image in images):
        return row
    return None if row.get("kind") is not None else {"id": NOBODY, "at": row["at"]}


class Index:
    """Where the last row of each id lies, if it keeps a reply, over segments that grow no more: 28 bytes an id, sorted. It
    never changes: it is extended into a new one."""

    def __init__(self, rows: pl.DataFrame | None = None, owed: int = 0) -> None:
        self._rows = pl.DataFrame(schema=_INDEX) if rows is None else rows
        self.owed = owed
        """Rows that made something owed again."""

    def __len__(self) -> int:
        return self._rows.height

    def extended(self, segments: Iterable[Segment]) -> "Index":
        """With the rows of segments that came later, in their order."""
        new = [s.index().with_columns(segment=pl.lit(s.number, pl.UInt32)) for s in segments]
        owed = sum(rows.height - int(rows["kept"].sum()) for rows in new)
        rows = pl.concat(
            [
                self._rows.with_columns(kept=pl.lit(value=True)),
                *(r.select("id", "segment", "place", "kept") for r in new),
            ]
        )
        last = pl.col("id").ne_missing(pl.col("id").shift(-1))
        rows = rows.sort("id", maintain_order=True).filter(last, "kept").drop("kept")
        return Index(rows, self.owed + owed)

    def find(self, ids: pl.Series) -> pl.DataFrame:
        """Segment and place of each id, in their order; nulls where it keeps none."""
        names = digits(ids)
        if not len(self):
            return pl.DataFrame(
                {"segment": [None] * len(ids), "place": [None] * len(ids)},
                schema={n: _INDEX[n] for n in ("segment", "place")},
            )
        near = self._rows[self._rows["id"].search_sorted(names).clip(0, len(self) - 1)]
        same = near["id"] == names
        return near.select(pl.when(same).then(pl.col(name)).alias(name) for name in ("segment", "place"))
