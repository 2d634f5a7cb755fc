"""An image of the web, or why there is none."""

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

import aiohttp

from pipeline.backends.api.wire import retry_after
from pipeline.doors.web.address import Address, Resolver, Target, addresses, is_public, system, target
from pipeline.doors.web.connect import asked, body
from pipeline.doors.web.hosts import Effort, Host, Hosts
from pipeline.doors.web.limits import AGENT, Limits
from pipeline.doors.web.manners import LARGEST, Manners, Page, Seen
from pipeline.doors.web.trouble import NotTaken, Reason, broken_off, refused

PORTS = frozenset({80, 443})
LIMITS = Limits()
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PAGE_REDIRECTS = 5
"""Of a robots.txt (RFC 9309, 2.3.1.2)."""
_BUSY = frozenset({429, 503})
_TYPES = ("image/", "application/octet-stream", "binary/octet-stream")
"""The last is what Amazon's S3 says of a file that was given no type."""
_BEGINNINGS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a")
_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"mif1")
T = TypeVar("T")


@dataclass(frozen=True)
class Downloaded:
    """An image, as it was sent."""

    data: bytes
    url: str
    """Where it was in the end, after redirects; without a fragment."""
    content_type: str | None
    """As the server says."""
    retrieved_at: str
    """UTC, ISO 8601, to the second."""
    manners: str
    """What was seen on the way of the site's wishes, redirect by redirect, with an arrow between:
    `robots.txt: allowed; X-Robots-Tag: none; TDMRep: none`."""


@dataclass(frozen=True)
class NotDownloaded:
    """Why there is no image."""

    reason: Reason
    """Fixed words, to be counted."""
    detail: str
    """Host and path, and more about it; never a query, in which tokens may stand."""
    owed: bool
    """Whether it may go better another time."""
    manners: str
    """As `Downloaded.manners`; empty where nobody was asked."""


class _Busy(NamedTuple):
    status: int
    seconds: float | None
    """For which the host wants to be left alone, where it says so."""


