"""What there is to write: which kinds of prompts on which images, by whom, and what the writer is told of the picture."""

import polars as pl

from pipeline.tables import Description, Kind, chance, frame
from pipeline.writers import WRITERS

_PLACES = {"place": pl.Int64, "image": pl.String, "kind": pl.String, "asked": pl.Boolean}


def wanted(images: pl.DataFrame, kinds: tuple[Kind, ...], per_image: int | None) -> pl.DataFrame:
    """place, image, kind, asked (false: written only because others start from it); by image, then in the order of `kinds`."""
    rows: list[tuple[int, str, Kind, bool]] = []
    for image in images.iter_rows(named=True):
        asked = drawn([kind for kind in kinds if WRITERS[kind].fits(image)], image["id"], per_image)
        parents = {after for kind in asked if (after := WRITERS[kind].after) and after not in asked}
        start = len(rows)
        rows += [(start + n, image["id"], kind, kind in asked) for n, kind in enumerate([*sorted(parents), *asked])]
    return pl.DataFrame(rows, schema=_PLACES, orient="row")


def drawn(kinds: list[Kind], image: str, most: int | None) -> list[Kind]:
    """The kinds that an image gets, in their order: the first; `typographic`, for words that were drawn into a picture are
    there to be asked about; and others drawn by the image's id, until there are `most`."""
    if most is None or most >= len(kinds):
        return kinds
    sure = [kind for kind in kinds[1:] if kind == "typographic"][: most - 1]
    others = [kind for kind in kinds[1:] if kind not in sure]
    return sorted([kinds[0], *sure, *chance("kinds", image).sample(others, most - 1 - len(sure))], key=kinds.index)


def shown(images: pl.DataFrame, descriptions: pl.DataFrame | None, writers: tuple[str, ...]) -> pl.DataFrame:
    """image, subcategory; caption and words: what the writer is told, a model's caption before one that came with the image,
    and words that were drawn before those that were read; shown: all of these; writer: one of them, drawn by the image's id."""
    described = frame([], Description) if descriptions is None else descriptions
    rows = images.rename({"id": "image"})
    for aspect in ("caption", "text"):
        said = described.filter(pl.col("aspect") == aspect, pl.col("text").is_not_null())
        first = said.unique("image", keep="first", maintain_order=True).select(
            "image", pl.col("text").alias(f"said_{aspect}")
        )
        rows = rows.join(first, on="image", how="left", validate="1:1", maintain_order="left")
    every = ("caption", "text", "said_caption", "said_text")
    return rows.select(
        "image",
        "subcategory",
        pl.coalesce("said_caption", "caption").alias("caption"),
        pl.coalesce("text", "said_text").alias("words"),
        pl.concat_str(every, separator="\n", ignore_nulls=True).alias("shown"),
        writer=pl.Series([chance("writer", image).choice(writers) for image in rows["image"]], dtype=pl.String),
    )
