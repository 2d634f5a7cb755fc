"""Nothing inside is reached from outside, whatever a listing, a redirect or the DNS says: no connection arrives there."""

import asyncio
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from yarl import URL

from pipeline.doors.web.address import Address, Resolver, Target
from pipeline.doors.web.connect import asked
from pipeline.doors.web.download import Downloaded, NotDownloaded, Web
from pipeline.doors.web.trouble import NotTaken
from tests.doors.web.sites import HERE, INSIDE, QUICK, Act, Names, Result, Site, answer, get, moved, web

INSIDES = ["127.0.0.1", "127.1", "2130706433", "0x7f.1", "0177.0.0.1", "017700000001", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]",
           "[64:ff9b::127.0.0.1]", "[2002:7f00:1::]", "[::1]", "[::]", "0.0.0.0", "0", "localhost", "inside.example"]  # fmt: skip # noqa: S104 -- nobody binds to it
"""Names of the server inside, some by ways that lead there on this machine."""
ELSEWHERE = [
    "169.254.169.254",
    "metadata.example",
    "10.0.0.1",
    "192.168.1.1",
    "[fd00:ec2::254]",
    "[fe80::1]",
    "100.64.0.1",
]
NAMES: dict[str, list[Address]] = {
    "localhost": [INSIDE],
    "inside.example": [INSIDE],
    "metadata.example": [IPv4Address("169.254.169.254")],
    "mixed.example": [HERE, INSIDE],
    "mapped.example": [HERE, IPv6Address("::ffff:127.0.0.1")],
}


def reached(
    url: str, acts: Callable[[int], dict[str, Act | list[Act]]] = lambda _: {}, *, resolver: Resolver | None = None
) -> Result:
    """What comes of the URL, in which PORT stands for that of two servers, outside and inside. `acts`, by port: how the one
    outside answers. The one inside would give an image."""

    async def ask() -> Result:
        async with Site({"/a.png": answer()}, at=INSIDE) as inside, Site(port=inside.port) as outside:
            outside.acts = acts(outside.port)
            names = Names()
            names.known = dict(NAMES)
            async with web(outside, resolver=resolver or names) as made:
                found = await made.get(url.replace("PORT", str(outside.port)))
            assert (inside.connections, inside.asked) == (0, [])
            return found

    return asyncio.run(ask())


def test_the_server_outside_is_reached_and_that_inside_would_answer() -> None:
    assert isinstance(reached("http://outside.example:PORT/a.png", lambda _: {"/a.png": answer()}), Downloaded)

    async def ask() -> None:
        async with Site({"/a.png": answer()}, at=INSIDE) as inside:
            target = Target(URL(f"http://127.0.0.1:{inside.port}/a.png"), "127.0.0.1")
            async with asked(target, (INSIDE,), agent="test", tls=None, connect=2.0) as response:
                assert response.status == 200

    asyncio.run(ask())


@pytest.mark.parametrize("host", [*INSIDES, *ELSEWHERE, "mixed.example", "mapped.example"])
def test_nothing_inside_is_asked_for_an_image(host: str) -> None:
    found = reached(f"http://{host}:PORT/a.png")
    assert isinstance(found, NotDownloaded)
    assert (found.reason, found.owed) == ("forbidden address", False)


@pytest.mark.parametrize("host", [*INSIDES, *ELSEWHERE, "mixed.example", "mapped.example"])
def test_no_redirect_leads_inside(host: str) -> None:
    found = reached("http://outside.example:PORT/a.png", lambda port: {"/a.png": moved(f"http://{host}:{port}/a.png")})
    assert isinstance(found, NotDownloaded)
    assert (found.reason, found.owed) == ("forbidden address", False)
    assert found.manners.endswith("→ robots.txt: unknown; X-Robots-Tag: not seen; TDMRep: not seen")


