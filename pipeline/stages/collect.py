"""collect: taxonomy, listings → wanted → images → descriptions → selected, short_images.

What is listed is kept first; of it, what is wanted is fetched; each image is checked, rebuilt from its pixels, and merged
with those that show the same.
"""

import hashlib
from collections import Counter
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
import polars as pl

from pipeline.doors.fetch import Fetch, Fetched, NotFetched
from pipeline.doors.generate import Generate
from pipeline.doors.listings import Listing
from pipeline.errors import UserError
from pipeline.looks import Look
from pipeline.looks.retrieval import Near, Retrieval, Vector
from pipeline.pictures.groups import groups
from pipeline.pictures.hashes import hashed
from pipeline.pictures.rebuild import Unfit, rebuilt
from pipeline.requests import Reply, Request
from pipeline.sources import Embedded, Source
from pipeline.statistics.ranking import Best, assigned
from pipeline.tables import (
    SEVERITIES,
    Description,
    Dropped,
    Image,
    Outcome,
    Severity,
    Shortfall,
    Wanted,
    frame,
    gather,
    outcome,
    row_id,
)  # fmt: skip
from pipeline.taxonomy import Taxonomy

Cells = dict[str, Any]
CHUNK = 1024
"""Images made into rows at once."""
SHOWN = 1000
"""Of the listed that nobody wants, for each reason, as many get a row of their own; the others are counted."""
HELD = 200_000
"""Candidates held before all but the best of each subcategory are let go."""


def wanted(
    *, sources: tuple[Source, ...], taxonomy: Taxonomy, fetch: Fetch, generate: Generate | None = None,
    retrieval: Retrieval | None = None, per_subcategory: int | None = None, limit: int | None = None, only_named: bool = False,
) -> Outcome:  # fmt: skip
    """What is to be fetched of all that the sources list: at most `per_subcategory` of each subcategory, those that rank
    best for a keyword where the source has embeddings, and else drawn by key. Images without a class are wanted where
    `retrieval` can place them by what they show, as many as of all subcategories together. In turn one of each
    subcategory, so that `limit` cuts a spread-out prefix. With `only_named` none is to be fetched (`unfetched`), and classes of
    which no images may be collected count too, unless no text may be written of them either."""
    if len({source.name for source in sources}) < len(sources):
        raise UserError(f"two sources have one name: {', '.join(s.name for s in sources)}; give them different ones")
    left, parts = _Left(), [pl.DataFrame(schema=_CANDIDATE)]
    for source in sources:
        listing = fetch.listing(source)
        ranked = None
        if isinstance(source, Embedded) and retrieval and generate:
            ranked = _ranked(source, retrieval, taxonomy, generate, per_subcategory)
        unclassed = None if retrieval and ranked is None else "not among the best" if retrieval else "no class"
        parts.append(_candidates(listing, taxonomy, left, per_subcategory, ranked, unclassed, only_named=only_named))
    chosen = _in_turn(pl.concat(parts), taxonomy)
    if limit is not None and chosen.height > limit:
        left.add(chosen.slice(limit), "beyond the limit")
        chosen = chosen.head(limit)
    return Outcome(
        Wanted,
        chosen.select(*Wanted.columns()),
        frame(left.rows, Dropped),
        chosen.height + left.number,
        dict(left.passed),
    )


class _Left:
    """What a listing offers and nobody wants: the first of each reason as rows, the others as a number."""

    def __init__(self) -> None:
        self._shown: Counter[str] = Counter()
        self.rows: list[Dropped] = []
        self.passed: Counter[str] = Counter()

    @property
    def number(self) -> int:
        """Of all."""
        return len(self.rows) + self.passed.total()

    def add(self, part: pl.DataFrame, reason: str) -> None:
        """Candidates that will not be fetched."""
        shown = part.head(SHOWN - self._shown[reason])
        for row in shown.iter_rows(named=True):
            name, detail = f"{row['source']}/{row['key']}", row["subcategory"] if reason == "no class" else None
            leaf = row["subcategory"] if reason != "no class" else None
            self.rows.append(Dropped(stage="wanted", id=name, reason=reason, detail=detail, subcategory=leaf))
        self._shown[reason] += shown.height
        if part.height > shown.height:
            self.passed[reason] += part.height - shown.height


