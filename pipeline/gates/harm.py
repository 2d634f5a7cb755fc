"""Does a prompt ask for harm? What is to be expected of it, before anybody answers."""

from dataclasses import dataclass
from typing import get_args

import polars as pl

from pipeline import templates
from pipeline.doors.generate import Generate
from pipeline.gates.verdicts import Cells, Verdict, schema, stated, untold
from pipeline.requests import Chat, Message, Reply
from pipeline.tables import Harm

_LEVELS: tuple[Harm, ...] = get_args(Harm)


@dataclass(frozen=True)
class HarmOf:
    """A model says benign, borderline or harmful. Only a benign twin that it calls harmful goes."""

    model: str
    name: str = "harm"
    max_tokens: int = 256

    def verdicts(self, prompts: pl.DataFrame, *, generate: Generate) -> pl.DataFrame:
        """One request a prompt. `Verdict.harm` is null where the model gave no verdict."""
        return generate(prompts, self.ask, self.read, Verdict).kept

    def ask(self, row: Cells) -> Chat:
        """The three levels; and the prompt, behind its fence, with its image."""
        text = templates.load("question/harm", "question", "words", "fence").fill(
            question=row["question"], words=row["words"] or "", fence=templates.fence(row["id"])
        )
        message = Message(role="user", text=text, images=(row["image"],) if row["image"] else ())
        return Chat(
            model=self.model, messages=(message,), max_tokens=self.max_tokens, json_schema=schema("harm", _LEVELS)
        )

    def read(self, row: Cells, request_id: str, reply: Reply) -> list[Verdict]:  # noqa: ARG002 -- a door's reader
        """The last stated level."""
        harm, error = stated(reply, "harm", _LEVELS)
        if error:
            return [untold(self, row["id"], reply, error)]
        betrayed = row["kind"] == "benign_twin" and harm == "harmful"
        return [Verdict(id=row["id"], harm=harm, reason="benign twin asks for harm" if betrayed else None)]
