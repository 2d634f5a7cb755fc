"""publish: quadruples → a release: a folder that `datasets.load_dataset` reads."""

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

import polars as pl

from pipeline.doors.blobs import Blobs
from pipeline.doors.log import disk_error, private_folder
from pipeline.errors import UserError
from pipeline.release import parquet
from pipeline.release.card import card
from pipeline.workspace import Made

DATA = "data/train-00000-of-00001.parquet"


def release(tables: Mapping[str, pl.DataFrame], *, made: list[Made], images: Blobs, folder: Path, name: str) -> None:
    """Build the folder from the run's tables, by table name: whole or not at all. The same tables give the same bytes."""
    aside = folder.with_name(folder.name + ".aside")
    shutil.rmtree(aside, ignore_errors=True)
    private_folder(aside)
    try:
        quadruples = tables["quadruples"]
        parquet.write(quadruples, images, aside / DATA)
        (aside / "README.md").write_text(card(name, quadruples, tables, made), encoding="utf-8")
        (aside / "manifest.json").write_text(
            json.dumps({"inputs": _inputs(made), "files": _files(aside)}, indent=1) + "\n"
        )
        shutil.rmtree(folder, ignore_errors=True)
        aside.rename(folder)
    except FileNotFoundError as error:
        shutil.rmtree(aside, ignore_errors=True)
        raise UserError(
            f"a kept image is gone: {error.filename}; delete the run's table of images and run the recipe again, which makes both anew"
        ) from None
    except OSError as error:
        shutil.rmtree(aside, ignore_errors=True)
        raise disk_error(folder, error) from None


def holds(folder: Path, made: list[Made]) -> bool:
    """Whether the folder holds the release of these very tables, unchanged."""
    manifest = folder / "manifest.json"
    if not manifest.is_file():
        return False
    found = json.loads(manifest.read_text())
    return bool(found["inputs"] == _inputs(made) and found["files"] == _files(folder))


def models(tables: Iterable[pl.LazyFrame]) -> set[str]:
    """Every model that wrote, answered or judged something of the run."""
    found: set[str] = set()
    for table in tables:
        columns = table.collect_schema().names()
        column = next((c for c in ("model", "writer") if c in columns), None)
        if column and "request_id" in columns:
            found |= set(table.filter(pl.col("request_id").is_not_null()).select(column).unique().collect()[column])
        if "harm_by" in columns:
            found |= set(table.select("harm_by").unique().drop_nulls().collect()["harm_by"])
    return found - {"fallback", "kind"}  # a hand-written prompt names the reply that would not do; a kind is no model


def _inputs(made: list[Made]) -> dict[str, str]:
    """What a release is made from: its tables, and the code that writes it."""
    return {f"{m.number}_{m.name}": m.sha256 for m in made} | {"code": _code()}


def _code() -> str:
    """A hash of what writes a release: mended, it writes anew."""
    digest = hashlib.sha256()
    for path in sorted([Path(__file__), *Path(parquet.__file__).parent.glob("*.*")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _files(folder: Path) -> dict[str, str]:
    """Path in the release → SHA-256."""
    paths = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "manifest.json")
    return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in paths}
