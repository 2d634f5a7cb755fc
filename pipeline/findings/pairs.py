"""What the quadruples are like: how strong, and how long."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.findings import Tables
from pipeline.statistics.aggregation import roc_auc

STRENGTHS = tuple(n / 4 for n in range(13))
LENGTHS = (0, 25, 50, 100, 200, 400, 800, 1600, 3200)
"""Characters; the last bin has no end."""


@dataclass(frozen=True)
class Shape:
    """How quadruples are distributed; each count is of a bin of the constant above, with its upper edge in it."""

    rows: int
    strength: tuple[int, ...]
    chosen: tuple[int, ...]
    """Lengths."""
    rejected: tuple[int, ...]
    longer: float
    """Of the pairs, the share in which the longer is chosen."""
    area: float | None
    """AUC of length telling the chosen from the rejected; 0.5: not at all."""


def shape(tables: Tables) -> Shape | None:
    """None without quadruples."""
    if "quadruples" not in tables:
        return None
    length = {side: pl.col(side).str.len_chars().cast(pl.Int64) for side in ("chosen", "rejected")}
    rows = tables["quadruples"].select("strength", **length).collect()
    if rows.is_empty():
        return None
    chosen, rejected = rows["chosen"].to_numpy(), rows["rejected"].to_numpy()
    return Shape(
        rows.height,
        _bins(rows["strength"].to_numpy(), STRENGTHS),
        _bins(chosen, (*LENGTHS, np.inf)),
        _bins(rejected, (*LENGTHS, np.inf)),
        float((chosen > rejected).mean()),
        roc_auc(np.concatenate([chosen, rejected]), np.repeat([True, False], len(chosen))),
    )


def _bins(values: NDArray[np.floating] | NDArray[np.integer], edges: Sequence[float]) -> tuple[int, ...]:
    """How many lie above one edge and not above the next; what lies outside counts in the bins at the ends."""
    place = np.searchsorted(np.asarray(edges), values, side="left") - 1
    return tuple(np.bincount(np.clip(place, 0, len(edges) - 2), minlength=len(edges) - 1).tolist())
