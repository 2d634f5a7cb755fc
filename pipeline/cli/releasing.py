"""review, publish: people decide, and a run becomes a release."""

import contextlib
from collections import Counter
from pathlib import Path
from typing import Annotated, Literal

import polars as pl
import typer

from pipeline.cli.options import WORKSPACE, Place, RunName
from pipeline.cli.terminal import err, out
from pipeline.doors.blobs import Blobs
from pipeline.doors.decide import Decide
from pipeline.doors.log import Lock
from pipeline.errors import UserError
from pipeline.models import catalogue
from pipeline.stages import publish as publishing
from pipeline.workspace import Workspace

Gate = Literal["manual", "auto", "none"]


def review(
    run: RunName,
    workspace: Place = WORKSPACE,
    take: Annotated[Path | None, typer.Option(help="Take in decisions from a file of JSON lines.")] = None,
) -> None:
    """What people should look at, and what they have decided. `tetrad run` takes decisions up."""
    place = Workspace(workspace)
    made = {m.name: m for m in place.made(run)}
    if "queue" not in made:
        raise UserError(f"the run {run} has no review queue yet: `tetrad run` it up to review first")
    queue, pairs = place.table(run, made["queue"]), place.table(run, made["candidates"])
    with contextlib.ExitStack() as doors:
        if take:
            doors.callback(Lock(place.folder).release)
        decide = Decide(place.run(run), write=take is not None)
        doors.callback(decide.close)
        if take:
            number = decide.take(take, set(pairs["id"]))
            out.print(f"{number} decisions taken; run the recipe again to settle with them", highlight=False)
        decided = decide.decisions()
    done = queue.filter(pl.col("id").is_in(decided["candidate_id"].to_list())).height
    for reason, number in sorted(Counter(queue["reason"]).items()):
        out.print(f"{number} pairs to look at: {reason}", highlight=False)
    out.print(f"{done} of {queue.height} are decided" + ("" if done else ": this run is unreviewed"), highlight=False)


def publish(
    run: RunName, workspace: Place = WORKSPACE, repo: Annotated[str | None, typer.Option(help="org/name on the Hub.")] = None,
    tag: Annotated[str, typer.Option(help="The release's version.")] = "v0.1.0",
    gate: Annotated[Gate, typer.Option(help="Who is let in: by hand, at once, or everybody.")] = "manual",
    public: Annotated[bool, typer.Option("--public", help="Make it public, once it is verified and tagged.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done on the Hub.")] = False,
) -> None:  # fmt: skip
    """Build the release folder; with --repo, push it to the Hub: private, gated, verified, tagged."""
    from pipeline.doors import push  # the Hub's client takes its time to load

    to = push.Target(repo, tag, gate, public) if repo else None
    folder = release(Workspace(workspace), run)
    if to is None:
        out.print(f"to push it: tetrad publish {run} --repo org/name", highlight=False)
        return
    for step in push.steps(folder, to) if dry_run else push.push(folder, to):
        out.print(("would " if dry_run else "") + step, highlight=False, soft_wrap=True)


def release(workspace: Workspace, name: str) -> Path:
    """Build the release folder, unless it is there."""
    made = workspace.made(name)
    folder = workspace.folder / "releases" / name
    if workspace.private(name):
        raise UserError(f"the run {name} is private: it is never released")
    if not any(m.name == "quadruples" for m in made):
        raise UserError(f"the run {name} has no quadruples yet: `tetrad run` it to the end first")
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
