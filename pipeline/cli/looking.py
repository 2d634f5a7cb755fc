"""status, show, trace: what a run's tables hold, and where a row comes from."""

from typing import Annotated

import polars as pl
import typer
from rich.table import Table as Grid
from rich.text import Text

from pipeline import trace
from pipeline.cli.options import WORKSPACE, Place, RunName
from pipeline.cli.terminal import harmless, out
from pipeline.errors import UserError
from pipeline.workspace import Workspace


def status(run: RunName, workspace: Place = WORKSPACE) -> None:
    """What each table of a run holds: in, kept, dropped and why, errors, owed."""
    grid = Grid(title=run, title_justify="left")
    for column, justify in (
        ("table", "left"),
        ("in", "right"),
        ("kept", "right"),
        ("dropped", "left"),
        ("errors", "left"),
        ("owed", "right"),
    ):
        grid.add_column(column, justify=justify)  # type: ignore[arg-type]
    for m in Workspace(workspace).made(run):
        dropped, errors = (
            "\n".join(f"{n} {why}" for why, n in counts.items()) or "0" for counts in (m.dropped, m.errors)
        )
        grid.add_row(f"{m.number} {m.name}", str(m.considered), str(m.kept), dropped, errors, str(m.owed))
    out.print(grid)


def show(
    run: RunName, table: Annotated[str, typer.Argument(help="images, prompts, responses, ...; or dropped.")], workspace: Place = WORKSPACE,
    limit: Annotated[int, typer.Option(min=1)] = 10, where: Annotated[str | None, typer.Option(help="A condition in SQL.")] = None,
) -> None:  # fmt: skip
    """Rows of a table."""
    place = Workspace(workspace)
    made = place.made(run)
    if table == "dropped":
        parts = place.dropped(run)
        frame = pl.concat(parts) if parts else pl.DataFrame()
    else:
        found = [m for m in made if m.name == table]
        if not found:
            raise UserError(f"the run {run} has no table {table}; it has {', '.join(m.name for m in made)}, dropped")
        frame = place.table(run, found[-1])
    if where:
        try:
            frame = frame.filter(pl.sql_expr(where))
        except (pl.exceptions.PolarsError, TypeError) as error:
            raise UserError(
                f"--where {where!r}: {str(error).splitlines()[0]}; columns are {', '.join(frame.columns)}"
            ) from None
    for row in frame.head(limit).iter_rows(named=True):
        grid = Grid(show_header=False, box=None, padding=(0, 1))
        for column, value in row.items():
            if value is not None:
                grid.add_row(Text(column, style="bold"), harmless(value))
        out.print(grid, "")
    out.print(f"{min(limit, frame.height)} of {frame.height} rows", highlight=False)


def trace_row(row_id: Annotated[str, typer.Argument(help="A row's id, or the beginning of it.")], workspace: Place = WORKSPACE,
              run: Annotated[str | None, typer.Option(help="Look in this run only.")] = None) -> None:  # fmt: skip
    """A row's whole story, back to every reply, verdict and decision."""
    tree = trace.find(Workspace(workspace), row_id, run)
    if tree is None:
        raise UserError(f"no row {row_id} in {run or 'any run'}")
    out.print(tree, highlight=False)
