"""HelpSteer2's: the mean of the three verdicts that lie closest together."""

import numpy as np
import polars as pl

from pipeline.settling import BY
from pipeline.statistics.aggregation import three_most_similar


def most_similar(verdicts: pl.DataFrame) -> pl.DataFrame:
    """Weights do not count. Confidence is the share of all verdicts on its side."""
    lists = verdicts.group_by(BY, maintain_order=True).agg("verdict")
    widest = lists["verdict"].list.len().max() or 0
    given = np.full((lists.height, int(str(widest))), np.nan)
    for row, found in enumerate(lists["verdict"]):
        given[row, : len(found)] = found
    strength = three_most_similar(given).mean if lists.height else np.zeros(0)
    same = np.sign(given) == np.sign(strength)[:, None]
    share = same.sum(1) / np.maximum((~np.isnan(given)).sum(1), 1)
    return lists.select(*BY, strength=pl.Series(strength), confidence=pl.Series(share))
