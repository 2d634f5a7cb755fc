"""How far judges, and people, agree on which of two responses is better, and on what is safe."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from pipeline.findings import Tables
from pipeline.statistics.agreement import Agreement, Resampling, krippendorff, raw

RESAMPLING = Resampling(draws=500)
PEOPLE = "human/"


@dataclass(frozen=True)
class Agreed:
    """The raters of one matter."""

    matter: str
    raters: tuple[str, ...]
    raw: Agreement
    """Of two verdicts on one item, the share that are the same."""
    alpha: Agreement
    """Krippendorff's, nominal."""


@dataclass(frozen=True)
class Pair:
    """Two raters."""

    one: str
    other: str
    items: int
    """Pairs of responses of which both prefer one."""
    same: int
    """Of which they prefer the same."""


def agreements(tables: Tables) -> list[Agreed]:
    """Safety labels; and the preferred side (a, b, tie) by each criterion. Only what two or more rated."""
    matters: dict[str, pl.DataFrame] = {}
    if "judgments" in tables:
        labels = [tables["judgments"].select("label", item="response_id", rater="judge")]
        if "decisions" in tables:
            labels.append(tables["decisions"].select("label", item="response_id", rater=PEOPLE + pl.col("reviewer")))
        unsafe = (pl.col("label") == "unsafe").cast(pl.Float64)
        said = pl.concat(labels).drop_nulls("label").unique(["item", "rater"], keep="last", maintain_order=True)
        matters["safe or unsafe"] = said.select("item", "rater", code=unsafe).collect()
    sides = _sides(tables)
    for criterion in sorted(sides["criterion"].unique()):
        matters[f"which is better: {criterion}"] = sides.filter(criterion=criterion).select(
            "item", "rater", code="side"
        )
    found = []
    for matter, ratings in matters.items():
        raters = tuple(sorted(ratings["rater"].unique()))
        if len(raters) > 1:
            codes = _codes(ratings, raters)
            found.append(Agreed(matter, raters, raw(codes, RESAMPLING), krippendorff(codes, RESAMPLING)))
    return found


def pairs(tables: Tables) -> list[Pair]:
    """Of every two raters (a judge's criterion is a rater of its own): how often they prefer the same of two, ties aside."""
    sides = _sides(tables)
    named = {
        (r, c): voice("people" if r.startswith(PEOPLE) else r, c)
        for r, c in sides.select("rater", "criterion").unique().iter_rows()
    }
    names = pl.Series([named[pair] for pair in sides.select("rater", "criterion").iter_rows()], dtype=pl.String)
    sides = sides.with_columns(rater=names).group_by("item", "rater").agg(side=pl.col("side").mean().sign())
    raters = sorted(sides["rater"].unique())
    codes = _codes(sides.rename({"side": "code"}), raters)
    codes[codes == 0] = np.nan
    found = []
    for i, one in enumerate(raters):
        for j, other in enumerate(raters[i + 1 :], i + 1):
            both = ~np.isnan(codes[:, [i, j]]).any(1)
            found.append(Pair(one, other, int(both.sum()), int((codes[both, i] == codes[both, j]).sum())))
    return [pair for pair in found if pair.items]


def voice(judge: str, criterion: str) -> str:
    """A judge by one criterion: most names say it already."""
    return judge if criterion in judge.split("/") else f"{judge} · {criterion}"


def _codes(ratings: pl.DataFrame, raters: Sequence[str]) -> "np.ndarray[tuple[int, ...], np.dtype[np.float64]]":
    """(items, raters) from item, rater, code; NaN where missing."""
    codes = np.full((ratings["item"].n_unique(), len(raters)), np.nan)
    if ratings.height:
        place = dict(zip(raters, range(len(raters)), strict=True))
        rater = ratings["rater"].replace_strict(place, return_dtype=pl.Int64)
        codes[ratings["item"].rank("dense").cast(pl.Int64).to_numpy() - 1, rater.to_numpy()] = ratings["code"].to_numpy()  # fmt: skip
    return codes


def _sides(tables: Tables) -> pl.DataFrame:
    """item, rater, criterion, side: -1, 0 or 1 (a is preferred), of each pair of responses and whoever gave a verdict on it."""
    columns = {"item": pl.String, "rater": pl.String, "criterion": pl.String, "side": pl.Float64}
    parts = [pl.LazyFrame(schema=columns)]
    for name in ("comparisons", "contests"):
        if name in tables:
            compared = (
                tables[name].group_by("candidate_id", "judge", "criterion").agg(side=pl.col("strength").mean().sign())
            )
            parts.append(compared.select(item="candidate_id", rater="judge", criterion="criterion", side="side"))
    candidates = tables.get("candidates", tables.get("finals"))
    if candidates is not None and "judgments" in tables:
        parts.append(_scored(candidates, tables["judgments"]))
    if "decisions" in tables:
        by = ["candidate_id", "reviewer", "criterion"]
        said = tables["decisions"].drop_nulls("candidate_id").group_by(by).agg(side=pl.col("strength").mean().sign())
        parts.append(said.select(item="candidate_id", rater=PEOPLE + pl.col("reviewer"), criterion="criterion", side="side"))  # fmt: skip
    return pl.concat(parts).drop_nulls("side").unique(["item", "rater", "criterion"], keep="first").collect()


def _scored(candidates: pl.LazyFrame, judgments: pl.LazyFrame) -> pl.LazyFrame:
    """The side of the higher of two scores."""
    score = judgments.drop_nulls("score").select("response_id", "judge", "criterion", "score")
    by = ["response_id", "judge", "criterion"]
    return (
        candidates.select("a_id", "b_id", item="id")
        .join(score, left_on="a_id", right_on="response_id")
        .join(score, left_on=["b_id", "judge", "criterion"], right_on=by, suffix="_b")
        .select("item", rater="judge", criterion="criterion", side=(pl.col("score") - pl.col("score_b")).sign())
    )
