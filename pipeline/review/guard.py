"""What holds for every request and every answer, whatever the page."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

AT_MOST = 320 * 1024
"""Bytes of a request's body: a note and a better answer of the longest, in a script of which a form sends nine bytes a letter."""
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "X-Robots-Tag": "noindex, noai, noimageai",
}


_TOO_MUCH = (413, "That is too much.")


class TooLarge(Exception):  # noqa: N818 -- an answer
    """The body is."""


class Guard:
    """Small bodies in, from pages of ours; strict headers out. Nothing is cached but what never changes."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif why := _unwelcome(scope):
            await _short(send, *why)
        else:
            await self._strictly(scope, receive, send)

    async def _strictly(self, scope: Scope, receive: Receive, send: Send) -> None:
        taken, begun = 0, False

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > AT_MOST:
                raise TooLarge
            return message

        async def strict(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            await self._app(scope, counted, strict)
        except TooLarge:
            if begun:
                raise
            await _short(send, *_TOO_MUCH)


def _unwelcome(scope: Scope) -> tuple[int, str] | None:
    """Why a request is not heard, judged by its head alone."""
    head = dict(scope["headers"])
    if scope["method"] == "POST" and head.get(b"sec-fetch-site", b"none") not in (b"same-origin", b"none"):
        return 403, "Only this site's own pages may send forms here."
    length = head.get(b"content-length", b"0")
    return None if length.isdigit() and int(length) <= AT_MOST else _TOO_MUCH


async def _short(send: Send, status: int, words: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    headers += [(k.lower().encode(), v.encode()) for k, v in HEADERS.items()]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": words.encode()})
