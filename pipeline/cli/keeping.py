"""retry, forget, store: what is kept is owed again, purged, looked at."""

import contextlib
from typing import Annotated

import typer
from rich.table import Table as Grid

from pipeline import forget
from pipeline.cli.options import WORKSPACE, Place, RunName
from pipeline.cli.terminal import harmless, out
from pipeline.doors.fetch import Fetch
from pipeline.doors.log import Lock
from pipeline.doors.replies import Replies
from pipeline.errors import UserError
from pipeline.workspace import Workspace

store = typer.Typer(no_args_is_help=True, help="The kept replies: check, seal, stats.")


def retry(
    run: RunName,
    error: Annotated[str, typer.Option(help="The error as `tetrad status` names it.")],
    workspace: Place = WORKSPACE,
) -> None:
    """Make a run's kept failures of one kind owed again: the next run asks them once more. Downloads that were refused, too."""
    place = Workspace(workspace)
    tables = [place.table(run, m) for m in place.made(run)]
    asked = {i for t in tables if "request_id" in t.columns for i in t["request_id"].drop_nulls()}
    with contextlib.ExitStack() as doors:
        doors.callback(Lock(place.folder).release)
        replies = Replies(place.folder, write=True)
        doors.callback(replies.close)
        fetch = Fetch(place.folder)
        doors.callback(fetch.close)
        failures = {i: e for i, e in replies.failures().items() if i in asked}
        chosen = [i for i, e in failures.items() if e == error]
        for request_id in chosen:
            replies.owe(request_id)
        kinds = sorted({*failures.values(), *fetch.refusals()})
        downloads = fetch.retry(error)
    if not chosen and not downloads:
        raise UserError(f"the run {run} keeps no failures of the kind {error}; it keeps {', '.join(kinds) or 'none'}")
    images = f" and {downloads} downloads" if downloads else ""
    out.print(f"{len(chosen)} requests{images} are owed again; run the recipe to ask them", highlight=False)


def forget_image(
    image: Annotated[str, typer.Argument(help="Its SHA-256, or at least the first 8 digits.")], workspace: Place = WORKSPACE
) -> None:  # fmt: skip
    """Purge an image, with everything said of it, and never take it in again: only its hash stays, as removed."""
    gone = forget.forget(Workspace(workspace), image)
    out.print(
        f"forgotten: {', '.join(gone.hashes)}\n{gone.files} files, {gone.replies} replies, {gone.rows} rows and "
        f"{gone.decisions} decisions are gone; {gone.tables} tables are made anew by the next run",
        highlight=False, soft_wrap=True,
    )  # fmt: skip
    if gone.releases:
        out.print(
            f"the releases of {', '.join(gone.releases)} held it: build them anew, and take what was pushed off the Hub",
            highlight=False, soft_wrap=True,
        )  # fmt: skip


@store.command()
def check(workspace: Place = WORKSPACE) -> None:
    """Look at every kept reply: whether it can be read, and is what was kept."""
    with contextlib.closing(Replies(workspace, write=False)) as replies:
        wrong = replies.check()
        for line in wrong:
            out.print(line, highlight=False, markup=False, soft_wrap=True)
        if wrong:
            raise typer.Exit(2)
        out.print(f"{len(replies)} kept replies, all sound", highlight=False)


@store.command()
def seal(workspace: Place = WORKSPACE) -> None:
    """Compress what lies in the open log into a Parquet segment."""
    with contextlib.ExitStack() as doors:
        doors.callback(Lock(workspace).release)
        replies = Replies(workspace, write=True)
        doors.callback(replies.close)
        out.print(f"{replies.seal()} replies sealed", highlight=False)


@store.command()
def stats(workspace: Place = WORKSPACE) -> None:
    """What is kept, by model: replies, failures, tokens, cost, bytes."""
    with contextlib.closing(Replies(workspace, write=False)) as replies:
        table = replies.stats()
        grid = Grid()
        for column in table.columns:
            grid.add_column(column.replace("_", " "), justify="right" if table[column].dtype.is_numeric() else "left")
        for row in table.iter_rows():
            grid.add_row(
                *("-" if cell is None else harmless(f"{cell:,}" if isinstance(cell, int) else cell) for cell in row)
            )
        out.print(grid)
        out.print(f"{len(replies)} replies in all", highlight=False)
