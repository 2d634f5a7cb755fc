"""The mean."""

import polars as pl

from pipeline.settling import BY


def mean(verdicts: pl.DataFrame) -> pl.DataFrame:
    """By weight; confidence is the share of the verdicts on its side."""
    verdict, weight = pl.col("verdict"), pl.col("weight")
    middle = (verdict * weight).sum() / weight.sum()
    return verdicts.group_by(BY, maintain_order=True).agg(
        strength=middle, confidence=weight.filter(verdict.sign() == middle.sign()).sum() / weight.sum()
    )
