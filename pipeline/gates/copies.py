"""Prompts that say again what another one has said: on the same picture, or on too many of them.

Nothing is done row by row. Two texts whose word pairs overlap by `ALIKE` must share one of their rarest pairs, so only those
are joined (the prefix filter of Chaudhuri, Ganti, Kaushik: A primitive operator for similarity joins, ICDE 2006); and a
picture's prompts are taken in lots, each compared first with what stayed of the lots before it, so that even a hundred
thousand variations of one text on one picture do not all meet each other.
"""

from collections.abc import Iterator

import polars as pl

ALIKE = 0.7
"""Jaccard overlap of two texts' sets of word pairs, from which on they are near-duplicates."""
SAME_IMAGE = "near-duplicate on the same image"
TOO_MANY = "repeated on too many images"
_LOT = 64
"""Prompts of one image in the first lot; each later lot is as large as all before it."""
_PAIRS = pl.col("pairs")


def near_duplicates(prompts: pl.DataFrame, repeats: int) -> pl.DataFrame:
    """Which prompts leave, of a table [id, image_group, question], and why: [id, reason, detail], in its order.

    Within one image group a prompt leaves if an earlier one that stays has the same words, or overlaps by `ALIKE`; `detail`
    is the earlier one's id. Of those left with the same words the first `repeats` stay; `detail` is the first one's id.
    Prompts without a group (null) are near-duplicates of none, but the same words stay only once among them.
    """
    rows = prompts.select("id", pl.col("image_group").alias("group"), _words().alias("words")).with_row_index("row")
    same = rows.select("row", pl.col("row").first().over("group", "words").alias("of"))
    same = same.filter(pl.col("row") != pl.col("of"))
    rows = rows.join(same, on="row", how="anti")
    alike = _alike(rows.filter(pl.col("group").is_not_null() & (pl.len().over("group") > 1)))
    rows = rows.join(alike, on="row", how="anti").sort("row")
    spread = rows.select("row", pl.col("row").first().over("words").alias("of"), n=pl.int_range(pl.len()).over("words"))
    spread = spread.filter(pl.col("n") >= repeats).drop("n")
    resembled = pl.col("of").replace(alike["row"], alike["of"])  # what equals one that leaves leaves for the same
    same = same.with_columns(resembled)
    gone = pl.concat([
        pl.concat([same, alike]).with_columns(reason=pl.lit(SAME_IMAGE)), spread.with_columns(reason=pl.lit(TOO_MANY))
    ]).sort("row")  # fmt: skip
    names = prompts["id"]
    return pl.DataFrame({"id": names.gather(gone["row"]), "reason": gone["reason"], "detail": names.gather(gone["of"])})


def _words() -> pl.Expr:
    """The question's words, without case and signs, one space between them."""
    plain = pl.col("question").str.normalize("NFKC").str.to_lowercase()
    return plain.str.replace_all(r"[^\p{L}\p{M}\p{N}]+", " ").str.strip_chars()


def _alike(rows: pl.DataFrame) -> pl.DataFrame:
    """Which of the rows [row, group, words] overlaps an earlier one that stays, and which: [row, of]."""
    rows = _paired(rows).with_columns(place=pl.int_range(pl.len()).over("group"))
    kept, gone = rows.clear(), []
    for begin, end in _lots(rows):
        lot = rows.filter(pl.col("place").is_between(begin, end, closed="left"))
        found = _overlapping(lot, kept).group_by("row").agg(pl.col("of").min())
        lot = lot.join(found, on="row", how="anti")
        gone += [found, _settled(_overlapping(lot, lot))]
        kept = pl.concat([kept, lot.join(gone[-1], on="row", how="anti")])
    return pl.concat([pl.DataFrame(schema=dict.fromkeys(("row", "of"), rows.schema["row"])), *gone])


def _lots(rows: pl.DataFrame) -> Iterator[tuple[int, int]]:
    begin, end = 0, _LOT
    most = rows["place"].max() if rows.height else -1
    while isinstance(most, int) and begin <= most:
        yield begin, end
        begin, end = end, 2 * end


def _paired(rows: pl.DataFrame) -> pl.DataFrame:
    """With `pairs`, the set of neighbouring words, and `rare`, those of which a near-duplicate has at least one."""
    word = rows.select("row", pl.col("words").str.split(" ").alias("word")).explode("word")
    pair = word.select("row", pair=pl.concat_str("word", pl.lit(" "), pl.col("word").shift(-1).over("row")))
    pair = pair.drop_nulls().with_columns(pl.col("pair").hash()).unique().with_columns(often=pl.len().over("pair"))
    sets = pair.sort("often", "pair").group_by("row", maintain_order=True).agg(pl.col("pair").alias("pairs"))
    rare = _PAIRS.list.head(_PAIRS.list.len() - (ALIKE * _PAIRS.list.len()).ceil().cast(pl.Int64) + 1)
    return rows.drop("words").join(sets.with_columns(rare.alias("rare")), on="row", maintain_order="left")


def _overlapping(later: pl.DataFrame, earlier: pl.DataFrame) -> pl.DataFrame:
    """Pairs of rows of one group that overlap by `ALIKE`: [row, of], the later one and the earlier."""
    one = later.select("row", "group", pl.col("rare").alias("pair")).explode("pair")
    other = earlier.select(pl.col("row").alias("of"), "group", pl.col("rare").alias("pair")).explode("pair")
    met = one.join(other, on=["group", "pair"]).filter(pl.col("of") < pl.col("row")).select("row", "of").unique()
    sets = met.join(later.select("row", "pairs"), on="row").join(
        earlier.select(pl.col("row").alias("of"), pl.col("pairs").alias("theirs")), on="of"
    )
    shared = _PAIRS.list.set_intersection("theirs").list.len()
    total = _PAIRS.list.len() + pl.col("theirs").list.len() - shared
    return sets.filter(shared >= ALIKE * total).select("row", "of")


def _settled(pairs: pl.DataFrame) -> pl.DataFrame:
    """Of overlapping pairs [row, of]: which rows leave, each for the first that stays. What overlaps only a row that leaves
    stays itself, so it takes rounds: first what overlaps no earlier one is known to stay."""
    gone = []
    while pairs.height:
        stays = pairs.filter(~pl.col("of").is_in(pairs["row"].implode()))
        left = stays.group_by("row").agg(pl.col("of").min())
        gone.append(left)
        pairs = pairs.join(left, on="row", how="anti").join(left.select(of="row"), on="of", how="anti")
    return pl.concat([pairs.clear(), *gone])
