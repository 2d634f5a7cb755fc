"""evaluate routing: what a budget of looks makes of labels, on items whose truth is known."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table as Grid

from pipeline.cli.labelling import Columns, side_by_side, there
from pipeline.cli.terminal import out
from pipeline.errors import UserError
from pipeline.stages import evaluate as evaluating

LEAST = 20
"""Items."""


def routing(
    file: Annotated[Path, typer.Argument(help="Items, a row each: .csv, .jsonl or .parquet.")],
    truth: Annotated[str, typer.Option(help="The column with the right label: no label is seen before somebody looks.")],
    beside: Annotated[list[Path] | None, typer.Option(help="More columns of the same items, row by row. May be given again.")] = None,
    judge: Annotated[Columns, typer.Option(help="A column with a judge's labels. May be given again; default: all columns of --beside.")] = None,
    text: Annotated[Columns, typer.Option(help="A column whose words may tell. May be given again.")] = None,
    name: Annotated[Columns, typer.Option(help="A column whose values may tell: a model, a category. May be given again.")] = None,
    positive: Annotated[list[str] | None, typer.Option(help="How the labels begin that count as positive; default: unsafe. May be given again.")] = None,
    draws: Annotated[int, typer.Option(min=1, help="So often, with other draws where chance decides.")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="Print the rows as JSON.")] = False,
) -> None:  # fmt: skip
    """F1 on the positive labels after people looked at 5, 10 and 20 % of the items, the others' labels being predicted."""
    items, others = side_by_side(file, beside or [])
    judges = judge or others
    if not judges:
        raise UserError("nobody has judged: name a column with --judge, or a file of them with --beside")
    there(items, truth, *judges, *(text or ()), *(name or ()))
    if truth in {*judges, *(text or ()), *(name or ())}:
        raise UserError(f"{truth} is the truth: it cannot be what the prediction rests on")
    if items.height < LEAST:
        raise UserError(f"too few items: {items.height}; of {LEAST} or more 5 % are one")
    made = evaluating.routing(
        items, truth=truth, judges=tuple(judges), texts=tuple(text or ()), names=tuple(name or ()),
        positive=tuple(positive or ("unsafe",)), draws=draws,
    ).kept  # fmt: skip
    if as_json:
        out.print_json(json.dumps(made.to_dicts()))
        return
    grid = Grid("", "F1", "least", "expected", "looked at", "positive", "called so unseen", box=None, pad_edge=False)
    for row in made.iter_rows(named=True):
        shares = [f"{row[column]:.3f}" for column in ("f1", "least", "expected")]
        counts = [str(row["bought"]), f"{row['found']:.1f}", f"{row['called']:.1f}"]
        grid.add_row(row["name"], *shares, *counts)
    out.print(grid)
