"""Forget an image: its bytes, and all that was said of it, whatever run it was in. Hashes stay, by which it is refused.

Tables are derived, so a run's tables are deleted from the first that held the image: the next `tetrad run` makes them anew
without it, from the replies that are kept. Nothing else of the run is asked again.
"""

import contextlib
import json
import re
import shutil
from collections.abc import Iterator, Set
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from pipeline.doors.blobs import Blobs
from pipeline.doors.forgotten import ForgottenImages
from pipeline.doors.log import Lock, Log, rewrite, whole
from pipeline.doors.replies import Replies
from pipeline.errors import UserError
from pipeline.workspace import SCRATCH, Workspace

_HASH = "[0-9a-f]{16,64}"
_WORDS = ("caption", "text")
"""Columns of `Listed` in which words come with an image."""
_TEXTS = (pl.String(), pl.List(pl.String))
_TABLE = re.compile(r"(\d+)_\w+(\.dropped)?\.parquet")


@dataclass(frozen=True)
class Forgotten:
    """What went."""

    hashes: tuple[str, ...]
    """SHA-256 by which the image is refused from now on: of its pictures and of the originals they were made of."""
    files: int
    """Of those, whose bytes lay in the workspace."""
    rows: int
    """Rows of tables that rested on it."""
    replies: int
    decisions: int
    tables: int
    """Tables that are to be made anew."""
    releases: tuple[str, ...]
    """Runs whose release folder held it; what was pushed of them lies on the Hub."""


def forget(workspace: Workspace, image: str) -> Forgotten:
    """Purge an image, named by its SHA-256 or its original's, or by the first 8 digits or more. Killed half-way, or done
    twice, it ends the same. UserError: no such image, unless all 64 digits are given: then it is refused from now on."""
    if not workspace.folder.is_dir():
        raise UserError(f"there is no workspace {workspace.folder}")
    if not re.fullmatch("[0-9a-f]{8,64}", image):
        raise UserError(f"{image!r} names no image: give its SHA-256, or at least the first 8 digits of it")
    with contextlib.ExitStack() as locks:
        locks.callback(Lock(workspace.folder).release)
        for log in sorted(workspace.folder.glob("runs/*/decisions.jsonl")):  # a review may be served from it
            locks.callback(Lock(log.parent).release)
        return _Forgetting(workspace, image).done()


class _Table:
    """The texts in one file of a table."""

    def __init__(self, path: Path) -> None:
        self.path = path
        file = pl.scan_parquet(path)
        texts = [_text(column, kind) for column, kind in file.collect_schema().items() if kind in _TEXTS]
        self.frame = file.select(texts).collect()
        self._requests = [c for c in self.frame.columns if c.endswith(("request_id", "request_ids"))]

    def holding(self, ids: Set[str]) -> pl.Series:
        """Of each row, whether it speaks of one of these ids, other than as the reply that it was read from."""
        texts = [pl.col(c) for c in self.frame.columns if c not in self._requests]
        speaks = pl.any_horizontal(text.str.contains_any(list(ids)) for text in texts)
        return self.frame.select(speaks.fill_null(value=False)).to_series()

    def ids(self, rows: pl.Series) -> set[str]:
        """The ids of some rows, as far as they are hashes: those that people give may be any word."""
        return (
            set(self.frame.filter(rows)["id"].str.extract(f"^({_HASH})$").drop_nulls())
            if "id" in self.frame.columns
            else set()
        )

    def requests(self, rows: pl.Series) -> set[str]:
        """The ids of the replies from which some rows were read."""
        found = self.frame.filter(rows)
        return {i for c in self._requests for ids in found[c].drop_nulls() for i in ids.split()}

    def words(self, rows: pl.Series) -> set[str]:
        """What models wrote in some rows: questions and answers."""
        found = self.frame.filter(rows)
        return {text for c in ("question", "text", "reasoning") if c in found.columns for text in found[c].drop_nulls()}


def _text(column: str, kind: pl.DataType) -> pl.Expr:
    return pl.col(column).list.join(" ") if isinstance(kind, pl.List) else pl.col(column)


