"""Whatever a server does or a listing holds: it costs no more than was agreed, raises nothing, and gives nothing away."""

import asyncio
import gzip
import zlib
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipeline.doors.web.address import Address
from pipeline.doors.web.download import Downloaded, NotDownloaded
from tests.doors.web.sites import (
    OK,
    PICTURE,
    QUICK,
    Act,
    answer,
    got,
    moved,
    repeating,
    sending,
    waiting,
    web,
    why,
)

SMALL = replace(QUICK, size=100_000)


@pytest.mark.parametrize(
    "act",
    [
        answer(200, PICTURE, ("Content-Length", "100001")),
        answer(200, PICTURE + b"x" * 100_000),
        repeating(OK + b"\r\n", PICTURE * 1000),
        repeating(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"3E8\r\n" + b"x" * 1000 + b"\r\n"),
        answer(200, gzip.compress(PICTURE + b"\0" * 50_000_000), ("Content-Encoding", "gzip")),
        answer(200, zlib.compress(PICTURE + b"\0" * 50_000_000), ("Content-Encoding", "deflate")),
    ],
    ids=["announced", "sent", "endless", "endless chunks", "gzip bomb", "deflate bomb"],
)
def test_a_body_beyond_the_limit_is_not_taken(act: Act) -> None:
    assert why(act, SMALL) == ("too large", False)


def test_a_body_of_just_the_limit_is_taken() -> None:
    data = PICTURE + b"x" * (SMALL.size - len(PICTURE))
    found = got({"/a.png": answer(200, data)}, limits=SMALL)
    assert isinstance(found, Downloaded)
    assert found.data == data
    assert why(answer(200, data + b"x"), SMALL) == ("too large", False)


def test_a_body_that_is_packed_though_we_asked_it_not_to_be_is_unpacked() -> None:
    found = got({"/a.png": answer(200, gzip.compress(PICTURE), ("Content-Encoding", "gzip"))})
    assert isinstance(found, Downloaded)
    assert found.data == PICTURE


@pytest.mark.parametrize(
    "act",
    [
        waiting(b""),
        waiting(OK),
        waiting(OK + b"Content-Length: 1000\r\n\r\n" + PICTURE),
        repeating(OK + b"\r\n", b"x", 0.01),
        repeating(OK, b"X-Slow: yes\r\n", 0.03),
    ],
    ids=["no answer", "half a head", "half a body", "a dripping body", "a dripping head"],
)
def test_a_server_that_takes_too_long_is_left(act: Act) -> None:
    assert why(act, replace(QUICK, total=0.3)) == ("timeout", True)


def test_all_redirects_of_a_url_share_its_time() -> None:
    async def slowly(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.2)
        await moved("/a.png")(writer)

    assert why(slowly, replace(QUICK, total=0.3, redirects=100)) == ("timeout", True)


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (sending(b""), "unreachable"),
        (sending(OK + b"Content-Length: 1000\r\n\r\n" + PICTURE), "unreachable"),
        (sending(OK + b"Transfer-Encoding: chunked\r\n\r\n10\r\nshort"), "unreachable"),
        (sending(b"SSH-2.0-OpenSSH\r\n\r\n"), "server error"),
        (sending(OK + b"X-Long: " + b"x" * 100_000 + b"\r\n\r\n" + PICTURE), "server error"),
        (sending(OK + b"X-Many: yes\r\n" * 10_000 + b"\r\n" + PICTURE), "server error"),
        (repeating(OK, b"X-Many: yes\r\n"), "server error"),
        (sending(OK + b"Content-Length: many\r\n\r\n"), "server error"),
        (sending(OK + b"Content-Encoding: gzip\r\nContent-Type: image/png\r\n\r\nnot packed"), "unreachable"),
    ],
)
def test_an_answer_that_breaks_off_or_is_no_http_stays_owed(act: Act, reason: str) -> None:
    assert why(act) == (reason, True)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=200), st.sampled_from([b"", b"HTTP/1.1 ", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 302 Found\r\nLocation: ", OK]))  # fmt: skip
def test_whatever_a_server_sends_is_an_image_or_a_reason(data: bytes, head: bytes) -> None:
    found = got({"/a.png": sending(head + data), "/robots.txt": answer(404, "")})
    assert isinstance(found, NotDownloaded)
    assert found.reason


@pytest.mark.parametrize(
    "acts",
    [
        {"/a.png?key=hunter2": answer(404, "")},
        {"/a.png?key=hunter2": sending(b"SSH\r\n\r\n")},
        {"/a.png?key=hunter2": sending(b"")},
        {"/a.png?key=hunter2": answer(200, "<html>")},
        {"/a.png?key=hunter2": answer(200, PICTURE, ("X-Robots-Tag", "noai"))},
        {"/a.png?key=hunter2": moved("/a.png?key=hunter2")},
        {"/a.png?key=hunter2": moved("ftp://images.example/?key=hunter2")},
        {"/a.png?key=hunter2": answer(429, "")},
        {"/a.png?key=hunter2": waiting(b"")},
    ],
)
def test_no_reason_tells_a_query(acts: dict[str, Act | list[Act]]) -> None:
    found = got(acts, "/a.png?key=hunter2", limits=replace(QUICK, total=0.3))
    assert isinstance(found, NotDownloaded)
    assert "images.example" in found.detail
    assert "hunter2" not in f"{found}"


@settings(max_examples=150, deadline=None)
@given(st.text() | st.text("htps:/[]@.%0127xaf:#?\\", max_size=30).map("http://".__add__))
@example("http://[]@")
@example("http://images.example/\ud800")
def test_no_url_makes_it_raise(url: str) -> None:
    async def nobody(_host: str, _port: int) -> list[Address]:
        return []

    async def ask() -> None:
        async with web(resolver=nobody) as made:
            found = await made.get(url)
            assert isinstance(found, NotDownloaded)
            assert found.reason in ("forbidden url", "forbidden address", "unknown host")

    asyncio.run(ask())
