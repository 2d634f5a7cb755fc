"""A site's wishes: asked before its images are, looked at before a body is read, and told with what was taken."""

import asyncio
import json
from collections.abc import Mapping, Sized
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.doors.web.download import Downloaded, NotDownloaded, Web
from tests.doors.web.sites import (
    OK,
    PICTURE,
    QUICK,
    Act,
    Result,
    Site,
    answer,
    got,
    moved,
    rules,
    sending,
    waiting,
    web,
)

ROBOTS, TDM = "/robots.txt", "/.well-known/tdmrep.json"
RESERVED = rules('[{"location": "/", "tdm-reservation": 1}]')
FREE = rules('[{"location": "/", "tdm-reservation": 0}]')


def asked_and_got(acts: Mapping[str, Act | list[Act]], *paths: str) -> tuple[list[Result], list[str]]:
    """What comes of some images of a site, one after the other; and all it was asked for."""

    async def ask() -> tuple[list[Result], list[str]]:
        async with Site(acts) as site, web(site) as made:
            results = [await made.get(f"http://images.example:{site.port}{path}") for path in paths]
            return results, site.paths

    return asyncio.run(ask())


def test_robots_txt_is_asked_first_and_obeyed_without_asking_more() -> None:
    acts = {ROBOTS: rules("User-agent: *\nDisallow: /private/"), "/a.png": answer(), "/private/b.png": answer()}
    (no, yes), paths = asked_and_got(acts, "/private/b.png", "/a.png")
    assert isinstance(no, NotDownloaded)
    assert (no.reason, no.detail, no.owed) == ("opted out (robots.txt)", "images.example/private/b.png", False)
    assert no.manners == "robots.txt: disallowed; X-Robots-Tag: not seen; TDMRep: not seen"
    assert isinstance(yes, Downloaded)
    assert yes.manners == "robots.txt: allowed; X-Robots-Tag: none; TDMRep: none"
    assert paths == [ROBOTS, TDM, "/a.png"]


def test_no_spelling_of_a_url_evades_a_rule() -> None:
    acts = {ROBOTS: rules("User-agent: tetrad\nDisallow: /private/\nDisallow: /*?full")}
    spellings = ["/private/a.png", "/%70rivate/a.png", "/x/../private/a.png", "/%2e/private/a.png", "/a.png?full=1"]
    found, paths = asked_and_got(acts, *spellings)
    assert {no.reason for no in found if isinstance(no, NotDownloaded)} == {"opted out (robots.txt)"}
    assert len(found) == 5
    assert paths == [ROBOTS]


def test_the_site_to_which_a_redirect_leads_is_asked_too() -> None:
    async def ask() -> None:
        robots = {ROBOTS: rules("User-agent: tetrad\nDisallow: /b")}
        async with Site(robots) as other, Site() as site:
            site.acts = {"/a.png": moved(f"http://other.example:{other.port}/b.png")}
            async with web(site, other) as made:
                found = await made.get(f"http://images.example:{site.port}/a.png")
            assert isinstance(found, NotDownloaded)
            assert (found.reason, found.detail) == ("opted out (robots.txt)", "other.example/b.png")
            assert found.manners.startswith(
                "robots.txt: none (404); X-Robots-Tag: none; TDMRep: none → robots.txt: disallowed;"
            )
            assert other.paths == [ROBOTS]

    asyncio.run(ask())


@pytest.mark.parametrize("page", [ROBOTS, TDM])
@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 451])
def test_a_page_that_is_not_there_forbids_nothing(page: str, status: int) -> None:
    found = got({page: answer(status, "Disallow: /"), "/a.png": answer()})
    assert isinstance(found, Downloaded)
    assert found.manners.startswith(f"robots.txt: none ({status if page == ROBOTS else 404});")


@pytest.mark.parametrize("page", [ROBOTS, TDM])
@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (answer(500, ""), "server error"),
        (answer(503, ""), "server error"),
        (answer(429, ""), "rate limited"),
        (sending(b""), "unreachable"),
        (waiting(b""), "timeout"),
    ],
)
def test_while_a_page_cannot_be_had_nothing_is_taken_and_it_stays_owed(page: str, act: Act, reason: str) -> None:
    found = got({page: act, "/a.png": answer()}, limits=replace(QUICK, total=1.0))
    assert isinstance(found, NotDownloaded)
    assert (found.reason, found.owed) == (reason, True)
    assert found.detail.startswith(f"images.example{page}")
    assert "unknown" in found.manners


