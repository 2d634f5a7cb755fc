"""The commands. They wire doors and backends to recipes, and say what happened; no logic lives here."""

import contextlib
import importlib
import importlib.util
import os
import re
import signal
import sys
from collections import Counter
from pathlib import Path
from types import FrameType, ModuleType
from typing import Annotated, Any

import polars as pl
import typer
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from pipeline import __version__, trace
from pipeline.doors import push
from pipeline.doors.blobs import Blobs
from pipeline.doors.decide import Decide
from pipeline.doors.log import Lock
from pipeline.doors.replies import Replies
from pipeline.errors import Halt, UserError
from pipeline.progress import Lines
from pipeline.requests import Request
from pipeline.run import LINE, Run, Workspace
from pipeline.sources.folder import Folder
from pipeline.stages import publish as publishing

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
out, err = Console(), Console(stderr=True)

Place = Annotated[Path, typer.Option("--workspace", envvar="TETRAD_WORKSPACE", help="Where everything is kept.")]
RecipeName = Annotated[str, typer.Argument(help="A recipe's name, or the path of a .py file.")]
RunName = Annotated[str, typer.Argument(help="A run's name: the recipe's and the pool's, unless --name was given.")]
Pool = Annotated[str | None, typer.Option(help="Who writes, answers and judges: a pool of the recipe.")]
SourceName = Annotated[str | None, typer.Option(help="Where images come from: a name in the recipe, or a folder.")]
Limit = Annotated[
    int | None, typer.Option(min=1, help="Only this many images (or given prompts): a prefix of the full run.")
]
Name = Annotated[str | None, typer.Option(help="The run's name.")]
WORKSPACE = Path("workspace")


def _recipe(name: str) -> ModuleType:
    """A recipe of ours by name, or anybody's by path."""
    if not name.endswith(".py"):
        if not importlib.util.find_spec(f"pipeline.recipes.{name}") if re.fullmatch(r"[a-z]\w*", name) else True:
            known = sorted(p.stem for p in Path(__file__).with_name("recipes").glob("[a-z]*.py"))
            raise UserError(f"no such recipe: {name}; there are {', '.join(known)}, or give the path of a .py file")
        return importlib.import_module(f"pipeline.recipes.{name}")
    path = Path(name)
    spec = importlib.util.spec_from_file_location(f"recipes.{path.stem}", path)  # whatever its name, it shadows nothing
    if spec is None or spec.loader is None or not path.is_file():
        raise UserError(f"no such recipe: {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    if not hasattr(module, "build") or not hasattr(module, "POOLS"):
        raise UserError(f"{path} is no recipe: it needs POOLS and build(run)")
    return module


def _open(
    recipe: ModuleType,
    workspace: Path,
    pool: str | None,
    source: str | None,
    limit: int | None,
    name: str | None,
    until: str | None,
) -> tuple[Run[Any], Lines]:
    known = getattr(recipe, "SOURCES", {})
    sources = (
        (Folder(Path(source)),) if source and source not in known else known.get(source or next(iter(known), ""), ())
    )
    pool = pool or next(iter(recipe.POOLS))
    if until and until not in LINE:
        raise UserError(f"no such stage: {until}; the line is {', '.join(LINE)}")
    name = name or f"{recipe.__name__.rpartition('.')[2]}-{pool}"
    if not re.fullmatch(r"[\w.-]+", name) or name.startswith("."):
        raise UserError(f"{name!r} will not do as a run's name: letters, digits, '.', '_' and '-' only")
    lines = Lines(err)
    return Run(Workspace(workspace), name, recipe, pool, lines, sources=sources, limit=limit, until=until), lines


@app.command()
def run(
    recipe: RecipeName, workspace: Place = WORKSPACE, pool: Pool = None, source: SourceName = None, limit: Limit = None,
    until: Annotated[str | None, typer.Option(help=f"Stop behind this stage: {', '.join(LINE)}.")] = None,
    name: Name = None, samples: Annotated[int, typer.Option(min=0, help="Rows of the release to show at the end.")] = 0,
) -> None:  # fmt: skip
    """Run a recipe, or go on with it: what is kept is not asked again."""
    opened, lines = _open(_recipe(recipe), workspace, pool, source, limit, name, until)
    with opened as line:
        try:
            line.recipe.build(line)
        except Halt as halt:
            err.print(f"stopped: {halt}", highlight=False)
        except KeyboardInterrupt:
            err.print("interrupted; everything that came back is kept: the same command goes on", highlight=False)
            raise typer.Exit(130) from None
        else:
            line.finish()
            if until in (None, "publish"):
                _release(Workspace(workspace), line.name)
    status(line.name, workspace)
    err.print(f"models were asked {lines.asked} times", highlight=False)
    if samples and (folder := Workspace(workspace).folder / "releases" / line.name).is_dir():
        _samples(folder / publishing.DATA, samples)


def _release(workspace: Workspace, name: str) -> Path:
    """Build the release folder, unless it is there."""
    made = workspace.made(name)
    folder = workspace.folder / "releases" / name
    if not any(m.name == "quadruples" for m in made):
        raise UserError(f"the run {name} has no quadruples yet: `tetrad run` it to the end first")
    tables = {m.name: workspace.table(name, m) for m in made}
    if tables["quadruples"].is_empty():
        raise UserError(
            f"the run {name} made no quadruples, so there is nothing to release: `tetrad status {name}` says why"
        )
    new = publishing.release(tables, made=made, images=Blobs(workspace.folder / "images"), folder=folder, name=name)
    err.print(f"release {'built' if new else 'is there already'}: {folder}", highlight=False, soft_wrap=True)
    return folder


def _cell(value: object) -> Text:
    """A value as it is, but for what a terminal would obey: models wrote it."""
    return Text("".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in str(value)))


