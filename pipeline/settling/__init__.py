"""What several verdicts on one pair come to: one method a file. To add one, write a function that takes verdicts
(candidate_id, criterion, source, verdict from -3 to 3, weight above 0; sorted. Of the criterion `overall` a judge and what
it judged by are a source)
and returns candidate_id, criterion, strength (-3 to 3) and confidence (0 to 1, of the side it settles on); and name it
where a recipe calls `settle.preferences`. People's decisions are not its business.
"""

from collections.abc import Callable

import polars as pl

BY = ["candidate_id", "criterion"]
Method = Callable[[pl.DataFrame], pl.DataFrame]


def last_words(decisions: pl.DataFrame) -> pl.DataFrame:
    """Those that count: where an adjudicator spoke, only what adjudicators said."""
    last = pl.col("role") == "adjudicator"
    return decisions.filter(last | ~last.any().over("candidate_id", "response_id", "criterion"))
