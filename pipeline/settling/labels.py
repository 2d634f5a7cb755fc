"""What several labels of one response come to. A method takes labels (response_id, source, label; sorted; a source labels a
response once) and returns response_id and unsafe: how likely it is, 0 to 1. People's decisions are not its business."""

from collections.abc import Callable

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.statistics import dawid_skene as estimates

LabelMethod = Callable[[pl.DataFrame], pl.DataFrame]
SEEN = 1.0
"""Labels of each judge as if seen before, for each of its four cells: so that few responses say little of a judge."""


def majority(labels: pl.DataFrame) -> pl.DataFrame:
    """The share of the labels."""
    return labels.group_by("response_id", maintain_order=True).agg(unsafe=(pl.col("label") == "unsafe").mean())


def dawid_skene(labels: pl.DataFrame) -> pl.DataFrame:
    """By judges who err independently of each other, each in its own way."""
    if labels.is_empty():
        return majority(labels)
    responses, said = _matrix(labels)
    return _frame(responses, estimates.dawid_skene(said, 2, confusion=SEEN, shares=SEEN).posterior[:, 1])


def threes(labels: pl.DataFrame) -> pl.DataFrame:
    """By judges some of whom err together; where few responses are unsafe. A response of whose judges nothing is known, as of two
    alone, is what the majority says."""
    if labels.is_empty():
        return majority(labels)
    responses, said = _matrix(labels)
    made = estimates.threes(said)
    known = (made.confusion != 0.5).any((1, 2))
    told = (said[:, known] >= 0).any(1)
    return _frame(responses, np.where(told, made.posterior[:, 1], (said == 1).sum(1) / (said >= 0).sum(1)))


def _matrix(labels: pl.DataFrame) -> tuple[pl.Series, NDArray[np.int64]]:
    """The responses (n), and whether each source calls each unsafe (n, m): 1 or 0, or -1 where it was not asked."""
    responses, sources = (labels[name].unique(maintain_order=True) for name in ("response_id", "source"))
    row, column = (
        labels[name].replace_strict(known.to_list(), list(range(len(known))), return_dtype=pl.Int64).to_numpy()
        for name, known in (("response_id", responses), ("source", sources.sort()))
    )
    said = np.full((len(responses), len(sources)), -1)
    said[row, column] = (labels["label"] == "unsafe").to_numpy()
    return responses, said


def _frame(responses: pl.Series, unsafe: NDArray[np.float64]) -> pl.DataFrame:
    return pl.DataFrame({"response_id": responses, "unsafe": pl.Series(unsafe, dtype=pl.Float64)})
