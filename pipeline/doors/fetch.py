"""The fetch door: images come in here. The listing is kept first, then the bytes; `collect` is pure over both."""

import io
import json
from pathlib import Path

import polars as pl

from pipeline.doors.blobs import Blobs
from pipeline.doors.log import Log, disk_error, private_folder
from pipeline.errors import UserError
from pipeline.sources import Source
from pipeline.tables import Listed, frame, row_id


class Fetch:
    """Listings and original bytes, kept in the workspace; rebuilt images lie beside them."""

    def __init__(self, folder: Path) -> None:
        self._listings = folder / "listings"
        self.originals = Blobs(folder / "originals")
        self.images = Blobs(folder / "images")
        self._fetched = Log(folder / "originals" / "fetched.jsonl", write=True)
        self._known: dict[str, str] = {}
        self._revisions: dict[int, str] = {}
        """Of each source, as it was listed."""
        for _, line in self._fetched.lines():
            entry = json.loads(line)
            self._known[entry["id"]] = entry["sha256"]

    def listing(self, source: Source) -> pl.DataFrame:
        """What the source offers at its present revision: listed once, kept for good."""
        revision = self._revisions[id(source)] = source.revision()
        path = self._listings / f"{source.name}-{row_id(source.name, revision)}.parquet"
        if not path.is_file():
            listed = frame(source.listing(), Listed)
            if listed.is_empty():
                raise UserError(f"the source {source.name} holds no images")
            private_folder(path.parent)
            aside = path.with_suffix(".aside")
            table = io.BytesIO()  # on a full disk Polars raises an error of its own, and leaves half a file
            listed.write_parquet(table)
            try:
                aside.write_bytes(table.getvalue())
                aside.replace(path)
            except OSError as error:
                aside.unlink(missing_ok=True)
                raise disk_error(path, error) from None
        return pl.read_parquet(path)

    def original(self, source: Source, key: str) -> bytes | OSError:
        """The bytes as the source has them, kept on the first reading; or why there are none."""
        revision = self._revisions.get(id(source)) or source.revision()  # of a folder, it costs a walk
        name = row_id(source.name, revision, key)
        if name not in self._known or self._known[name] not in self.originals:
            try:
                data = source.read(key)
            except OSError as error:
                return error
            self._known[name] = self.originals.keep(data)
            self._fetched.append(json.dumps({"id": name, "sha256": self._known[name]}).encode())
        return self.originals.read(self._known[name])

    def close(self) -> None:
        """Close the log of what was fetched."""
        self._fetched.close()
