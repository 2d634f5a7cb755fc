"""The fetch door: images come in here. The listing is kept first, then the bytes; `collect` is pure over both.

An image that was forgotten (forgotten.py) never comes in again: neither by the bytes a source has, nor by the picture made of
them.
"""

import hashlib
import io
import json
from pathlib import Path

import polars as pl

from pipeline.doors.blobs import Blobs
from pipeline.doors.forgotten import ForgottenImages
from pipeline.doors.log import Log, private_folder, whole
from pipeline.errors import UserError
from pipeline.sources import Source
from pipeline.tables import Listed, frame, row_id


class ForgottenError(OSError):
    """The image was forgotten, and is not fetched any more."""


class Fetch:
    """Listings and original bytes, kept in the workspace; rebuilt images lie beside them."""

    def __init__(self, folder: Path) -> None:
        self._listings = folder / "listings"
        self.originals = Blobs(folder / "originals")
        self.images = Blobs(folder / "images")
        self._forgotten = ForgottenImages(folder)
        self._fetched = Log(folder / "originals" / "fetched.jsonl", write=True)
        self._rebuilt = Log(folder / "originals" / "rebuilt.jsonl", write=True)
        self._pairs = {
            (e["original"], e["image"]) for e in map(json.loads, (line for _, line in self._rebuilt.lines()))
        }
        """Which original became which image: known also when no table says it any more."""
        self._known: dict[str, str] = {}
        self._revisions: dict[int, str] = {}
        """Of each source, as it was listed."""
        for _, line in self._fetched.lines():
            entry = json.loads(line)
            self._known[entry["id"]] = entry["sha256"]

    def listing(self, source: Source) -> pl.DataFrame:
        """What the source offers at its present revision: listed once, kept for good."""
        revision = self._revisions[id(source)] = source.revision()
        path = self.listed(source, revision)
        if not path.is_file():
            listed = frame(source.listing(), Listed)
            if listed.is_empty():
                raise UserError(f"the source {source.name} holds no images")
            private_folder(path.parent)
            table = io.BytesIO()  # on a full disk Polars raises an error of its own, and leaves half a file
            listed.write_parquet(table)
            with whole(path) as file:
                file.write(table.getvalue())
        return pl.read_parquet(path)

    def listed(self, source: Source, revision: str) -> Path:
        """Where a listing lies."""
        return self._listings / f"{source.name}-{row_id(source.name, revision)}.parquet"

    def original(self, source: Source, key: str) -> bytes | OSError:
        """The bytes as the source has them, kept on the first reading; or why there are none (`ForgottenError`)."""
        revision = self._revisions.get(id(source)) or source.revision()  # of a folder, it costs a walk
        name = row_id(source.name, revision, key)
        known = self._known.get(name)
        if known in self._forgotten:
            return ForgottenError("forgotten")
        if known is None or known not in self.originals:
            try:
                data = source.read(key)
            except OSError as error:
                return error
            known = self._known[name] = self._keep(name, self.listed(source, revision).stem, key, data)
            if known in self._forgotten:
                return ForgottenError("forgotten")
        return self.originals.read(known)

    def _keep(self, name: str, listing: str, key: str, data: bytes) -> str:
        sha256 = hashlib.sha256(data).hexdigest()
        if sha256 not in self._forgotten:
            self.originals.keep(data)
        self._fetched.append(json.dumps({"id": name, "sha256": sha256, "listing": listing, "key": key}).encode())
        return sha256

    def rebuilt(self, original: str, data: bytes) -> str | None:
        """Keep the picture made of an original (its SHA-256); returns its SHA-256. None: it was forgotten, and now so is this
        original of it."""
        image = hashlib.sha256(data).hexdigest()
        if image in self._forgotten:
            self._forgotten.add({image}, {original})
            self.originals.discard(original)
            return None
        if (original, image) not in self._pairs:
            self._rebuilt.append(json.dumps({"original": original, "image": image}).encode())
            self._pairs.add((original, image))
        return self.images.keep(data)

    def close(self) -> None:
        """Close the logs."""
        self._fetched.close()
        self._rebuilt.close()
