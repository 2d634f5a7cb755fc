"""publish: a run becomes a release."""

import contextlib
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from pipeline.cli.options import WORKSPACE, Place, RunName
from pipeline.cli.terminal import err, out
from pipeline.doors.blobs import Blobs
from pipeline.doors.decide import Decide
from pipeline.errors import UserError
from pipeline.models import catalogue
from pipeline.stages import publish as publishing
from pipeline.workspace import Workspace


def publish(
    run: RunName, workspace: Place = WORKSPACE, repo: Annotated[str | None, typer.Option(help="org/name on the Hub.")] = None,
    tag: Annotated[str, typer.Option(help="The release's version.")] = "v0.1.0",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done on the Hub.")] = False,
) -> None:  # fmt: skip
    """Build the release folder; with --repo, push it to the Hub: private, gated, tagged."""
    from pipeline.doors import push  # the Hub's client takes its time to load

    folder = release(Workspace(workspace), run)
    if repo is None:
        out.print(f"to push it: tetrad publish {run} --repo org/name", highlight=False)
        return
    for step in push.steps(folder, repo, tag) if dry_run else push.push(folder, repo, tag):
        out.print(("would " if dry_run else "") + step, highlight=False, soft_wrap=True)


def release(workspace: Workspace, name: str) -> Path:
    """Build the release folder, unless it is there."""
    made = workspace.made(name)
    folder = workspace.folder / "releases" / name
    if workspace.private(name):
        raise UserError(f"the run {name} is private: it is never released")
    if not any(m.name == "quadruples" for m in made):
        raise UserError(f"the run {name} has no quadruples yet: `tetrad run` it to the end first")
    with contextlib.closing(Decide(workspace.run(name), write=False)) as decide:
        if flagged := sorted(decide.illegal()):
            raise UserError(
                f"the image {flagged[0]} was flagged as illegal: see to it (tetrad forget {flagged[0]}), or clear the flag on "
                "the lead's page, before anything is released"
            )
    catalogue().releasable(publishing.models([pl.scan_parquet(workspace.path(name, m)) for m in made]))
    new = not publishing.holds(folder, made)
    if new:
        tables = {m.name: workspace.table(name, m) for m in made}
        if tables["quadruples"].is_empty():
            raise UserError(
                f"the run {name} made no quadruples, so there is nothing to release: `tetrad status {name}` says why"
            )
        publishing.release(tables, made=made, images=Blobs(workspace.folder / "images"), folder=folder, name=name)
    err.print(f"release {'built' if new else 'is there already'}: {folder}", highlight=False, soft_wrap=True)
    return folder