def _samples(path: Path, number: int) -> None:
    columns = ["subcategory", "kind", "question", "chosen", "rejected", "strength", "confidence"]
    rows = pl.read_parquet(path, columns=columns)
    for row in rows.gather_every(max(1, rows.height // number)).head(number).iter_rows(named=True):
        grid = Grid(show_header=False, box=None, padding=(0, 1))
        for column, value in row.items():
            grid.add_row(Text(column, style="bold"), _cell(f"{value:.2f}" if isinstance(value, float) else value))
        out.print(grid, "")


@app.command()
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


@app.command()
def show(
    run: RunName, table: Annotated[str, typer.Argument(help="images, prompts, responses, ...; or dropped.")], workspace: Place = WORKSPACE,
    limit: Annotated[int, typer.Option(min=1)] = 10, where: Annotated[str | None, typer.Option(help="A condition in SQL.")] = None,
) -> None:  # fmt: skip
    """Rows of a table."""
    place = Workspace(workspace)
    made = place.made(run)
    if table == "dropped":
        parts = [pl.read_parquet(p) for p in sorted(place.run(run).glob("*.dropped.parquet"))]
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
                grid.add_row(Text(column, style="bold"), _cell(value))
        out.print(grid, "")
    out.print(f"{min(limit, frame.height)} of {frame.height} rows", highlight=False)


@app.command()
def preview(
    recipe: RecipeName, stage: Annotated[str, typer.Argument(help=f"One of {', '.join(LINE)}.")], workspace: Place = WORKSPACE,
    pool: Pool = None, source: SourceName = None, limit: Limit = None, name: Name = None,
    number: Annotated[int, typer.Option(min=1, help="How many requests.")] = 3,
) -> None:  # fmt: skip
    """Print the first requests that a stage would send. Nothing is asked."""
    opened, _ = _open(_recipe(recipe), workspace, pool, source, limit, name, stage)
    shown: list[Request] = []

    def see(request: Request) -> bool:
        shown.append(request)
        return len(shown) < number

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


def _to_first_question(line: Run[Any]) -> None:
    with contextlib.suppress(Halt):
        line.recipe.build(line)


@app.command()
def plan(
    recipe: RecipeName,
    workspace: Place = WORKSPACE,
    pool: Pool = None,
    source: SourceName = None,
    limit: Limit = None,
    name: Name = None,
) -> None:
    """How many requests are owed before the next table is there, by model. Later tables depend on its replies."""
    opened, _ = _open(_recipe(recipe), workspace, pool, source, limit, name, None)
    owed: Counter[tuple[str, str]] = Counter()

    def count(request: Request) -> bool:
        owed[request.model, request.kind] += 1
        return True

    with opened as line:
        line.generate.preview = count
        _to_first_question(line)
        stage = line.next_stage
    if not owed:
        out.print("nothing is owed: every reply is kept", highlight=False)
    for (model, kind), number in sorted(owed.items()):
        out.print(f"{stage}: {number} {kind} requests to {model}", highlight=False)


@app.command(name="trace")
def trace_row(row_id: Annotated[str, typer.Argument(help="A row's id, or the beginning of it.")], workspace: Place = WORKSPACE,
              run: Annotated[str | None, typer.Option(help="Look in this run only.")] = None) -> None:  # fmt: skip
    """A row's whole story, back to every reply, verdict and decision."""
    tree = trace.find(Workspace(workspace), row_id, run)
    if tree is None:
        raise UserError(f"no row {row_id} in {run or 'any run'}")
    out.print(tree, highlight=False)


@app.command()
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


@app.command()
def publish(
    run: RunName, workspace: Place = WORKSPACE, repo: Annotated[str | None, typer.Option(help="org/name on the Hub.")] = None,
    tag: Annotated[str, typer.Option(help="The release's version.")] = "v0.1.0",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done on the Hub.")] = False,
) -> None:  # fmt: skip
    """Build the release folder; with --repo, push it to the Hub: private, gated, tagged."""
    folder = _release(Workspace(workspace), run)
    if repo is None:
        out.print(f"to push it: tetrad publish {run} --repo org/name", highlight=False)
        return
    for step in push.steps(folder, repo, tag) if dry_run else push.push(folder, repo, tag):
        out.print(("would " if dry_run else "") + step, highlight=False, soft_wrap=True)


@app.command()
def retry(
    run: RunName,
    error: Annotated[str, typer.Option(help="The error as `tetrad status` names it.")],
    workspace: Place = WORKSPACE,
) -> None:
    """Make a run's kept failures of one kind owed again: the next run asks them once more."""
    place = Workspace(workspace)
    tables = [place.table(run, m) for m in place.made(run)]
    asked = {i for t in tables if "request_id" in t.columns for i in t["request_id"].drop_nulls()}
    lock, replies = Lock(place.folder), Replies(place.folder, write=True)
    failures = {i: e for i, e in replies.failures().items() if i in asked}
    chosen = [i for i, e in failures.items() if e == error]
    for request_id in chosen:
        replies.owe(request_id)
    replies.close()
    lock.release()
    if not chosen:
        kinds = ", ".join(sorted(set(failures.values()))) or "none"
        raise UserError(f"the run {run} keeps no failures of the kind {error}; it keeps {kinds}")
    out.print(f"{len(chosen)} requests are owed again; run the recipe to ask them", highlight=False)


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        out.print(__version__, highlight=False)
        raise typer.Exit


def _terminated(_number: int, _frame: FrameType | None) -> None:
    """SIGTERM, as a preempted job gets it: leave like Ctrl-C does, with everything kept."""
    signal.raise_signal(signal.SIGINT)  # which the event loop, while it runs, turns into an orderly end


def main() -> None:
    """The command line. Exit codes: 0 done; 2 something for the user to mend; 130 interrupted, and all is kept."""
    os.umask(0o077)
    signal.signal(signal.SIGTERM, _terminated)
    try:
        app()
    except UserError as error:
        err.print(f"tetrad: {error}", style="red", highlight=False, markup=False, soft_wrap=True)
        sys.exit(2)
