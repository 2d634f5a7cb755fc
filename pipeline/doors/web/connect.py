"""One request over a connection of its own, to addresses that were checked and to no other."""

import contextlib
import ssl
from collections.abc import AsyncIterator
from ipaddress import IPv4Address, ip_address
from socket import AF_INET, AF_INET6, AddressFamily

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client import ClientRequest
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

from pipeline.doors.web.address import Address, Target
from pipeline.doors.web.trouble import NotTaken


class _Answer(AbstractResolver):
    """Knows these addresses, whatever it is asked."""

    def __init__(self, addresses: tuple[Address, ...]) -> None:
        self._addresses = addresses

    async def resolve(self, host: str, port: int = 0, family: AddressFamily = AF_INET) -> list[ResolveResult]:  # noqa: ARG002
        """All of them, of both families."""
        return [
            ResolveResult(
                hostname=host,
                host=str(address),
                port=port,
                family=AF_INET if isinstance(address, IPv4Address) else AF_INET6,
                proto=0,
                flags=0,
            )
            for address in self._addresses
        ]

    async def close(self) -> None:
        """Nothing is open."""


class Pinned(aiohttp.TCPConnector):
    """Connects once, to one of the given addresses. The name is not resolved again, for the DNS may answer something else the
    second time; and who answers is looked at once more before anything is sent, for a URL whose host is an address asks no
    resolver. aiohttp would ask a second time, unasked, where a server hangs up: that is not polite."""

    def __init__(self, addresses: tuple[Address, ...], tls: ssl.SSLContext | None) -> None:
        super().__init__(resolver=_Answer(addresses), use_dns_cache=False, ssl=tls or True, force_close=True)
        self._pinned = addresses
        self._used = False

    async def connect(
        self,
        req: ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 -- as aiohttp calls it
    ) -> Connection:
        """Raises `NotTaken` where another answers."""
        if self._used:
            raise aiohttp.ServerDisconnectedError
        self._used = True
        connection = await super().connect(req, traces, timeout)
        peer = connection.transport.get_extra_info("peername") if connection.transport else None
        if peer is None or ip_address(peer[0]) not in self._pinned:
            connection.close()
            raise NotTaken("forbidden address", f"{req.url.raw_host}: another address answers than was asked")
        return connection


@contextlib.asynccontextmanager
async def asked(
    target: Target, addresses: tuple[Address, ...], *, agent: str, tls: ssl.SSLContext | None, connect: float
) -> AsyncIterator[aiohttp.ClientResponse]:
    """The answer's head; its body is read within, or not at all. No cookie, no Referer, no proxy or password of the environment
    goes along, and no redirect is followed. aiohttp's limits hold: 128 headers, 8190 bytes each."""
    async with (
        aiohttp.ClientSession(
            connector=Pinned(addresses, tls),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect),
            headers={"User-Agent": agent, "Accept-Encoding": "identity"},
        ) as session,
        session.get(target.url, allow_redirects=False) as response,
    ):
        yield response


async def body(response: aiohttp.ClientResponse, most: int) -> tuple[bytes, bool]:
    """The first `most` bytes of the body, unpacked, and whether that is all of it. What is left is not taken; of what a server
    packs though it was asked not to, little more than `most` is ever unpacked."""
    pieces, size = [], 0
    async for piece in response.content.iter_any():
        pieces.append(piece)
        size += len(piece)
        if size > most:
            response.close()
            break
    return b"".join(pieces)[:most], size <= most
