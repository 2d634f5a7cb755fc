"""Dawid and Skene's: judges that often stand alone count for less, whichever side they lean to."""

import numpy as np
import polars as pl

from pipeline.settling import BY
from pipeline.statistics.dawid_skene import dawid_skene as estimate

SEEN = 1.0
"""Verdicts of each judge as if seen before, for each of its nine cells: so that few pairs say little of a judge."""


def dawid_skene(verdicts: pl.DataFrame) -> pl.DataFrame:
    """Of each criterion by itself; of a verdict only the side counts (a, tie, b), and no weight. The strength is 3 (P(a) - P(b)),
    the confidence the probability of the side that it lies on."""
    parts = [verdicts.select(*BY, strength=pl.lit(0.0), confidence=pl.lit(0.0)).head(0)]
    for (criterion,), part in verdicts.group_by("criterion", maintain_order=True):
        pairs, sources = (part[name].unique(maintain_order=True) for name in ("candidate_id", "source"))
        places = [
            part[name].replace_strict(known.to_list(), list(range(len(known))), return_dtype=pl.Int64).to_numpy()
            for name, known in (("candidate_id", pairs), ("source", sources))
        ]
        labels = np.full((len(pairs), len(sources)), -1)
        labels[places[0], places[1]] = np.sign(part["verdict"].to_numpy()).astype(np.int64) + 1
        b, even, a = estimate(labels, 3, confusion=SEEN, shares=SEEN).posterior.T
        strength = 3 * (a - b)
        sure = np.where(strength > 0, a, np.where(strength < 0, b, even))
        parts.append(
            pl.DataFrame({"candidate_id": pairs, "criterion": str(criterion), "strength": strength, "confidence": sure})
        )
    return pl.concat(parts)
