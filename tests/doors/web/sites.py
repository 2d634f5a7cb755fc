"""A site on the loopback that answers as it is told, remembers who came, and misbehaves on demand."""

import asyncio
import contextlib
import itertools
import ssl
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, ip_address
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pipeline.doors.web.address import Address, Resolver, is_public
from pipeline.doors.web.download import Downloaded, NotDownloaded, Web
from pipeline.doors.web.limits import Limits

PICTURE = b"\x89PNG\r\n\x1a\n and pixels"
HERE, INSIDE = IPv4Address("127.0.0.2"), IPv4Address("127.0.0.1")
"""A site of the internet, as far as the tests go; and what nobody may reach."""
QUICK = Limits(connect=2.0, total=4.0, pause=0.0, unsaid=0.0)
OK = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
Act = Callable[[asyncio.StreamWriter], Coroutine[Any, Any, None]]
Result = Downloaded | NotDownloaded


def answer(status: int = 200, body: bytes | str = PICTURE, *headers: tuple[str, str]) -> Act:
    """A whole answer. An image, unless `headers` say otherwise."""
    data = body.encode() if isinstance(body, str) else body
    named = {name.lower() for name, _ in headers}
    lines = [f"HTTP/1.1 {status} So", *(f"{name}: {value}" for name, value in headers)]
    if "content-type" not in named:
        lines.append("Content-Type: image/png")
    if "content-length" not in named:
        lines.append(f"Content-Length: {len(data)}")

    async def act(writer: asyncio.StreamWriter) -> None:
        writer.write("\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + data)

    return act


def sending(data: bytes) -> Act:
    """These bytes, and the end."""

    async def act(writer: asyncio.StreamWriter) -> None:
        writer.write(data)

    return act


def waiting(data: bytes) -> Act:
    """These bytes, and then nothing more, until the client goes."""

    async def act(writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await asyncio.Event().wait()

    return act


def repeating(head: bytes, piece: bytes, every: float = 0.0) -> Act:
    """The head, and then a piece again and again, until the client goes."""

    async def act(writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(every)

    return act


def moved(to: str, status: int = 302, *headers: tuple[str, str]) -> Act:
    """A redirect."""
    return answer(status, "", ("Location", to), *headers)


def rules(text: str) -> Act:
    """A robots.txt or tdmrep.json."""
    return answer(200, text, ("Content-Type", "text/plain"))


@dataclass
class Asked:
    """A request that came."""

    path: str
    headers: dict[str, str]


@dataclass
class Site:
    """Within `async with`. A path that is not in `acts` is a 404; of a list, each request takes the next act, and the last
    stays."""

    acts: Mapping[str, Act | list[Act]] = field(default_factory=dict)
    at: Address = HERE
    port: int = 0
    tls: ssl.SSLContext | None = None
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0
    changes: list[tuple[float, int]] = field(default_factory=list)
    """When an answer was begun (1) or ended (-1)."""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, str(self.at), self.port, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]
        self._times: dict[str, int] = {}
        self._serving: set[asyncio.Task[None] | None] = set()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        await asyncio.gather(*filter(None, self._serving))

    @property
    def paths(self) -> list[str]:
        """What was asked for, in its order."""
        return [asked.path for asked in self.asked]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._serving.add(asyncio.current_task())
        self.connections += 1
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            act = self._noted((await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n"))
            both = {asyncio.ensure_future(self._acted(act, writer)), asyncio.ensure_future(reader.read())}
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)  # the answer ends, or the client goes
            for one in both:
                one.cancel()
            await asyncio.gather(*both, return_exceptions=True)
            await writer.drain()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    async def _acted(self, act: Act, writer: asyncio.StreamWriter) -> None:
        self.changes.append((time.monotonic(), 1))
        try:
            await act(writer)
        finally:
            self.changes.append((time.monotonic(), -1))

    def _noted(self, head: list[str]) -> Act:
        path = head[0].split(" ")[1]
        self.asked.append(Asked(path, dict(line.split(": ", 1) for line in head[1:-2])))
        acts = self.acts.get(path, answer(404, ""))
        number = self._times[path] = self._times.get(path, 0) + 1
        return acts[min(number, len(acts)) - 1] if isinstance(acts, list) else acts


def most_at_once(*sites: Site) -> int:
    """How many answers were under way at once, on all of them together."""
    changes = sorted(change for site in sites for change in site.changes)
    return max(itertools.accumulate(change for _, change in changes))


class Names:
    """A DNS: names to addresses, all others are `HERE`. What it was asked is remembered."""

    def __init__(self, **known: list[Address]) -> None:
        self.known = {name.replace("_", "."): addresses for name, addresses in known.items()}
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> list[Address]:
        """The resolver."""
        assert port
        self.asked.append(host)
        with contextlib.suppress(ValueError):
            return [ip_address(host)]
        return self.known.get(host, [HERE])


def reachable(address: Address) -> bool:
    """The real rule, but for the one address at which the tests' internet is."""
    return address == HERE or is_public(address)


@contextlib.asynccontextmanager
async def web(
    *sites: Site,
    limits: Limits = QUICK,
    resolver: Resolver | None = None,
    tls: ssl.SSLContext | None = None,
    folder: Path | None = None,
) -> AsyncIterator[Web]:
    """A `Web` that reaches the sites."""
    ports = frozenset({80, 443, *(site.port for site in sites)})
    made = Web(resolver=resolver or Names(), public=reachable, ports=ports, limits=limits, tls=tls, folder=folder)
    try:
        yield made
    finally:
        await made.close()


async def get(site: Site, path: str = "/a.png", *, host: str = "images.example", limits: Limits = QUICK) -> Result:
    """What comes of one URL of the site."""
    async with web(site, limits=limits) as made:
        return await made.get(f"http://{host}:{site.port}{path}")


def got(acts: Mapping[str, Act | list[Act]], path: str = "/a.png", *, limits: Limits = QUICK) -> Result:
    """The same, of a site that is there for this one URL."""

    async def ask() -> Result:
        async with Site(acts) as site:
            return await get(site, path, limits=limits)

    return asyncio.run(ask())


def why(act: Act, limits: Limits = QUICK) -> tuple[str, bool]:
    """Reason, and whether it is owed, where the image is answered so."""
    found = got({"/a.png": act}, limits=limits)
    assert isinstance(found, NotDownloaded)
    assert "images.example" in found.detail
    return found.reason, found.owed