def test_a_page_that_could_not_be_had_is_asked_for_again_after_a_while_and_not_at_once() -> None:
    async def ask(unknown: float) -> tuple[list[type], int]:
        acts: dict[str, Act | list[Act]] = {ROBOTS: [answer(500, ""), answer(404, "")], "/a.png": answer()}
        async with Site(acts) as site, web(site, limits=replace(QUICK, unknown=unknown)) as made:
            url = f"http://images.example:{site.port}/a.png"
            return [type(await made.get(url)) for _ in range(2)], site.paths.count(ROBOTS)

    assert asyncio.run(ask(60)) == ([NotDownloaded, NotDownloaded], 1)
    assert asyncio.run(ask(0)) == ([NotDownloaded, Downloaded], 2)


def test_redirects_of_robots_txt_are_followed_to_the_fifth_and_then_there_is_none() -> None:
    five = {f"/{n}": moved(f"/{n + 1}") for n in range(1, 5)} | {ROBOTS: moved("/1"), "/a.png": answer()}
    disallow = rules("User-agent: *\nDisallow: /")
    found = got({**five, "/5": disallow})
    assert isinstance(found, NotDownloaded)
    assert found.reason == "opted out (robots.txt)"
    found = got({**five, "/5": moved("/6"), "/6": disallow})
    assert isinstance(found, Downloaded)
    assert found.manners.startswith("robots.txt: none (redirects);")


def test_only_the_first_500_kib_of_robots_txt_count_and_no_half_rule() -> None:
    filler = f"{'#' * 1023}\n" * 499
    text = f"User-agent: *\nDisallow: /a\n{filler}".ljust(500 * 1024 - 12, "#") + "\nDisallow: /bc\nDisallow: /c"
    assert text[: 500 * 1024].endswith("\nDisallow: /")
    acts: dict[str, Act | list[Act]] = {ROBOTS: rules(text), "/b.png": answer()}
    (no, yes), _ = asked_and_got(acts, "/a.png", "/b.png")
    assert isinstance(no, NotDownloaded)
    assert isinstance(yes, Downloaded)


@pytest.mark.parametrize("status", [200, 302])
@pytest.mark.parametrize("said", [["noai"], ["all", "tetrad: NoImageAI"], ["max-snippet: 5, noindex"], ["none"]])
def test_an_image_whose_head_opts_out_is_left_and_its_body_not_waited_for(status: int, said: list[str]) -> None:
    head = f"HTTP/1.1 {status} So\r\nLocation: /b.png\r\nContent-Type: image/png\r\n"
    head += "".join(f"X-Robots-Tag: {value}\r\n" for value in said)
    found = got({"/a.png": waiting(f"{head}\r\n".encode()), "/b.png": answer()})
    assert isinstance(found, NotDownloaded)
    assert (found.reason, found.owed) == ("opted out (X-Robots-Tag)", False)
    assert found.manners == f"robots.txt: none (404); X-Robots-Tag: {' | '.join(said)}; TDMRep: none"


def test_what_a_head_says_to_others_is_told_and_no_opt_out() -> None:
    found = got(
        {"/a.png": answer(200, PICTURE, ("X-Robots-Tag", "otherbot: noai"), ("X-Robots-Tag", "nosnippet\t\udcff"))}
    )
    assert isinstance(found, Downloaded)
    assert found.manners == "robots.txt: none (404); X-Robots-Tag: otherbot: noai | nosnippet??; TDMRep: none"


@pytest.mark.parametrize(
    ("file", "header", "taken", "told"),
    [
        (None, None, True, "none"),
        (None, "1", False, "reserved (header)"),
        (None, "0", True, "not reserved (header)"),
        (None, "2", True, "none"),
        (RESERVED, None, False, "reserved (file)"),
        (RESERVED, "0", True, "not reserved (header)"),
        (RESERVED, "2", False, "reserved (file)"),
        (FREE, None, True, "not reserved (file)"),
        (FREE, "1", False, "reserved (header)"),
        (moved("/rights.json"), None, False, "reserved (file)"),
        (rules('[{"location": "/a.*$", "tdm-reservation": 1}]'), None, False, "reserved (file)"),
        (rules('[{"location": "/a$", "tdm-reservation": 1}]'), None, True, "none"),
        (rules("<!DOCTYPE html>"), None, True, "none"),
    ],
)
def test_mining_is_reserved_by_header_and_where_there_is_none_by_file(
    file: Act | None, header: str | None, taken: bool, told: str
) -> None:
    head = OK + (f"tdm-reservation: {header}\r\n" if header else "").encode() + b"\r\n"
    act = sending(head + PICTURE) if taken else waiting(head)
    found = got({"/a.png": act, "/rights.json": RESERVED} | ({TDM: file} if file else {}))
    assert found.manners == f"robots.txt: none (404); X-Robots-Tag: none; TDMRep: {told}"
    assert isinstance(found, Downloaded) is taken
    if isinstance(found, NotDownloaded):
        assert (found.reason, found.owed) == ("opted out (TDMRep)", False)


