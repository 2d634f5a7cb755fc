"""A local folder of images; a sub-folder named like a subcategory gives the class."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl

from pipeline.errors import UserError
from pipeline.sources import BATCH
from pipeline.sources.parts.cells import TEXTS, Cells, table
from pipeline.sources.parts.files import named, quoted, stamp, unquoted, whole
from pipeline.sources.parts.records import header, rows

SIDECARS = ("metadata.csv", "metadata.jsonl")
"""Tables of what is known of the images beside them, as `datasets` has them: the column file_name, and any of `Listed`."""


@dataclass(frozen=True)
class Folder:
    """All files below a folder but hidden ones, in the order of their paths: what is no image is dropped by the stage that
    looks at it. Links to folders are not followed; a link that leads out of the folder is not read."""

    path: Path
    licence: str | None = None
    """Of the images whose licence no table says. What is not known is published without its bytes."""
    name: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name or named(self.path))

    def revision(self) -> str:
        """Changes with the files' paths, sizes and times of change."""
        return stamp(self.path, self._files(), self.licence)

    def _files(self) -> Iterator[Path]:
        """Files, links, and all else that is no folder; and folders that cannot be looked into."""
        if not self.path.is_dir():
            raise UserError(f"no such image folder: {self.path}; check the path given to --source")
        waiting = [self.path]
        while waiting:
            path = waiting.pop()
            try:
                folder = path.is_dir() and (path == self.path or not path.is_symlink())
                inside = [inner for inner in path.iterdir() if not inner.name.startswith(".")] if folder else []
            except OSError:
                folder, inside = False, []
            if not folder:
                yield path
            waiting += sorted(inside, key=lambda inner: inner.name, reverse=True)

    def listing(self) -> Iterator[pl.DataFrame]:
        """Every file. Its class is the name of the deepest folder that is not a mere number, unless a table says another."""
        files = [path.relative_to(self.path) for path in self._files()]
        known: dict[str, dict[str, str]] = {}
        sidecars = {file for file in files if file.name in SIDECARS and _tells(self.path / file)}
        for sidecar in sidecars:
            for row in rows(self.path / sidecar):
                if told := row.pop("file_name", None):
                    known[(PurePosixPath(sidecar.parent) / told).as_posix()] = {
                        k: v for k, v in row.items() if v and k in TEXTS
                    }
        keys = [file.as_posix() for file in files if file not in sidecars]
        keys += sorted(set(known) - set(keys))  # told of, but not there: `read` says so
        listed = iter(keys)
        while some := list(islice(listed, BATCH)):
            yield self._frame(some, known)

    def _frame(self, keys: list[str], known: dict[str, dict[str, str]]) -> pl.DataFrame:
        named = [{"key": quoted(key), "subcategory": _class(key)} | known.get(key, {}) for key in keys]
        cells = Cells({name: name for name in TEXTS}, self.licence)
        return cells.listed(table(named, ("key", *TEXTS)), self.name, pl.col("key"))

    def read(self, row: dict[str, Any]) -> bytes:
        """The file's bytes."""
        try:
            path = (self.path / unquoted(row["key"])).resolve()
        except (ValueError, RuntimeError) as error:  # a null byte in a table's file_name; links in a ring
            raise OSError(str(error)) from None
        if not path.is_relative_to(self.path.resolve()):
            raise PermissionError(f"{row['key']} leads out of {self.path}")
        return whole(path)


def _tells(sidecar: Path) -> bool:
    return sidecar.is_file() and "file_name" in header(sidecar)


def _class(key: str) -> str:
    folders = key.split("/")[:-1]
    return next((quoted(folder) for folder in reversed(folders) if not folder.isdecimal()), "")
