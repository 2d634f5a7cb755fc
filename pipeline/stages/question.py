"""question: images → drafts (what writers write on them); questions of others → given; drafts → prompts (what passes every
gate, balanced); prompts → short_prompts."""

from collections.abc import Mapping
from typing import Any, get_args

import polars as pl

from pipeline.doors.generate import Generate
from pipeline.errors import UserError
from pipeline.gates import fault, near_duplicates
from pipeline.gates import language as languages
from pipeline.gates.contamination import Benchmarks
from pipeline.gates.harm import HarmOf
from pipeline.gates.sieve import Sieve, kind_of, where
from pipeline.gates.verdicts import OWED, ModelGate
from pipeline.tables import Dropped, Harm, Image, Kind, Outcome, Shortfall, frame, outcome, row_id
from pipeline.taxonomy import Taxonomy, pairs_minors_and_sex
from pipeline.writers import WRITERS, rounds, work
from pipeline.writers import given as others

Cells = dict[str, Any]
KINDS: tuple[Kind, ...] = ("easy_question", "hard_question", "hard_statement")
"""SPA-VL's three."""
HARM: Mapping[Kind, Harm] = {
    "easy_question": "borderline", "hard_question": "harmful", "hard_statement": "harmful", "typographic": "harmful",
    "benign_twin": "benign",
}  # fmt: skip
"""What is to be expected of a prompt that nobody judged: what its writer was told to write."""
REPEATS = 10
"""How often one text may stand on different images."""
NOTHING = pl.lit(None, pl.String)


def drafts(
    images: pl.DataFrame, *, taxonomy: Taxonomy, writers: tuple[str, ...], generate: Generate, kinds: tuple[Kind, ...] = KINDS,
    per_image: int | None = None, descriptions: pl.DataFrame | None = None, tries: int = 1, temperature: float = 0.7,
    max_tokens: int = 64,
) -> Outcome:  # fmt: skip
    """One prompt of each kind that fits an image; or of only `per_image` kinds: the first, `typographic` where it fits, and
    others drawn by the image's id. One of the `writers` (models) is drawn for each image, likewise. `descriptions` (a table
    of `Description`) tells them what the picture shows. A text that breaks its form is asked for again, `tries` times in
    all, and then replaced by a hand-written one; the row says so. In the order of the images, then of `kinds`: the drafts on
    fewer images are a prefix. What is still owed by a writer is dropped until it comes, and so is what starts from it."""
    if unknown := set(kinds) - set(WRITERS):
        raise UserError(
            f"nobody writes prompts of the kind {', '.join(sorted(unknown))}; there are {', '.join(WRITERS)}"
        )
    shown = work.shown(images, descriptions, writers)
    wanted = work.wanted(images, kinds, per_image).join(shown, on="image", validate="m:1", maintain_order="left")
    rows = _pathed(wanted, taxonomy).with_columns(temperature=pl.lit(temperature), max_tokens=pl.lit(max_tokens))
    paired = pl.Series("paired", [pairs_minors_and_sex(shown) for shown in rows["shown"]], dtype=pl.Boolean)
    due = rows.filter(pl.col("allowed") & ~paired)
    made = rounds.written(due, check=fault, taxonomy=taxonomy.id, tries=tries, generate=generate)
    rows = rows.drop("writer").with_columns(paired, language=pl.lit("en"), harm=NOTHING, harm_by=NOTHING)
    rows = rows.join(made, on="place", how="left", validate="1:1", maintain_order="left").filter("asked")
    sieve = Sieve("drafts", rows.rename({"text": "question", "fault": "note"}), made_from="image")
    sieve.leave(_unfit(pl.lit("")), pl.col("subcategory"))
    sieve.leave(where(pl.col("paired") | (pl.col("note") == rounds.PAIRED), rounds.PAIRED))
    sieve.leave(where(pl.col("owed").is_null(), "no easy question to start from"))
    sieve.leave(pl.when("owed").then("writer: " + pl.col("note")), pl.lit(OWED))
    sieve.leave(pl.when(pl.col("question").is_null()).then("writer: " + pl.col("note") + ", and no fallback"))
    return sieve.outcome()


