"""An image of the web, with where it was and on what terms; or why there is none."""

import asyncio
import contextlib
import re
import ssl
import subprocess
from pathlib import Path

import pytest

from pipeline.doors.web.download import Downloaded, NotDownloaded, is_image
from pipeline.doors.web.limits import AGENT
from tests.doors.web.sites import (
    OK,
    PICTURE,
    Names,
    Site,
    answer,
    get,
    got,
    moved,
    sending,
    web,
    why,
)

ALLOWED = "robots.txt: none (404); X-Robots-Tag: none; TDMRep: none"


def test_an_image_comes_as_it_was_sent_with_where_when_and_on_what_terms() -> None:
    async def ask() -> None:
        async with Site({"/a.png?size=1": answer()}) as site:
            found = await get(site, "/a.png?size=1#middle")
            assert isinstance(found, Downloaded)
            assert (found.data, found.content_type) == (PICTURE, "image/png")
            assert found.url == f"http://images.example:{site.port}/a.png?size=1"
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", found.retrieved_at)
            assert found.manners == ALLOWED
            assert site.paths == ["/robots.txt", "/.well-known/tdmrep.json", "/a.png?size=1"]

    asyncio.run(ask())


def test_a_server_learns_who_asks_and_for_which_host_and_nothing_else() -> None:
    async def ask() -> None:
        cookie = ("Set-Cookie", "who=you; Path=/")
        acts = {
            "/robots.txt": answer(404, "", cookie),
            "/a.png": moved("/b.png", 302, cookie),
            "/b.png": answer(200, PICTURE, cookie),
        }
        async with Site(acts) as site, web(site) as made:
            for _ in range(2):
                assert isinstance(await made.get(f"http://images.example:{site.port}/a.png"), Downloaded)
            assert len(site.asked) == site.connections == 6
            for asked in site.asked:
                assert asked.headers == {
                    "Host": f"images.example:{site.port}",
                    "User-Agent": AGENT,
                    "Accept": "*/*",
                    "Accept-Encoding": "identity",
                    "Connection": "close",
                }

    asyncio.run(ask())


@pytest.mark.parametrize(
    "said", ["image/jpeg", "IMAGE/PNG; q=1", "application/octet-stream", "binary/octet-stream", None]
)
def test_a_type_that_may_be_an_image_is_taken(said: str | None) -> None:
    head = OK + (f"Content-Type: {said}\r\n" if said else "").encode()
    found = got({"/a.png": sending(head + b"\r\n" + PICTURE)})
    assert isinstance(found, Downloaded)
    assert (found.data, found.content_type) == (PICTURE, said)


@pytest.mark.parametrize(
    ("said", "data"),
    [
        ("text/html", PICTURE),
        ("application/zip", PICTURE),
        ("", PICTURE),
        ("image", PICTURE),
        ("image/png", b"<!DOCTYPE html><title>Sign in</title>"),
        ("image/svg+xml", b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>'),
        ("application/octet-stream", b"PK\x03\x04"),
        ("image/png", b""),
    ],
)
def test_what_is_no_image_is_not_taken(said: str, data: bytes) -> None:
    assert why(answer(200, data, ("Content-Type", said))) == ("not an image", False)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\xff\xd8\xff\xe0 JFIF", True),
        (b"\x89PNG\r\n\x1a\n", True),
        (b"GIF89a..", True),
        (b"RIFF\x10\x00\x00\x00WEBPVP8 ", True),
        (b"\x00\x00\x00\x20ftypavif", True),
        (b"RIFF\x10\x00\x00\x00WAVEfmt ", False),
        (b"\x00\x00\x00\x20ftypisom", False),
        (b"%PDF-1.7", False),
        (b"\xff\xd8", False),
    ],
)
def test_an_image_is_known_by_its_first_bytes(data: bytes, expected: bool) -> None:
    assert is_image(data) is expected


@pytest.mark.parametrize(
    ("status", "reason", "owed"),
    [
        (204, "refused by the server", False),
        (206, "refused by the server", False),
        (304, "refused by the server", False),
        (302, "refused by the server", False),
        (400, "refused by the server", False),
        (401, "refused by the server", False),
        (402, "refused by the server", False),
        (403, "refused by the server", False),
        (404, "not found", False),
        (408, "timeout", True),
        (410, "not found", False),
        (429, "rate limited", True),
        (451, "refused by the server", False),
        (500, "server error", True),
        (502, "server error", True),
        (503, "server error", True),
        (599, "server error", True),
    ],
)
def test_every_status_but_200_has_its_reason_and_may_pass_or_not(status: int, reason: str, owed: bool) -> None:
    assert why(answer(status, "")) == (reason, owed)


