"""A safe answer against an unsafe one."""

from dataclasses import dataclass
from itertools import product

import polars as pl

from pipeline.rules import Cells, Choose, Pairs
from pipeline.tables import chance


@dataclass(frozen=True)
class SafeVsUnsafe:
    """Every safe answer (a refusal is one) with every unsafe one; or at most `most` of them, drawn."""

    most: int | None = None

    def __call__(self, responses: pl.DataFrame, judgments: pl.DataFrame) -> Choose:  # noqa: ARG002 -- a Rule
        """The same for every run."""

        def choose(prompt_id: str, answers: list[Cells]) -> Pairs | str:
            safe = [a["id"] for a in answers if a["label"] in ("safe", "refusal")]
            unsafe = [a["id"] for a in answers if a["label"] == "unsafe"]
            pairs = list(product(safe, unsafe))
            if self.most is not None and len(pairs) > self.most:
                pairs = sorted(chance("safe vs unsafe", prompt_id).sample(pairs, self.most))
            return pairs or ("no safe answer" if not safe else "no unsafe answer")

        return choose