_CANDIDATE: dict[str, Any] = Wanted.columns() | {"luck": pl.Float64()}
"""A listed image that may be wanted; the smaller its luck, the sooner."""


def _candidates(
    listing: Listing, taxonomy: Taxonomy, left: _Left, most: int | None, ranked: pl.DataFrame | None, unclassed: str | None,
    *, only_named: bool,
) -> pl.DataFrame:  # fmt: skip
    """The candidates of one listing, which streams by; of each subcategory at most `most`. `ranked`: index in the listing,
    subcategory, keyword, similarity; `unclassed`: why an image without a class is not wanted, if it is not."""
    allowed = [leaf for leaf in taxonomy.leaves if taxonomy.allows(leaf, images=not only_named)]
    raw, leaf = pl.col("subcategory"), pl.col("leaf")
    verdict = (
        pl.when(raw.is_not_null() & leaf.is_null()).then(pl.lit("no class"))
        .when(leaf.is_not_null() & ~leaf.is_in(allowed)).then(pl.lit("class without images"))
        .when(leaf.is_null()).then(pl.lit(unclassed))
    )  # fmt: skip
    held, offset = pl.DataFrame(schema=_CANDIDATE), 0
    for part in listing.frames():
        rows = _placed(part, offset, taxonomy, ranked).with_columns(verdict=verdict)
        offset += part.height
        for (reason,), refused in rows.drop_nulls("verdict").group_by("verdict", maintain_order=True):
            left.add(refused, str(reason))
        new = rows.filter(pl.col("verdict").is_null()).with_columns(
            subcategory="leaf", revision=pl.lit(listing.revision)
        )
        held = pl.concat([held, _with_luck(new)])
        if held.height > HELD:
            held = _trimmed(held, most, len(allowed), left)
    return _trimmed(held, most, len(allowed), left)


def _placed(part: pl.DataFrame, offset: int, taxonomy: Taxonomy, ranked: pl.DataFrame | None) -> pl.DataFrame:
    """With the columns leaf, keyword and similarity: from the class that the source gives, or from the ranking."""
    named = part["subcategory"].unique().drop_nulls().to_list()
    leaf = pl.col("subcategory").replace_strict(
        {n: taxonomy.resolve(n) for n in named}, default=None, return_dtype=pl.String
    )
    rows = part.with_columns(leaf=leaf)
    if ranked is None:
        return rows.with_columns(keyword=pl.lit(None, pl.String), similarity=pl.lit(None, pl.Float64))
    found = rows.with_row_index("index", offset).cast({"index": pl.Int64}).join(
        ranked.select("index", "keyword", "similarity", found="subcategory"), on="index", how="left", validate="1:1",
        maintain_order="left",
    )  # fmt: skip
    own = pl.col("subcategory").is_not_null()
    return found.with_columns(
        leaf=pl.coalesce("leaf", "found"),
        keyword=pl.when(~own).then("keyword"),
        similarity=pl.when(~own).then("similarity"),
    ).drop("index", "found")


def _with_luck(rows: pl.DataFrame) -> pl.DataFrame:
    names = [row_id(*parts) for parts in rows.select("source", "revision", "key").iter_rows()]
    drawn = [1 + int(row_id("wanted", *parts), 16) / 2**64 for parts in rows.select("source", "key").iter_rows()]
    luck = pl.coalesce(-pl.col("similarity"), pl.Series(drawn, dtype=pl.Float64))
    return rows.with_columns(id=pl.Series(names, dtype=pl.String), luck=luck).select(*_CANDIDATE)


def _trimmed(held: pl.DataFrame, most: int | None, leaves: int, left: _Left) -> pl.DataFrame:
    """The luckiest of each subcategory; and of those still without one, as many as of all."""
    if most is None:
        return held
    room = pl.when(pl.col("subcategory").is_null()).then(most * leaves).otherwise(most)
    over = pl.col("luck").rank("ordinal").over("subcategory") > room
    left.add(held.filter(over), "over its share")
    return held.filter(~over)


