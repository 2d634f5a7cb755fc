"""Prompts that somebody else wrote: a file (CSV, TSV, JSONL, Parquet) or a dataset on the Hugging Face Hub."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from pipeline.errors import UserError
from pipeline.tables import Image, frame, row_id
from pipeline.taxonomy import Taxonomy

COLUMNS = ("question", "image", "subcategory", "kind", "language")
"""What may be known of a given prompt: its text; the key, URL or SHA-256 of a collected image; what its author calls its
class; `Prompt.kind`; ISO 639-1 code. All but the question may be missing."""
Read = Callable[[list[str]], pl.DataFrame]
_HUB = re.compile(
    r"hf://datasets/(?P<repo>[^/@:]+/[^/@:]+)(?:@(?P<revision>[^/:]+))?(?:/(?P<config>[^:]+))?(?::(?P<split>.+))?"
)


def table(place: str | Path, *, columns: Mapping[str, str] | None = None) -> pl.DataFrame:
    """The columns of COLUMNS that are there, as text: for `question.given`. `place`: the path of a file, or
    hf://datasets/org/name[@revision][/config][:split]. `columns`: our name to theirs, where they differ. Raises UserError
    where there is nothing to read, no question, or no text."""
    place, columns = str(place), columns or {}
    if unknown := set(columns) - set(COLUMNS):
        raise UserError(f"{place}: no such column: {', '.join(sorted(unknown))}; there are {', '.join(COLUMNS)}")
    theirs = {ours: columns.get(ours, ours) for ours in COLUMNS}
    with _troubles(place):
        there, read = _hub(place) if place.startswith("hf://") else _file(Path(place))
    if missing := {theirs[ours] for ours in {"question", *columns} if theirs[ours] not in there}:
        has = ", ".join(there)
        raise UserError(f"{place} has no column {', '.join(sorted(missing))}; it has {has}: name yours in `columns`")
    known = {ours: name for ours, name in theirs.items() if name in there}
    with _troubles(place):
        found = read(list(dict.fromkeys(known.values())))
    for name, kind in found.schema.items():
        if kind.is_nested() or kind in (pl.Binary, pl.Object):
            raise UserError(f"{place}: the column {name} holds no text; name another in `columns`")
    return found.select(pl.col(name).cast(pl.String).alias(ours) for ours, name in known.items())


@contextmanager
def _troubles(place: str) -> Iterator[None]:
    """What the libraries raise at what they cannot read, in one line."""
    try:
        yield
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        said = " ".join(str(error).split())[:300] or type(error).__name__
        hint = (
            "is the name right, and may your HF_TOKEN read it?"
            if place.startswith("hf://")
            else "is it there, and in UTF-8?"
        )
        raise UserError(f"cannot read {place}: {said}; {hint}") from None


def _file(path: Path) -> tuple[list[str], Read]:
    match path.suffix.lower():
        case ".csv" | ".tsv" as suffix:
            rows = pl.scan_csv(path, infer_schema=False, separator="," if suffix == ".csv" else "\t")
        case ".jsonl" | ".ndjson":
            rows = pl.scan_ndjson(path, infer_schema_length=None)
        case ".parquet":
            rows = pl.scan_parquet(path)
        case _:
            raise UserError(
                f"{path}: given prompts lie in .csv, .tsv, .jsonl or .parquet, or at hf://datasets/org/name"
            )
    return rows.collect_schema().names(), lambda names: rows.select(names).collect()


def _hub(place: str) -> tuple[list[str], Read]:
    from datasets import ClassLabel, load_dataset  # late: it is large
    from datasets.exceptions import DatasetsError
    from huggingface_hub import get_token
    from huggingface_hub.utils import httpx  # type: ignore[attr-defined] # documented, but hidden from type checkers

    found = _HUB.fullmatch(place)
    if found is None:
        raise UserError(f"{place}: a dataset is named hf://datasets/org/name[@revision][/config][:split]")
    try:
        rows = load_dataset(
            found["repo"], found["config"], split=found["split"] or "train", revision=found["revision"]
        ).with_format("arrow")
    except (DatasetsError, httpx.HTTPError, OSError, ValueError) as error:
        raise OSError(str(error).replace(get_token() or "\0", "<token>")) from None
    named = {name: dict(enumerate(kind.names)) for name, kind in rows.features.items() if isinstance(kind, ClassLabel)}

    def read(names: list[str]) -> pl.DataFrame:
        """Classes by their names, not by their numbers."""
        classes = [
            pl.col(n).replace_strict(named[n], default=None, return_dtype=pl.String) for n in names if n in named
        ]
        return pl.DataFrame(rows.select_columns(names)[:]).with_columns(classes)

    return rows.column_names, read


def matched(
    questions: pl.DataFrame, images: pl.DataFrame | None, taxonomy: Taxonomy | None, *, source: str
) -> pl.DataFrame:
    """Each question with the image and the subcategory that it means: id; question, kind (`given` where none is said),
    language; named and image (null where there is none of that name), several (whether there are two), its caption and words;
    called and subcategory (null where the taxonomy has none of that name; the image's where nothing is called)."""
    rows = questions.select(
        (pl.col(theirs).cast(pl.String) if theirs in questions.columns else pl.lit(None, pl.String)).alias(ours)
        for theirs, ours in zip(COLUMNS, ("question", "named", "called", "kind", "language"), strict=True)
    ).with_columns(pl.col("kind").fill_null("given"))
    known = frame([], Image) if images is None else images
    rows = rows.join(_names(known), on="named", how="left", validate="m:1", maintain_order="left").join(
        known.select(pl.col("id").alias("image"), pl.col("subcategory").alias("own"), "caption", pl.col("text").alias("words")),
        on="image", how="left", validate="m:1", maintain_order="left",
    )  # fmt: skip
    called = {name: taxonomy.resolve(name) for name in rows["called"].unique() if name} if taxonomy else {}
    meant = pl.col("called").replace_strict(called, default=None, return_dtype=pl.String)
    names = [row_id("given", source, *filter(None, parts)) for parts in rows.select("question", "image").iter_rows()]
    return rows.with_columns(
        pl.when(pl.col("called").is_null()).then("own").otherwise(meant).alias("subcategory"),
        id=pl.Series(names, dtype=pl.String),
    )


def _names(images: pl.DataFrame) -> pl.DataFrame:
    """named, image, several: what each name means. An image's id comes before a key, and a key before a URL."""
    called = pl.concat(
        images.select(pl.col(column).alias("named"), pl.col("id").alias("image"), pl.lit(rank).alias("rank"))
        for rank, column in enumerate(("id", "key", "url"))
    ).drop_nulls("named")
    nearest = called.filter(pl.col("rank") == pl.col("rank").min().over("named"))
    return nearest.group_by("named").agg(pl.col("image").first(), (pl.col("image").n_unique() > 1).alias("several"))
