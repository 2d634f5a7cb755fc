"""What a model was asked to state, found in what it said."""

import json
from collections import deque
from collections.abc import Iterator
from typing import Any

Cells = dict[str, Any]
LONGEST = 10_000
"""Characters at the end of a reply in which a verdict is looked for: every brace costs a reading of what follows it."""


def objects(text: str, *keys: str) -> Iterator[Cells]:
    """Every JSON object with these keys, in order, in the last characters of a text."""
    text = text[-LONGEST:]
    decoder, place = json.JSONDecoder(strict=False), text.find("{")
    while place >= 0:
        try:
            value, end = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            end = place + 1
        else:
            if isinstance(value, dict) and all(key in value for key in keys):
                yield value
        place = text.find("{", end)


def last_json(text: str, *keys: str) -> Cells | None:
    """The last of them: the last stated verdict counts."""
    return next(iter(deque(objects(text, *keys), maxlen=1)), None)
