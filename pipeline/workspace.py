"""Where everything is kept, and the page that tells what a run's table holds."""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from pipeline.doors.log import private_folder
from pipeline.errors import UserError

SCRATCH = "scratch-"
"""How the folders begin in which runs are only planned or shown: a kill may leave some."""


@dataclass
class Asking:
    """What one model's replies to the requests of a table took."""

    requests: int = 0
    owed: int = 0
    """Those of them that have no reply yet."""
    tokens_in: int = 0
    tokens_out: int = 0
    asked: int = 0
    """Requests that went out when the table was made; the other replies were kept already."""
    seconds: float = 0.0
    """For those."""
    answering: float = 0.0
    """Seconds that all these replies took, each by itself: where many are asked at once, less has passed."""


@dataclass(frozen=True)
class Made:
    """A table's page in the run: `<number>_<name>.json`."""

    number: int
    name: str
    stage: str
    """The verb of the line."""
    row: str
    """Its row type."""
    key: str
    """Everything it was made from, hashed."""
    sha256: str
    """Of the table's file."""
    considered: int
    kept: int
    dropped: dict[str, int]
    """Reason to rows."""
    errors: dict[str, int]
    """Error to rows kept with it."""
    owed: int
    """Rows whose reply has still to be asked for."""
    seconds: float
    asking: dict[str, Asking] = field(default_factory=dict)
    """Model to what its replies took."""
    notes: list[str] = field(default_factory=list)
    """What is to be said of it: a line each."""

    @classmethod
    def read(cls, path: Path) -> "Made":
        """A page as it was written."""
        page = json.loads(path.read_text(encoding="utf-8"))
        return cls(**page | {"asking": {m: Asking(**a) for m, a in page.get("asking", {}).items()}})

    @property
    def file(self) -> str:
        """The table's file name, without suffix."""
        return f"{self.number}_{self.name}"


class Workspace:
    """Where everything is kept: replies, images and listings, shared by all runs; and the runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, name: str) -> Path:
        """A run's folder."""
        return self.folder / "runs" / name

    @contextlib.contextmanager
    def scratch(self, name: str) -> Iterator[Path]:
        """A folder in place of a run's own, with its tables in it: what is only planned or shown changes no table."""
        kept = self.run(name)
        private_folder(self.folder)
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=SCRATCH) as folder:
            if kept.is_dir():  # tables are replaced, never written to: links will do
                shutil.copytree(kept.resolve(), folder, dirs_exist_ok=True, copy_function=os.symlink)
            yield Path(folder)

    def existing(self, name: str) -> Path:
        """A run's folder, which must be there."""
        folder = self.run(name)
        if not (folder / "run.json").is_file():
            known = sorted(p.parent.name for p in self.folder.glob("runs/*/run.json"))
            there = f"there are {', '.join(known)}" if known else f"{self.folder} holds no runs yet"
            raise UserError(f"no such run: {name}; {there}")
        return folder

    def private(self, name: str) -> bool:
        """Whether a run is never to be released."""
        return bool(self.told(name).get("private"))

    def told(self, name: str) -> dict[str, object]:
        """What a run's folder says of it: format, recipe, pool, and perhaps private."""
        page: dict[str, object] = json.loads((self.existing(name) / "run.json").read_text())
        return page

    def made(self, name: str) -> list[Made]:
        """The pages of a run's tables, in order."""
        pages = [Made.read(p) for p in self.existing(name).glob("*_*.json")]
        return sorted(pages, key=lambda made: made.number)

    def path(self, name: str, made: Made) -> Path:
        """The file of a run's table, which must be there."""
        path = self.run(name) / f"{made.file}.parquet"
        if not path.is_file():
            raise UserError(f"the table {path} is gone: run the recipe again to make it anew")
        return path

    def dropped(self, name: str) -> list[pl.DataFrame]:
        """What each table of a run left out, and at last its release."""
        paths = sorted(self.existing(name).glob("*.dropped.parquet"))
        beside = self.folder / "releases" / f"{name}.dropped.parquet"
        return [pl.read_parquet(path) for path in (*paths, beside) if path.is_file()]

    def table(self, name: str, made: Made) -> pl.DataFrame:
        """A run's table."""
        return pl.read_parquet(self.path(name, made))
