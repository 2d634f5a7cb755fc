"""Tar shards as img2dataset and webdataset write them: 000.jpg, 000.json and 000.txt are one image and what is known of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import polars as pl

from pipeline.errors import UserError
from pipeline.sources import BATCH
from pipeline.sources.parts.cells import TEXTS, Cells, Columns, table
from pipeline.sources.parts.files import found, hidden, named, part, quoted, rooted, stamp, unquoted
from pipeline.sources.parts.presets import KNOWN, columns_of
from pipeline.sources.parts.records import LONGEST_CELL, fields
from pipeline.sources.parts.tar import Member, compression, members

LONGEST_WORDS = 1 << 20
"""Bytes of a .json or a .txt; of a longer one nothing is known."""
MOST_TOGETHER = 64
"""Members of one name; more are taken for several images."""
COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
_KEY, _PLACE, _TXT = "\0key", "\0place", "\0txt"


@dataclass(frozen=True)
class WebDataset:
    """A tar, a folder of tars, or a pattern. Nothing is unpacked to the disk: an image is read where it lies in its tar."""

    path: Path
    columns: Columns | None = None
    """Our columns to names in the .json members. None: by their names (presets.py). A .txt is the caption where the .json has
    none."""
    licence: str | None = None
    """Of the images that say none."""
    classes: Mapping[str, str | None] = field(default_factory=dict)
    """See `Cells.classes`."""
    name: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name or named(self.path))

    def revision(self) -> str:
        """Changes with the tars' sizes and times of change, and with what is asked of them."""
        asked = (sorted((self.columns or {}).items()), self.licence, sorted(self.classes.items()))
        return stamp(rooted(self.path)[0], found(self.path, ".tar", *COMPRESSED), *asked)

    def listing(self) -> Iterator[pl.DataFrame]:
        """One row a member that is no words on another, whatever it is; also what is no file or has no sound name, and where a
        tar is torn: `read` says so."""
        for tar in found(self.path, ".tar", *COMPRESSED):
            try:
                with tar.open("rb") as file:
                    if by := compression(file.read(4)):
                        raise UserError(f"{tar} is compressed ({by}): nothing in it can be found; unpack it to a .tar")
                    rows = self._rows(file, quoted(tar.relative_to(rooted(self.path)[0]).as_posix()))
                    while some := list(islice(rows, BATCH)):
                        yield self._listed(some)
            except OSError as error:
                raise UserError(f"cannot read {tar}: {error.strerror}; check the path of this source") from None

    def _listed(self, rows: list[dict[str, str]]) -> pl.DataFrame:
        names = dict.fromkeys(name for row in rows for name in row if "\0" not in name)
        columns = {"caption": _TXT} | dict(columns_of(names) if self.columns is None else self.columns)
        cells = Cells(columns, self.licence, self.classes)
        cells.check(TEXTS, cells.theirs(*columns), self.path)
        for row in rows if columns["caption"] != _TXT else ():
            row.setdefault(str(columns["caption"]), row.get(_TXT, ""))
        raw = table(rows, (_KEY, _PLACE, *cells.theirs(*TEXTS)))
        return cells.listed(raw, self.name, pl.col(_KEY), pl.col(_PLACE))

    def read(self, row: dict[str, Any]) -> bytes:
        """The member's bytes."""
        tar, _, place = row["place"].rpartition("#")
        offset, colon, size = place.partition(":")
        if not tar or not colon:
            raise OSError(row["place"])
        return part(rooted(self.path)[0] / unquoted(tar), int(offset), int(size))

    def _rows(self, file: BinaryIO, tar: str) -> Iterator[dict[str, str]]:
        """Each image with the words that stand beside it."""
        seen: set[str] = set()
        for together in _groups(members(file)):
            words = self._words(file, [m for m in together if _is_words(m)])
            for member in [m for m in together if not _is_words(m)] or together:
                key = quoted(member.name.removeprefix("./"))[-255:] if member.fault is None else f"bad-{member.offset}"
                key = key if key not in seen else f"{key}~{member.offset}"
                seen.add(key)
                place = f"{tar}#{member.offset}:{member.size}"
                if member.fault:
                    place = f"{member.fault}: {quoted(member.name)[:200]}".replace("#", "_")
                yield words | {_KEY: f"{tar.removesuffix('.tar')}/{key}", _PLACE: place}

    def _words(self, file: BinaryIO, members: list[Member]) -> dict[str, str]:
        """What is known of an image."""
        wanted = Cells(self.columns or {}).theirs(*TEXTS)
        words = {}
        for member in (m for m in members if m.size <= LONGEST_WORDS):
            file.seek(member.offset)
            text = file.read(member.size).decode("utf-8-sig", "replace")
            if member.name.endswith(".txt"):
                words[_TXT] = text[:LONGEST_CELL]
            else:
                words |= {k: v for k, v in fields(text).items() if k in wanted or k.lower() in KNOWN}
        return words


def _groups(members: Iterator[Member]) -> Iterator[list[Member]]:
    """Members that follow each other and are named alike up to the first dot; hidden ones are passed over."""
    together: list[Member] = []
    for member in members:
        if member.fault is None and hidden(PurePosixPath(member.name)):
            continue
        if together and (_stem(member) != _stem(together[0]) or len(together) == MOST_TOGETHER):
            yield together
            together = []
        together.append(member)
    if together:
        yield together


def _stem(member: Member) -> str:
    folder, _, name = member.name.rpartition("/")
    return f"{folder}/{name.partition('.')[0]}"


def _is_words(member: Member) -> bool:
    return member.fault is None and member.name.endswith((".json", ".txt"))
