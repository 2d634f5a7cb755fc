"""Stubs, filled: pictures that a release may not hold are fetched by who wants to train on them, and checked by their hash."""

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from pipeline.doors.blobs import Blobs
from pipeline.doors.log import private_folder
from pipeline.pictures.rebuild import Unfit, rebuilt
from pipeline.release import parquet
from pipeline.release.folder import MANIFEST, Folder, hashes
from pipeline.release.parquet import NAMED_BY

Get = Callable[[str], "bytes | str"]
"""A URL to the bytes there, or to why there are none."""


def hydrate(release: Folder, get: Get, *, unchecked: bool = False) -> Counter[str]:
    """Fill every stub that can be filled, in all configurations; returns how many of what. A download must be the very file
    that was fetched when the release was made; where none was fetched, there is no hash to check by, and it is taken only if
    `unchecked`. What was fetched is kept beside the folder until the next time, in `<name>.pictures`."""
    kept = Blobs(private_folder(release.path.with_name(f"{release.path.name}.pictures")))
    rows = release.rows("quadruples").drop_nulls(NAMED_BY).unique(NAMED_BY, keep="first", maintain_order=True)
    files = _own(release, kept)
    own = len(files)
    counts: Counter[str] = Counter()
    for row in rows.sort(NAMED_BY).iter_rows(named=True):
        if (name := row[NAMED_BY]) in files:
            continue
        page = kept.folder / f"{name}.filled"  # names the picture: another Pillow may encode it otherwise
        if not page.is_file():
            found = _fetched(row["image_url"], row["original_sha256"], get, unchecked=unchecked)
            if isinstance(found, str):
                counts[found] += 1
                continue
            page.write_text(kept.keep(found))
        files[name] = kept.path(page.read_text())
        counts["filled"] += 1
    if len(files) > own:
        _rewrite(release, files, len(files) - own)
    return counts


def _fetched(url: str | None, original: str | None, get: Get, *, unchecked: bool) -> bytes | str:
    """The picture, rebuilt, or why there is none."""
    if not url:
        return "without a URL"
    if not original and not unchecked:
        return "without a hash to check by (--unchecked takes them as they are)"
    data = get(url)
    if isinstance(data, str):
        return data
    if original and hashlib.sha256(data).hexdigest() != original:
        return "another file by now"
    try:
        return rebuilt(data).data
    except Unfit as unfit:
        return str(unfit)


def _own(release: Folder, kept: Blobs) -> dict[str, Path]:
    """The pictures that are in the release, out of it."""
    files: dict[str, Path] = {}
    for row in release.pictured("quadruples"):
        if row.get("image") and row[NAMED_BY] not in files:
            files[row[NAMED_BY]] = kept.path(kept.keep(row["image"]["bytes"]))
    return files


def _rewrite(release: Folder, files: dict[str, Path], filled: int) -> None:
    """The configurations with pictures once more, and the manifest: whole or not at all."""
    aside = release.path.with_name(f"{release.path.name}.aside")
    shutil.rmtree(aside, ignore_errors=True)
    pictured = {c: release.manifest["configs"][c]["folder"] for c in release.configs if release.picture(c)}
    shutil.copytree(
        release.path,
        aside,
        ignore=lambda at, names: {n for n in names if n in pictured.values() and Path(at) == release.path},
    )
    for config, folder in pictured.items():
        for part in release.rows(config).partition_by("split", maintain_order=True):
            parquet.write(part.drop("split"), release.picture(config), files, aside / folder, part["split"][0])
    manifest = release.manifest
    images = manifest["images"]
    manifest["images"] = images | {"stubs": images["stubs"] - filled, "hydrated": images.get("hydrated", 0) + filled}
    manifest["files"] = hashes(aside)
    (aside / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    shutil.rmtree(release.path)
    aside.rename(release.path)
