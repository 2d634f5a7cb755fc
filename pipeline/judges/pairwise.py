"""Which of two responses is better, and by how much? Asked in both orders where the recipe says so."""

import json
from dataclasses import dataclass

from pipeline import templates
from pipeline.judges import Cells, comparison, last_json
from pipeline.requests import Answer, Chat, Failure, Message, Reply
from pipeline.tables import Comparison

_SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {"preferred": {"enum": ["A", "B", "tie"]}, "strength": {"enum": [1, 2, 3]}},
        "required": ["preferred", "strength"],
        "additionalProperties": False,
    }
)


@dataclass(frozen=True)
class Pairwise:
    """A model that is asked to choose."""

    model: str
    template: str = "judge/pairwise"
    share: float = 1.0

    @property
    def name(self) -> str:
        """Model and template: another wording is another judge."""
        return f"{self.model}/{self.template.rpartition('/')[2]}"

    def __post_init__(self) -> None:
        """A template that will not do is found before anything is asked."""
        self._template()

    def _template(self) -> templates.Template:
        return templates.load(self.template, "question", "response_a", "response_b", "fence")

    def ask(self, row: Cells) -> Chat:
        """Question and both responses behind a fence; `first` says which is called A."""
        shown = (row["a"], row["b"]) if row["first"] == "a" else (row["b"], row["a"])
        text = self._template().fill(
            question=row["question"],
            response_a=shown[0],
            response_b=shown[1],
            fence=templates.fence(row["candidate_id"]),
        )
        images = (row["image"],) if row["image"] else ()
        message = Message(role="user", text=text, images=images)
        return Chat(model=self.model, messages=(message,), max_tokens=256, json_schema=_SCHEMA)

    def read(self, row: Cells, request_id: str, reply: Reply) -> Comparison:
        """The last stated verdict, turned so that above zero prefers a."""
        if isinstance(reply.result, Failure):
            return comparison(self, row, request_id, None, reply.result.error)
        shown, error = verdict(reply.result.text) if isinstance(reply.result, Answer) else (None, "no_verdict")
        strength = None if shown is None else shown if row["first"] == "a" else -shown
        return comparison(self, row, request_id, strength, error)


def verdict(text: str) -> tuple[float | None, str | None]:
    """-3 to 3, above zero for A, or why not: a verdict that was not on offer is an error."""
    stated = last_json(text, "preferred")
    if stated is None:
        return None, "no_verdict"
    if stated["preferred"] == "tie":
        return 0.0, None
    strength = stated.get("strength")
    if stated["preferred"] not in ("A", "B") or isinstance(strength, bool) or strength not in (1, 2, 3):
        return None, "off_scale"
    return (float(strength) if stated["preferred"] == "A" else -float(strength)), None
