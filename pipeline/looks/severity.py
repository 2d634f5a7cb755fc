"""How much harm an image shows: none, minor, moderate, severe, as BeaverTails-V grades its images."""

import json
import re
from dataclasses import dataclass

from pipeline import templates
from pipeline.looks import Cells, description
from pipeline.requests import Answer, Chat, Message, Reply
from pipeline.tables import SEVERITIES, Description
from pipeline.verdicts import last_json

_SCHEMA = json.dumps({
    "type": "object", "properties": {"severity": {"type": "string", "enum": SEVERITIES}}, "required": ["severity"],
    "additionalProperties": False,
})  # fmt: skip
_STATED = re.compile(rf"\bseverity\W{{0,6}}(?:is\W{{1,4}})?({'|'.join(SEVERITIES)})\b", re.IGNORECASE)


@dataclass(frozen=True)
class SeverityJudge:
    """A vision-language model that grades."""

    model: str
    max_tokens: int = 256

    def ask(self, row: Cells) -> Chat:
        """The image, and what the grades mean."""
        message = Message(role="user", text=templates.load("collect/severity").fill(), images=(row["id"],))
        return Chat(model=self.model, messages=(message,), max_tokens=self.max_tokens, json_schema=_SCHEMA)

    def read(self, row: Cells, request_id: str, reply: Reply) -> Description:
        """The last stated grade; one that was not on offer is an error."""
        if not isinstance(reply.result, Answer):
            return description(self, row, request_id, "severity", reply, error="no_verdict")
        stated = last_json(reply.result.text, "severity")
        words = _STATED.findall(reply.result.text)
        grade = stated["severity"] if stated else words[-1] if words else None
        if grade is None:
            return description(self, row, request_id, "severity", reply, error="no_verdict")
        if not isinstance(grade, str) or grade.strip().lower() not in SEVERITIES:
            return description(self, row, request_id, "severity", reply, error="off_scale")
        return description(self, row, request_id, "severity", reply, severity=grade.strip().lower())
