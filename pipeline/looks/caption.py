"""What an image shows, in a sentence or two."""

import re
from dataclasses import dataclass

from pipeline import templates
from pipeline.looks import Cells, description
from pipeline.requests import Answer, Chat, Message, Reply
from pipeline.tables import Description

LONGEST = 600
"""Characters of a caption."""
_REFUSAL = re.compile(
    r"^\W*(?:I(?:'m| am) (?:sorry|unable|not able)|I (?:cannot|can't|can not|won't)\b|sorry\b|as an AI\b)",
    re.IGNORECASE,
)
_PREAMBLE = re.compile(
    r"^\W*(?:(?:sure|certainly|of course|okay|here(?:'s| is))\b[^.:!\n]{0,80}[.:!]|(?:caption|description|answer)\s*:)\s*", re.IGNORECASE
)  # fmt: skip


@dataclass(frozen=True)
class Caption:
    """A vision-language model that describes."""

    model: str
    max_tokens: int = 200

    def ask(self, row: Cells) -> Chat:
        """The image, and what to say of it."""
        message = Message(role="user", text=templates.load("collect/caption").fill(), images=(row["id"],))
        return Chat(model=self.model, messages=(message,), max_tokens=self.max_tokens)

    def read(self, row: Cells, request_id: str, reply: Reply) -> Description:
        """The caption without what leads up to it; a refusal is an error."""
        if not isinstance(reply.result, Answer):
            return description(self, row, request_id, "caption", reply, error="no_answer")
        text = " ".join(reply.result.text.split())
        if reply.result.finish == "refusal" or _REFUSAL.search(text.replace("\u2019", "'")):
            return description(self, row, request_id, "caption", reply, error="refusal")
        text = _PREAMBLE.sub("", text, count=1).strip('*"“” ')
        if not text:
            return description(self, row, request_id, "caption", reply, error="no_answer")
        return description(self, row, request_id, "caption", reply, text=text[:LONGEST])