class Web:
    """Downloads images from the public internet; within one event loop.

    Every URL is checked from the start, and so is every redirect: scheme, port, name, each address of it, the site's robots.txt
    and TDM reservation. Only the addresses that were checked are connected to. A host is asked by few at once and slowly.
    """

    def __init__(
        self,
        *,
        resolver: Resolver = system,
        public: Callable[[Address], bool] = is_public,
        ports: frozenset[int] = PORTS,
        tls: ssl.SSLContext | None = None,
        agent: str = AGENT,
        limits: Limits = LIMITS,
        folder: Path | None = None,
    ) -> None:
        """`tls`: whom to trust, if not whom the system does. `folder`: where sites.jsonl keeps what sites said of their rules,
        for a day. By whatever `agent` we go, robots.txt means us by the token `tetrad`."""
        self._resolver, self._public, self._ports = resolver, public, ports
        self._tls, self._agent, self._limits = tls, agent, limits
        self._hosts = Hosts(limits)
        self._manners = Manners(self._page, limits, folder)

    async def get(self, url: str) -> Downloaded | NotDownloaded:
        """One image. Never raises for what the world does."""
        way: list[Seen] = []
        try:
            return await self._followed(url, way)
        except NotTaken as no:
            return NotDownloaded(no.reason, no.detail, no.owed, _told(way))

    async def close(self) -> None:
        """Stop asking sites for their rules, and close the file."""
        await self._manners.close()

    async def _followed(self, url: str, way: list[Seen]) -> Downloaded:
        effort = Effort(self._limits.total, self._limits.patience)
        at = first = target(url, self._ports)
        for _ in range(self._limits.redirects + 1):
            way.append(Seen())
            pause = await self._manners.before(at, way[-1])
            found = await self._request(at, pause, effort, partial(self._taken, at, way))
            if isinstance(found, Downloaded):
                return found
            at = found
        raise NotTaken("too many redirects", first.told)

    async def _taken(self, at: Target, way: list[Seen], response: aiohttp.ClientResponse) -> Downloaded | Target:
        """The image, or where it is. The body is not touched before the head says that it may be."""
        if response.status != 200 and response.status not in _REDIRECTS:
            raise refused(response.status, at.told)
        self._manners.after(at, response.headers, way[-1])
        if leads := self._next(at, response):
            return leads
        data, said = await _image(at, response, self._limits.size)
        return Downloaded(data, str(at.url), said, datetime.now(UTC).isoformat(timespec="seconds"), _told(way))

    async def _page(self, at: Target) -> Page:
        """A robots.txt or a tdmrep.json, after its redirects. Raises `NotTaken` where it may be had another time."""
        effort = Effort(self._limits.total, self._limits.patience)
        for _ in range(_PAGE_REDIRECTS + 1):
            found = await self._request(at, 0.0, effort, partial(self._read, at))
            if isinstance(found, Page):
                return found
            at = found
        return Page(0, "")

    async def _read(self, at: Target, response: aiohttp.ClientResponse) -> Page | Target:
        if leads := self._next(at, response):
            return leads
        if response.status >= 500:
            raise refused(response.status, at.told)
        if not 200 <= response.status < 300:
            return Page(response.status, "")
        data, whole = await body(response, LARGEST)
        if not whole:
            data = data[: data.rfind(b"\n") + 1]  # half a rule is another rule
        return Page(response.status, data.decode("utf-8-sig", "replace"))

    def _next(self, at: Target, response: aiohttp.ClientResponse) -> Target | None:
        """Where a redirect leads."""
        if response.status not in _REDIRECTS or "Location" not in response.headers:
            return None
        try:
            return target(response.headers["Location"], self._ports, base=at.url)
        except NotTaken as no:
            raise NotTaken(no.reason, f"{at.told} leads on: {no.detail}") from None

    async def _request(
        self, at: Target, pause: float, effort: Effort, take: Callable[[aiohttp.ClientResponse], Awaitable[T]]
    ) -> T:
        """Ask, in turn, until the host is not busy; `take` reads the answer."""
        status = 0
        for attempt in range(self._limits.attempts):
            async with self._hosts.turn(at.host, pause, effort) as host:
                found = await self._attempt(host, at, effort, take)
                if not isinstance(found, _Busy):
                    return found
                seconds = self._limits.unsaid * 2**attempt if found.seconds is None else found.seconds
                host.stay_away(seconds)
                status = found.status
        raise refused(status, at.told)

    async def _attempt(
        self, host: Host, at: Target, effort: Effort, take: Callable[[aiohttp.ClientResponse], Awaitable[T]]
    ) -> T | _Busy:
        started, answered = time.monotonic(), False
        try:
            async with asyncio.timeout(effort.seconds):
                places = await addresses(at, self._resolver, self._public)
                async with asked(
                    at, places, agent=self._agent, tls=self._tls, connect=self._limits.connect
                ) as response:
                    answered = True
                    host.answered()
                    if response.status in _BUSY:
                        return _Busy(response.status, retry_after(response.headers))
                    return await take(response)
        except (aiohttp.ClientError, OSError) as error:
            if not answered:
                host.failed()
            raise broken_off(error, at.told) from None
        finally:
            effort.seconds -= time.monotonic() - started


async def _image(at: Target, response: aiohttp.ClientResponse, most: int) -> tuple[bytes, str | None]:
    """The body, and its type as the server says."""
    if response.status != 200:
        raise refused(response.status, at.told)
    said = response.headers.get("Content-Type")
    if said is not None and not said.strip().lower().startswith(_TYPES):
        raise NotTaken("not an image", f"{at.told}: {said[:100]!r}")
    data, whole = (b"", False) if (response.content_length or 0) > most else await body(response, most)
    if not whole:
        raise NotTaken("too large", f"{at.told}: more than {most} bytes")
    if not is_image(data):
        raise NotTaken("not an image", f"{at.told}: its bytes are none")
    return data, said


def is_image(data: bytes) -> bool:
    """Whether bytes begin as a JPEG, PNG, GIF, WebP, AVIF or HEIC does."""
    return (
        data.startswith(_BEGINNINGS)
        or (data[:4] == b"RIFF" and data[8:12] == b"WEBP")
        or (data[4:8] == b"ftyp" and data[8:12] in _BRANDS)
    )


def _told(way: list[Seen]) -> str:
    return " → ".join(map(str, way))
