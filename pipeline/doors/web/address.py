"""Which URLs may be asked, and which addresses may be reached: nothing that is not on the public internet.

A listing comes from strangers, and so does every redirect and every answer of the DNS: each may point into our own network, or at
the machine's metadata service (169.254.169.254).
"""

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from yarl import URL

from pipeline.doors.web.trouble import NotTaken

Address = IPv4Address | IPv6Address
Resolver = Callable[[str, int], Awaitable[list[Address]]]
"""From a host and a port to every address it has; an OSError where there is none."""

LONGEST = 8000
"""Characters of a URL: what servers should bear (RFC 9110, 4.1)."""
_REFUSED = (
    IPv4Network("0.0.0.0/8"), IPv4Network("10.0.0.0/8"), IPv4Network("100.64.0.0/10"), IPv4Network("127.0.0.0/8"),
    IPv4Network("169.254.0.0/16"), IPv4Network("172.16.0.0/12"), IPv4Network("192.0.0.0/24"), IPv4Network("192.0.2.0/24"),
    IPv4Network("192.88.99.0/24"), IPv4Network("192.168.0.0/16"), IPv4Network("198.18.0.0/15"),
    IPv4Network("198.51.100.0/24"), IPv4Network("203.0.113.0/24"), IPv4Network("224.0.0.0/4"), IPv4Network("240.0.0.0/4"),
    IPv4Network("168.63.129.16/32"),
    IPv6Network("2001::/23"), IPv6Network("2001:db8::/32"), IPv6Network("3fff::/20"),
)  # fmt: skip
"""IANA's special-purpose registries, for Python's own lists (`is_global`) differ between its versions; and Azure's metadata
service, which has an address out of public space."""
_GIVEN_OUT = IPv6Network("2000::/3")
"""All that is given out for the public internet (IANA's IPv6 address space): no ULA, link-local, site-local, multicast, ..."""
_CARRYING = (IPv6Network("64:ff9b::/96"), IPv6Network("::/96"))
"""Addresses that end in an IPv4 address: NAT64 (RFC 6052), and IPv4-compatible. Local NAT64 (64:ff9b:1::/48, RFC 8215) is not
among them: it is not public, whatever it carries."""
_NAME = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")
_NUMBER = re.compile(r"(?P<hex>0x[0-9a-f]*)|(?P<oct>0[0-7]*)|(?P<dec>[1-9][0-9]*)")
_NUMERIC = re.compile(r"(?:.*\.)?(?:0x[0-9a-f]*|[0-9]+)")
"""A host whose last part is a number is an IPv4 address, or nothing at all (WHATWG URL, 3.5)."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_NOBODY = {socket.EAI_NONAME, socket.EAI_NODATA}
"""The DNS says for certain that there is no such host."""


def is_public(address: Address) -> bool:
    """Whether an address is one of the public internet. Of an IPv6 address that carries an IPv4 address (mapped, compatible,
    NAT64, 6to4, Teredo), the one it carries is judged."""
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return False
        if carried := _carried(address):
            return all(is_public(inner) for inner in carried)
        if address not in _GIVEN_OUT:
            return False
    return address.is_global and not any(address in network for network in _REFUSED)


def _carried(address: IPv6Address) -> tuple[IPv4Address, ...]:
    """The IPv4 addresses in an IPv6 address; Teredo's has two, the server's and the client's."""
    if address.teredo:
        return address.teredo
    if inner := address.ipv4_mapped or address.sixtofour:
        return (inner,)
    if any(address in network for network in _CARRYING):
        return (IPv4Address(int(address) & 0xFFFFFFFF),)
    return ()


