"""UnifiedReward's: answers in pairs that share none, to be ranked; `judge.sifted` then takes the best of the preferred and the
worst of the others (arXiv 2503.05236, section 3.2)."""

import polars as pl

from pipeline.rules import Cells, Choose, Pairs
from pipeline.tables import chance


def disjoint(responses: pl.DataFrame, judgments: pl.DataFrame) -> Choose:  # noqa: ARG001 -- a Rule
    """Half as many pairs as answers, drawn; of an odd number one is left out."""

    def choose(prompt_id: str, answers: list[Cells]) -> Pairs | str:
        drawn = chance("disjoint", prompt_id).sample([a["id"] for a in answers], len(answers))
        return list(zip(drawn[::2], drawn[1::2], strict=False)) or "fewer than two answers"

    return choose
