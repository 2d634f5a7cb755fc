"""A release's folder, read: its manifest, and its rows with or without their pictures."""

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from pipeline.errors import UserError
from pipeline.release.parquet import NAMED_BY, Picture

MANIFEST, REMOVED, FINGERPRINTS = "manifest.json", "removed_ids.txt", "fingerprints.jsonl"
REMOVED_ROWS = "removed_rows.jsonl"
_SHA256 = r"\A[0-9a-f]{64}\z"
_ROWS = 64
"""Rows read at once where their pictures are wanted."""


class Folder:
    """A release on this machine, made by whomever: what it names leads nowhere else. UserError: it is none."""

    def __init__(self, path: Path) -> None:
        self.path = path
        page = path / MANIFEST
        if not page.is_file():
            raise UserError(f"{path} is no release: it has no {MANIFEST}")
        self.manifest: dict[str, Any] = json.loads(page.read_text(encoding="utf-8"))
        if "version" not in self.manifest:
            raise UserError(f"the release {path} says no version: it is of an older format; build it anew")
        for about in self.manifest.get("configs", {}).values():
            wrong = [about["folder"]] * (not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]*", about["folder"]))
            wrong += [split for split in about["splits"] if not (split.isascii() and split.isidentifier())]
            if wrong:
                raise UserError(
                    f"the release {path} names a folder or a split {wrong[0]!r}: no release of Tetrad's does"
                )

    @property
    def version(self) -> str:
        """Such as 1.0.0."""
        return str(self.manifest["version"])

    @property
    def sha256(self) -> str:
        """Of its manifest, and so of everything in it."""
        return hashlib.sha256((self.path / MANIFEST).read_bytes()).hexdigest()

    @property
    def configs(self) -> list[str]:
        """Names, `default` first."""
        return list(self.manifest["configs"])

    def picture(self, config: str) -> Picture | None:
        """The name of a configuration's column of pictures."""
        found: Picture | None = self.manifest["configs"][config]["picture"]
        return found

    def files(self, config: str) -> Iterator[tuple[str, Path]]:
        """Splits and their files, in order. UserError: one is missing."""
        about = self.manifest["configs"][config]
        for split in about["splits"]:
            found = sorted((self.path / about["folder"]).glob(f"{split}-*-of-*.parquet"))
            if not found:
                raise UserError(f"the release {self.path} lacks {about['folder']}/{split}-*.parquet")
            yield from ((split, path) for path in found)

    def rows(self, config: str) -> pl.DataFrame:
        """All rows without their pictures, and the `split` of each."""
        parts = []
        for split, path in self.files(config):
            light = pl.scan_parquet(path).drop("image", "images", strict=False)
            parts.append(light.with_columns(split=pl.lit(split)).collect())
            self._check(parts[-1].get_column(NAMED_BY, default=pl.Series([None], dtype=pl.String)))
        return pl.concat(parts)

    def _check(self, pictures: pl.Series) -> None:
        """UserError: a picture's name is no SHA-256. Files are named by it: it may lead nowhere else."""
        if wrong := pictures.filter(~pictures.str.contains(_SHA256)).drop_nulls().to_list():
            raise UserError(f"the release {self.path} names a picture {wrong[0]!r}: that is no SHA-256")

    def fingerprints(self) -> dict[str, str]:
        """Picture to its perceptual hash, of those that have one."""
        lines = (self.path / FINGERPRINTS).read_text(encoding="utf-8").splitlines()
        return {row["image_sha256"]: row["fingerprint"] for row in map(json.loads, lines)}

    def removed(self) -> dict[str, str]:
        """Rows that earlier versions held, and why this one does not."""
        return {row: why for row, _, why in self.removals()}

    def removals(self) -> list[tuple[str, str, str]]:
        """(id, the first version without it, why)."""
        path = self.path / REMOVED
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        return [(row, version, why) for row, version, why in (line.split("\t", 2) for line in lines)]

    def removed_rows(self) -> list[dict[str, Any]]:
        """What later versions go by of rows that earlier versions held: id, split, hashes of the picture and of its original, and
        hashes of what it shared with others. One that was removed before these were kept is not among them."""
        path = self.path / REMOVED_ROWS
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []

    def pictured(self, config: str, *splits: str) -> Iterator[dict[str, Any]]:
        """Row after row with its picture (bytes and path, or null) and its `split`, of all splits or some; a few are held at
        once."""
        for split, path in self.files(config):
            if splits and split not in splits:
                continue
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(_ROWS):
                    if NAMED_BY in batch.schema.names:
                        self._check(pl.Series(batch.column(NAMED_BY).to_pylist(), dtype=pl.String))
                    yield from ({**row, "split": split} for row in batch.to_pylist())


def hashes(folder: Path) -> dict[str, str]:
    """Path in the release → SHA-256, of everything but the manifest."""
    found = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name != MANIFEST):
        with path.open("rb") as file:
            found[path.relative_to(folder).as_posix()] = hashlib.file_digest(file, "sha256").hexdigest()
    return found
