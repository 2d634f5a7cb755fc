"""What goes wrong between us and a server, in the words of requests.py."""

import json
import re
from typing import Any, NamedTuple

from pipeline.models import Model, hidden

PASSING = frozenset({"rate_limit", "server", "timeout", "unreachable"})
"""What may pass within minutes, and is worth another attempt."""
BUSY = frozenset({429, 503, 529})
"""Statuses by which a server says that it has too much to do."""
_WORDS = {400: "bad_request", 408: "timeout", 409: "server", 413: "too_long", 422: "bad_request", 425: "server", 429: "rate_limit"}  # fmt: skip
_REFUSED = re.compile("content[ _]filter|content[ _](management[ _])?policy|safety|flagged|moderation")
_TOO_LONG = re.compile("context.*(length|size|window)|(length|size|window).*context|prompt is too long", re.DOTALL)
_UNPAID = re.compile("insufficient[ _]quota|credit balance")
_LONE = re.compile("[\ud800-\udfff]")


class Trouble(NamedTuple):
    """An attempt that brought no reply."""

    word: str
    """As `Failure.error`."""
    message: str
    status: int | None = None
    """Of HTTP, when the server answered at all."""
    retry_after: float | None = None
    """Seconds for which the server asks us to stay away."""


def refusal(model: Model, status: int, document: object) -> Trouble:
    """The trouble that a status other than 200 stands for. `document`: the body, as JSON or, if it is none, as text.

    413 is `too_long`: another route, or smaller pictures, may do. A redirect is `no_access`: only addresses of
    models.toml are called. 429 for an account that is empty is `no_access` too: it does not pass by waiting."""
    text = told(document)
    if 300 <= status < 400:
        text = "the server redirects to another address, and only those of models.toml are called"
    return Trouble(_word(status, text.lower()), said(model, f"{status}: {text}"), status)


def _word(status: int, text: str) -> str:
    if status in (400, 403) and _REFUSED.search(text):
        return "refused"
    if status in (400, 422) and _TOO_LONG.search(text):
        return "too_long"
    if status in (400, 429) and _UNPAID.search(text):
        return "no_access"
    return _WORDS.get(status) or ("no_access" if 300 <= status < 500 else "server")


def told(document: object) -> str:
    """What an error's body says: its message with its type and code, or all of it; 2,000 characters at most."""
    error: Any = document.get("error", document) if isinstance(document, dict) else document
    if isinstance(error, dict) and "message" in error:
        parts = (error.get(name) for name in ("message", "type", "code"))
        error = " ".join(str(part) for part in parts if part is not None)
    if not isinstance(error, str):
        try:
            error = json.dumps(error, ensure_ascii=False)
        except RecursionError:
            error = "nested too deeply to be told"
    return str(error[:2000])


def said(model: Model, text: str) -> str:
    """A server's words: half characters become U+FFFD, and the key, which some servers repeat, becomes ***."""
    if not text.isascii():
        text = _LONE.sub("\ufffd", text)
    return hidden(text, [model.secret()]) if model.key else text


def words(model: Model, value: object) -> str | None:
    """The same of a part of a document that should be text; None, if it is none."""
    return said(model, value) if isinstance(value, str) else None