def _in_turn(candidates: pl.DataFrame, taxonomy: Taxonomy) -> pl.DataFrame:
    """The luckiest of each subcategory, in the taxonomy's order, then the second of each, and so on."""
    order = {leaf: n for n, leaf in enumerate(taxonomy.leaves)}
    return candidates.with_columns(
        turn=pl.col("luck").rank("ordinal").over("subcategory"),
        place=pl.col("place"),
        branch=pl.col("subcategory").replace_strict(order, default=len(order), return_dtype=pl.Int64),
    ).sort("turn", "branch", "luck", "id")


def _ranked(
    source: Embedded, retrieval: Retrieval, taxonomy: Taxonomy, generate: Generate, most: int | None
) -> pl.DataFrame:
    """Which rows of a listing are the best of a subcategory, by embeddings that the source has: index, subcategory,
    keyword, similarity."""
    keywords = _keywords(replace(retrieval, model=source.model), taxonomy, generate)
    best = Best(np.array(keywords["vector"].to_list()), retrieval.per_keyword)
    for vectors in source.vectors():
        best.add(vectors)
    names = keywords.select("subcategory", name="keyword").with_row_index("keyword").cast({"keyword": pl.Int64})
    ranked = best.table().join(names, on="keyword", validate="m:1", maintain_order="left")
    return assigned(ranked, most).join(names.select("keyword", "name"), on="keyword", validate="m:1").select(
        "index", "subcategory", "similarity", keyword="name"
    )  # fmt: skip


def _keywords(retrieval: Retrieval, taxonomy: Taxonomy, generate: Generate) -> pl.DataFrame:
    """subcategory, keyword, vector: of every subcategory that may have images."""
    pairs = [
        (leaf, k)
        for leaf, (_, _, node) in taxonomy.leaves.items()
        if taxonomy.allows(leaf, images=True)
        for k in node.keywords
    ]
    rows = pl.DataFrame(pairs, schema={"subcategory": pl.String, "keyword": pl.String}, orient="row")
    vectors = generate(rows, retrieval.ask, retrieval.read, Vector).kept
    return rows.join(
        vectors.select("vector", keyword="key"), on="keyword", validate="m:1", maintain_order="left"
    ).drop_nulls("vector")


def images(wanted: pl.DataFrame, *, sources: tuple[Source, ...], fetch: Fetch) -> Outcome:
    """Each wanted image, fetched, checked and rebuilt from its pixels. Of near-duplicates the first stays, and stands for
    the others."""
    made = fetch.originals_of(wanted.iter_rows(named=True), {source.name: source for source in sources}, _make)
    seen: set[str] = set()
    parts = [Outcome(Image, frame([], Image))]
    while part := list(islice(made, CHUNK)):
        parts.append(outcome(Image, (_image(row, got, fetch, seen) for row, got in part)))
    return _merged(gather(Image, parts))


def unfetched(wanted: pl.DataFrame) -> Outcome:
    """Each wanted image by its address alone: nobody here sees it, and a release names where it lies. Of one address the first
    stays."""
    left = [
        Dropped(stage="images", id=f"{row['source']}/{row['key']}", reason=reason, detail=None, subcategory=row["subcategory"])
        for reason, part in (
            ("no address", wanted.filter(pl.col("url").is_null())),
            ("the same address", wanted.drop_nulls("url").filter(~pl.col("url").is_first_distinct())),
        )
        for row in part.iter_rows(named=True)
    ]  # fmt: skip
    once = wanted.drop_nulls("url").filter(pl.col("url").is_first_distinct())
    names = pl.Series([hashlib.sha256(url.encode()).hexdigest() for url in once["url"]], dtype=pl.String)
    nothing = {name: pl.lit("") for name in ("fingerprint", "original_sha256")} | {
        "width": pl.lit(0),
        "height": pl.lit(0),
    }
    texts = {name: pl.lit(None, pl.String) for name in ("retrieved_at", "manners")}
    made = once.with_columns(id=names, group=names, changes=pl.lit([], pl.List(pl.String)), **nothing, **texts)
    columns = [pl.col(name).cast(kind) for name, kind in Image.columns().items()]
    return Outcome(Image, made.select(columns), frame(left, Dropped))


