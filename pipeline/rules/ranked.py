"""All pairs that scores tell apart; or those that they tell far enough apart."""

from dataclasses import dataclass
from itertools import combinations

import polars as pl

from pipeline.rules import Cells, Choose, Pairs
from pipeline.tables import chance


@dataclass(frozen=True)
class Ranked:
    """Every pair whose scores differ by more than `gap`, or at most `most` of them, drawn. COIG-P takes random pairs that
    differ by more than 2.0 on a scale from 1 to 10 (arXiv 2504.05535); with no gap, all that are strictly ranked."""

    gap: float = 0.0
    most: int | None = None

    def __call__(self, responses: pl.DataFrame, judgments: pl.DataFrame) -> Choose:  # noqa: ARG002 -- a Rule
        """The same for every run."""

        def choose(prompt_id: str, answers: list[Cells]) -> Pairs | str:
            known = [a for a in answers if a["score"] is not None]
            pairs = [(a["id"], b["id"]) for a, b in combinations(known, 2) if abs(a["score"] - b["score"]) > self.gap]
            if self.most is not None and len(pairs) > self.most:
                pairs = sorted(chance("ranked", prompt_id).sample(pairs, self.most))
            return pairs or f"no two scores differ by more than {self.gap:g}"

        return choose
