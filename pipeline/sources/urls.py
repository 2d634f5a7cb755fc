"""A list of addresses: a .txt with one a line, or a .csv, .tsv or .jsonl with a column `url` and any others of `Listed`. (In
Parquet: parquet.py.)"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.errors import UserError
from pipeline.sources import BATCH
from pipeline.sources.parts.cells import TEXTS, Cells, Columns, table
from pipeline.sources.parts.files import named, stamp
from pipeline.sources.parts.presets import columns_of
from pipeline.sources.parts.records import SUFFIXES, header, rows


@dataclass(frozen=True)
class Urls:
    """Images that lie elsewhere: the fetch door downloads them."""

    path: Path
    columns: Columns | None = None
    """Our columns to theirs. None: by their names."""
    licence: str | None = None
    """Of the rows that say none."""
    classes: Mapping[str, str | None] = field(default_factory=dict)
    """See `Cells.classes`."""
    name: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name or named(self.path))

    def revision(self) -> str:
        """Changes with the file, and with what is asked of it."""
        self._check()
        asked = (sorted((self.columns or {}).items()), self.licence, sorted(self.classes.items()))
        return stamp(self.path.parent, [self.path], *asked)

    def _check(self) -> None:
        if not self.path.is_file():
            raise UserError(f"no list of addresses at {self.path}; check the path of this source")
        if self.path.suffix not in SUFFIXES:
            raise UserError(f"{self.path} is no list of addresses: it must end in {', '.join(SUFFIXES)}")

    def listing(self) -> Iterator[pl.DataFrame]:
        """One row a row, under its number; one that cannot be read has no address."""
        self._check()
        names = header(self.path)
        cells = Cells(columns_of(names) if self.columns is None else self.columns, self.licence, self.classes)
        cells.check(TEXTS, names, self.path)
        if "url" not in cells.columns:
            raise UserError(f"{self.path} has no column url; it has {', '.join(names)[:500] or 'none'}")
        wanted, start = cells.theirs(*TEXTS), 0
        told = ({name: row[name] for name in wanted if name in row} for row in rows(self.path))
        while some := list(islice(told, BATCH)):
            key = (pl.int_range(pl.len()) + start).cast(pl.String).str.zfill(8)
            yield cells.listed(table(some, wanted), self.name, key)
            start += len(some)

    def read(self, row: dict[str, Any]) -> None:
        """None: the bytes lie at the row's address."""