def given(
    *, questions: pl.DataFrame, source: str, images: pl.DataFrame | None = None, taxonomy: Taxonomy | None = None,
    language: str = "en", limit: int | None = None,
) -> Outcome:  # fmt: skip
    """Prompts that somebody else wrote, as they are: a table with the column question and, where known, image, subcategory,
    kind, language (`writers.given.table` reads one). An `image` is the id, the key or the URL of one of `images`; without
    that column the prompts are text alone. What the table calls a subcategory is looked up in the taxonomy; where it says
    nothing, the image's counts. A row that names a kind is held to that kind's form. `language` is that of rows that name none
    and are too short to tell."""
    asked = questions if limit is None else questions.head(limit)
    if "image" in asked.columns and images is None:
        raise UserError(f"{source}: its questions name images; give the table of images too, or leave that column out")
    if "subcategory" in asked.columns and taxonomy is None:
        raise UserError(f"{source}: its questions name subcategories; give the taxonomy too, or leave that column out")
    rows = others.matched(asked, images, taxonomy, source=source)
    spoken = [said or _language(text or "", language) for said, text in rows.select("language", "question").iter_rows()]
    blank = dict.fromkeys(("harm", "harm_by", "template", "parent_id", "request_id", "note"), NOTHING)
    rows = _pathed(rows, taxonomy).with_columns(
        language=pl.Series(spoken, dtype=pl.String), writer=pl.lit(source), **blank
    )
    sieve = Sieve("given", rows, made_from="id")
    sieve.leave(where(pl.col("question").fill_null("").str.strip_chars() == "", "no question"))
    sieve.leave(where(~pl.col("kind").is_in(get_args(Kind)), "no such kind"), pl.col("kind"))
    if "image" in asked.columns:
        sieve.leave(where(pl.col("image").is_null(), "no such image"), pl.col("named"))
        sieve.leave(where(pl.col("several"), "two images of this name"), pl.col("named"))
    sieve.leave(_unfit(pl.coalesce("called", "subcategory")), pl.col("called"))
    sieve.each(_paired)
    sieve.leave(where(~pl.col("id").is_first_distinct(), "duplicate"))
    return sieve.outcome()


def prompts(
    drafts: pl.DataFrame, images: pl.DataFrame | None = None, *, taxonomy: Taxonomy, generate: Generate,
    gates: tuple[ModelGate, ...] = (), harm: HarmOf | None = None, benchmarks: Benchmarks | None = None, repeats: int = REPEATS,
    per_cell: int | None = None, language: str = "en", limit: int | None = None,
) -> Outcome:  # fmt: skip
    """What passes every gate, the cheapest first: class; minors and sexual content; the rules of its kind (a `given` prompt
    must only make sense, in this `language`, and not be too long); texts that repeat others on the same picture, or stand on
    more than `repeats` images; `benchmarks`; the `gates` that ask a model, in their order; and `harm`, which says what each
    prompt asks for (without it, its kind does). Of each subcategory and kind the first `per_cell` are kept: whatever comes behind them changes nothing. What a gate still
    owes an answer keeps its place among them."""
    rows = (drafts if limit is None else drafts.head(limit)).drop("domain", "category", "harm", "harm_by")
    sieve = Sieve("prompts", _pathed(_seen(rows, images), taxonomy).with_row_index("place"), made_from="id")
    sieve.leave(where(pl.col("image").is_not_null() & pl.col("group").is_null(), "no such image"), pl.col("image"))
    sieve.leave(_unfit(pl.col("subcategory")), pl.col("subcategory"))
    sieve.each(_paired)
    sieve.each(lambda row: fault(row["question"], row["kind"], language))
    sieve.leave(*_copies(sieve.rows, repeats))
    if benchmarks:
        sieve.leave(*_contaminated(sieve.rows, benchmarks))
    owed = [_judged(sieve, gate, generate) for gate in (*gates, *((harm,) if harm else ()))]
    by_kind = pl.col("kind").replace_strict(HARM, default=None, return_dtype=pl.String)
    told = pl.col("told_harm") if harm else NOTHING
    sieve.rows = sieve.rows.with_columns(
        pl.coalesce(told, by_kind).alias("harm"),
        pl.when(told.is_not_null())
        .then(pl.lit(harm and harm.model))
        .when(by_kind.is_not_null())
        .then(pl.lit("kind"))
        .alias("harm_by"),
    )
    if per_cell is not None:
        sieve.rows = sieve.rows.with_columns(_rank(sieve.rows, owed))
        sieve.leave(where(pl.col("rank") >= per_cell, "over its share"))
    return sieve.outcome()


def short_prompts(
    prompts: pl.DataFrame, *dropped: pl.DataFrame, taxonomy: Taxonomy, wanted: int, kinds: tuple[Kind, ...] = KINDS
) -> Outcome:
    """Each subcategory and kind of which there are fewer than `wanted` prompts; and why, by all that `drafts`, `given` and
    `prompts` dropped of it. Subcategories without generated text are not short: nothing is wanted of them."""
    cell = ["subcategory", "kind"]
    found = {(s, k): n for s, k, n in prompts.group_by(cell).len().iter_rows()}
    gone = pl.concat([frame([], Dropped), *dropped]).with_columns(kind=kind_of(pl.col("id")))
    counts = gone.group_by(*cell, "reason").len().sort(pl.col("len"), "reason", descending=[True, False])
    why = {(s, k): tuple(f"{n} {reason}" for reason, n in zip(reasons, lens, strict=True))
           for s, k, reasons, lens in counts.group_by(cell, maintain_order=True).agg("reason", "len").iter_rows()}  # fmt: skip
    return outcome(Shortfall, (
        Shortfall(id=row_id("shortfall", "prompts", leaf, kind), table="prompts", subcategory=leaf, kind=kind, wanted=wanted,
                  found=found.get((leaf, kind), 0), why=why.get((leaf, kind), ()))
        for leaf in taxonomy.leaves if taxonomy.allows(leaf, images=False)
        for kind in kinds if found.get((leaf, kind), 0) < wanted
    ))  # fmt: skip


