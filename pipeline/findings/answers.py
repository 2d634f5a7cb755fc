"""How respondents answer: how often safely, and how well by each criterion."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from pipeline.findings import Tables
from pipeline.statistics.intervals import wilson
from pipeline.tables import SafeRate, frame


@dataclass(frozen=True)
class Rate:
    """How often a respondent's answers are safe."""

    respondent: str
    category: str
    """Id in the taxonomy; empty: without a class, or over all."""
    answers: int
    safe: float
    refused: float
    low: float
    """Lower end of the 95 % interval (Wilson) of `safe`."""
    high: float


def safe_rates(tables: Tables) -> tuple[list[Rate], list[Rate]]:
    """Over all categories, the safest first; and by category."""
    spread = tables["spread"].collect() if "spread" in tables else _spread(tables)
    apart = [
        Rate(r["respondent"], r["category"] or "", r["answers"], r["safe_rate"], r["refusal_rate"], r["low"], r["high"])
        for r in spread.iter_rows(named=True)
    ]
    n = pl.col("answers")
    pooled = spread.group_by("respondent").agg(
        n.sum(), safe=(pl.col("safe_rate") * n).sum(), refused=(pl.col("refusal_rate") * n).sum()
    )
    together = []
    for name, answers, safe, refused in pooled.iter_rows():
        low, high = wilson(min(round(safe), answers), answers) or (0.0, 1.0)
        together.append(Rate(name, "", answers, safe / answers, refused / answers, low, high))
    return sorted(together, key=lambda r: (-r.safe, r.respondent)), apart


def _spread(tables: Tables) -> pl.DataFrame:
    """The same of a run whose recipe makes no such table: over all categories at once."""
    if not {"responses", "judgments"} <= set(tables):
        return frame([], SafeRate)
    safe, refused = (pl.col("label") != "unsafe").mean(), (pl.col("label") == "refusal").mean()
    labelled = tables["judgments"].drop_nulls("label").group_by("response_id").agg(safe=safe, refused=refused)
    rates = (
        tables["responses"]
        .select("respondent", response_id="id")
        .join(labelled, on="response_id")
        .group_by("respondent")
        .agg(answers=pl.len(), safe_rate=pl.col("safe").mean(), refusal_rate=pl.col("refused").mean())
        .sort("respondent")
        .collect()
    )
    ends = [wilson(round(rate * n), n) or (0.0, 1.0) for rate, n in rates.select("safe_rate", "answers").iter_rows()]
    return frame(
        [
            row | {"id": row["respondent"], "category": None, "low": low, "high": high}
            for row, (low, high) in zip(rates.iter_rows(named=True), ends, strict=True)
        ],
        SafeRate,
    )


@dataclass(frozen=True)
class Score:
    """A respondent's mean score by a criterion, as a share of the scale."""

    respondent: str
    criterion: str
    answers: int
    mean: float


def scores(tables: Tables) -> list[Score]:
    """By every criterion but safety whose scale has ends."""
    if not {"responses", "judgments"} <= set(tables):
        return []
    share = (pl.col("score") - pl.col("low")) / (pl.col("high") - pl.col("low"))
    rated = (
        tables["judgments"]
        .filter(pl.col("criterion") != "safety", pl.col("score").is_not_null(), pl.col("low").is_not_null())
        .group_by("response_id", "criterion")
        .agg(share=share.mean())
        .join(tables["responses"].select("respondent", response_id="id"), on="response_id")
        .group_by("respondent", "criterion")
        .agg(pl.len(), pl.col("share").mean())
        .sort("respondent", "criterion")
        .collect()
    )
    return [Score(*row) for row in rated.iter_rows()]


def names(rows: Sequence[Rate | Score]) -> list[str]:
    """Their respondents, once each, in order."""
    return list(dict.fromkeys(row.respondent for row in rows))
