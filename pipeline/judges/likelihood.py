"""How likely does a model find the response, given the prompt? The mean log-probability of its tokens.

Small models cannot be asked which answer is better (they say A), but they can be measured.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

from pipeline.judges import Cells, judgment
from pipeline.requests import Message, Reply, Score, Scored
from pipeline.tables import Judgment


@dataclass(frozen=True)
class Likelihood:
    """Score in nats per token, without ends to the scale."""

    model: str
    name: str = "likelihood"
    criterion: ClassVar[str] = "likelihood"

    def ask(self, row: Cells) -> Score:
        """The prompt as a respondent without a system prompt would meet it, and the response as its answer."""
        images = (row["image"],) if row["image"] else ()
        return Score(
            model=self.model,
            messages=(Message(role="user", text=row["question"], images=images),),
            answer=row["text"],
        )

    def read(self, row: Cells, request_id: str, reply: Reply) -> Judgment:
        """Log-probabilities → their mean."""
        logprobs = reply.result.logprobs if isinstance(reply.result, Scored) else ()
        if not logprobs or not math.isfinite(mean := sum(logprobs) / len(logprobs)):
            return judgment(self, row, request_id, self.criterion, reply, error="no_verdict")
        return judgment(self, row, request_id, self.criterion, reply, score=mean)
