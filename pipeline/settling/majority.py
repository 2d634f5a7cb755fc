"""The side that most verdicts are on."""

import polars as pl

from pipeline.settling import BY


def majority(verdicts: pl.DataFrame) -> pl.DataFrame:
    """By weight: a, b, or a tie; where no side has more than each other, a tie. The strength is the mean of that side's verdicts,
    the confidence its share."""
    verdict, weight = pl.col("verdict"), pl.col("weight")
    sides = {"a": verdict > 0, "b": verdict < 0, "even": verdict == 0}
    votes = verdicts.group_by(BY, maintain_order=True).agg(
        *(weight.filter(side).sum().alias(name) for name, side in sides.items()),
        *(((verdict * weight).filter(sides[name]).sum()).alias(f"sum_{name}") for name in "ab"),
    )
    most = pl.max_horizontal("a", "b", "even")
    wins = {name: (pl.col(name) == most) & (pl.sum_horizontal(pl.col(n) == most for n in sides) == 1) for name in "ab"}
    return votes.select(
        *BY,
        strength=pl.when(wins["a"]).then(pl.col("sum_a") / pl.col("a"))
        .when(wins["b"]).then(pl.col("sum_b") / pl.col("b")).otherwise(0.0),
        confidence=pl.when(wins["a"] | wins["b"]).then(most).otherwise("even") / pl.sum_horizontal(*sides),
    )  # fmt: skip
