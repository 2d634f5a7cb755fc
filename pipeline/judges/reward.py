"""How high does a reward model rate the response? One number without ends; pairs derive from the differences."""

import math
from dataclasses import dataclass
from typing import ClassVar

from pipeline.judges import Cells, judgment
from pipeline.requests import Classified, Classify, Reply
from pipeline.tables import Judgment


@dataclass(frozen=True)
class Reward:
    """The model's raw score: logits, comparable only between answers to one prompt."""

    model: str
    sees_image: bool = False
    """Most reward models read texts alone."""
    criterion: ClassVar[str] = "reward"

    @property
    def name(self) -> str:
        """Two reward models are two judges."""
        return f"{self.model}/reward"

    def ask(self, row: Cells) -> Classify:
        """The response, in the context of its question."""
        image = row["image"] if self.sees_image else None
        return Classify(model=self.model, context=row["question"], text=row["text"], image=image)

    def read(self, row: Cells, request_id: str, reply: Reply) -> Judgment:
        """The label `score`."""
        labels = reply.result.labels if isinstance(reply.result, Classified) else {}
        score = labels.get("score")
        if score is None or not math.isfinite(score):
            return judgment(self, row, request_id, self.criterion, reply, error="no_verdict")
        return judgment(self, row, request_id, self.criterion, reply, score=score)
