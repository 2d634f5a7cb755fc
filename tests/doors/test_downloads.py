"""Lists of URLs through the fetch door: downloaded once, whichever list they stand in; refusals are kept, troubles are owed."""

import io
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from drawn import picture

from pipeline import taxonomy
from pipeline.doors.fetch import Fetch
from pipeline.doors.web.address import Address
from pipeline.doors.web.download import Web
from pipeline.doors.web.limits import Limits
from pipeline.sources.urls import Urls
from pipeline.stages import collect
from pipeline.tables import Outcome

SPA_VL = taxonomy.load("spa_vl")
LIMITS = Limits(connect=2.0, total=3.0, pause=0.0, unsaid=0.0, patience=0.0)


class Site(ThreadingHTTPServer):
    """Serves pictures by their names, and remembers what it was asked for."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Page)
        self.asked: Counter[str] = Counter()
        self.broken = False
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self, name: str) -> str:
        return f"http://pictures.example:{self.server_port}/{name}"


class Page(BaseHTTPRequestHandler):
    """A picture, or what its name says."""

    server: Site

    def do_GET(self) -> None:
        name = self.path.strip("/").partition("?")[0]
        self.server.asked[name] += 1
        headers: dict[str, str] = {}
        if name == "robots.txt":
            status, kind, body = 200, "text/plain", b"User-agent: *\nDisallow: /private"
        elif name.startswith(".well-known") or "gone" in name:
            status, kind, body = 404, "text/plain", b""
        elif self.server.broken or "trouble" in name:
            status, kind, body = 500, "text/plain", b""
        else:
            buffer = io.BytesIO()
            picture(name).save(buffer, "PNG")
            status, kind, body = 200, "image/png", buffer.getvalue()
            headers = {"X-Robots-Tag": "noai"} if "mine" in name else {}
        self.send_response(status)
        for key, value in ({"Content-Type": kind, "Content-Length": str(len(body))} | headers).items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def site() -> Iterator[Site]:
    served = Site()
    yield served
    served.shutdown()
    served.server_close()


def open_door(folder: Path, site: Site) -> Fetch:
    """To an internet in which every name leads to the site."""

    async def resolver(_name: str, _port: int) -> list[Address]:
        return [IPv4Address("127.0.0.1")]

    def web() -> Web:
        return Web(
            resolver=resolver,
            public=lambda _: True,
            ports=frozenset({site.server_port}),
            limits=LIMITS,
            folder=folder / "l",
        )

    return Fetch(folder, web=web)


def listed(folder: Path, *urls: str, name: str = "list") -> Urls:
    path = folder / f"{name}.csv"
    path.write_text(
        "url,subcategory,licence,page_url\n" + "".join(f"{u},scams,CC BY 4.0,http://page.example/\n" for u in urls)
    )
    return Urls(path)


def collected(fetch: Fetch, *sources: Urls) -> Outcome:
    wanted = collect.wanted(sources=sources, taxonomy=SPA_VL, fetch=fetch)
    return collect.images(wanted.kept, sources=sources, fetch=fetch)


def rows(made: Outcome) -> dict[str, dict[str, Any]]:
    return {row["url"].rpartition("/")[2]: row for row in made.kept.iter_rows(named=True)}


def reasons(made: Outcome) -> Counter[str]:
    return Counter(made.dropped["reason"])


def test_an_image_of_the_web_says_when_it_came_what_the_site_said_and_whose_it_is(tmp_path: Path, site: Site) -> None:
    fetch = open_door(tmp_path / "w", site)
    row = rows(collected(fetch, listed(tmp_path, site.url("a"))))["a"]
    fetch.close()
    assert row["url"] == site.url("a")
    assert (row["licence"], row["page_url"]) == ("CC-BY-4.0", "http://page.example/")
    assert row["retrieved_at"].startswith("20")
    assert row["manners"] == "robots.txt: allowed; X-Robots-Tag: none; TDMRep: none"


def test_who_objects_is_not_taken_from_and_is_not_asked_again(tmp_path: Path, site: Site) -> None:
    source = listed(tmp_path, *map(site.url, ("a", "mine", "private/b", "gone")))
    for _ in range(2):
        fetch = open_door(tmp_path / "w", site)
        made = collected(fetch, source)
        assert fetch.owed == 0
        fetch.close()
        assert rows(made).keys() == {"a"}
        assert reasons(made) == {"opted out (X-Robots-Tag)": 1, "opted out (robots.txt)": 1, "not found": 1}
    assert site.asked["a"] == site.asked["mine"] == site.asked["gone"] == 1
    assert site.asked["private/b"] == 0


def test_a_url_in_two_lists_is_downloaded_once(tmp_path: Path, site: Site) -> None:
    fetch = open_door(tmp_path / "w", site)
    first = collected(fetch, listed(tmp_path, site.url("a"), site.url("b")))
    second = collected(fetch, listed(tmp_path, site.url("b"), site.url("c"), name="newer"))
    fetch.close()
    assert rows(first)["b"]["id"] == rows(second)["b"]["id"]
    assert rows(first)["b"]["retrieved_at"] == rows(second)["b"]["retrieved_at"]
    assert [site.asked[name] for name in "abc"] == [1, 1, 1]


def test_what_failed_for_now_is_owed_and_comes_another_time(tmp_path: Path, site: Site) -> None:
    source = listed(tmp_path, site.url("a"), site.url("b"))
    site.broken = True
    fetch = open_door(tmp_path / "w", site)
    made = collected(fetch, source)
    assert (fetch.owed, made.kept.height, reasons(made)) == (2, 0, {"server error": 2})
    fetch.close()
    site.broken = False
    fetch = open_door(tmp_path / "w", site)
    assert rows(collected(fetch, source)).keys() == {"a", "b"}
    assert fetch.owed == 0
    fetch.close()


def test_a_refusal_is_asked_again_once_somebody_says_so(tmp_path: Path, site: Site) -> None:
    source = listed(tmp_path, site.url("gone"))
    fetch = open_door(tmp_path / "w", site)
    collected(fetch, source)
    assert fetch.refusals() == {"not found"}
    epoch = fetch.epoch
    assert fetch.retry("timeout") == 0
    assert fetch.retry("not found") == 1
    assert fetch.refusals() == set()
    fetch.close()
    fetch = open_door(tmp_path / "w", site)
    assert fetch.epoch > epoch, "a table that rests on it is not fresh any more"
    collected(fetch, source)
    fetch.close()
    assert site.asked["gone"] == 2


def test_many_come_side_by_side_and_in_order(tmp_path: Path, site: Site) -> None:
    names = [f"p{n}" for n in range(60)]
    fetch = open_door(tmp_path / "w", site)
    source = listed(tmp_path, *map(site.url, names))
    wanted = collect.wanted(sources=(source,), taxonomy=SPA_VL, fetch=fetch).kept
    made = collect.images(wanted, sources=(source,), fetch=fetch)
    fetch.close()
    assert made.kept["key"].to_list() == wanted["key"].to_list()
    assert made.kept.height == 60
