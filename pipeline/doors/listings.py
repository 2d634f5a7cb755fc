"""What sources offer is kept before anything is fetched of it: a listing for each source and revision, as Parquet."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.doors.log import private_folder, whole
from pipeline.errors import UserError
from pipeline.sources import BATCH, Source
from pipeline.tables import Listed, frame, row_id


@dataclass(frozen=True)
class Listing:
    """What a source offered at one revision, kept as Parquet."""

    source: str
    revision: str
    path: Path

    @property
    def height(self) -> int:
        """Rows."""
        return int(pq.read_metadata(self.path).num_rows)

    def frames(self) -> Iterator[pl.DataFrame]:
        """Its rows in order, some thousand at a time."""
        with pq.ParquetFile(self.path) as file:
            for batch in file.iter_batches(BATCH):
                yield pl.DataFrame(pl.from_arrow(batch)).cast(Listed.columns())  # type: ignore[arg-type]


def name_of(source: str, revision: str) -> str:
    """A listing's file name, without suffix."""
    return f"{source}-{row_id(source, revision)}"


def listing_of(source: Source, folder: Path) -> Listing:
    """What the source offers at its present revision: listed once, kept for good."""
    revision = source.revision()
    path = folder / f"{name_of(source.name, revision)}.parquet"
    if not path.is_file():
        private_folder(folder)
        with whole(path) as file, pq.ParquetWriter(file, frame([], Listed).to_arrow().schema) as writer:
            rows = 0
            for part in _offered(source):
                rows += part.height
                writer.write_table(_arrow(part, writer.schema))
            if not rows:
                raise UserError(f"the source {source.name} holds no images")
    return Listing(source.name, revision, path)


def _offered(source: Source) -> Iterator[pl.DataFrame]:
    try:
        yield from source.listing()
    except OSError as error:
        raise UserError(f"the source {source.name} cannot be listed: {error}") from None


def _arrow(part: pl.DataFrame, schema: pa.Schema) -> pa.Table:
    return part.select(schema.names).cast(Listed.columns()).to_arrow().cast(schema)  # type: ignore[arg-type]
