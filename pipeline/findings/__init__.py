"""What a run comes to, in small numbers: tables in (by name, lazy, so that of large ones only what is counted is read), rows to
print out. The report and the card print the same ones. To add one, write a module here, and a section in both templates.
"""

from collections.abc import Mapping

import polars as pl

Tables = Mapping[str, pl.LazyFrame]
"""A run's tables by name; of two of one name the last. Any of them may be missing."""


def counts(table: pl.LazyFrame, *columns: str) -> list[tuple[tuple[str, ...], int]]:
    """Values of these columns and how many rows have them, the most first."""
    counted = table.group_by(columns).len().sort("len", *columns, descending=[True, *[False] * len(columns)], nulls_last=True)  # fmt: skip
    return [(tuple("—" if cell is None else str(cell) for cell in row), n) for *row, n in counted.collect().iter_rows()]


def number(tables: Tables, name: str) -> int | None:
    """Rows of a table; none if it is not there."""
    return int(tables[name].select(pl.len()).collect().item()) if name in tables else None
