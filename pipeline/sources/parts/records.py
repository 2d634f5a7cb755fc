"""Rows of a .csv, .tsv, .jsonl or .txt file, one by one, whatever stands in it: a row that cannot be read is an empty one."""

import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from pipeline.errors import UserError
from pipeline.sources.parts.files import lines

SUFFIXES = (".csv", ".tsv", ".jsonl", ".txt")
LONGEST_LINE = 16 << 20
"""Bytes; of a longer one only this much is looked at."""
LONGEST_CELL = 8000
"""Characters that are kept: more than a listing takes of any text, so that it sees that one is too long."""


def rows(file: Path) -> Iterator[dict[str, str]]:
    """What each row says: column to text. A .txt file has one column, `url`; its empty lines and those that begin with # are
    no rows."""
    with _readable(file):
        if file.suffix == ".jsonl":
            yield from (fields(_text(line)) for line in lines(file, LONGEST_LINE) if line.strip())
        elif file.suffix == ".txt":
            for line in map(_text, lines(file, LONGEST_LINE)):
                if line.strip() and not line.lstrip().startswith("#"):
                    yield {"url": line.strip()[:LONGEST_CELL]}
        else:
            separated = _separated(file)
            names = next(separated, [])
            yield from ({n: c[:LONGEST_CELL] for n, c in zip(names, cells, strict=False)} for cells in separated)


def header(file: Path) -> list[str]:
    """The columns; of a .jsonl file, those of its first thousand rows."""
    with _readable(file):
        if file.suffix in (".csv", ".tsv"):
            return next(_separated(file), [])
        return list(dict.fromkeys(name for row in islice(rows(file), 1000) for name in row))


@contextmanager
def _readable(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(f"cannot read {file}: {error.strerror}; check the path of this source") from None


def _separated(file: Path) -> Iterator[list[str]]:
    """The cells of each line that has any. A cell over 131,072 characters, which a missing quotation mark makes of the rest of
    a file, costs its row."""
    with file.open(encoding="utf-8-sig", errors="replace", newline="") as opened:
        reader = csv.reader(opened, delimiter="\t" if file.suffix == ".tsv" else ",")
        while (cells := _next(reader)) is not None:
            yield cells


def _next(reader: Iterator[list[str]]) -> list[str] | None:
    """The next line's cells; none, if it is broken; None at the end. Empty lines are passed over."""
    try:
        return next((cells for cells in reader if cells), None)
    except csv.Error:
        return []


def fields(text: str) -> dict[str, str]:
    """The fields of a JSON object that can be said as text: of a list its first, of an object nothing. What is no JSON has
    none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(value, dict):
        return {}
    said = ((name, _cell(field)) for name, field in value.items())
    return {_whole(name): field for name, field in said if field is not None}


def _cell(value: Any) -> str | None:
    """A value as text."""
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, str):
        return _whole(value)
    return str(value) if isinstance(value, bool | int | float) else None


def _whole(text: str) -> str:
    """Its beginning, without lone surrogates, which JSON can spell and UTF-8 cannot."""
    return text[:LONGEST_CELL].encode("utf-8", "replace").decode()


def _text(line: bytes) -> str:
    return line.decode("utf-8-sig", "replace")
