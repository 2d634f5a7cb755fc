"""Servers that speak OpenAI's chat completions: each way of answering badly has its word, and none ends the run."""

import asyncio
import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.backends import Asked
from pipeline.backends.openai import RETRIES, OpenAI
from pipeline.doors.blobs import Blobs
from pipeline.models import Model
from pipeline.requests import KEPT_FAILURES, Answer, Chat, Classify, Failure, Message, Reply, Request, request_id
from tests.servers import BEHAVIOURS, ChatServer

CANARY = "sk-canary-0123456789abcdef"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TETRAD_TEST_KEY", CANARY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with ChatServer() as running:
        yield running


@pytest.fixture
def images(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "images")


def chat(text: str, *pictures: str, **settings: Any) -> Chat:
    return Chat(model="far", messages=(Message(role="user", text=text, images=pictures),), **settings)


def replies(server: ChatServer, images: Blobs, *requests: Request, **settings: Any) -> list[tuple[Request, Reply]]:
    """Ask, and wait for all; no reply may hold the key."""
    model = Model(
        name="far", backend="openai", served_as="vlm", revision="1", base_url=server.url, key="TETRAD_TEST_KEY", **settings
    )  # fmt: skip

    async def ask() -> list[tuple[Request, Reply]]:
        asked = (Asked(request_id(r, model.identity), r) for r in requests)
        return [(one.request, reply) async for one, reply in OpenAI(model, images).replies(asked)]

    found = asyncio.run(asyncio.wait_for(ask(), 60))
    assert CANARY not in ascii(found)
    return found


def reply(server: ChatServer, images: Blobs, request: Request, **settings: Any) -> Reply:
    ((_, found),) = replies(server, images, request, **settings)
    return found


def failure(found: Reply) -> Failure:
    assert isinstance(found.result, Failure)
    assert len(found.result.message) <= 500
    return found.result


def answer(found: Reply) -> Answer:
    assert isinstance(found.result, Answer)
    return found.result


def test_an_answer_comes_back_with_what_the_server_says_of_it(server: ChatServer, images: Blobs) -> None:
    sha256 = images.keep(b"a picture")
    found = reply(server, images, chat("What is this?", sha256))
    assert found.result == Answer(text=f"{sha256} What is this?")
    assert (found.answered_by, found.provider_id) == ("vlm-0613", "chatcmpl-1")
    assert (found.tokens_in, found.tokens_out) == (7, 5)
    assert found.seconds
    assert 0 < found.seconds < 60


def test_what_is_sent_is_what_was_asked(server: ChatServer, images: Blobs) -> None:
    first, second = images.keep(b"a picture"), images.keep(b"another")
    request = Chat(
        model="far",
        messages=(
            Message(role="system", text="Be kind."),
            Message(role="user", text="Which?", images=(first, second)),
            Message(role="assistant", text="The first."),
            Message(role="user", text="Why?"),
        ),
        temperature=0.7,
        top_p=0.9,
        max_tokens=33,
        json_schema='{"type": "object"}',
    )
    reply(server, images, request)
    (sent,) = server.asked
    urls = [
        {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64," + base64.b64encode(data).decode()}}
        for data in (b"a picture", b"another")
    ]
    assert sent.pop("messages") == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": [*urls, {"type": "text", "text": "Which?"}]},
        {"role": "assistant", "content": "The first."},
        {"role": "user", "content": "Why?"},
    ]
    assert sent.pop("response_format")["json_schema"]["schema"] == {"type": "object"}
    assert 0 <= sent.pop("seed") < 2**31
    assert sent == {
        "path": "/v1/chat/completions", "model": "vlm", "temperature": 0.7, "top_p": 0.9, "max_tokens": 33,
    }  # fmt: skip


def test_each_sample_has_a_seed_of_its_own_and_the_same_one_when_asked_again(server: ChatServer, images: Blobs) -> None:
    samples = [chat("Again?", number=n, temperature=1.0) for n in range(5)]
    for _ in range(2):
        replies(server, images, *samples, concurrency=1)
    seeds = [sent["seed"] for sent in server.asked]
    assert len(set(seeds[:5])) == 5
    assert seeds[:5] == seeds[5:]