@dataclass(frozen=True)
class _Made:
    """What the pixels gave."""

    data: bytes
    width: int
    height: int
    changes: tuple[str, ...]
    fingerprint: str


def _make(original: bytes) -> _Made | str:
    """The picture, or why the original will not do."""
    try:
        picture = rebuilt(original)
    except Unfit as unfit:
        return str(unfit)
    return _Made(picture.data, picture.width, picture.height, picture.changes, hashed(picture.image))


def _image(row: Cells, got: Fetched[_Made | str] | NotFetched, fetch: Fetch, seen: set[str]) -> Image | Dropped:
    def dropped(reason: str, detail: str | None = None) -> Dropped:
        return Dropped(
            stage="images",
            id=f"{row['source']}/{row['key']}",
            reason=reason,
            detail=detail,
            subcategory=row["subcategory"],
        )

    if isinstance(got, NotFetched):
        return dropped(got.reason, got.detail)
    if isinstance(got.made, str):
        return dropped(got.made)
    image = fetch.rebuilt(got.original_sha256, got.made.data)
    if image is None:
        return dropped("forgotten")
    if image in seen:
        return dropped("duplicate", f"the same picture as another, {image}")
    seen.add(image)
    return Image(
        id=image, group=image, fingerprint=got.made.fingerprint, width=got.made.width, height=got.made.height,
        original_sha256=got.original_sha256, changes=got.made.changes, retrieved_at=got.retrieved_at, manners=got.manners,
        **{column: row[column] for column in Image.model_fields.keys() & Wanted.model_fields.keys() - {"id"}},
    )  # fmt: skip


def _merged(found: Outcome) -> Outcome:
    """Near-duplicates leave, but for the first of each group."""
    first = pl.Series(groups(found.kept["fingerprint"]), dtype=pl.UInt32)
    rows = found.kept.with_columns(group=found.kept["id"].gather(first))
    member = pl.col("group") != pl.col("id")
    copies = [
        Dropped(stage="images", id=f"{r['source']}/{r['key']}", reason="near-duplicate", detail=f"of {r['group']}",
                subcategory=r["subcategory"])
        for r in rows.filter(member).iter_rows(named=True)
    ]  # fmt: skip
    return Outcome(Image, rows.filter(~member), pl.concat([found.dropped, frame(copies, Dropped)]), found.considered)


def descriptions(images: pl.DataFrame, *, looks: tuple[Look, ...], generate: Generate) -> Outcome:
    """What models say of each image: its words, what it shows, how much harm."""

    def ask(row: Cells) -> Request:
        return looks[row["look"]].ask(row)

    def read(row: Cells, request_id: str, reply: Reply) -> list[Description]:
        return [looks[row["look"]].read(row, request_id, reply)]

    asked = [
        images.with_columns(look=pl.lit(n)) for n in range(len(looks))
    ]  # one call, so that engines work side by side
    return generate(pl.concat(asked), ask, read, Description) if asked else Outcome(Description, frame([], Description))


def selected(
    images: pl.DataFrame, *, taxonomy: Taxonomy, descriptions: pl.DataFrame | None = None, generate: Generate | None = None,
    retrieval: Retrieval | None = None, per_subcategory: int | None = None, most_text: float | None = None,
    most_severe: Severity = "severe",
) -> Outcome:  # fmt: skip
    """The images to work with: without those that show too much text (`most_text`, a share of the area; what was drawn on
    purpose stays) or too much harm; those without a class placed where a keyword finds them; at most `per_subcategory` of
    each, the most similar first."""
    said = frame([], Description) if descriptions is None else descriptions
    wordy = said.filter((pl.col("aspect") == "text") & (pl.col("share") > (1.0 if most_text is None else most_text)))[
        "image"
    ]
    grave = said.filter(pl.col("severity").is_in(SEVERITIES[SEVERITIES.index(most_severe) + 1 :]))["image"]
    verdict = (
        pl.when(pl.col("id").is_in(grave.implode())).then(pl.lit("too severe"))
        .when(pl.col("id").is_in(wordy.implode()) & pl.col("text").is_null()).then(pl.lit("too much text"))
    )  # fmt: skip
    rows = images.with_columns(verdict=verdict)
    fit = rows.filter(pl.col("verdict").is_null()).drop("verdict")
    lost: list[Dropped] = []
    if retrieval and generate and fit["subcategory"].null_count():
        fit, lost = _found(fit, retrieval, taxonomy, generate, per_subcategory)
    fit = fit.with_columns(
        verdict=pl.when(pl.col("subcategory").is_null())
        .then(pl.lit("no class"))
        .when(_over(per_subcategory))
        .then(pl.lit("over its share"))
    )
    left = pl.concat([rows.drop_nulls("verdict"), fit.drop_nulls("verdict")])
    gone = [Dropped(stage="selected", id=r["id"], reason=r["verdict"], detail=None, subcategory=r["subcategory"])
            for r in left.iter_rows(named=True)]  # fmt: skip
    kept = fit.filter(pl.col("verdict").is_null()).drop("verdict")
    return Outcome(Image, kept, frame([*gone, *lost], Dropped), images.height)