def test_an_image_that_is_not_there_did_not_opt_out() -> None:
    found = got({"/a.png": answer(404, "", ("X-Robots-Tag", "noindex"))})
    assert isinstance(found, NotDownloaded)
    assert found.reason == "not found"


def test_a_site_is_asked_once_for_all_its_images_even_at_once() -> None:
    async def ask() -> None:
        async with Site({f"/{n}.png": answer() for n in range(20)}) as site, web(site) as made:
            urls = [f"http://images.example:{site.port}/{n}.png" for n in range(20)]
            assert {type(found) for found in await asyncio.gather(*map(made.get, urls))} == {Downloaded}
            assert site.paths.count(ROBOTS) == site.paths.count(TDM) == 1

    asyncio.run(ask())


def test_each_port_of_a_host_is_a_site_of_its_own() -> None:
    async def ask() -> None:
        async with Site({ROBOTS: rules("User-agent: *\nDisallow: /")}) as one, Site({"/a.png": answer()}) as two:
            async with web(one, two) as made:
                found = [await made.get(f"http://images.example:{site.port}/a.png") for site in (one, two)]
            assert [type(f) for f in found] == [NotDownloaded, Downloaded]

    asyncio.run(ask())


def test_the_next_run_knows_for_a_day_what_a_site_said(tmp_path: Path) -> None:
    pages = tmp_path / "web" / "sites.jsonl"
    acts: dict[str, Act | list[Act]] = {
        ROBOTS: rules("User-agent: *\nDisallow: /b"), "/a.png": answer(), TDM: RESERVED, "/a/c.png": waiting(OK + b"\r\n"),
    }  # fmt: skip

    async def run(site: Site) -> list[str]:
        async with web(site, folder=pages.parent) as made:
            found = [await made.get(f"http://images.example:{site.port}{path}") for path in ("/b.png", "/a/c.png")]
        assert [f.reason for f in found if isinstance(f, NotDownloaded)] == [
            "opted out (robots.txt)",
            "opted out (TDMRep)",
        ]
        return [path for path in site.paths if path in (ROBOTS, TDM)]

    async def runs() -> None:
        async with Site(acts) as site:
            assert await run(site) == [ROBOTS, TDM]
            assert await run(site) == [ROBOTS, TDM]
            assert pages.stat().st_mode & 0o077 == 0
            with pages.open("ab") as file:
                file.write(b'{"url": "http://torn')
            lines = [json.loads(line) for line in pages.read_text().splitlines()[:-1]]
            assert [line["url"].removeprefix(f"http://images.example:{site.port}") for line in lines] == [ROBOTS, TDM]
            assert await run(site) == [ROBOTS, TDM]
            old = [line | {"at": line["at"] - 24 * 3600} for line in lines]
            pages.write_text("".join(json.dumps(line) + "\n" for line in old))
            assert await run(site) == [ROBOTS, TDM] * 2
            assert len(pages.read_text().splitlines()) == 2, "what is too old goes"

    asyncio.run(runs())


def test_what_could_not_be_had_is_not_kept_for_the_next_run(tmp_path: Path) -> None:
    async def run(site: Site) -> Result:
        async with web(site, folder=tmp_path) as made:
            return await made.get(f"http://images.example:{site.port}/a.png")

    async def runs() -> None:
        async with Site({ROBOTS: [answer(500, ""), answer(404, "")], "/a.png": answer()}) as site:
            assert isinstance(await run(site), NotDownloaded)
            assert isinstance(await run(site), Downloaded)

    asyncio.run(runs())


def test_no_more_sites_are_remembered_than_agreed() -> None:
    async def ask() -> None:
        async with Site({"/a.png": answer()}) as site, web(site, limits=replace(QUICK, hosts=5)) as made:
            for n in (0, 1, 2, 3, 4, 0, 5, 0, 1):
                assert isinstance(await made.get(f"http://host{n}.example:{site.port}/a.png"), Downloaded)
                assert len(remembered(made)) <= 5
            hosts = [asked.headers["Host"][4] for asked in site.asked if asked.path == ROBOTS]
            assert hosts == list("0123451"), "the one asked longest ago is forgotten, and asked once more"

    def remembered(made: Web) -> Sized:
        return made._manners._robots._kept

    asyncio.run(ask())
