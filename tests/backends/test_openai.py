"""Servers that speak OpenAI's chat completions: each way of answering badly has its word, and none ends the run."""

import asyncio
import base64
import json
import logging
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.backends import Asked
from pipeline.backends.api.endpoint import PATIENCE, Patience
from pipeline.backends.openai import OpenAI, read
from pipeline.doors.blobs import Blobs
from pipeline.models import Model
from pipeline.requests import KEPT_FAILURES, Answer, AnyRequest, Chat, Classify, Failure, Message, Reply, request_id
from tests.servers import BEHAVIOURS, ChatServer, picture

CANARY = "sk-canary/0123456789+abcdef"
QUICK = Patience(first=0.002, pause=0.01)


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


def replies(
    server: ChatServer, images: Blobs, *requests: AnyRequest, **settings: Any
) -> list[tuple[AnyRequest, Reply]]:
    """Ask, and wait for all; no reply may hold the key."""
    patience = settings.pop("patience", QUICK)
    fields = {"served_as": "vlm", "revision": "1", "base_url": server.url, "key": "TETRAD_TEST_KEY"} | settings
    model = Model(name="far", backend="openai", **fields)

    async def ask() -> list[tuple[AnyRequest, Reply]]:
        asked = (Asked(request_id(r, model.identity), r) for r in requests)
        return [(one.request, reply) async for one, reply in OpenAI(model, images, patience).replies(asked)]

    found = asyncio.run(asyncio.wait_for(ask(), 60))
    assert_no_key(ascii(found))
    return found


def assert_no_key(text: str) -> None:
    for form in (CANARY, quote(CANARY), quote(CANARY, safe="")):
        assert form not in text


def reply(server: ChatServer, images: Blobs, request: AnyRequest, **settings: Any) -> Reply:
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
    sha256 = images.keep(picture("a picture"))
    found = reply(server, images, chat("What is this?", sha256))
    assert found.result == Answer(text=f"{sha256} What is this?")
    assert (found.answered_by, found.provider_id) == ("vlm-0613", "chatcmpl-1")
    assert (found.tokens_in, found.tokens_out) == (7, 5)
    assert found.seconds
    assert 0 < found.seconds < 60


def test_what_is_sent_is_what_was_asked(server: ChatServer, images: Blobs) -> None:
    first, second = images.keep(picture("a picture")), images.keep(picture("another"))
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
        {"type": "image_url", "image_url": {"url": "data:image/png;base64," + base64.b64encode(data).decode()}}
        for data in (picture("a picture"), picture("another"))
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


MENDED = ("429 then ok", "429 with Retry-After then ok", "429 as a date then ok", "500 then ok", "reset then ok")


@pytest.mark.parametrize("behaviour", MENDED)
def test_what_passes_at_once_is_asked_again_at_once(server: ChatServer, images: Blobs, behaviour: str) -> None:
    assert answer(reply(server, images, chat(behaviour))).text == behaviour
    assert server.attempts == {behaviour: 2}


