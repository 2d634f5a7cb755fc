"""JSON to a server and back, over HTTP: what every backend that calls an API shares. Nothing that a server sends does
harm: not its size, its nesting, its bytes, nor where it would send us."""

import json
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import orjson

from pipeline.backends.api.trouble import Trouble, said
from pipeline.errors import UserError
from pipeline.models import Model
from pipeline.requests import Reply

MOST = 64 * 2**20
"""Bytes that an answer may have, unpacked."""
CONNECT = 30.0
"""Seconds to reach a server: one that is switched off says nothing at all."""
_AT_ONCE = 2**20
"""Bytes of a request that are handed to the socket in one piece; more would hold up everything else."""


@dataclass(frozen=True)
class Came:
    """A whole answer."""

    status: int
    document: object
    """The body, as JSON; as text, if it is none."""
    seconds: float
    """From sending to the last byte."""
    retry_after: float | None

    def timed(self, found: Reply | Trouble) -> Reply | Trouble:
        """What was read of it, with what its envelope says."""
        if isinstance(found, Trouble):
            return found._replace(retry_after=self.retry_after)
        return found.model_copy(update={"seconds": round(self.seconds, 4)})


class Wire:
    """Connections to all addresses of a model: open within `async with`."""

    def __init__(self, model: Model, path: str, headers: Mapping[str, str]) -> None:
        """`headers` may hold the key, which is never told."""
        self._model = model
        self._headers = {**headers, "Content-Type": "application/json"}
        self._targets = {a: (f"{a.rstrip('/')}/{path}", _proxy(model.name, a)) for a in model.addresses}

    async def __aenter__(self) -> Self:
        connections = self._model.concurrency * len(self._targets)
        self._session = aiohttp.ClientSession(
            headers=self._headers,
            connector=aiohttp.TCPConnector(limit=connections, ttl_dns_cache=300),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=min(CONNECT, self._model.timeout)),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def post(self, address: str, data: bytes) -> Came | Trouble:
        """Send JSON; the answer, or why there is none. How long it may take is the caller's business."""
        url, proxy = self._targets[address]
        started = time.monotonic()
        body, length = (data, {}) if len(data) <= _AT_ONCE else (_pieces(data), {"Content-Length": str(len(data))})
        try:
            async with self._session.post(
                url, data=body, headers=length, proxy=proxy, allow_redirects=False
            ) as response:
                read = await _all(response)
                if read is None:
                    return Trouble("server", f"an answer of more than {MOST} bytes", response.status)
                seconds, wait = time.monotonic() - started, retry_after(response.headers)
                return Came(response.status, decoded(read), seconds, wait)
        except (aiohttp.ClientResponseError, aiohttp.InvalidURL) as error:
            return Trouble("server", self._told(error))
        except (aiohttp.ClientError, OSError) as error:
            return Trouble("unreachable", self._told(error))

    def _told(self, error: Exception) -> str:
        return said(self._model, f"{type(error).__name__}: {error}")


async def _all(response: aiohttp.ClientResponse) -> bytes | None:
    """The body, unless it is more than `MOST`; what is left of it is not taken."""
    pieces, size = [], 0
    async for piece in response.content.iter_any():
        size += len(piece)
        if size > MOST:
            response.close()
            return None
        pieces.append(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


async def _pieces(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), _AT_ONCE):
        yield data[start : start + _AT_ONCE]


def decoded(data: bytes) -> object:
    """The JSON in a body; the text, if it is none. Bytes that are no UTF-8 become U+FFFD; control characters and half
    characters in strings are let through, as many servers send them."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        text = data.decode("utf-8", "replace")
    try:
        return json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return text[:2000]


def dictionary(value: object) -> dict[str, Any]:
    """Part of a document, if it is one; else an empty one."""
    return value if isinstance(value, dict) else {}


def counted(value: object) -> int | None:
    """A number of tokens, if it is one."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31 else None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds for which a server asks us to stay away: `retry-after-ms`, or `Retry-After` in seconds or as a date
    (RFC 9110, 10.2.3)."""
    for name, factor in (("retry-after-ms", 0.001), ("Retry-After", 1.0)):
        try:
            return max(0.0, float(headers[name]) * factor)
        except (KeyError, ValueError):
            continue
    try:
        date = parsedate_to_datetime(headers["Retry-After"])
        return max(0.0, (date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
    except (KeyError, ValueError, OverflowError):
        return None


def _proxy(name: str, address: str) -> str | None:
    """The proxy that the environment asks for. aiohttp's own look (`trust_env`) would cost two threads a request."""
    parts = urlsplit(address)
    if parts.username or parts.password:
        raise UserError(f"the base_url of {name} holds a password: put it into the environment, and name it by `key`")
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or not parts.netloc.isprintable()
        or not _port(parts)
    ):
        raise UserError(f"the base_url of {name} is no address of a server: {address!r}")
    return None if proxy_bypass(parts.hostname) else getproxies().get(parts.scheme)


def _port(parts: SplitResult) -> bool:
    try:
        return parts.port != 0
    except ValueError:
        return False
