"""How sure is a rate? Intervals of shares and of means."""

import math

import numpy as np
from numpy.typing import NDArray

Z95 = 1.959963984540054
"""Of the standard normal distribution, the quantile of 0.975."""


def wilson(hits: int, trials: int, z: float = Z95) -> tuple[float, float] | None:
    """Wilson's score interval of a share, within 0 and 1; none without trials. The trials count as independent.
    (E. B. Wilson, 1927, J. Am. Stat. Assoc. 22:209.) ValueError: more hits than trials, or fewer than none."""
    if not 0 <= hits <= trials:
        raise ValueError(f"{hits} hits of {trials} trials")
    if not trials:
        return None
    share, spread = hits / trials, z * z / trials
    centre = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / trials + spread / (4 * trials))
    return centre - half if hits else 0.0, centre + half if hits < trials else 1.0


def bootstrap_mean(
    values: NDArray[np.floating], draws: int = 2000, level: float = 0.95, seed: int = 0
) -> tuple[float, float] | None:
    """Percentile interval of the mean of (n,) values, drawn again with the same seed each time; none of no values."""
    if not len(values):
        return None
    # one row of indices at a time: draws x n at once would not fit for large n
    generator = np.random.default_rng(seed)
    means = [values[generator.integers(0, len(values), len(values))].mean() for _ in range(draws)]
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
