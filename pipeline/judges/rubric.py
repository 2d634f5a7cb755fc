"""One response, one criterion, a scale from 1 to 5. A rubric is a file: prompts/judge/rubrics/<criterion>.md."""

import json
import re
from dataclasses import dataclass

from pipeline import templates
from pipeline.judges import Cells, judgment, last_json
from pipeline.requests import Answer, Chat, Message, Reply
from pipeline.tables import Judgment

LOW, HIGH = 1, 5
_SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {"rating": {"type": "integer", "enum": [1, 2, 3, 4, 5]}},
        "required": ["rating"],
        "additionalProperties": False,
    }
)
_STATED = re.compile(
    r"\brating\W{0,4}?(-?\d+(?:\.\d+)?)"
    r"(?!\w|[.,]\d|\s*(?:[-\u2013\u2014]|to\b)\s*\d|\s*(?:/|out of\b)\s*(?!5\b)\d)",  # not 1e9, 4,5, 1-5 or 4/10
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Rubric:
    """A model that is asked for a rating."""

    model: str
    criterion: str

    @property
    def name(self) -> str:
        """Model and criterion: each rubric is a judge of its own."""
        return f"{self.model}/{self.criterion}"

    def __post_init__(self) -> None:
        """A rubric that is not there is found before anything is asked."""
        self._rubric()

    def _rubric(self) -> str:
        return templates.load(f"judge/rubrics/{self.criterion}").fill()

    def ask(self, row: Cells) -> Chat:
        """The rubric, the question, and the response behind its fence."""
        text = templates.load("judge/rubric", "rubric", "question", "response", "fence").fill(
            rubric=self._rubric(),
            question=row["question"],
            response=row["text"],
            fence=templates.fence(row["response_id"]),
        )
        images = (row["image"],) if row["image"] else ()
        message = Message(role="user", text=text, images=images)
        return Chat(model=self.model, messages=(message,), max_tokens=256, json_schema=_SCHEMA)

    def read(self, row: Cells, request_id: str, reply: Reply) -> Judgment:
        """The last stated rating; off the scale is an error."""
        score, error = rating(reply.result.text) if isinstance(reply.result, Answer) else (None, "no_verdict")
        return judgment(
            self, row, request_id, self.criterion, reply, score=score, low=float(LOW), high=float(HIGH), error=error
        )


def rating(text: str) -> tuple[float | None, str | None]:
    """A whole rating on the scale, or why not: never clamped, never guessed."""
    stated = last_json(text, "rating")
    value = stated["rating"] if stated else next(iter(_STATED.findall(text)[-1:]), None)
    if value is None or isinstance(value, bool):
        return None, "no_verdict"
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None, "no_verdict"
    except OverflowError:
        return None, "off_scale"
    return (number, None) if number in range(LOW, HIGH + 1) else (None, "off_scale")
