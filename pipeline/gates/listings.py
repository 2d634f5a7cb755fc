"""The files of benchmarks, and the texts in them: one after the other, so that a million lines take no more memory than one."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.errors import UserError

COLUMNS = ("question", "prompt", "text", "instruction")
"""Of a table, those that hold a benchmark's texts."""
IMAGES = (".jpg", ".jpeg", ".png", ".webp")
TABLES = (".csv", ".tsv", ".jsonl", ".parquet")
_READ = (".txt", *TABLES, *IMAGES)


def files(path: Path) -> list[Path]:
    """The file, or all files below the folder that can be read, in the order of their names.

    Raises UserError if there is none."""
    if not path.exists():
        raise UserError(f"no such benchmark: {path}; give a file, or a folder of them")
    if path.is_file() and path.suffix.lower() not in _READ:
        raise UserError(f"{path} is no benchmark that can be read: files must end in {', '.join(_READ)}")
    found = (
        [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.suffix.lower() in _READ and p.is_file())
    )
    if not found:
        raise UserError(f"no benchmark in {path}: files must end in {', '.join(_READ)}")
    return found


def texts(path: Path) -> Iterator[str]:
    """All texts of a file or folder, without the space around them. Tables in a folder that have none are passed over.

    Raises UserError where a file cannot be read, or where a table that was named itself has no column of texts."""
    for file in files(path):
        ending = file.suffix.lower()
        if ending in IMAGES:
            continue
        try:
            yield from filter(None, (text.strip() for text in _OF[ending](file)))
        except _NoTexts:
            if file == path:
                raise UserError(
                    f"{file} has none of the columns {', '.join(COLUMNS)}; rename the one that is meant"
                ) from None
        except (ValueError, csv.Error, OSError) as error:  # json and pyarrow raise ValueErrors
            raise UserError(f"{file} cannot be read as a benchmark: {error}") from None


class _NoTexts(Exception):  # noqa: N818 -- it is up to the caller whether it is an error
    """A table without a column of texts."""


def _lines(file: Path) -> Iterator[str]:
    with file.open(encoding="utf-8-sig", errors="replace") as opened:
        yield from opened


def _csv(file: Path) -> Iterator[str]:
    with file.open(encoding="utf-8-sig", errors="replace", newline="") as opened:
        rows = csv.DictReader(opened, delimiter="\t" if file.suffix.lower() == ".tsv" else ",")
        columns = _columns(rows.fieldnames or ())
        for row in rows:
            yield from _strings(row, columns)


def _jsonl(file: Path) -> Iterator[str]:
    found = False
    for line in _lines(file):
        row = json.loads(line) if line.strip() else None
        if isinstance(row, dict):
            columns = [name for name in row if name.lower() in COLUMNS]
            found = found or bool(columns)
            yield from _strings(row, columns)
    if not found:
        raise _NoTexts


def _parquet(file: Path) -> Iterator[str]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(file) as opened:
        columns = _columns(opened.schema_arrow.names)
        for batch in opened.iter_batches(columns=columns):
            for row in batch.to_pylist():
                yield from _strings(row, columns)


def _columns(names: Any) -> list[str]:
    found = [name for name in names if name.lower() in COLUMNS]
    if not found:
        raise _NoTexts
    return found


def _strings(row: dict[str, Any], columns: list[str]) -> Iterator[str]:
    yield from (row[name] for name in columns if isinstance(row[name], str))


_OF = {".txt": _lines, ".csv": _csv, ".tsv": _csv, ".jsonl": _jsonl, ".parquet": _parquet}
