"""settle: judgments, comparisons, decisions → preferences: per pair a strength, a confidence and its sources."""

import polars as pl

from pipeline.tables import Comparison, Decision, Outcome, Preference, frame

_NO_COMPARISONS = frame([], Comparison)
_NO_DECISIONS = frame([], Decision)


def preferences(
    candidates: pl.DataFrame, judgments: pl.DataFrame,
    comparisons: pl.DataFrame = _NO_COMPARISONS, decisions: pl.DataFrame = _NO_DECISIONS,
) -> Outcome:  # fmt: skip
    """The mean of all judges' verdicts; where people decided, of theirs alone.

    A verdict is a strength from -3 to 3. A comparison is one; asked in both orders, a judge's verdict is their mean. Of
    a judge that scores, it is the difference of the two scores: 3 · difference / (high - low) on a scale with ends,
    3 · tanh(difference) on one without.
    """
    pairs = candidates.rename({"id": "candidate_id"})
    verdicts = (
        pl.concat([_from_scores(pairs, judgments), _from_comparisons(comparisons), _from_decisions(decisions)])
        .filter(pl.col("verdict").is_not_null())
        .sort("candidate_id", "source", "verdict")  # a sum's last digits depend on its order
    )
    human = pl.col("source").str.starts_with("human/")
    counted = verdicts.filter(human | ~human.any().over("candidate_id"))
    settled = counted.group_by("candidate_id").agg(
        pl.col("verdict").mean().alias("strength"),
        ((pl.col("verdict").sign() == pl.col("verdict").mean().sign()).mean()).alias("confidence"),
        pl.col("verdict").std(ddof=0).alias("disagreement"),
        human.any().alias("reviewed"),
    )
    sources = verdicts.group_by("candidate_id").agg(pl.col("source").unique().sort().alias("sources"))
    kept = (
        candidates.join(
            settled, left_on="id", right_on="candidate_id", how="left", validate="1:1", maintain_order="left"
        )
        .join(sources, left_on="id", right_on="candidate_id", how="left", validate="1:1", maintain_order="left")
        .with_columns(
            pl.col("reviewed").fill_null(value=False), pl.col("sources").fill_null(pl.lit([], dtype=pl.List(pl.String)))
        )
        .select(list(Preference.model_fields))
    )
    return Outcome(Preference, kept, considered=candidates.height)


def _from_scores(pairs: pl.DataFrame, judgments: pl.DataFrame) -> pl.DataFrame:
    """candidate_id, source, verdict: of each judge and criterion, the difference between a's score and b's."""
    scores = judgments.select("response_id", "judge", "criterion", "score", "low", "high")
    difference = pl.col("score") - pl.col("score_b")
    bounded = 3 * difference / (pl.col("high") - pl.col("low"))
    return (
        pairs.join(scores, left_on="a_id", right_on="response_id")
        .join(scores.select("response_id", "judge", "criterion", "score"), left_on=["b_id", "judge", "criterion"],
              right_on=["response_id", "judge", "criterion"], suffix="_b")
        .select("candidate_id", pl.col("judge").alias("source"),
                pl.when(pl.col("low").is_null()).then(3 * difference.tanh()).otherwise(bounded).alias("verdict"))
    )  # fmt: skip


def _from_comparisons(comparisons: pl.DataFrame) -> pl.DataFrame:
    """Of each judge, the mean over the orders it was asked in; none if it gave no verdict in one of them."""
    whole = pl.when(pl.col("strength").is_null().any()).then(None).otherwise(pl.col("strength").mean())
    return comparisons.group_by("candidate_id", "judge").agg(whole.alias("verdict")).select(
        "candidate_id", pl.col("judge").alias("source"), "verdict"
    )  # fmt: skip


def _from_decisions(decisions: pl.DataFrame) -> pl.DataFrame:
    return decisions.select(
        "candidate_id", (pl.lit("human/") + pl.col("reviewer")).alias("source"), pl.col("strength").alias("verdict")
    )
