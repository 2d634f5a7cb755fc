"""What a gate that asks a model says of a prompt. To add such a gate, write one frozen dataclass that has a `name`, a `model`
and `verdicts`: a table of prompts → a table of `Verdict`, one for each prompt that it looked at; the others pass.

Three things a gate may meet: the model says no, and the prompt goes; the model has not answered yet (a failure that may pass),
and the prompt is owed; the model will never say (a failure that is kept, an unreadable reply), and the prompt passes with
a note: a gate drops what it can tell, and silence is no verdict.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import polars as pl

from pipeline.doors.generate import Generate
from pipeline.requests import Answer, Failure, Reply
from pipeline.tables import Harm, Row
from pipeline.verdicts import last_json

Cells = dict[str, Any]
OWED = "still owed"
"""The detail of a prompt that is to be asked about again."""


class Verdict(Row):
    """What a gate says of one prompt."""

    id: str
    """`Prompt.id`."""
    reason: str | None = None
    """Why the prompt goes; null: it passes."""
    detail: str | None = None
    """More about it, for one who looks."""
    harm: Harm | None = None
    """What is to be expected of the prompt, if that is what was asked."""
    note: str | None = None
    """Why the gate could not tell."""


class ModelGate(Protocol):
    """Asks a model. Its prompts come as a table with id, image, question, kind, subcategory (id), name and definition (of the
    subcategory), words (drawn into the image): null where unknown."""

    @property
    def name(self) -> str: ...
    @property
    def model(self) -> str: ...
    def verdicts(self, prompts: pl.DataFrame, *, generate: Generate) -> pl.DataFrame: ...


def schema(key: str, offered: Sequence[object]) -> str:
    """JSON Schema of a verdict: an object with one key, whose value is one of those on offer."""
    return json.dumps(
        {
            "type": "object",
            "properties": {key: {"enum": list(offered)}},
            "required": [key],
            "additionalProperties": False,
        }
    )


def stated(reply: Reply, key: str, offered: Iterable[object]) -> tuple[Any, str | None]:
    """The last stated value of a key, or why there is none: a failure's word, `no_verdict`, or `off_scale` for a value that
    was not on offer."""
    if isinstance(reply.result, Failure):
        return None, reply.result.error
    found = last_json(reply.result.text, key) if isinstance(reply.result, Answer) else None
    if found is None:
        return None, "no_verdict"
    value = found[key].strip().lower() if isinstance(found[key], str) else found[key]
    fits = any(type(value) is type(one) and value == one for one in offered)
    return (value, None) if fits else (None, "off_scale")


def untold(gate: ModelGate, prompt: str, reply: Reply, error: str) -> Verdict:
    """A gate without a verdict: the prompt is owed if the answer may still come, and passes with a note otherwise."""
    if isinstance(reply.result, Failure) and reply.result.owed:
        return Verdict(id=prompt, reason=f"{gate.name}: {error}", detail=OWED)
    return Verdict(id=prompt, note=f"{gate.name}: {error}")
