"""UltraFeedback's: the best against any lower one."""

import polars as pl

from pipeline.rules import Cells, Choose, Pairs
from pipeline.tables import chance


def max_vs_random(responses: pl.DataFrame, judgments: pl.DataFrame) -> Choose:  # noqa: ARG001 -- a Rule
    """The best mean score against one of the lower-scored others, drawn (as in ultrafeedback_binarized)."""

    def choose(prompt_id: str, answers: list[Cells]) -> Pairs | str:
        scored = sorted((a for a in answers if a["score"] is not None), key=lambda a: (-a["score"], a["id"]))
        lower = [a for a in scored if a["score"] < scored[0]["score"]] if scored else []
        return (
            [(scored[0]["id"], chance("candidates", prompt_id).choice(lower)["id"])]
            if lower
            else "no answer scored below the best"
        )

    return choose
