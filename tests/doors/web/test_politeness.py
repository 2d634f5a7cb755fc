"""A host is asked little at once, slowly, and not at all while it does not want to be, or does not answer."""

import asyncio
import time
from dataclasses import replace
from ipaddress import ip_address

import pytest

from pipeline.doors.web.address import Address
from pipeline.doors.web.download import Downloaded, NotDownloaded
from pipeline.doors.web.hosts import Effort, Hosts
from pipeline.doors.web.limits import Limits
from pipeline.doors.web.trouble import NotTaken
from tests.doors.web.sites import QUICK, Act, Result, Site, answer, most_at_once, moved, rules, sending, web


def starts(limits: Limits, pause: float, times: int, hosts: int = 1) -> list[float]:
    """When so many requests were sent that wanted to be at once: seconds since the first."""

    async def ask() -> list[float]:
        known, found = Hosts(limits), []

        async def one(number: int) -> None:
            async with known.turn(f"host{number % hosts}.example", pause, Effort(60, 60)):
                found.append(time.monotonic())

        await asyncio.gather(*map(one, range(times)))
        return [at - found[0] for at in found]

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("limits", "pause", "gap"),
    [
        (Limits(pause=0.05), 0.0, 0.05),
        (Limits(pause=0.0), 0.05, 0.05),
        (Limits(pause=0.05), 0.01, 0.05),
        (Limits(pause=0.0, longest_pause=0.05), 3600.0, 0.05),
    ],
    ids=["our pause", "Crawl-delay", "the longer of both", "Crawl-delay up to the longest"],
)
def test_between_two_starts_at_a_host_there_is_a_pause(limits: Limits, pause: float, gap: float) -> None:
    found = starts(limits, pause, 4)
    assert all(later >= n * gap * 0.9 for n, later in enumerate(found))


def test_one_hosts_pause_is_not_anothers() -> None:
    assert len(starts(Limits(pause=30.0), 0.0, 50, hosts=50)) == 50


def test_a_crawl_delay_comes_from_robots_txt() -> None:
    async def ask() -> None:
        acts: dict[str, Act | list[Act]] = {
            "/robots.txt": rules("User-agent: *\nCrawl-delay: 3600"), "/a.png": answer(), "/b.png": answer(),
        }  # fmt: skip
        async with Site(acts) as site, web(site, limits=replace(QUICK, longest_pause=0.1)) as made:
            urls = [f"http://images.example:{site.port}/{name}.png" for name in "ab"]
            before = time.monotonic()
            assert [type(await made.get(url)) for url in urls] == [Downloaded, Downloaded]
            assert time.monotonic() - before >= 0.1

    asyncio.run(ask())


def test_a_host_is_asked_by_two_at_once_though_it_has_many_ports_and_redirects() -> None:
    async def slowly(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.02)
        await answer()(writer)

    async def ask() -> None:
        async with Site() as one, Site() as two:
            one.acts = {f"/{n}.png": moved(f"http://images.example:{two.port}/{n}.png") for n in range(10)}
            two.acts = {f"/{n}.png": slowly for n in range(20)}
            async with web(one, two) as made:
                urls = [f"http://images.example:{one.port}/{n}.png" for n in range(10)]
                urls += [f"http://images.example:{two.port}/{n}.png" for n in range(10, 20)]
                assert {type(found) for found in await asyncio.gather(*map(made.get, urls))} == {Downloaded}
            assert most_at_once(one, two) == 2

    asyncio.run(ask())


def attempts(*acts: Act, limits: Limits = QUICK, then: str | None = None) -> tuple[Result, int]:
    """What comes of an image that is answered so, attempt by attempt; and how often it was asked for. `then`: whether another
    image of the host is asked for afterwards."""

    async def ask() -> tuple[Result, int]:
        async with Site({"/a.png": list(acts), "/b.png": answer()}) as site, web(site, limits=limits) as made:
            found = await made.get(f"http://images.example:{site.port}/a.png")
            if then:
                found = await made.get(f"http://images.example:{site.port}{then}")
            return found, len(site.asked) - 2

    return asyncio.run(ask())


