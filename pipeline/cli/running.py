"""run, preview, plan: a recipe is followed, or only as far as its next question."""

import contextlib
import copy
import logging
import re
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import typer
from rich.table import Table as Grid
from rich.text import Text

from pipeline import __version__, planning, recipes
from pipeline.backends import LOG
from pipeline.cli import reporting
from pipeline.cli.looking import status
from pipeline.cli.options import (
    WORKSPACE,
    Avoid,
    Limit,
    Name,
    Place,
    Pool,
    Private,
    Questions,
    RecipeName,
    Sources,
    dollars,
)  # fmt: skip
from pipeline.cli.releasing import release
from pipeline.cli.terminal import err, harmless, out
from pipeline.errors import Halt, Interrupted, UserError
from pipeline.models import catalogue
from pipeline.progress import Lines, duration, heard
from pipeline.release.folder import Folder
from pipeline.requests import AnyRequest
from pipeline.run import LINE, Run
from pipeline.sources import Source, of
from pipeline.workspace import Workspace
from pipeline.writers import given


def run(
    recipe: RecipeName, workspace: Place = WORKSPACE, pool: Pool = None, source: Sources = None, questions: Questions = None, avoid: Avoid = None, limit: Limit = None,
    until: Annotated[str | None, typer.Option(help=f"Stop behind this stage: {', '.join(LINE)}.")] = None,
    name: Name = None, samples: Annotated[int, typer.Option(min=0, help="Rows of the release to show at the end.")] = 0,
    budget: Annotated[str | None, typer.Option(help="Stop when the run has cost this, over all sittings: 50USD.")] = None,
    private: Private = False,
) -> None:  # fmt: skip
    """Run a recipe, or go on with it: what is kept is not asked again."""
    opened, lines = _open(
        recipes.load(recipe), workspace, pool, source, limit, name, until, questions=questions, avoid=avoid,
        budget=dollars(budget), private=private,
    )  # fmt: skip
    log = logging.FileHandler(opened.folder / "run.log", encoding="utf-8", errors="replace")
    with opened as line, heard(log, "%(asctime)s %(levelname)s %(message)s", catalogue().secrets()):
        LOG.info("tetrad %s: the run %s begins", __version__, line.name)
        halt = _build(line)
        if isinstance(halt, Interrupted):
            raise typer.Exit(halt.code)
        if halt is None and private:
            err.print(f"the run {line.name} is private: there is no release", highlight=False)
        elif halt is None and until in (None, "publish"):
            release(Workspace(workspace), line.name)
        reporting.after(Workspace(workspace), line.name)
    status(line.name, workspace)
    spent = f" and cost {lines.cost:.4f} USD" if lines.cost else ""
    err.print(f"models were asked {lines.asked} times{spent}", highlight=False)
    if samples and (folder := Workspace(workspace).folder / "releases" / line.name).is_dir():
        _samples(Folder(folder), samples)
    if halt and halt.code:
        raise typer.Exit(halt.code)


def _build(line: Run[Any]) -> Halt | None:
    """Follow the recipe as far as it goes; returns why it stopped before its end, if it did."""
    try:
        line.recipe.build(line)
    except Halt as why:
        halt = why
    except KeyboardInterrupt:
        halt = Interrupted(130)
    else:
        line.finish()
        return None
    err.print(str(halt) if halt.code else f"stopped: {halt}", highlight=False)
    LOG.info("stopped: %s", halt)
    return halt


