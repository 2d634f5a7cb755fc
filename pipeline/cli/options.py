"""The arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

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
