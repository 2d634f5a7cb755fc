"""report: what a run came to, as one page to look at and to send."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from pipeline import __version__
from pipeline.backends import LOG
from pipeline.cli.options import WORKSPACE, Place, RunName
from pipeline.cli.terminal import err
from pipeline.doors.blobs import Blobs
from pipeline.doors.log import disk_error, whole
from pipeline.models import catalogue
from pipeline.report.page import Head, page
from pipeline.workspace import Workspace


def report(run: RunName, workspace: Place = WORKSPACE) -> None:
    """One HTML file of what a run came to, in the run's folder: counts, drops, classes, judges, cost, samples."""
    err.print(f"report: {write(Workspace(workspace), run)}", highlight=False, soft_wrap=True)


def after(workspace: Workspace, run: str) -> None:
    """The same at a run's end. Whatever is wrong with it, the run is whole."""
    try:
        path = write(workspace, run)
    except Exception:  # noqa: BLE001 -- a page to look at is no reason for a run to fail
        LOG.exception("the report of %s could not be made; the run is whole", run)
    else:
        err.print(f"report: {path}", highlight=False, soft_wrap=True)


def write(workspace: Workspace, run: str) -> Path:
    """Make report.html beside the run's tables; returns its path."""
    folder, made = workspace.existing(run), workspace.made(run)
    told = workspace.told(run)
    newest = max((p.stat().st_mtime for p in folder.glob("*_*.json")), default=None)
    head = Head(
        run, str(told["recipe"]), str(told["pool"]), private=bool(told.get("private")), version=__version__,
        at="" if newest is None else f"{datetime.fromtimestamp(newest, UTC):%-d %B %Y, %H:%M} UTC",
    )  # fmt: skip
    tables = {m.name: pl.scan_parquet(workspace.path(run, m)) for m in made}
    text = page(head, tables, made, Blobs(workspace.folder / "images"), catalogue())
    path = folder / "report.html"
    try:
        with whole(path) as file:
            file.write(text.encode())
    except OSError as error:
        raise disk_error(path, error) from None
    return path
