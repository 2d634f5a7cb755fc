"""release: what a release folder is good for: compared, filled, exported."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table as Grid

from pipeline.cli.options import WORKSPACE, Place
from pipeline.cli.terminal import out
from pipeline.release import versions
from pipeline.release.exporting import FORMATS
from pipeline.release.exporting import export as exported
from pipeline.release.folder import Folder
from pipeline.release.hydrate import hydrate as filled

group = typer.Typer(no_args_is_help=True, help="Release folders: diff (--rows), hydrate (--unchecked), export (--to).")
Release = Annotated[Path, typer.Argument(help="A release's folder.")]


@group.command()
def diff(
    a: Release, b: Release, rows: Annotated[bool, typer.Option("--rows", help="Every row too, with its reason.")] = False
) -> None:  # fmt: skip
    """What changed from one release to another: rows added, removed and changed, by class, with reasons."""
    before, after = Folder(a), Folder(b)
    changed = versions.changes(before.rows("quadruples"), after.rows("quadruples"), after.removed())
    entry = versions.entry(after.version, changed)
    out.print(
        f"v{before.version} → v{after.version}: {entry.added} added, {entry.removed} removed, {entry.changed} changed",
        highlight=False,
    )
    grid = Grid(show_header=True, box=None)
    for column in ("change", "class", "rows"):
        grid.add_column(column, justify="right" if column == "rows" else "left")
    for change, path, number in versions.by_class(changed):
        grid.add_row(change, path, str(number))
    if changed.height:
        out.print(grid)
    for reason, number in entry.reasons.items():
        out.print(f"{number} {reason}", highlight=False, markup=False, soft_wrap=True)
    for row in changed.iter_rows(named=True) if rows else ():
        out.print(
            f"{row['change']} {row['id']} {row['reason'] or ''}".rstrip(), highlight=False, markup=False, soft_wrap=True
        )


@group.command()
def hydrate(
    folder: Release, workspace: Place = WORKSPACE,
    unchecked: Annotated[bool, typer.Option("--unchecked", help="Take pictures too that have no hash to be checked by.")] = False,
) -> None:  # fmt: skip
    """Fetch the pictures that a release only names, check each by its hash, and fill them in. Again: only what is missing."""
    from pipeline.doors.web.download import Downloaded, Web  # it takes its time to load
    from pipeline.doors.web.loop import Loop

    release = Folder(folder)
    with Loop(lambda: Web(folder=workspace / "listings")) as web:

        def get(url: str) -> bytes | str:
            came = web.get(url)
            return came.data if isinstance(came, Downloaded) else came.reason

        counts = filled(release, get, unchecked=unchecked)
    for what, number in counts.most_common():
        out.print(f"{number} {what}", highlight=False, markup=False)
    if not counts:
        out.print("nothing to fill", highlight=False)


@group.command()
def export(
    folder: Release, to: Annotated[str, typer.Option(help=f"One of {', '.join(FORMATS)}.")],
    output: Annotated[Path, typer.Argument(help="A new folder.")],
) -> None:  # fmt: skip
    """Write a release as the files that a trainer reads."""
    for what, number in exported(Folder(folder), to, output).items():
        out.print(f"{number} {what}", highlight=False, markup=False)