class _Forgetting:
    """One image on its way out."""

    def __init__(self, workspace: Workspace, image: str) -> None:
        self._folder = workspace.folder
        self._list = ForgottenImages(self._folder)
        self._images, self._originals = Blobs(self._folder / "images"), Blobs(self._folder / "originals")
        self._runs = {
            run: [_Table(p) for p in sorted(run.iterdir()) if _TABLE.fullmatch(p.name)]
            for run in sorted(self._folder.glob("runs/*/"))
        }
        pairs = self._pairs()
        self._hashes = self._named(image, pairs)
        originals = {original for original, _ in pairs if original in self._hashes}
        self._list.add(self._hashes - originals, originals)
        self._came = [
            entry
            for entry in _entries(self._folder / "originals" / "fetched.jsonl")
            if entry.get("sha256") in self._hashes
        ]
        """How it came in: from a listing's key, or from a URL."""
        self._listings = [path for path in self._folder.glob("listings/*.parquet") if self._told(path)]
        """Those in which words stand beside it."""
        self._ids = self._followed()

    def _pairs(self) -> set[tuple[str, str]]:
        """Every original with the picture that was made of it, as far as anything says so."""
        found = self._list.pairs()
        found |= {(e["original"], e["image"]) for e in _entries(self._folder / "originals" / "rebuilt.jsonl")}
        for table in (t for tables in self._runs.values() for t in tables):
            if "original_sha256" in table.frame.columns:
                fetched = table.frame.filter(pl.col("original_sha256") != "")  # of others nothing is known
                found |= set(fetched.select("original_sha256", "id").iter_rows())
        return found

    def _named(self, image: str, pairs: set[tuple[str, str]]) -> set[str]:
        """The image that is meant, by all its hashes."""
        known = {h for pair in pairs for h in pair} | set(self._list)
        known |= {
            p.name for blobs in (self._images, self._originals) for p in blobs.folder.glob(f"{image[:2]}/{image}*")
        }
        known |= {image} if len(image) == 64 else set()
        found = {frozenset(_kin(h, pairs)) for h in known if h.startswith(image)}
        if not found:
            raise UserError(
                f"no image {image} in {self._folder}; one that is not there is refused from now on if you give all 64 digits"
            )
        if len(found) > 1:
            raise UserError(f"{image} names {len(found)} images in {self._folder}: give more digits")
        return set(found.pop())

    def _followed(self) -> set[str]:
        """The image's hashes, and the ids of all rows that speak of it, or of such rows."""
        found, size = self._hashes | self._wanted(), 0
        while len(found) > size:
            size = len(found)
            for table in (t for tables in self._runs.values() for t in tables):
                found |= table.ids(table.holding(found))
        return found

    def done(self) -> Forgotten:
        """Purge it. What leads to other things goes last."""
        held = {run: [(t, t.holding(self._ids)) for t in tables] for run, tables in self._runs.items()}
        every = [pair for tables in held.values() for pair in tables]
        doomed = {i for table, rows in every for i in table.requests(rows)}
        doomed -= {
            i for table, rows in every for i in table.requests(~rows)
        }  # a reply that other images share says nothing of this one
        texts = {text for table, rows in every for text in table.words(rows)}
        texts -= {text for table, rows in every for text in table.words(~rows)}
        replies = self._replies(doomed, texts)
        decisions = sum(self._cleared(path) for path in self._folder.glob("runs/*/*.jsonl"))
        touched = {run for run, tables in held.items() if any(rows.any() for _, rows in tables)}
        releases = [path for path in self._folder.glob("releases/*/") if self._released(path, touched)]
        for path in releases:
            path.with_name(f"{path.name}.dropped.parquet").unlink(missing_ok=True)
        for path in [
            *releases,
            *self._folder.glob("releases/*.aside"),
            *self._folder.glob(f"{SCRATCH}*"),
            self._folder / "logs",
        ]:
            shutil.rmtree(path, ignore_errors=True)
        for page in self._folder.glob("runs/*/report.html"):  # made anew at the run's next end
            if self._ids & _words(page.read_text(encoding="utf-8")):
                page.unlink()
        tables = sum(_deleted(run, tables) for run, tables in held.items() if run in touched)
        self._captions()
        for blobs in (self._images, self._originals):
            blobs.sweep()
        files = sum(blobs.discard(h) for blobs in (self._images, self._originals) for h in self._hashes)
        files += sum(self._hydrated(Blobs(path)) for path in self._folder.glob("releases/*.pictures/"))
        return Forgotten(
            tuple(sorted(self._hashes)), files, sum(int(rows.sum()) for _, rows in every), replies, decisions, tables,
            tuple(path.name for path in releases if path.suffix != ".aside"),
        )  # fmt: skip

    def _hydrated(self, kept: Blobs) -> int:
        """Purge what a release was filled with, whose bytes may have another name; returns how many pictures."""
        pages = {page: page.read_text(encoding="utf-8") for page in kept.folder.glob("*.filled")}
        own = [page for page in pages if page.stem in self._hashes]
        doomed = self._hashes | {pages[page] for page in own}
        kept.sweep()
        gone = sum(kept.discard(name) for name in doomed)
        for page in sorted((p for p in pages if pages[p] in doomed or p in own), key=lambda p: p in own):
            page.unlink()  # those that lead to the bytes last
        return gone

    def _replies(self, ids: set[str], texts: set[str]) -> int:
        replies = Replies(self._folder, write=True)
        try:
            return replies.forget(replies.quoting(ids, self._hashes, texts), self._hashes)
        finally:
            replies.close()

    def _cleared(self, path: Path) -> int:
        """Purge what speaks of it from a log of what people decided; returns how many lines."""
        return rewrite(path, lambda line: None if self._ids.intersection(_words(line.decode())) else line)

    def _own(self, listing: str) -> pl.Expr:
        """Whether a row of a listing (its file's name) is it."""
        keys = [entry["key"] for entry in self._came if entry["listing"] == listing and "url" not in entry]
        return pl.col("key").is_in(keys) | pl.col("url").is_in([e["url"] for e in self._came if "url" in e])

    def _told(self, path: Path) -> bool:
        words = pl.any_horizontal(pl.col(*_WORDS).is_not_null())
        return bool(self._came) and pl.scan_parquet(path).filter(self._own(path.stem) & words).collect().height > 0

    def _wanted(self) -> set[str]:
        """The ids of its rows in tables of what is wanted, if listings tell of it in words: they do, too."""
        if not self._listings:
            return set()
        urls, found = [e["url"] for e in self._came if "url" in e], {e["id"] for e in self._came}
        for table in (t for tables in self._runs.values() for t in tables if {"url", "id"} <= set(t.frame.columns)):
            found |= set(table.frame.filter(pl.col("url").is_in(urls))["id"])
        return found

    def _captions(self) -> None:
        """What came with the image in words goes; that the source listed it stays."""
        for path in self._listings:
            own = self._own(path.stem)
            with whole(path) as file:
                pl.read_parquet(path).with_columns(pl.when(~own).then(c).alias(c) for c in _WORDS).write_parquet(file)

    def _released(self, folder: Path, touched: set[Path]) -> bool:
        """Whether a release rests on it: its run does, or did when it was released."""
        return any(run.name == folder.name.removesuffix(".aside") for run in touched) or any(
            _Table(path).holding(self._ids).any() for path in folder.rglob("*.parquet")
        )