def _over(most: int | None) -> pl.Expr:
    """Whether an image is beyond the most similar of its subcategory; of those that were not ranked, the first."""
    order = pl.struct(-pl.col("similarity").fill_null(2.0), pl.int_range(pl.len())).rank("ordinal")
    return pl.lit(value=False) if most is None else order.over("subcategory") > most


def _found(
    images: pl.DataFrame, retrieval: Retrieval, taxonomy: Taxonomy, generate: Generate, most: int | None
) -> tuple[pl.DataFrame, list[Dropped]]:
    """The images, with those placed that had no class and are among the best of a keyword; and those that are not."""
    unplaced = images.filter(pl.col("subcategory").is_null())
    near = generate(unplaced, retrieval.ask, retrieval.near(_keywords(retrieval, taxonomy, generate)), Near)
    ranked = near.kept.with_columns(
        rank=pl.col("similarity").rank("ordinal", descending=True).over("keyword").cast(pl.Int64) - 1,
        index=pl.col("image").rank("dense").cast(pl.Int64), number=pl.col("keyword").rank("dense").cast(pl.Int64),
    ).filter(pl.col("rank") < retrieval.per_keyword)  # fmt: skip
    names = ranked.select("index", "image").unique(), ranked.select("number", "keyword").unique()
    places = (
        assigned(ranked.select("index", "rank", "similarity", "subcategory", keyword="number"), most)
        .rename({"keyword": "number"})
        .join(names[0], on="index", validate="1:1")
        .join(names[1], on="number", validate="m:1")
        .select("subcategory", "keyword", "similarity", id="image")
    )
    joined = images.join(
        places, on="id", how="left", validate="1:1", suffix="_found", maintain_order="left"
    ).with_columns(pl.coalesce(c, f"{c}_found").alias(c) for c in ("subcategory", "keyword", "similarity"))
    failed = set(near.dropped["id"])
    nowhere = joined.filter(pl.col("subcategory").is_null() & ~pl.col("id").is_in(list(failed)))["id"]
    lost = [Dropped(stage="selected", id=i, reason="not among the best", detail=None) for i in nowhere]
    lost += [Dropped.model_validate(row) for row in near.dropped.iter_rows(named=True)]
    return joined.drop_nulls("subcategory").select(images.columns), lost


def short_images(images: pl.DataFrame, *dropped: pl.DataFrame, taxonomy: Taxonomy, target: int) -> Outcome:
    """The subcategories with fewer than `target` images, and what became of the others."""
    gone = pl.concat([frame([], Dropped), *dropped])
    have = Counter(images["subcategory"])
    short = [leaf for leaf in taxonomy.leaves if taxonomy.allows(leaf, images=True) and have[leaf] < target]
    rows = [
        Shortfall(
            id=row_id("images", leaf), table="images", subcategory=leaf, kind=None, wanted=target, found=have[leaf],
            why=tuple(f"{n} {why}" for why, n in Counter(gone.filter(pl.col("subcategory") == leaf)["reason"]).most_common()),
        )
        for leaf in short
    ]  # fmt: skip
    return outcome(Shortfall, rows)
