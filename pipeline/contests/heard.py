"""A table of comparisons as what a contest knows of them."""

import polars as pl

from pipeline.contests.contest import Contest


def verdicts(comparisons: pl.DataFrame) -> dict[tuple[str, str], float | None]:
    """Of who was shown first and who second: the judges' mean strength, above zero for the first; None: nobody's."""
    turned = pl.when(pl.col("first") == "a").then("strength").otherwise(-pl.col("strength"))
    shown = comparisons.with_columns(
        strength=turned,
        one=pl.when(pl.col("first") == "a").then("a_id").otherwise("b_id"),
        other=pl.when(pl.col("first") == "a").then("b_id").otherwise("a_id"),
    ).sort("judge")  # a mean's last digits depend on the order
    means = shown.group_by("one", "other", maintain_order=True).agg(pl.col("strength").mean())
    return {(one, other): strength for one, other, strength in means.iter_rows()}


def contest_of(prompt: str, comparisons: pl.DataFrame) -> Contest:
    """A prompt's contest as its comparisons left it."""
    ids = sorted({*comparisons["a_id"], *comparisons["b_id"]})
    return Contest(prompt, tuple(ids), tuple((*pair, said) for pair, said in verdicts(comparisons).items()))
