"""report: what a run came to, as one page to look at and to send."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from pipeline import __version__
from pipeline.backends import LOG
from pipeline.cli.options import WORKSPACE, Place, RunName
from pipeline.cli.terminal import err
from pipeline.doors.blobs import Blobs
from pipeline.doors.decide import illegal_images
from pipeline.doors.log import disk_error, whole
from pipeline.errors import UserError
from pipeline.models import catalogue
from pipeline.report.page import Head, page, stamp
from pipeline.workspace import Workspace


def report(run: RunName, workspace: Place = WORKSPACE) -> None:
    """One HTML file of what a run came to, in the run's folder: counts, drops, classes, judges, cost, samples."""
    err.print(f"report: {write(Workspace(workspace), run)}", highlight=False, soft_wrap=True)


def after(workspace: Workspace, run: str) -> None:
    """The same at a run's end, unless it is there. Whatever is wrong with it, the run is whole."""
    try:
        path = write(workspace, run, anew=False)
    except Exception:  # noqa: BLE001 -- a page to look at is no reason for a run to fail
        LOG.exception("the report of %s could not be made; the run is whole", run)
    else:
        err.print(f"report: {path}", highlight=False, soft_wrap=True)


def write(workspace: Workspace, run: str, *, anew: bool = True) -> Path:
    """Make report.html beside the run's tables; returns its path."""
    made, models = workspace.made(run), catalogue()
    head, path = _head(workspace, run), workspace.run(run) / "report.html"
    if not anew and path.is_file() and stamp(head, made, models) in path.read_text(encoding="utf-8")[:2000]:
        return path
    tables = {m.name: pl.scan_parquet(workspace.path(run, m)) for m in made}
    try:
        text = page(head, tables, made, Blobs(workspace.folder / "images"), models)
    except pl.exceptions.ColumnNotFoundError as error:
        raise UserError(
            f"a table of {run} was made by another version of Tetrad ({str(error).splitlines()[0]}): run the recipe again"
        ) from None
    try:
        with whole(path) as file:
            file.write(text.encode())
    except OSError as error:
        raise disk_error(path, error) from None
    return path


def _head(workspace: Workspace, run: str) -> Head:
    told = workspace.told(run)
    newest = max((p.stat().st_mtime for p in workspace.run(run).glob("*_*.json")), default=None)
    return Head(
        run, str(told["recipe"]), str(told["pool"]), private=bool(told.get("private")), version=__version__,
        withheld=tuple(sorted(illegal_images(workspace.folder))),
        at="" if newest is None else f"{datetime.fromtimestamp(newest, UTC):%-d %B %Y, %H:%M} UTC",
    )  # fmt: skip