def test_a_request_without_a_schema_sends_none(server: ChatServer, images: Blobs) -> None:
    reply(server, images, chat("ok"))
    assert "response_format" not in server.asked[0]


MENDED = {
    "429 then ok": (2, 0.0),
    "429 with Retry-After then ok": (2, 1.0),
    "500 then ok": (2, 0.0),
    "reset then ok": (2, 0.0),
}


@pytest.mark.parametrize(("behaviour", "attempts", "at_least"), [(b, *v) for b, v in MENDED.items()])
def test_what_passes_at_once_is_asked_again_at_once(
    server: ChatServer, images: Blobs, behaviour: str, attempts: int, at_least: float
) -> None:
    started = time.monotonic()
    assert answer(reply(server, images, chat(behaviour))).text == behaviour
    assert server.attempts == {behaviour: attempts}
    assert time.monotonic() - started >= at_least


FAILED = {
    # behaviour: the word, and how often it is asked
    "429": ("rate_limit", 1 + RETRIES),
    "503": ("server", 1 + RETRIES),
    "cut JSON": ("server", 1),
    "invalid UTF-8": ("server", 1),
    "nothing": ("server", 1),
    "HTML": ("server", 1),
    "error in a 200": ("server", 1),
    "a number": ("server", 1),
    "no choices": ("no_answer", 1),
    "null choices": ("no_answer", 1),
    "null content": ("no_answer", 1),
    "no message": ("no_answer", 1),
    "choices of text": ("no_answer", 1),
    "content is a number": ("no_answer", 1),
    "content in parts": ("no_answer", 1),
    "refusal": ("refused", 1),
    "content filter": ("refused", 1),
    "400": ("bad_request", 1),
    "422": ("bad_request", 1),
    "400 context length": ("too_long", 1),
    "400 context size": ("too_long", 1),
    "400 content policy": ("refused", 1),
    "401": ("no_access", 1),
    "402": ("no_access", 1),
    "403": ("no_access", 1),
    "404": ("no_access", 1),
}
OWED = {"rate_limit", "server", "unreachable", "timeout", "no_access", "too_long"}


@pytest.mark.parametrize(("behaviour", "word", "attempts"), [(b, *v) for b, v in FAILED.items()])
def test_each_bad_answer_has_its_word(
    server: ChatServer, images: Blobs, behaviour: str, word: str, attempts: int
) -> None:
    result = failure(reply(server, images, chat(behaviour)))
    assert result.error == word
    assert result.owed == (word in OWED)
    assert result.owed == (word not in KEPT_FAILURES)
    assert result.message
    assert server.attempts == {behaviour: attempts}


@pytest.mark.slow
def test_what_tears_or_stalls_stays_owed(server: ChatServer, images: Blobs) -> None:
    """The client waits longer and longer between its attempts, and no server can shorten that here."""
    ways = {"reset": "unreachable", "broken off": "unreachable", "stall": "timeout"}
    found = replies(server, images, *map(chat, ways), timeout=0.3)
    words = {}
    for request, got in found:
        assert isinstance(request, Chat)
        assert failure(got).owed
        words[request.messages[0].text] = failure(got).error
    assert words == ways
    assert server.attempts == dict.fromkeys(ways, 1 + RETRIES)


@pytest.mark.slow
def test_a_server_that_is_not_there_is_unreachable(images: Blobs) -> None:
    with ChatServer() as gone:
        pass
    result = failure(reply(gone, images, chat("ok")))
    assert (result.error, result.owed) == ("unreachable", True)


GOOD = {
    "as text/plain": Answer(text="as text/plain"),
    "length": Answer(text="length", finish="length"),
    "unknown finish": Answer(text="unknown finish"),
    "reasoning_content": Answer(text="reasoning_content", reasoning="Hm."),
    "reasoning": Answer(text="reasoning", reasoning="Hm, hm."),
    "no usage": Answer(text="no usage"),
    "usage is text": Answer(text="usage is text"),
    "usage of text": Answer(text="usage of text"),
    "id is a number": Answer(text="id is a number"),
    "empty content": Answer(text=""),
    "lone surrogate": Answer(text="half a smile \ud83d"),
    "10 MB": Answer(text="ten megabytes " * 750_000),
}


