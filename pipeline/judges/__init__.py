"""Who scores or compares responses, and how it is asked and read. To add a judge, write one frozen dataclass that

- has a `name` and a `model`;
- makes a request of a row (`ask`), fencing what it did not write itself;
- reads the reply (`read`) into a `Judgment` (one response) or a `Comparison` (two), with an `error` where it cannot;
and name it in a recipe's pool. Both halves are pure: a reply is kept before it is read, and can be read again.
"""

import json
from typing import Any, Protocol

from pipeline.requests import Failure, Reply, Request
from pipeline.tables import Comparison, Judgment, row_id

Cells = dict[str, Any]


class Judge(Protocol):
    """Scores one response. Its rows hold prompt_id, image, question, response_id, text."""

    @property
    def name(self) -> str: ...
    @property
    def model(self) -> str: ...
    def ask(self, row: Cells) -> Request: ...
    def read(self, row: Cells, request_id: str, reply: Reply) -> Judgment: ...


class PairJudge(Protocol):
    """Compares two. Its rows hold candidate_id, prompt_id, image, question, a_id, b_id, a, b (texts), first."""

    @property
    def name(self) -> str: ...
    @property
    def share(self) -> float:
        """Of the candidates, drawn by their ids, how many it is asked about: 0 to 1."""
        ...

    @property
    def model(self) -> str: ...
    def ask(self, row: Cells) -> Request: ...
    def read(self, row: Cells, request_id: str, reply: Reply) -> Comparison: ...


def judgment(judge: Judge, row: Cells, request_id: str, criterion: str, reply: Reply, **values: Any) -> Judgment:
    """A judgment row; `values` are score, low, high, label, error. A reply that is a failure gives its error."""
    if isinstance(reply.result, Failure):
        values = {"error": reply.result.error}
    filled = {"score": None, "low": None, "high": None, "label": None, "error": None} | values
    return Judgment(
        id=row_id("judgment", row["response_id"], judge.name, criterion, request_id),
        prompt_id=row["prompt_id"],
        response_id=row["response_id"],
        judge=judge.name,
        model=judge.model,
        criterion=criterion,
        request_id=request_id,
        **filled,
    )


def comparison(judge: PairJudge, row: Cells, request_id: str, strength: float | None, error: str | None) -> Comparison:
    """A comparison row; `strength` is already turned so that above zero prefers a."""
    return Comparison(
        id=row_id("comparison", row["candidate_id"], judge.name, row["first"], request_id),
        candidate_id=row["candidate_id"],
        prompt_id=row["prompt_id"],
        a_id=row["a_id"],
        b_id=row["b_id"],
        judge=judge.name,
        model=judge.model,
        first=row["first"],
        strength=strength,
        request_id=request_id,
        error=error,
    )


LONGEST = 10_000
"""Characters at the end of a reply in which a verdict is looked for: every brace costs a reading of what follows it."""


def last_json(text: str, *keys: str) -> Cells | None:
    """The last JSON object in a text that has these keys: the last stated verdict counts."""
    text = text[-LONGEST:]
    decoder, found, place = json.JSONDecoder(strict=False), None, text.find("{")
    while place >= 0:
        try:
            value, end = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            end = place + 1
        else:
            if isinstance(value, dict) and all(k in value for k in keys):
                found = value
        place = text.find("{", end)
    return found