def _samples(release: Folder, number: int) -> None:
    columns = ["subcategory", "kind", "question", "chosen", "rejected", "strength", "confidence"]
    rows = release.rows("quadruples").select(columns)
    for row in rows.gather_every(max(1, rows.height // number)).head(number).iter_rows(named=True):
        grid = Grid(show_header=False, box=None, padding=(0, 1))
        for column, value in row.items():
            grid.add_row(Text(column, style="bold"), harmless(f"{value:.2f}" if isinstance(value, float) else value))
        out.print(grid, "")


def preview(
    recipe: RecipeName, stage: Annotated[str, typer.Argument(help=f"One of {', '.join(LINE)}.")], workspace: Place = WORKSPACE,
    pool: Pool = None, source: Sources = None, questions: Questions = None, avoid: Avoid = None, limit: Limit = None, name: Name = None, private: Private = False,
    number: Annotated[int, typer.Option(min=1, help="How many requests.")] = 3,
) -> None:  # fmt: skip
    """Print the first requests that a stage would send. Nothing is asked."""
    module = recipes.load(recipe)
    shown: list[AnyRequest] = []

    def see(request: AnyRequest) -> bool:
        shown.append(request)
        return len(shown) < number

    with Workspace(workspace).scratch(_name(module, pool, name)) as scratch:
        opened, _ = _open(
            module,
            workspace,
            pool,
            source,
            limit,
            name,
            stage,
            questions=questions,
            avoid=avoid,
            private=private,
            scratch=scratch,
        )
        with opened as line:
            line.generate.preview = see
            _to_first_question(line)
            stopped_at = line.next_stage
    if not shown:
        err.print(f"nothing is owed up to {stage}: every reply is kept", highlight=False)
    elif stopped_at != stage:
        raise UserError(
            f"{stopped_at} comes first, and its replies are owed: run it with --until {stopped_at}, or preview it"
        )
    for request in shown:
        out.print_json(request.model_dump_json(exclude_none=True))


def plan(
    recipe: RecipeName, workspace: Place = WORKSPACE, pool: Pool = None, source: Sources = None, questions: Questions = None, avoid: Avoid = None, limit: Limit = None,
    name: Name = None, private: Private = False,
) -> None:  # fmt: skip
    """What a run still has to ask, before anything is paid: requests, tokens, cost and time, by table and model."""
    module = recipes.load(recipe)
    run_name = _name(module, pool, name)
    place = Workspace(workspace)
    before = place.made(run_name) if (place.run(run_name) / "run.json").is_file() else []
    rough = planning.Rough()
    with place.scratch(run_name) as scratch:
        opened, _ = _open(
            module,
            workspace,
            pool,
            source,
            limit,
            name,
            None,
            questions=questions,
            avoid=avoid,
            private=private,
            scratch=scratch,
        )
        with opened as line:
            line.generate.preview = rough
            _to_first_question(line)
            asking, table, number = line.generate.asking, line.next_table, line.next_number
    if not rough.tokens:
        out.print("nothing is owed: every reply is kept", highlight=False)
        return
    _print_plan(list(planning.plan(table, number, asking, rough.tokens, before, catalogue())))
    if not any(page.number > number and page.asking for page in before):
        err.print(
            f"what tables behind {table} will ask depends on its replies: a pilot, `tetrad run` with --limit 50, tells",
            highlight=False,
        )


def _to_first_question(line: Run[Any]) -> None:
    with contextlib.suppress(Halt):
        line.recipe.build(line)


def _print_plan(owed: list[planning.Owed]) -> None:
    grid = Grid(caption="~ extrapolated; - not known", caption_justify="left")
    for column in ("table", "model", "requests", "tokens in", "tokens out", "USD", "time"):
        grid.add_column(column, justify="left" if column in ("table", "model") else "right")
    for row in owed:
        grid.add_row(
            row.table, row.model, f"{'' if row.exact else '~'}{row.requests:,}",
            *("-" if tokens is None else f"~{tokens:,.0f}" for tokens in (row.tokens_in, row.tokens_out)),
            "-" if row.cost is None else f"~{row.cost:.2f}", "-" if row.seconds is None else f"~{duration(row.seconds)}",
        )  # fmt: skip
    costs = [row.cost for row in owed if row.cost is not None]
    grid.add_row("all", "", f"{sum(r.requests for r in owed):,}", "", "", f"~{sum(costs):.2f}" if costs else "-", "")
    out.print(grid)


def _open(
    recipe: ModuleType, workspace: Path, pool: str | None, named: list[str] | None, limit: int | None, name: str | None,
    until: str | None, *, questions: str | None = None, avoid: list[Path] | None = None, budget: float | None = None,
    private: bool = False, scratch: Path | None = None,
) -> tuple[Run[Any], Lines]:  # fmt: skip
    known = getattr(recipe, "SOURCES", {})
    chosen = named or list(known)[:1]
    sources = _apart([source for one in chosen for source in (known[one] if one in known else (of(one),))])
    pool = pool or next(iter(recipe.POOLS))
    if until and until not in LINE:
        raise UserError(f"no such stage: {until}; the line is {', '.join(LINE)}")
    lines = Lines(err)
    opened: Run[Any] = Run(
        Workspace(workspace), _name(recipe, pool, name), recipe, pool, lines, sources=sources, limit=limit, until=until,
        questions=(questions, given.table(questions)) if questions else None, avoid=tuple(avoid or ()), budget=budget,
        private=private, scratch=scratch,
    )  # fmt: skip
    return opened, lines


def _apart(sources: list[Any]) -> tuple[Source, ...]:
    """Of two folders of one name the second is another source."""
    seen: Counter[str] = Counter()
    for place, source in enumerate(sources):
        seen[source.name] += 1
        if seen[source.name] > 1:
            sources[place] = other = copy.copy(source)
            object.__setattr__(other, "name", f"{source.name}-{seen[source.name]}")
    return tuple(sources)


def _name(recipe: ModuleType, pool: str | None, name: str | None) -> str:
    """The run's name: as given, or the recipe's and the pool's."""
    name = name or f"{recipe.__name__.rpartition('.')[2]}-{pool or next(iter(recipe.POOLS))}"
    if not re.fullmatch(r"[\w.-]+", name) or name.startswith("."):
        raise UserError(f"{name!r} will not do as a run's name: letters, digits, '.', '_' and '-' only")
    return name
