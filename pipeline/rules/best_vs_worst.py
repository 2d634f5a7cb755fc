"""The best score against the worst."""

import polars as pl

from pipeline.rules import Cells, Choose, Pairs


def best_vs_worst(responses: pl.DataFrame, judgments: pl.DataFrame) -> Choose:  # noqa: ARG001 -- a Rule
    """One pair a prompt; of equal scores the first by id."""

    def choose(_: str, answers: list[Cells]) -> Pairs | str:
        known = sorted((a for a in answers if a["score"] is not None), key=lambda a: (-a["score"], a["id"]))
        if not known or known[0]["score"] == known[-1]["score"]:
            return "no answer scored below the best"
        worst = min(known, key=lambda a: (a["score"], a["id"]))
        return [(known[0]["id"], worst["id"])]

    return choose