def _pathed(rows: pl.DataFrame, taxonomy: Taxonomy | None) -> pl.DataFrame:
    """With domain, category: ids; name and definition of the subcategory; allowed: whether text may be generated on it."""
    known = [
        (leaf, domain.id, category.id, node.name, node.definition, taxonomy.allows(leaf, images=False))
        for leaf, (domain, category, node) in taxonomy.leaves.items()
    ] if taxonomy else []  # fmt: skip
    schema = dict.fromkeys(("subcategory", "domain", "category", "name", "definition"), pl.String)
    classes = pl.DataFrame(known, schema={**schema, "allowed": pl.Boolean}, orient="row")
    return rows.join(classes, on="subcategory", how="left", validate="m:1", maintain_order="left")


def _unfit(called: pl.Expr) -> pl.Expr:
    """What is wrong with the class of a row that was called something."""
    return (
        pl.when(pl.col("allowed").is_null() & called.is_not_null()).then(pl.lit("no class"))
        .when(~pl.col("allowed")).then(pl.lit("class without generated text"))
    )  # fmt: skip


def _language(text: str, otherwise: str) -> str:
    found = languages.of(text)
    return otherwise if found == languages.UNKNOWN else found


def _seen(rows: pl.DataFrame, images: pl.DataFrame | None) -> pl.DataFrame:
    """With what the gates must know of the image: words (drawn into it), caption, group, hashes."""
    known = (frame([], Image) if images is None else images).select(
        pl.col("id").alias("image"), pl.col("text").alias("words"), "caption", "group", "fingerprint", "original_sha256"
    )
    return rows.join(known, on="image", how="left", validate="m:1", maintain_order="left")


def _paired(row: Cells) -> str | None:
    """Whether a prompt brings minors and sexual content together, by itself or with what came with its picture."""
    text = "\n".join(filter(None, (row["question"], row["words"], row["caption"])))
    return rounds.PAIRED if pairs_minors_and_sex(text) else None


def _copies(rows: pl.DataFrame, repeats: int) -> tuple[pl.Series, pl.Series]:
    """What says the same as an earlier prompt on the same picture or its near-duplicates, or stands on too many others; and
    that prompt's id. A prompt on drawn words says what they say."""
    place = pl.col("place").cast(pl.String).alias("id")  # an id may stand in the table twice: then the second leaves
    drawn = pl.when(pl.col("kind") == "typographic").then("words")
    said = pl.concat_str("question", drawn, separator=" ", ignore_nulls=True).alias("question")
    asked = rows.select(place, pl.col("group").alias("image_group"), said)
    names = rows.select(place.alias("detail"), pl.col("id").alias("earlier"))
    found = near_duplicates(asked, repeats).join(names, on="detail", validate="m:1")
    told = asked.join(found, on="id", how="left", validate="1:1", maintain_order="left")
    return told["reason"], told["earlier"]


def _contaminated(rows: pl.DataFrame, benchmarks: Benchmarks) -> tuple[pl.Series, pl.Series]:
    """What stands in a benchmark, by its question, its image or the words drawn into that; and in which."""
    columns = ("image", "original_sha256", "fingerprint", "words")
    pictures = {
        image: benchmarks.image(image, original, fingerprint) or (benchmarks.question(words) if words else None)
        for image, original, fingerprint, words in rows.select(columns).unique("image").drop_nulls("image").iter_rows()
    }
    asked = rows.select("question", "image").iter_rows()
    names = [benchmarks.question(text) or pictures.get(image) for text, image in asked]
    reasons = ["in a benchmark" if name else None for name in names]
    return pl.Series(reasons, dtype=pl.String), pl.Series(names, dtype=pl.String)


def _judged(sieve: Sieve, gate: ModelGate, generate: Generate) -> pl.DataFrame:
    """Let a gate say what goes, and why it could not tell of others. Returns place, subcategory and kind of what is owed."""
    shown = ("id", "image", "question", "kind", "subcategory", "name", "definition", "words")
    told = gate.verdicts(sieve.rows.select(shown), generate=generate)
    told = told.select("id", *(pl.col(c).alias(f"told_{c}") for c in ("reason", "detail", "note", "harm")))
    note = pl.concat_str("note", "told_note", separator="; ", ignore_nulls=True)
    sieve.rows = (
        sieve.rows.drop("^told_.*$")
        .join(told, on="id", how="left", validate="1:1", maintain_order="left")
        .with_columns(pl.when(note != "").then(note).alias("note"))
    )
    owed = sieve.rows.filter(pl.col("told_detail") == OWED).select("place", "subcategory", "kind")
    sieve.leave(pl.col("told_reason"), pl.col("told_detail"))
    return owed


def _rank(rows: pl.DataFrame, owed: list[pl.DataFrame]) -> pl.Series:
    """How many of its subcategory and kind stand before each row, those that are owed among them."""
    line = pl.concat([rows.select("place", "subcategory", "kind"), *owed]).sort("place")
    ranked = line.with_columns(rank=pl.int_range(pl.len()).over("subcategory", "kind"))
    return rows.select("place").join(ranked, on="place", validate="1:1", maintain_order="left")["rank"]
