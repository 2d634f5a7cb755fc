"""taxonomy: a file is checked, a tree is shown."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from pipeline.cli.options import WORKSPACE, Place
from pipeline.cli.terminal import harmless, out
from pipeline.errors import UserError
from pipeline.taxonomy import Taxonomy, faults, load, notes, tree
from pipeline.workspace import Workspace

COUNTED = ("images", "prompts", "quadruples")
"""The tables of a run that are counted by subcategory."""

group = typer.Typer(no_args_is_help=True, help="Harm taxonomies: check, show.")


@group.command()
def check(file: Annotated[Path, typer.Argument(help="A taxonomy's YAML file.")]) -> None:
    """Every fault of a taxonomy's file, one a line; of a sound one, what is worth knowing."""
    wrong = faults(file)
    for line in wrong or notes(load(str(file))):
        out.print(harmless(line), soft_wrap=True)
    if wrong:
        raise typer.Exit(2)


@group.command()
def show(
    name: Annotated[str, typer.Argument(help="A taxonomy's name, or the path of a YAML file.")] = "spa_vl",
    run: Annotated[str | None, typer.Option(help="Count the images, prompts and quadruples of this run.")] = None,
    workspace: Place = WORKSPACE,
) -> None:
    """A taxonomy's tree; with --run, how much of each subcategory that run holds."""
    taxonomy = load(name)
    counts = _counts(Workspace(workspace), run, taxonomy) if run else {}
    out.print(tree(taxonomy, counts), soft_wrap=True)


def _counts(place: Workspace, run: str, taxonomy: Taxonomy) -> dict[str, Counter[str]]:
    """Table to subcategory's id to rows, and what is no subcategory under its own word."""
    made = {m.name: m for m in place.made(run)}  # of two of one name the last
    counts = {}
    for table in (name for name in COUNTED if name in made):
        rows = pl.scan_parquet(place.path(run, made[table])).group_by("subcategory").len().collect()
        counts[table] = Counter[str]()
        for said, number in rows.iter_rows():  # images and prompts have its id, quadruples its name
            counts[table][taxonomy.resolve(said) or str(said)] += number
    if not counts:
        raise UserError(f"the run {run} has no {', no '.join(COUNTED)} yet: `tetrad run` it first")
    return counts