def _kin(sha256: str, pairs: set[tuple[str, str]]) -> set[str]:
    """A hash with all that name the same picture: it, its originals, and what else was made of these."""
    found: set[str] = set()
    more = {sha256}
    while more:
        found |= more
        more = {h for pair in pairs if found.intersection(pair) for h in pair} - found
    return found


def _words(text: str) -> set[str]:
    return set(re.findall(_HASH, text))


def _entries(path: Path) -> Iterator[dict[str, str]]:
    with Log(path, write=False) as log:
        yield from (json.loads(line) for _, line in log.lines())


def _deleted(run: Path, tables: list[tuple[_Table, pl.Series]]) -> int:
    """Delete a run's tables from the first that holds the image, the last ones first, and its log; returns how many."""
    first = min(_number(table.path) for table, rows in tables if rows.any())
    files = [p for p in run.iterdir() if re.match(r"\d+_", p.name) and _number(p) >= first]
    for path in sorted(files, key=lambda p: (-_number(p), p.suffix != ".json")):  # a table without a page is not there
        path.unlink()
    for path in (run / "run.log", *run.glob("*.aside")):
        path.unlink(missing_ok=True)
    return len({_number(p) for p in files})


def _number(path: Path) -> int:
    return int(path.name.partition("_")[0])
