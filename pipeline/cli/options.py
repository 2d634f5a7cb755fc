"""The arguments and options that several commands share."""

import re
from pathlib import Path
from typing import Annotated

import typer

from pipeline.errors import UserError

Place = Annotated[Path, typer.Option("--workspace", envvar="TETRAD_WORKSPACE", help="Where everything is kept.")]
RecipeName = Annotated[str, typer.Argument(help="A recipe's name, or the path of a .py file.")]
RunName = Annotated[str, typer.Argument(help="A run's name: the recipe's and the pool's, unless --name was given.")]
Pool = Annotated[str | None, typer.Option(help="Who writes, answers and judges: a pool of the recipe.")]
Sources = Annotated[
    list[str] | None,
    typer.Option(
        "--source",
        help="Where images come from: a name in the recipe, a folder, a list of URLs (.txt, .csv, .jsonl), .parquet, .tar, "
        "or hf://datasets/org/name. May be given again.",
    ),
]
Questions = Annotated[
    str | None,
    typer.Option(
        help="Given questions in place of written ones: a .csv, .jsonl or .parquet file, or hf://datasets/org/name."
    ),
]
Avoid = Annotated[
    list[Path] | None,
    typer.Option(
        help="Benchmarks that nothing may be taken from: files of questions, images or hashes. May be given again."
    ),
]
Limit = Annotated[
    int | None, typer.Option(min=1, help="Only this many images (or given prompts): a prefix of the full run.")
]
Name = Annotated[str | None, typer.Option(help="The run's name.")]
Private = Annotated[
    bool, typer.Option("--private", help="Never to be released: models whose terms forbid that may take part.")
]
WORKSPACE = Path("workspace")


def dollars(text: str | None) -> float | None:
    """50, 50USD or 0.5USD."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(?:USD)?", text.strip(), re.IGNORECASE)
    if not found:
        raise UserError(f"--budget {text!r}: prices are in US dollars: 50USD, for example")
    return float(found[1])
