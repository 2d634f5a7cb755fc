"""evaluate labels: how far people agree, and how good judges are, on items that have labels already."""

import json
from pathlib import Path
from typing import Annotated

import polars as pl
import typer
from rich.table import Table as Grid

from pipeline.cli.terminal import harmless, out
from pipeline.errors import UserError
from pipeline.stages import evaluate as evaluating

Columns = list[str] | None


def labels(
    file: Annotated[Path, typer.Argument(help="Items, a row each: .csv, .jsonl or .parquet.")],
    beside: Annotated[list[Path] | None, typer.Option(help="More columns of the same items, row by row. May be given again.")] = None,
    truth: Annotated[str | None, typer.Option(help="The column with the right label.")] = None,
    person: Annotated[Columns, typer.Option(help="A column with a person's labels. May be given again.")] = None,
    judge: Annotated[Columns, typer.Option(help="A column with a judge's labels. May be given again; default: all other columns of --beside.")] = None,
    positive: Annotated[list[str] | None, typer.Option(help="How the labels begin that count as positive; default: unsafe. May be given again.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the rows as JSON.")] = False,
) -> None:  # fmt: skip
    """Agreement of people; precision, recall and F1 of each judge, and of what rules make of the judges' labels."""
    items, others = side_by_side(file, beside or [])
    judges = judge or [name for name in others if name not in {truth, *(person or ())}]
    there(items, *([truth] if truth else ()), *(person or ()), *judges)
    if truth in judges:
        raise UserError(f"{truth} is the truth: it cannot be a judge beside itself")
    if len(person or ()) < 2 and not (truth and judges):
        raise UserError("nothing to compare: name two columns with --person, or one with --truth and some with --judge")
    made = evaluating.labels(
        items, truth=truth, people=tuple(person or ()), judges=tuple(judges), positive=tuple(positive or ("unsafe",))
    ).kept
    if as_json:
        out.print_json(json.dumps(made.to_dicts()))
        return
    _print_agreement(made.filter(who="people"))
    _print_hits(made.filter(pl.col("who") != "people"))


def side_by_side(file: Path, beside: list[Path]) -> tuple[pl.DataFrame, list[str]]:
    """The items with all columns; and the names of those that stand beside."""
    items, others = _read(file), list[str]()
    for path in beside:
        part = _read(path)
        if part.height != items.height:
            raise UserError(f"{path} has {part.height} rows, and {file} {items.height}: they must be the same items")
        if twice := set(part.columns) & set(items.columns):
            raise UserError(f"{path}: the column {min(twice)} is there already")
        items, others = pl.concat([items, part], how="horizontal"), others + part.columns
    return items, others


def there(items: pl.DataFrame, *names: str) -> None:
    """Each of them is a column."""
    for name in names:
        if name not in items.columns:
            raise UserError(f"no column {name!r}; there are {', '.join(items.columns)}")


def _read(path: Path) -> pl.DataFrame:
    readers = {
        ".csv": lambda: pl.read_csv(path, infer_schema=False),
        ".jsonl": lambda: pl.read_ndjson(path),
        ".parquet": lambda: pl.read_parquet(path),
    }
    if path.suffix.lower() not in readers:
        raise UserError(f"{path}: a table is one of {', '.join(readers)}")
    try:
        return readers[path.suffix.lower()]()
    except FileNotFoundError:
        raise UserError(f"no such file: {path}") from None
    except (pl.exceptions.PolarsError, OSError) as error:
        raise UserError(f"{path}: {str(error).splitlines()[0]}") from None


def _print_agreement(rows: pl.DataFrame) -> None:
    if rows.is_empty():
        return
    grid = Grid("agreement of people", "labels", "value", "95 %", "items", box=None, pad_edge=False)
    for row in rows.iter_rows(named=True):
        ends = "-" if row["low"] is None else f"{row['low']:.4f}-{row['high']:.4f}"
        value = f"{row['value']:.4f}" if row["value"] is not None else f"undefined: {row['reason']}"
        grid.add_row(row["name"], row["labels"], value, ends, str(row["items"]))
    out.print(grid, "")


def _print_hits(rows: pl.DataFrame) -> None:
    if rows.is_empty():
        return
    grid = Grid(
        "judge or rule",
        "F1",
        "precision",
        "recall",
        "found",
        "false",
        "missed",
        "calibration",
        box=None,
        pad_edge=False,
    )
    for row in rows.iter_rows(named=True):
        shares = [_share(row[name]) for name in ("f1", "precision", "recall")]
        grid.add_row(
            harmless(row["name"]),
            *shares,
            *(str(row[name]) for name in ("found", "alarms", "missed")),
            _share(row["calibration"]),
        )
    out.print(grid)


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
