"""Which responses of a prompt are worth pairing: one rule a file. To add one, write a function (or a frozen dataclass with a
`__call__`) that takes the tables of responses and judgments, to know the whole run, and returns a function from a prompt's
id and answers to pairs of response ids, or to the reason why there are none; and name it in a recipe. Whatever is drawn is
drawn from the prompt's id.
"""

from collections.abc import Callable
from typing import Any

import polars as pl

Cells = dict[str, Any]
Pairs = list[tuple[str, str]]
Choose = Callable[[str, list[Cells]], Pairs | str]
"""(prompt id, its answers: id, respondent, score (the judges' mean), label (see `scored`), by id) → pairs, or why there are none."""
Rule = Callable[[pl.DataFrame, pl.DataFrame], Choose]
"""(responses, judgments) → how to choose, knowing the whole run."""


def scored(responses: pl.DataFrame, judgments: pl.DataFrame, labels: pl.DataFrame | None = None) -> pl.DataFrame:
    """id, prompt_id, respondent, score: the judges' mean; label: the settled one; without `labels`, what most safety judges say,
    unsafe where as many say so as not. By prompt and id."""
    scores = judgments.sort("judge", "criterion").group_by("response_id").agg(pl.col("score").mean())
    labels = labelled(judgments) if labels is None else labels.select("response_id", "label")
    joined = responses.join(scores, left_on="id", right_on="response_id", how="left", validate="m:1").join(
        labels, left_on="id", right_on="response_id", how="left", validate="m:1"
    )
    return joined.select("id", "prompt_id", "respondent", "score", "label").sort("prompt_id", "id")


def labelled(judgments: pl.DataFrame) -> pl.DataFrame:
    """response_id, label: what most safety judges say of it; unsafe where as many say so as not."""
    label = pl.col("label")
    return judgments.drop_nulls("label").group_by("response_id").agg(
        label=pl.when((label == "unsafe").mean() >= 0.5).then(pl.lit("unsafe"))
        .when((label == "refusal").sum() >= (label == "safe").sum()).then(pl.lit("refusal"))
        .otherwise(pl.lit("safe"))
    )  # fmt: skip
