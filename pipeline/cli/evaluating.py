"""evaluate: how good a recipe's judges are, and whether they obey what they judge, before a run is paid for."""

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer
from rich.table import Table as Grid

from pipeline import recipes
from pipeline.cli.options import WORKSPACE, Place, Pool, RecipeName, dollars
from pipeline.cli.terminal import err, harmless, out
from pipeline.doors.blobs import Blobs
from pipeline.doors.budget import Budget
from pipeline.doors.generate import Generate
from pipeline.doors.log import Lock
from pipeline.doors.replies import Replies
from pipeline.errors import Halt, Interrupted, UserError
from pipeline.judges import gold as golden
from pipeline.judges.injections import ALL
from pipeline.judges.panel import AnyJudge
from pipeline.models import catalogue
from pipeline.progress import Lines
from pipeline.run import asked_in, pool_of
from pipeline.stages import evaluate as evaluating

Chosen = Annotated[list[str] | None, typer.Option("--judge", help="This judge alone, by its name. May be given again.")]
Most = Annotated[str | None, typer.Option(help="Stop when it has cost this, over all sittings: 50USD.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the rows as JSON.")]

evaluate = typer.Typer(
    no_args_is_help=True, help="How good judges and labels are: judges, injections, labels, routing."
)


@evaluate.command()
def judges(
    recipe: RecipeName,
    gold: Annotated[Path, typer.Option(help="Items whose answer is known: .csv, .jsonl or .parquet with question, image, and response_a, response_b, preferred; or response, label.")],
    workspace: Place = WORKSPACE, pool: Pool = None, judge: Chosen = None, budget: Most = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """How often each judge is right on the items of --gold, whose answers are known."""
    items = golden.read(gold)
    _check(items, gold, Blobs(workspace / "images"))
    with _asking("judges", recipe, pool, judge, workspace, budget) as (asked, generate):
        made = evaluating.judges(items, judges=asked, generate=generate)
    left_out = made.dropped["id"].to_list()
    if made.kept.is_empty():
        raise UserError(f"{gold} holds answers with labels, and none of these judges gives one: {', '.join(left_out)}")
    if left_out:
        err.print(harmless(f"left out, for they give no label: {', '.join(left_out)}"), soft_wrap=True)
    if as_json:
        out.print_json(json.dumps(made.kept.to_dicts()))
        return
    grid = _grid("judge", "items", "right", "95 %", "same", "unread", "refused", "calls", "USD")
    grid.caption = "same: of the pairs read in both orders, those judged alike"
    for row in made.kept.iter_rows(named=True):
        shares = [_number(row[name]) for name in ("order_consistency", "unreadable_rate", "refusal_rate")]
        grid.add_row(
            harmless(row["judge"]), str(row["items"]), _number(row["accuracy"]), _ends(row, "accuracy"), *shares,
            str(row["calls"]), _number(row["cost"], 4),
        )  # fmt: skip
    out.print(grid)


@evaluate.command()
def injections(
    recipe: RecipeName, workspace: Place = WORKSPACE, pool: Pool = None, judge: Chosen = None, budget: Most = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """How each judge holds against texts that try to instruct it."""
    with _asking("injections", recipe, pool, judge, workspace, budget) as (asked, generate):
        made = evaluating.injections(judges=asked, generate=generate)
    if as_json:
        out.print_json(json.dumps(made.kept.to_dicts()))
        return
    grid = _grid("judge", "family", "read", "flipped", "rate", "95 %", "unread", "refused")
    grid.caption = "flipped: verdicts that the text turned to its side, of those read with it and without"
    for row in made.kept.iter_rows(named=True):
        grid.add_row(
            harmless(row["judge"] if row["family"] == ALL else ""), row["family"], str(row["read"]), str(row["flipped"]),
            _number(row["rate"]), _ends(row, "rate"), str(row["unread"]), str(row["refused"]),
        )  # fmt: skip
    out.print(grid)


def _check(items: pl.DataFrame, file: Path, images: Blobs) -> None:
    """What is wrong with gold items is found before anything is asked."""
    if items.is_empty():
        raise UserError(f"{file} holds no items")
    for image in items["image"].drop_nulls().unique(maintain_order=True):
        if not re.fullmatch("[0-9a-f]{64}", image) or image not in images:
            raise UserError(f"{file}: the image {image!r} is not in {images.folder}: it is named by its SHA-256 there")


@contextlib.contextmanager
def _asking(
    verb: str, recipe: str, pool: str | None, chosen: list[str] | None, workspace: Path, budget: str | None
) -> Iterator[tuple[tuple[AnyJudge, ...], Generate]]:
    """A pool's judges and the open generate door. Nothing of it is released, so that any model may take part."""
    module, limit, models, lines = recipes.load(recipe), dollars(budget), catalogue(), Lines(err)
    pool = pool or next(iter(module.POOLS), "")
    asked = _chosen(evaluating.judges_in(pool_of(module, pool)), chosen, pool)
    models.check({judge.model for judge in asked})
    run = f"evaluate-{verb}-{module.__name__.rpartition('.')[2]}-{pool}"
    try:
        with contextlib.ExitStack() as doors:
            doors.callback(Lock(workspace).release)
            replies = Replies(workspace, write=True)
            doors.callback(replies.close)
            spent = replies.spent(run) if limit else 0.0
            generate = Generate(
                replies, models, Blobs(workspace / "images"), workspace, lines, run=run, budget=Budget(limit, spent)
            )
            doors.callback(generate.close)
            for model, kind in sorted(asked_in(asked)):
                generate.check(model, kind)
            yield asked, generate
    except (Halt, KeyboardInterrupt) as why:
        halt = why if isinstance(why, Halt) else Interrupted(130)
        err.print(str(halt), highlight=False)
        raise typer.Exit(halt.code) from None
    cost = f" and cost {lines.cost:.4f} USD" if lines.cost else ""
    err.print(f"models were asked {lines.asked} times{cost}", highlight=False)
    if generate.owed:
        err.print(f"{generate.owed} replies are owed: the same command asks for them again", highlight=False)


def _chosen(found: tuple[AnyJudge, ...], names: list[str] | None, pool: str) -> tuple[AnyJudge, ...]:
    """The judges of these names, or all."""
    known = list(dict.fromkeys(judge.name for judge in found))
    if not found:
        raise UserError(f"the pool {pool} has no judges")
    if unknown := [name for name in names or () if name not in known]:
        raise UserError(f"the pool {pool} has no judge {unknown[0]!r}; it has {', '.join(known)}")
    asked = tuple(judge for judge in found if judge.name in (names or known))
    for name in known:
        if sum(judge.name == name for judge in asked) > 1:
            raise UserError(f"two judges of the pool {pool} are called {name}: give them names of their own")
    return asked


def _grid(*columns: str) -> Grid:
    grid = Grid(box=None, pad_edge=False, padding=(0, 2, 0, 0), caption_justify="left")
    for column in columns:
        named = column in ("judge", "family")
        grid.add_column(column, justify="left" if named else "right", no_wrap=column != "judge", overflow="fold")
    return grid


def _number(value: float | None, digits: int = 2) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _ends(row: dict[str, Any], name: str) -> str:
    """Of a share's interval."""
    return "-" if row[f"{name}_low"] is None else f"{row[f'{name}_low']:.2f}-{row[f'{name}_high']:.2f}"
