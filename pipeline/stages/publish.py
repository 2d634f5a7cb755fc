"""publish: quadruples → a release: a folder that `datasets.load_dataset` reads."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from pipeline.doors.blobs import Blobs
from pipeline.doors.log import disk_error, private_folder
from pipeline.errors import UserError
from pipeline.release import parquet
from pipeline.release.card import card
from pipeline.tables import Made

DATA = "data/train-00000-of-00001.parquet"


def release(tables: Mapping[str, pl.DataFrame], *, made: list[Made], images: Blobs, folder: Path, name: str) -> bool:
    """Build the folder from the run's tables, by table name: whole or not at all. The same tables give the same bytes.
    Returns False, and does nothing, when the folder already holds their release."""
    inputs = {f"{m.number}_{m.name}": m.sha256 for m in made} | {"code": _code()}
    if _holds(folder, inputs):
        return False
    aside = folder.with_name(folder.name + ".aside")
    shutil.rmtree(aside, ignore_errors=True)
    private_folder(aside)
    try:
        quadruples = tables["quadruples"]
        parquet.write(quadruples, images, aside / DATA)
        (aside / "README.md").write_text(card(name, quadruples, tables, made), encoding="utf-8")
        (aside / "manifest.json").write_text(json.dumps({"inputs": inputs, "files": _files(aside)}, indent=1) + "\n")
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
    return True


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


def _holds(folder: Path, inputs: dict[str, str]) -> bool:
    manifest = folder / "manifest.json"
    if not manifest.is_file():
        return False
    found = json.loads(manifest.read_text())
    return bool(found["inputs"] == inputs and found["files"] == _files(folder))
