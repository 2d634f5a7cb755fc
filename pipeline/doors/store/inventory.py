"""What the store of replies holds, counted and checked."""

from collections.abc import Iterator
from typing import Any

import polars as pl

from pipeline.doors.store.kept import COLUMNS, kept_of
from pipeline.doors.store.segments import Segment
from pipeline.requests import request_id

_TEXTS = ("request", "message", "text", "reasoning")
_NUMBERS = ("logprobs", "vector")
MEASURED = ("revision", "error", "tokens_in", "tokens_out", "cost", *_TEXTS, *_NUMBERS)
"""The columns that are counted."""
_SUMS: dict[str, Any] = {
    "replies": pl.UInt64(),
    "tokens_in": pl.Int64(),
    "tokens_out": pl.Int64(),
    "cost": pl.Float64(),
    "bytes": pl.UInt64(),
    "open": pl.UInt64(),
    "sealed": pl.UInt64(),
}
_BY = ("revision", "error")


def counted(frame: pl.DataFrame, *, sealed: bool) -> pl.DataFrame:
    """The replies of one part of a segment (MEASURED), by revision and error, to be summed with `total`."""
    lengths = [pl.col(c).str.len_bytes().fill_null(0) for c in _TEXTS]
    lengths += [pl.col(c).list.len().fill_null(0) * 8 for c in _NUMBERS]
    return frame.group_by(_BY).agg(
        pl.len().alias("replies").cast(pl.UInt64),
        pl.col("tokens_in", "tokens_out", "cost").sum(),
        pl.sum_horizontal(lengths).sum().alias("bytes").cast(pl.UInt64),
        (pl.len() * (not sealed)).alias("open").cast(pl.UInt64),
        (pl.len() * sealed).alias("sealed").cast(pl.UInt64),
    )


def total(parts: list[pl.DataFrame]) -> pl.DataFrame:
    """Counted parts as one table, in order."""
    empty = pl.DataFrame(schema=dict.fromkeys(_BY, pl.String()) | _SUMS)
    return pl.concat([empty, *parts]).group_by(_BY).sum().sort(_BY)


def faults(segment: Segment) -> Iterator[str]:
    """What is wrong with a segment, a line each: its file; rows that are no replies; ids that do not fit their request."""
    own = list(segment.faults())
    yield from (f"{segment.path.name}, {fault}" for fault in own)
    if own and segment.path.suffix == ".parquet":  # its rows cannot all be read
        return
    for _, rows in segment.groups(COLUMNS.names):
        for row in rows:
            try:
                kept = kept_of(row)
            except ValueError:
                yield f"{segment.path.name}, {row['id']}: not a reply"
                continue
            if kept.request and request_id(kept.request, kept.revision or "") != kept.id:
                yield f"{segment.path.name}, {row['id']}: does not fit its request"
