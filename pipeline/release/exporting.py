"""A release into a trainer's files: pictures beside a list of rows, written row after row."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol, TextIO, cast

from pipeline.errors import UserError
from pipeline.release.exports import llama_factory, ms_swift, spa_vl
from pipeline.release.folder import Folder
from pipeline.release.parquet import NAMED_BY


class Format(Protocol):
    """A module of `exports`."""

    ENDING: str
    TOKENS: tuple[str, ...]
    """What stands for a picture in the format's texts, and for other things: a text of ours that holds one would be misread."""

    def row(self, quadruple: dict[str, Any], picture: str | None) -> dict[str, Any]:
        """What the format has of a row."""
        ...

    def finish(self, folder: Path, files: dict[str, str]) -> None:
        """Write what else belongs to it."""
        ...


FORMATS: dict[str, Format] = {
    name: cast("Format", module)
    for name, module in {"llama-factory": llama_factory, "ms-swift": ms_swift, "spa-vl": spa_vl}.items()
}


def export(release: Folder, to: str, folder: Path) -> Counter[str]:
    """Write the folder; returns how many rows went into each split, and how many were left out, by reason. UserError: no such
    format, or the folder is not empty."""
    if to not in FORMATS:
        raise UserError(f"no such format: {to}; there are {', '.join(FORMATS)}")
    if folder.exists() and any(folder.iterdir()):
        raise UserError(f"{folder} is not empty: give a new folder")
    form, counts = FORMATS[to], Counter[str]()
    (folder / "images").mkdir(parents=True, exist_ok=True)
    files = {split: f"{split}{form.ENDING}" for split in release.manifest["configs"]["quadruples"]["splits"]}
    for split, name in files.items():
        with (folder / name).open("w", encoding="utf-8") as file:
            rows = _rows(release.pictured("quadruples", split), form, folder, counts)
            _write(file, rows, lines=form.ENDING == ".jsonl")
    form.finish(folder, files)
    return counts


def _rows(rows: Iterator[dict[str, Any]], form: Format, folder: Path, counts: Counter[str]) -> Iterator[dict[str, Any]]:
    for row in rows:
        picture = row.get("image")
        if row[NAMED_BY] and not picture:
            counts["left out: its picture is not in the release (tetrad release hydrate)"] += 1
            continue
        texts = [row[text] for text in ("question", "chosen", "rejected")]
        if said := next((token for token in form.TOKENS if any(token in text for text in texts)), None):
            counts[f"left out: a text says {said}"] += 1
            continue
        path = None
        if picture:
            path = f"images/{row[NAMED_BY]}.jpg"
            if not (folder / path).is_file():
                (folder / path).write_bytes(picture["bytes"])
        counts[row["split"]] += 1
        yield form.row(row, path)


def _write(file: TextIO, rows: Iterator[dict[str, Any]], *, lines: bool) -> None:
    """One row a line; as a list, unless lines are wanted."""
    file.write("" if lines else "[")
    file.writelines(
        ("" if lines else ",\n" if number else "\n") + json.dumps(row, ensure_ascii=False) + ("\n" if lines else "")
        for number, row in enumerate(rows)
    )
    file.write("" if lines else "\n]\n")