@pytest.mark.parametrize("page", ["/robots.txt", "/.well-known/tdmrep.json"])
def test_no_redirect_of_a_sites_rules_leads_inside(page: str) -> None:
    found = reached(
        "http://outside.example:PORT/a.png",
        lambda port: {"/a.png": answer(), page: moved(f"http://127.0.0.1:{port}{page}")},
    )
    assert isinstance(found, NotDownloaded)
    assert (found.reason, found.owed) == ("forbidden address", False)


class Rebinding:
    """A DNS that answers HERE so many times, and then that the host is inside."""

    def __init__(self, times: int) -> None:
        self.left = times

    async def __call__(self, _host: str, _port: int) -> list[Address]:
        self.left -= 1
        return [HERE if self.left >= 0 else INSIDE]


@pytest.mark.parametrize("times", [0, 1, 2])
def test_a_dns_that_changes_its_answer_leads_nowhere(times: int) -> None:
    found = reached("http://outside.example:PORT/a.png", lambda _: {"/a.png": answer()}, resolver=Rebinding(times))
    assert isinstance(found, NotDownloaded)
    assert found.reason == "forbidden address"


def test_the_system_is_not_asked_again_where_a_host_is() -> None:
    async def here(_host: str, _port: int) -> list[Address]:
        return [HERE]  # the system says 127.0.0.1, where the server inside is

    assert isinstance(reached("http://localhost:PORT/a.png", lambda _: {"/a.png": answer()}, resolver=here), Downloaded)


def test_what_the_system_says_is_judged_as_any_other_answer() -> None:
    async def ask() -> None:
        async with Site({"/a.png": answer()}, at=INSIDE) as inside:
            made = Web(ports=frozenset({inside.port}))
            found = await made.get(f"http://localhost:{inside.port}/a.png")
            await made.close()
            assert isinstance(found, NotDownloaded)
            assert found.reason == "forbidden address"
            assert inside.connections == 0

    asyncio.run(ask())


def test_who_answers_from_another_address_than_was_checked_is_told_nothing() -> None:
    async def ask() -> None:
        async with Site({"/a.png": answer()}, at=INSIDE) as inside:
            target = Target(URL(f"http://127.0.0.1:{inside.port}/a.png"), "127.0.0.1")
            with pytest.raises(NotTaken, match="another address answers"):
                async with asked(target, (HERE,), agent="test", tls=None, connect=2.0):
                    pass
            assert inside.asked == []

    asyncio.run(ask())


def test_an_address_of_a_literal_is_not_the_resolvers_to_choose() -> None:
    async def here(_host: str, _port: int) -> list[Address]:
        return [HERE]

    found = reached("http://127.0.0.1:PORT/a.png", resolver=here)
    assert isinstance(found, NotDownloaded)
    assert found.reason == "forbidden address"


def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async def ask() -> None:
        async with Site({}, at=INSIDE) as proxy, Site({"/a.png": answer()}) as site:
            for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
                monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
            assert isinstance(await get(site), Downloaded)
            assert proxy.connections == 0

    asyncio.run(ask())


def test_the_second_address_of_a_host_is_tried_where_the_first_does_not_answer() -> None:
    async def ask() -> None:
        async with Site({"/a.png": answer()}) as site:
            names = Names(images_example=[ip_address("127.0.0.3"), HERE])
            async with web(site, resolver=names) as made:
                made._public = lambda _: True
                assert isinstance(await made.get(f"http://images.example:{site.port}/a.png"), Downloaded)

    asyncio.run(ask())


def test_a_port_that_is_not_the_webs_is_not_asked() -> None:
    async def ask() -> None:
        async with Site({"/a.png": answer()}) as site, web(limits=QUICK) as made:
            found = await made.get(f"http://images.example:{site.port}/a.png")
            assert isinstance(found, NotDownloaded)
            assert (found.reason, found.detail) == ("forbidden url", f"images.example: port {site.port}")
            assert site.connections == 0

    asyncio.run(ask())