async def system(host: str, port: int) -> list[Address]:
    """The system's resolver."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(ip_address(place[0]) for *_, place in found))


@dataclass(frozen=True)
class Target:
    """A URL that may be asked, once its addresses are checked."""

    url: URL
    """Without a fragment; the host as the DNS has it, or as an address in its one usual form."""
    host: str
    """Its registered name, by which it is asked politely; or an address."""

    def at(self, path: str) -> "Target":
        """Another path of the same scheme, host and port."""
        return Target(self.url.origin().with_path(path), self.host)

    @property
    def port(self) -> int:
        """By the scheme, where the URL has none."""
        return self.url.port or 0

    @property
    def told(self) -> str:
        """How it is called where people read: without its query, in which tokens may stand."""
        return f"{self.host}{self.url.raw_path}"[:200]


def target(text: str, ports: Collection[int], *, base: URL | None = None) -> Target:
    """The URL as a target, relative to `base` if that is given. Raises `NotTaken`, whose words hold nothing of a URL that might
    be a secret."""
    stripped = text.strip()
    if len(stripped) > LONGEST:
        raise NotTaken("forbidden url", f"it has more than {LONGEST} characters")
    if _CONTROL.search(stripped):
        raise NotTaken("forbidden url", "it holds a control character")
    try:
        url = URL(stripped) if base is None else base.join(URL(stripped))
        if url.scheme not in ("http", "https"):
            raise NotTaken("forbidden url", f"only http and https are fetched, not {url.scheme[:20]!r}")
        host = _host(url.raw_host or "")
        url = url.with_host(host).with_fragment(None)
    except (ValueError, IndexError):  # yarl's; of `http://[]@` it is the latter
        raise NotTaken("forbidden url", "it is no URL of the web") from None
    if url.user is not None or url.password is not None:
        raise NotTaken("forbidden url", f"{host}: a user's name or password stands in it")
    if url.port not in ports:
        raise NotTaken("forbidden url", f"{host}: port {url.port}")
    return Target(url, host)


def _host(raw: str) -> str:
    """The host in its one usual form. Raises ValueError, for IPv6 zones too."""
    if ":" in raw and "%" not in raw:
        return str(IPv6Address(raw))
    host = raw.lower().removesuffix(".")
    if _NUMERIC.fullmatch(host):
        return str(_ipv4(host))
    if len(host) > 253 or not _NAME.fullmatch(host):
        raise ValueError(raw)
    return host


def _ipv4(host: str) -> IPv4Address:
    """An address in any form that `inet_aton` reads: 127.0.0.1, 127.1, 0x7f.1, 0177.0.0.1, 2130706433. Raises ValueError."""
    *first, last = (_number(part) for part in host.split("."))
    room = 256 ** (4 - len(first)) if len(first) < 4 else 0
    if any(number > 255 for number in first) or last >= room:
        raise ValueError(host)
    return IPv4Address(sum(number << 8 * (3 - n) for n, number in enumerate(first)) + last)


def _number(part: str) -> int:
    found = _NUMBER.fullmatch(part)
    if not found or len(part) > 20:
        raise ValueError(part)
    if found["hex"]:
        return int(found["hex"][2:] or "0", 16)
    return int(part, 8 if found["oct"] else 10)


async def addresses(target: Target, resolver: Resolver, public: Callable[[Address], bool]) -> tuple[Address, ...]:
    """Where the host is, asked once; one address that is not public condemns all. Raises `NotTaken`."""
    try:
        literal = [ip_address(target.host)]
    except ValueError:
        literal = []
    try:
        found = literal if any(not public(one) for one in literal) else await resolver(target.host, target.port)
    except OSError as error:
        if isinstance(error, socket.gaierror) and error.errno in _NOBODY:
            raise NotTaken("unknown host", target.host) from None
        raise NotTaken("unreachable", f"{target.host}: its address cannot be found now", owed=True) from None
    if not found:
        raise NotTaken("unknown host", target.host)
    if any(not public(one) for one in found) or (literal and found != literal):
        raise NotTaken("forbidden address", f"{target.host} is {', '.join(map(str, found))}"[:200])
    return tuple(found)