@pytest.mark.parametrize(("behaviour", "expected"), GOOD.items(), ids=GOOD)
def test_an_answer_is_an_answer_whatever_is_odd_about_the_rest(
    server: ChatServer, images: Blobs, behaviour: str, expected: Answer
) -> None:
    assert reply(server, images, chat(behaviour)).result == expected


@pytest.mark.parametrize("behaviour", ["no usage", "usage is text", "usage of text"])
def test_tokens_that_were_not_counted_are_null(server: ChatServer, images: Blobs, behaviour: str) -> None:
    found = reply(server, images, chat(behaviour))
    assert (found.tokens_in, found.tokens_out) == (None, None)


def test_every_behaviour_of_the_server_is_tested() -> None:
    slow = {"reset", "stall", "broken off", "500 five times then ok"}
    assert {*MENDED, *FAILED, *GOOD} | slow == set(BEHAVIOURS)


def test_the_key_is_hidden_where_the_server_repeats_it(server: ChatServer, images: Blobs) -> None:
    for behaviour in ("401", "400", "refusal", "error in a 200"):
        assert "Bearer ***" in failure(reply(server, images, chat(behaviour))).message


def test_two_hundred_requests_at_once_each_get_their_own_reply(server: ChatServer, images: Blobs) -> None:
    server.pause = 0.05
    shas = [images.keep(b"picture %d" % n) for n in range(200)]
    requests = [chat(f"Question {n}", sha) for n, sha in enumerate(shas)]
    found = replies(server, images, *requests, concurrency=16)
    assert len(found) == 200
    for request, got in found:
        assert isinstance(request, Chat)
        assert answer(got).text == f"{request.messages[0].images[0]} {request.messages[0].text}"
    assert {r for r, _ in found} == set(requests)
    assert len(server.asked) == 200
    assert 4 <= server.most_under_way <= 16


def test_requests_are_taken_only_as_they_are_needed(server: ChatServer, images: Blobs) -> None:
    taken = []
    model = Model(name="far", backend="openai", served_as="vlm", revision="1", base_url=server.url, concurrency=4)

    def endless() -> Iterator[Asked]:
        for n in range(10_000):
            taken.append(n)
            yield Asked(f"{n:032x}", chat(f"Question {n}"))

    async def ask_for_some() -> int:
        got = 0
        replies = OpenAI(model, images).replies(endless())
        async for _ in replies:
            got += 1
            if got == 20:
                break
        await replies.aclose()
        return got

    assert asyncio.run(ask_for_some()) == 20
    assert len(taken) <= 40
    assert len(server.asked) <= 40


def test_a_picture_that_is_not_there_is_a_failure_of_its_request_alone(server: ChatServer, images: Blobs) -> None:
    found = dict(replies(server, images, chat("lost", "ab" * 32), *[chat(f"{n}") for n in range(20)], concurrency=3))
    lost = failure(found.pop(chat("lost", "ab" * 32)))
    assert (lost.error, lost.owed) == ("unreadable_image", False)
    assert sorted(int(answer(got).text) for got in found.values()) == list(range(20))


def test_an_error_of_our_own_comes_out_instead_of_waiting_forever(server: ChatServer, images: Blobs) -> None:
    with pytest.raises(json.JSONDecodeError):
        replies(server, images, chat("ok", json_schema="{"), *[chat(f"{n}") for n in range(20)], concurrency=3)


def test_a_request_of_another_kind_is_a_bad_one(server: ChatServer, images: Blobs) -> None:
    result = failure(reply(server, images, Classify(model="far", context="", text="Hello")))
    assert (result.error, server.asked) == ("bad_request", [])


def test_no_requests_bring_no_replies(server: ChatServer, images: Blobs) -> None:
    assert replies(server, images) == []
    assert server.asked == []


def test_a_model_without_a_key_needs_none(server: ChatServer, images: Blobs) -> None:
    model = Model(name="far", backend="openai", served_as="vlm", revision="1", base_url=server.url)

    async def ask() -> list[Reply]:
        return [r async for _, r in OpenAI(model, images).replies(iter([Asked("0" * 32, chat("none of it: none"))]))]

    assert asyncio.run(ask())[0].result == Answer(text="none of it: none")
