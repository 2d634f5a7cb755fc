"""The commands. They wire doors and backends to recipes, and say what happened; no logic lives here."""

import contextlib
import logging
import os
import re
import signal
import sys
import traceback
from collections import Counter
from pathlib import Path
from types import FrameType, ModuleType, TracebackType
from typing import Annotated, Any

import polars as pl
import typer
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from pipeline import __version__, forget, planning, recipes, trace
from pipeline.backends import LOG
from pipeline.doors.blobs import Blobs
from pipeline.doors.decide import Decide
from pipeline.doors.log import Lock
from pipeline.doors.replies import Replies
from pipeline.errors import Halt, Interrupted, UserError
from pipeline.models import catalogue, hidden
from pipeline.progress import Lines, duration, heard
from pipeline.requests import AnyRequest
from pipeline.run import LINE, Run
from pipeline.sources.folder import Folder
from pipeline.stages import publish as publishing
from pipeline.workspace import Workspace

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
store = typer.Typer(no_args_is_help=True, help="The kept replies: check, seal, stats.")
app.add_typer(store, name="store")
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
Private = Annotated[
    bool, typer.Option("--private", help="Never to be released: models whose terms forbid that may take part.")
]
WORKSPACE = Path("workspace")


def _open(
    recipe: ModuleType, workspace: Path, pool: str | None, source: str | None, limit: int | None, name: str | None,
    until: str | None, *, budget: float | None = None, private: bool = False, scratch: Path | None = None,
) -> tuple[Run[Any], Lines]:  # fmt: skip
    known = getattr(recipe, "SOURCES", {})
    sources = (
        (Folder(Path(source)),) if source and source not in known else known.get(source or next(iter(known), ""), ())
    )
    pool = pool or next(iter(recipe.POOLS))
    if until and until not in LINE:
        raise UserError(f"no such stage: {until}; the line is {', '.join(LINE)}")
    lines = Lines(err)
    opened: Run[Any] = Run(
        Workspace(workspace), _name(recipe, pool, name), recipe, pool, lines, sources=sources, limit=limit, until=until,
        budget=budget, private=private, scratch=scratch,
    )  # fmt: skip
    return opened, lines


def _name(recipe: ModuleType, pool: str | None, name: str | None) -> str:
    """The run's name: as given, or the recipe's and the pool's."""
    name = name or f"{recipe.__name__.rpartition('.')[2]}-{pool or next(iter(recipe.POOLS))}"
    if not re.fullmatch(r"[\w.-]+", name) or name.startswith("."):
        raise UserError(f"{name!r} will not do as a run's name: letters, digits, '.', '_' and '-' only")
    return name


def _dollars(text: str | None) -> float | None:
    """50, 50USD or 0.5USD."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(?:USD)?", text.strip(), re.IGNORECASE)
    if not found:
        raise UserError(f"--budget {text!r}: prices are in US dollars: 50USD, for example")
    return float(found[1])


@app.command()
def run(
    recipe: RecipeName, workspace: Place = WORKSPACE, pool: Pool = None, source: SourceName = None, limit: Limit = None,
    until: Annotated[str | None, typer.Option(help=f"Stop behind this stage: {', '.join(LINE)}.")] = None,
    name: Name = None, samples: Annotated[int, typer.Option(min=0, help="Rows of the release to show at the end.")] = 0,
    budget: Annotated[str | None, typer.Option(help="Stop when the run has cost this, over all sittings: 50USD.")] = None,
    private: Private = False,
) -> None:  # fmt: skip
    """Run a recipe, or go on with it: what is kept is not asked again."""
    opened, lines = _open(
        recipes.load(recipe), workspace, pool, source, limit, name, until, budget=_dollars(budget), private=private
    )
    log = logging.FileHandler(opened.folder / "run.log", encoding="utf-8", errors="replace")
    with opened as line, heard(log, "%(asctime)s %(levelname)s %(message)s", catalogue().secrets()):
        LOG.info("tetrad %s: the run %s begins", __version__, line.name)
        halt = _build(line)
        if isinstance(halt, Interrupted):
            raise typer.Exit(halt.code)
        if halt is None and private:
            err.print(f"the run {line.name} is private: there is no release", highlight=False)
        elif halt is None and until in (None, "publish"):
            _release(Workspace(workspace), line.name)
    status(line.name, workspace)
    spent = f" and cost {lines.cost:.4f} USD" if lines.cost else ""
    err.print(f"models were asked {lines.asked} times{spent}", highlight=False)
    if samples and (folder := Workspace(workspace).folder / "releases" / line.name).is_dir():
        _samples(folder / publishing.DATA, samples)
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


def _release(workspace: Workspace, name: str) -> Path:
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
    pool: Pool = None, source: SourceName = None, limit: Limit = None, name: Name = None, private: Private = False,
    number: Annotated[int, typer.Option(min=1, help="How many requests.")] = 3,
) -> None:  # fmt: skip
    """Print the first requests that a stage would send. Nothing is asked."""
    module = recipes.load(recipe)
    shown: list[AnyRequest] = []

    def see(request: AnyRequest) -> bool:
        shown.append(request)
        return len(shown) < number

    with Workspace(workspace).scratch(_name(module, pool, name)) as scratch:
        opened, _ = _open(module, workspace, pool, source, limit, name, stage, private=private, scratch=scratch)
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
    recipe: RecipeName, workspace: Place = WORKSPACE, pool: Pool = None, source: SourceName = None, limit: Limit = None,
    name: Name = None, private: Private = False,
) -> None:  # fmt: skip
    """What a run still has to ask, before anything is paid: requests, tokens, cost and time, by table and model."""
    module = recipes.load(recipe)
    run_name = _name(module, pool, name)
    place = Workspace(workspace)
    before = place.made(run_name) if (place.run(run_name) / "run.json").is_file() else []
    rough = planning.Rough()
    with place.scratch(run_name) as scratch:
        opened, _ = _open(module, workspace, pool, source, limit, name, None, private=private, scratch=scratch)
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
    from pipeline.doors import push  # the Hub's client takes its time to load

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


@app.command(name="forget")
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
                *("-" if cell is None else _cell(f"{cell:,}" if isinstance(cell, int) else cell) for cell in row)
            )
        out.print(grid)
        out.print(f"{len(replies)} replies in all", highlight=False)


def _terminated(_number: int, _frame: FrameType | None) -> None:
    """SIGTERM, as a preempted job gets it, outside of the asking: leave, with everything kept."""
    raise SystemExit(143)


def main() -> None:
    """The command line. Exit codes: 0 done; 1 a fault of its own; 2 something for the user to mend; 3 the budget is
    spent; 130 interrupted by Ctrl-C, 143 by SIGTERM, and all is kept."""
    os.umask(0o077)
    logging.raiseExceptions = False  # a log that cannot be written (a full disk) is no reason to stop
    signal.signal(signal.SIGTERM, _terminated)
    said = logging.StreamHandler(sys.stderr)
    said.setLevel(logging.WARNING)
    secrets: set[str] = set()

    def told(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        sys.stderr.write(hidden("".join(traceback.format_exception(kind, error, trace)), secrets))

    try:
        secrets |= catalogue().secrets()
        with heard(said, "%(message)s", secrets):
            app()
    except UserError as error:
        line = hidden(f"tetrad: {error}", secrets)
        err.print(line, style="red", highlight=False, markup=False, soft_wrap=True)
        sys.exit(2)
    except Exception:
        sys.excepthook = told  # now, for the command line's library puts its own in place
        raise