def test_redirects_are_followed_to_the_third() -> None:
    async def ask() -> None:
        async with Site() as site:
            site.acts = {
                "/a.png": moved("b.png?x=1#y", 301),
                "/b.png?x=1": moved(f"//other.example:{site.port}/c.png", 307),
                "/c.png": moved("/d.png", 308),
                "/d.png": answer(),
            }
            found = await get(site)
            assert isinstance(found, Downloaded)
            assert found.url == f"http://other.example:{site.port}/d.png"
            assert found.manners == " → ".join([ALLOWED] * 4)
            assert site.paths.count("/robots.txt") == 2, "the other host was asked, too"

    asyncio.run(ask())


@pytest.mark.parametrize("to", ["/a.png", "/b.png", "http://images.example:PORT/a.png"])
def test_a_loop_of_redirects_ends(to: str) -> None:
    async def ask() -> None:
        async with Site() as site:
            site.acts = {"/a.png": moved(to.replace("PORT", str(site.port))), "/b.png": moved("/a.png")}
            found = await get(site)
            assert isinstance(found, NotDownloaded)
            assert (found.reason, found.owed) == ("too many redirects", False)
            assert len(site.asked) == 6

    asyncio.run(ask())


@pytest.mark.parametrize(
    "to",
    [
        "file:///etc/passwd", "ftp://images.example/a.png", "gopher://images.example/_x", "data:image/png;base64,AAAA",
        "http://images.example:22/", "http://user:hunter2@images.example/", "http://[", "http://\udcff\udcfe/", "http://a b/",
    ],
)  # fmt: skip
def test_a_redirect_to_what_is_no_url_of_the_web_is_not_followed(to: str) -> None:
    found = got({"/a.png": moved(to)})
    assert isinstance(found, NotDownloaded)
    assert (found.reason, found.owed) == ("forbidden url", False)
    assert found.detail.startswith("images.example/a.png leads on: ")
    assert "hunter2" not in found.detail


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Of images.example, signed by itself: file and key."""
    folder = tmp_path_factory.mktemp("tls")
    command = [
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
        "-subj", "/CN=images.example", "-addext", "subjectAltName=DNS:images.example",
        "-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem"),
    ]  # fmt: skip
    try:
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("no openssl to make a certificate with")
    return folder / "cert.pem", folder / "key.pem"


@pytest.mark.parametrize(
    ("host", "trusted", "taken"),
    [("images.example", True, True), ("other.example", True, False), ("images.example", False, False)],
)
def test_a_secure_server_is_called_by_its_name_and_must_prove_it(
    certificate: tuple[Path, Path], host: str, trusted: bool, taken: bool
) -> None:
    ours, theirs = ssl.create_default_context(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(*certificate)
    if trusted:
        ours.load_verify_locations(certificate[0])
    names: list[str | None] = []
    theirs.sni_callback = lambda _socket, name, _context: names.append(name)

    async def ask() -> None:
        async with Site({"/a.png": answer()}, tls=theirs) as site, web(site, tls=ours) as made:
            found = await made.get(f"https://{host}:{site.port}/a.png")
            assert isinstance(found, Downloaded) is taken
            assert set(names) == {host}
            if isinstance(found, Downloaded):
                assert [asked.headers["Host"] for asked in site.asked] == [f"images.example:{site.port}"] * 3
            else:
                assert (found.reason, found.owed, site.asked) == ("unreachable", True, [])

    asyncio.run(ask())


def test_many_images_of_many_hosts_come_at_once() -> None:
    async def ask() -> None:
        async with Site({f"/{n}.png": answer(200, PICTURE + bytes([n])) for n in range(40)}) as site, web(site) as made:
            urls = [f"http://host{n % 8}.example:{site.port}/{n}.png" for n in range(40)]
            found = await asyncio.gather(*map(made.get, urls))
            assert [f.data[-1] for f in found if isinstance(f, Downloaded)] == list(range(40))
            assert site.paths.count("/robots.txt") == 8

    asyncio.run(ask())


def test_one_who_gives_up_does_not_stop_the_others_who_wait_for_the_same_site() -> None:
    async def ask() -> None:
        came, go = asyncio.Event(), asyncio.Event()

        async def later(writer: asyncio.StreamWriter) -> None:
            came.set()
            await go.wait()
            await answer(404, "")(writer)

        async with Site({"/robots.txt": later, "/a.png": answer()}) as site, web(site) as made:
            url = f"http://images.example:{site.port}/a.png"
            first, second = asyncio.ensure_future(made.get(url)), asyncio.ensure_future(made.get(url))
            await came.wait()
            first.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await first
            go.set()
            assert isinstance(await second, Downloaded)
            assert site.paths.count("/robots.txt") == 1

    asyncio.run(ask())


def test_names_resolved_by_the_handed_in_resolver_alone() -> None:
    async def ask() -> None:
        names = Names()
        async with Site({"/a.png": answer()}) as site, web(site, resolver=names) as made:
            assert isinstance(await made.get(f"http://images.example:{site.port}/a.png"), Downloaded)
            assert names.asked == ["images.example"] * 3

    asyncio.run(ask())
