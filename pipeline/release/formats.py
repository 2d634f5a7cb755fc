"""What a release's files look like, with one row of each: `python -m pipeline.release.formats FOLDER > docs/formats.md`."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.release import configs
from pipeline.release.exporting import FORMATS
from pipeline.release.folder import Folder
from pipeline.release.rows import Published, Responded

_SAID = {
    "default": configs.default.__doc__, "quadruples": Published.__doc__, "kto": configs.kto.__doc__, "reward": configs.reward.__doc__,
    "listwise": configs.listwise.__doc__, "dual": configs.dual.__doc__, "candidates": Responded.__doc__,
}  # fmt: skip


def markdown(release: Folder) -> str:
    """Of each configuration and export what it is, its columns and a row of a release."""
    return "\n\n".join(_parts(release)) + "\n"


def _parts(release: Folder) -> Iterator[str]:
    yield "# What a release holds"
    yield (
        f"Printed from the release {release.manifest['name']} v{release.version}; `datasets.load_dataset(FOLDER, NAME)` reads each of the "
        "configurations. In place of a picture stands how large it is."
    )
    for name in release.configs:
        columns = release.manifest["configs"][name]["features"]
        yield f"## `{name}`"
        yield _text(_SAID[name])
        yield "\n".join(["| column | type |", "| --- | --- |", *(f"| {c['name']} | {_kind(c)} |" for c in columns)])
        yield _json(_shown({k: v for k, v in _first(release, name).items() if k != "split"}))
    for name, form in FORMATS.items():
        yield f"## `tetrad release export FOLDER --to {name} OUT`"
        yield _text(form.__doc__)
        row = _first(release, "quadruples")
        picture = f"images/{row['image_sha256']}.jpg" if row.get("image") else None
        yield _json(form.row(row, picture))


def _first(release: Folder, config: str) -> dict[str, Any]:
    return next(release.pictured(config))


def _text(said: str | None) -> str:
    """A docstring, as Markdown: its paragraphs, and commands as they are."""
    return "\n\n".join(
        part.rstrip() if part.startswith("    ") else " ".join(part.split()) for part in (said or "").split("\n\n")
    )


def _kind(column: dict[str, Any]) -> str:
    """A feature, as the card says it, in one line."""
    if "dtype" in column:
        return str(column["dtype"])
    inner: Any = column.get("list", column.get("struct"))
    held = inner if isinstance(inner, str) else ", ".join(f"{c['name']}: {_kind(c)}" for c in inner)
    return f"list of {held if isinstance(inner, str) else '{' + held + '}'}"


def _shown(value: Any) -> Any:
    """Without the pictures' bytes."""
    if isinstance(value, dict):
        return {k: f"{len(v)} bytes" if isinstance(v, bytes) else _shown(v) for k, v in value.items()}
    return [_shown(v) for v in value] if isinstance(value, list) else value


def _json(row: dict[str, Any]) -> str:
    return f"```json\n{json.dumps(row, indent=1, ensure_ascii=False)}\n```"


if __name__ == "__main__":
    sys.stdout.write(markdown(Folder(Path(sys.argv[1]))))