def busy(status: int, after: str | None = None) -> Act:
    return answer(status, "", *([("Retry-After", after)] if after else []))


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("after", ["0", None, "Sun, 01 Jan 2006 00:00:00 GMT", "soon"])
def test_a_busy_host_is_asked_twice_more(status: int, after: str | None) -> None:
    found, times = attempts(busy(status, after), busy(status, after), answer())
    assert isinstance(found, Downloaded)
    assert times == 3
    found, times = attempts(busy(status, after))
    assert isinstance(found, NotDownloaded)
    assert (found.reason, found.owed) == ("rate limited" if status == 429 else "server error", True)
    assert times == 3


def test_a_host_is_not_asked_before_the_time_it_named() -> None:
    before = time.monotonic()
    found, times = attempts(busy(429, "1"), answer())
    assert isinstance(found, Downloaded)
    assert times == 2
    assert time.monotonic() - before >= 1


def test_a_host_that_names_too_long_a_time_is_not_asked_again_by_anyone() -> None:
    for then in (None, "/b.png"):
        found, times = attempts(busy(503, "3600"), answer(), then=then)
        assert isinstance(found, NotDownloaded)
        assert (found.reason, found.owed) == ("rate limited", True)
        assert times == 1


def test_all_the_waiting_for_a_url_is_counted_together() -> None:
    found, times = attempts(busy(429, "1"), busy(429, "1"), answer(), limits=replace(QUICK, patience=1.5))
    assert isinstance(found, NotDownloaded)
    assert (found.reason, found.owed, times) == ("rate limited", True, 2)


def test_a_host_that_never_answers_is_left_alone_after_five_times_and_others_are_not() -> None:
    asked: list[str] = []

    async def resolver(host: str, _port: int) -> list[Address]:
        asked.append(host)
        return [ip_address("127.0.0.3" if host == "dead.example" else "127.0.0.2")]

    async def ask() -> None:
        async with (
            Site({"/a.png": answer()}) as site,
            web(site, resolver=resolver, limits=replace(QUICK, unknown=0.0)) as made,
        ):
            made._public = lambda _: True
            found = [await made.get(f"http://dead.example:{site.port}/{n}.png") for n in range(8)]
            assert [(f.reason, f.owed) for f in found if isinstance(f, NotDownloaded)] == [("unreachable", True)] * 8
            assert asked == ["dead.example"] * 5
            assert isinstance(found[-1], NotDownloaded)
            assert "left alone" in found[-1].detail
            assert isinstance(await made.get(f"http://images.example:{site.port}/a.png"), Downloaded)

    asyncio.run(ask())


def test_a_host_that_answers_in_between_is_not_left_alone() -> None:
    async def ask() -> None:
        dead: list[Act] = [sending(b"")] * 4
        async with Site({"/a.png": [*dead, answer(), *dead, answer()]}) as site, web(site) as made:
            found = [await made.get(f"http://images.example:{site.port}/a.png") for _ in range(10)]
            assert [type(f) for f in found] == ([NotDownloaded] * 4 + [Downloaded]) * 2
            assert site.paths.count("/a.png") == 10, "aiohttp does not ask again on its own"

    asyncio.run(ask())


def test_no_more_hosts_are_remembered_than_agreed_but_for_those_in_use() -> None:
    async def ask() -> None:
        hosts = Hosts(Limits(pause=0.0, hosts=3))
        async with hosts.turn("kept.example", 0.0, Effort(60, 60)):
            for n in range(20):
                async with hosts.turn(f"host{n}.example", 0.0, Effort(60, 60)):
                    pass
            assert "kept.example" in hosts._hosts
        assert len(hosts) == 3

    asyncio.run(ask())


def test_a_url_without_time_left_asks_nobody() -> None:
    async def ask() -> None:
        with pytest.raises(NotTaken) as caught:
            async with Hosts(Limits()).turn("images.example", 0.0, Effort(0, 60)):
                pass
        assert (caught.value.reason, caught.value.owed) == ("timeout", True)

    asyncio.run(ask())


def test_waiting_ones_turn_takes_nothing_from_a_urls_time() -> None:
    async def ask() -> None:
        hosts, effort = Hosts(Limits(pause=0.05)), Effort(0.01, 60)
        for _ in range(3):
            async with hosts.turn("images.example", 0.0, effort):
                assert effort == Effort(0.01, 60)

    asyncio.run(ask())