ALL = PATIENCE.attempts
FAILED = {
    # behaviour: the word, and how often it is asked
    "429": ("rate_limit", ALL),
    "503": ("server", ALL),
    "529": ("server", ALL),
    "reset": ("unreachable", ALL),
    "broken off": ("unreachable", ALL),
    "cut JSON": ("server", ALL),
    "deep JSON": ("server", ALL),
    "huge": ("server", ALL),
    "nothing": ("server", ALL),
    "HTML": ("server", ALL),
    "a number": ("server", ALL),
    "error in a 200": ("rate_limit", ALL),
    "no choices": ("no_answer", 1),
    "null choices": ("no_answer", 1),
    "null content": ("no_answer", 1),
    "no message": ("no_answer", 1),
    "choices of text": ("no_answer", 1),
    "content is a number": ("no_answer", 1),
    "only thinking": ("no_answer", 1),
    "content filter": ("refused", 1),
    "400": ("bad_request", 1),
    "422": ("bad_request", 1),
    "400 context length": ("too_long", 1),
    "400 context size": ("too_long", 1),
    "413": ("too_long", 1),
    "400 content policy": ("refused", 1),
    "redirect": ("no_access", 1),
    "429 without money": ("no_access", 1),
    "401": ("no_access", 1),
    "402": ("no_access", 1),
    "403": ("no_access", 1),
    "404": ("no_access", 1),
    "418": ("no_access", 1),
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


@pytest.mark.parametrize("behaviour", ["stall", "drip"])
def test_what_takes_too_long_to_its_last_byte_is_a_timeout(server: ChatServer, images: Blobs, behaviour: str) -> None:
    result = failure(reply(server, images, chat(behaviour), timeout=0.2))
    assert (result.error, result.owed) == ("timeout", True)
    assert server.attempts == {behaviour: ALL}


def test_a_server_that_is_not_there_is_unreachable(images: Blobs) -> None:
    with ChatServer() as gone:
        pass
    result = failure(reply(gone, images, chat("ok")))
    assert (result.error, result.owed) == ("unreachable", True)


def test_a_replica_that_is_not_there_costs_no_request_its_answer(server: ChatServer, images: Blobs) -> None:
    with ChatServer() as gone:
        pass
    found = replies(server, images, *[chat(f"Question {n}") for n in range(60)], base_url=(server.url, gone.url))
    assert {answer(got).text for _, got in found} == {f"Question {n}" for n in range(60)}


def test_who_leaves_while_a_server_stalls_leaves_at_once(server: ChatServer, images: Blobs) -> None:
    model = Model(name="far", backend="openai", served_as="vlm", revision="1", base_url=server.url)

    async def leave() -> list[Reply]:
        found = []

        async def ask() -> None:
            feed = (Asked(f"{n:032x}", chat(f"stall: {n}" if n else "Question")) for n in range(10))
            async with aclosing(OpenAI(model, images).replies(feed)) as replies:
                async for _, got in replies:
                    found.append(got)

        asking = asyncio.create_task(ask())
        while len(server.asked) < 10 or not found:  # noqa: ASYNC110 -- the server is in threads of its own
            await asyncio.sleep(0.01)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        return found

    assert len(asyncio.run(asyncio.wait_for(leave(), 20))) == 1


def test_a_redirect_leads_nowhere(server: ChatServer, images: Blobs) -> None:
    reply(server, images, chat("redirect"))
    assert [sent["path"] for sent in server.asked] == ["/v1/chat/completions"]


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
    "content in parts": Answer(text="Hello"),
    "thinking aloud": Answer(text="Hello", reasoning="Hm."),
    "refusal": Answer(text="I will not. Bearer ***", finish="refusal"),
    "lone surrogate": Answer(text="half a smile \ufffd"),
    "invalid UTF-8": Answer(text="caf\ufffd \ufffd"),
    "control characters": Answer(text="bell \x07"),
    "an infinite number": Answer(text="Hello"),
    "echo": Answer(text="Bearer *** Bearer%20*** Bearer%20***", reasoning="Bearer *** Bearer%20*** Bearer%20***"),
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
    elsewhere = {"well", "stall", "drip", "500 five times then ok"}
    assert {*MENDED, *FAILED, *GOOD} | elsewhere == set(BEHAVIOURS)


def test_what_was_paid_for_is_counted_though_there_is_no_answer(server: ChatServer, images: Blobs) -> None:
    found = reply(server, images, chat("null content"))
    assert failure(found).error == "no_answer"
    assert (found.tokens_in, found.tokens_out) == (7, 5)


def test_the_key_is_hidden_where_the_server_repeats_it(server: ChatServer, images: Blobs) -> None:
    for behaviour in ("401", "400", "error in a 200"):
        assert "Bearer ***" in failure(reply(server, images, chat(behaviour))).message
    found = reply(server, images, chat("echo"))
    assert "***" in str(found.answered_by)
    assert "***" in str(found.provider_id)


def test_the_key_reaches_no_log(server: ChatServer, images: Blobs, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    replies(server, images, *[chat(f"{behaviour}: {n}") for n in range(4) for behaviour in ("401", "503", "reset")])
    assert "gives no access" in caplog.text
    assert_no_key(caplog.text)


def test_two_hundred_requests_at_once_each_get_their_own_reply(server: ChatServer, images: Blobs) -> None:
    server.pause = 0.05
    shas = [images.keep(picture(f"picture {n}")) for n in range(200)]
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


def test_parameters_go_along_under_the_names_that_the_server_knows(server: ChatServer, images: Blobs) -> None:
    reply(
        server, images, chat("ok", max_tokens=9), parameters={"reasoning_effort": "low"}, omit=("seed", "temperature"),
        rename={"max_tokens": "max_completion_tokens"},
    )  # fmt: skip
    (sent,) = server.asked
    assert set(sent) == {"path", "messages", "model", "max_completion_tokens", "top_p", "reasoning_effort"}
    assert (sent["max_completion_tokens"], sent["reasoning_effort"]) == (9, "low")


def test_a_request_of_several_megabytes_arrives_whole(server: ChatServer, images: Blobs) -> None:
    sha256 = images.keep(picture("x" * 3_000_000))
    assert answer(reply(server, images, chat("large", sha256))).text == f"{sha256} large"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8
)  # fmt: skip
choices = st.fixed_dictionaries({}, optional={"message": st.fixed_dictionaries({}, optional=dict.fromkeys(("content", "refusal", "reasoning", "reasoning_content"), json_values)) | json_values, "finish_reason": json_values})  # fmt: skip
documents = json_values | st.fixed_dictionaries({}, optional={"choices": st.lists(choices) | json_values, "error": json_values, "usage": json_values | st.fixed_dictionaries({"prompt_tokens": json_values}), "model": json_values, "id": json_values})  # fmt: skip


@given(status=st.integers(100, 599) | st.just(200), document=documents)
def test_whatever_a_server_sends_is_read(status: int, document: object) -> None:
    model = Model(name="far", backend="openai", served_as="vlm", revision="1", base_url="http://far")
    found = read(model, status, document)
    if isinstance(found, Reply):
        assert Reply.model_validate_json(found.model_dump_json()) == found
    else:
        assert Failure(error=found.word, message=found.message).model_dump_json()
