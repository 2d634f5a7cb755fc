"""What a model was asked to state, found in what it said."""

import json
from typing import Any

Cells = dict[str, Any]
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
