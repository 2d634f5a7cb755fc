"""How a chat judge is asked: what others wrote stands between marks, and holds nothing that only a machine sees."""

import itertools
import json
import re
from typing import Any

from pipeline import templates
from pipeline.requests import Chat, Message

_INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0e\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e01ef]"
)
"""Controls, zero widths, marks of direction, tags, selectors of variants, halves of pairs. The two joiners and the selector
of emoji stay: Persian, Hindi and emoji are written with them."""
_TOKEN = re.compile(
    r"<\|[^|<>\n]{1,40}\|>|<\uff5c[^\uff5c<>\n]{1,40}\uff5c>|<</?sys>>|\[/?(?:inst|img|system_prompt|tool_calls|available_tools)\]"
    r"|</?(?:s|bos|eos|pad|unk|image|video|audio|think|tool_call|(?:start|end)_of_(?:turn|image)|image_soft_token)>",
    re.IGNORECASE,
)
"""What chat templates mark turns and images with: some servers take it for theirs wherever it stands."""


def shown(text: str) -> str:
    """A text as a judge sees it: as a reader would, without invisible characters, and with a space in what a server might take
    for the end of a turn."""
    return _TOKEN.sub(lambda found: f"{found[0][0]} {found[0][1:-1]} {found[0][-1]}", _INVISIBLE.sub("", text))


def marked(key: str, **texts: str) -> dict[str, str]:
    """Holes of a template: the texts as they are shown, and `fence`, a mark drawn from the row's id that none of them holds."""
    seen = {hole: shown(text) for hole, text in texts.items()}
    held = "\n".join(seen.values()).casefold()
    draws = itertools.chain([templates.fence(key)], (templates.fence(key, n) for n in itertools.count(1)))
    return seen | {"fence": next(mark for mark in draws if mark not in held)}


def properties(**each: Any) -> dict[str, Any]:
    """JSON Schema of an object with exactly these properties, in this order."""
    return {"type": "object", "properties": each, "required": list(each), "additionalProperties": False}


def schema(**each: Any) -> str:
    """The same as text, for a request."""
    return json.dumps(properties(**each))


CRITIQUE = {"type": "string"}
"""Property of a verdict that gives its reasons first."""


def tokens(stated: int | None, critique: bool) -> int:
    """What a verdict may be long: as the recipe states it, or enough for one that needs no thought, or a critique."""
    return stated or (1024 if critique else 256)


def chat(model: str, text: str, image: str | None, max_tokens: int, json_schema: str | None = None) -> Chat:
    """One question, with the image before it where there is one."""
    message = Message(role="user", text=text, images=(image,) if image else ())
    return Chat(model=model, messages=(message,), max_tokens=max_tokens, json_schema=json_schema)
