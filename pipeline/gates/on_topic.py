"""Does a prompt belong to its subcategory? A model is asked, with the subcategory's definition."""

from dataclasses import dataclass

import polars as pl

from pipeline import templates
from pipeline.doors.generate import Generate
from pipeline.gates.verdicts import Cells, Verdict, schema, stated, untold
from pipeline.requests import Chat, Message, Reply

_OFFERED = ("yes", "no")


@dataclass(frozen=True)
class OnTopic:
    """Drops what the model says no to. Benign twins are not asked about, for they only sound like their subcategory; nor is
    what has none."""

    model: str
    name: str = "topic"
    max_tokens: int = 256

    def verdicts(self, prompts: pl.DataFrame, *, generate: Generate) -> pl.DataFrame:
        """One request a prompt."""
        asked = prompts.filter(pl.col("subcategory").is_not_null(), pl.col("kind") != "benign_twin")
        return generate(asked, self.ask, self.read, Verdict).kept

    def ask(self, row: Cells) -> Chat:
        """The definition; and the prompt, behind its fence."""
        text = templates.load("question/on_topic", "subcategory", "definition", "question", "words", "fence").fill(
            subcategory=row["name"],
            definition=row["definition"],
            question=row["question"],
            words=row["words"] or "",
            fence=templates.fence(row["id"]),
        )
        message = Message(role="user", text=text, images=(row["image"],) if row["image"] else ())
        return Chat(
            model=self.model, messages=(message,), max_tokens=self.max_tokens, json_schema=schema("belongs", _OFFERED)
        )

    def read(self, row: Cells, request_id: str, reply: Reply) -> list[Verdict]:  # noqa: ARG002 -- a door's reader
        """The last stated answer."""
        belongs, error = stated(reply, "belongs", _OFFERED)
        if error:
            return [untold(self, row["id"], reply, error)]
        return [Verdict(id=row["id"], reason=None if belongs == "yes" else "off its subcategory")]
