"""Anthropic's messages: each way of answering badly has its word, and what we send is what its own client sends."""

import asyncio
import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anthropic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.backends import Asked, reach
from pipeline.backends.anthropic import ADDRESS, VERSION, Anthropic, read
from pipeline.backends.api.endpoint import PATIENCE, Patience
from pipeline.doors.blobs import Blobs
from pipeline.models import Model
from pipeline.requests import KEPT_FAILURES, Answer, Chat, Failure, Message, Reply
from tests.servers import MESSAGES, ChatServer, picture

CANARY = "sk-ant-canary/0123456789+abcdef"
QUICK = Patience(first=0.002, pause=0.01)
ALL = PATIENCE.attempts


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TETRAD_TEST_KEY", CANARY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with ChatServer() as running:
        running.url = running.url.removesuffix("/v1")
        yield running


@pytest.fixture
def images(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "images")


def chat(text: str, *pictures: str, **settings: Any) -> Chat:
    return Chat(model="far", messages=(Message(role="user", text=text, images=pictures),), **settings)


def known(**settings: Any) -> Model:
    fields = {"backend": "anthropic", "served_as": "claude", "revision": "1", "key": "TETRAD_TEST_KEY"} | settings
    return Model(name="far", **fields)


def reply(server: ChatServer, images: Blobs, request: Chat, **settings: Any) -> Reply:
    async def ask() -> list[Reply]:
        backend = Anthropic(known(base_url=server.url, **settings), images, QUICK)
        return [reply async for _, reply in backend.replies(iter([Asked("0" * 32, request)]))]

    (found,) = asyncio.run(asyncio.wait_for(ask(), 60))
    for form in (CANARY, quote(CANARY), quote(CANARY, safe="")):
        assert form not in ascii(found)
    return found


def test_an_answer_comes_back_with_what_the_server_says_of_it(server: ChatServer, images: Blobs) -> None:
    sha256 = images.keep(picture("a picture"))
    found = reply(server, images, chat("What is this?", sha256))
    assert found.result == Answer(text=f"{sha256} What is this?")
    assert (found.answered_by, found.provider_id) == ("claude-20261101", "msg-1")
    assert (found.tokens_in, found.tokens_out) == (7 + 2, 5)
    assert found.seconds


LONG = Chat(
    model="far",
    messages=(
        Message(role="system", text="Be kind."),
        Message(role="user", text="Which?", images=("first", "second")),
        Message(role="assistant", text="The first."),
        Message(role="user", text="Why?"),
    ),
    temperature=0.7,
    top_p=0.9,
    max_tokens=33,
    json_schema='{"type": "object"}',
)


def test_what_is_sent_is_what_its_own_client_sends(server: ChatServer, images: Blobs) -> None:
    shas = {name: images.keep(picture(name)) for name in ("first", "second")}
    asked = [m.model_copy(update={"images": tuple(shas[i] for i in m.images)}) for m in LONG.messages]
    reply(
        server, images, LONG.model_copy(update={"messages": tuple(asked)}), parameters={"output_config": {"effort": "low"}}
    )  # fmt: skip

    async def official() -> None:
        async with anthropic.AsyncAnthropic(api_key=CANARY, base_url=server.url, max_retries=0) as client:
            await client.messages.create(
                model="claude",
                system="Be kind.",
                messages=[
                    {
                        "role": "user",
                        "content": [
                            *[
                                {
                                    "type": "image",
                                    "source": {
                                        "type": "base64",
                                        "media_type": "image/png",
                                        "data": base64.b64encode(picture(name)).decode(),
                                    },
                                }
                                for name in ("first", "second")
                            ],
                            {"type": "text", "text": "Which?"},
                        ],
                    },
                    {"role": "assistant", "content": "The first."},
                    {"role": "user", "content": "Why?"},
                ],
                max_tokens=33,
                output_config={"effort": "low", "format": {"type": "json_schema", "schema": {"type": "object"}}},
            )

    asyncio.run(official())
    ours, theirs = server.asked
    assert ours == theirs
    assert ours["path"] == "/v1/messages"
    mine, its = server.headers
    assert mine["anthropic-version"] == its["anthropic-version"] == VERSION
    assert mine["Authorization"] == its["Authorization"]


def test_what_is_not_asked_for_or_refused_is_not_sent(server: ChatServer, images: Blobs) -> None:
    reply(server, images, chat("ok", temperature=0.5, top_p=0.5))
    assert set(server.asked[0]) == {"path", "model", "messages", "max_tokens"}


def test_under_the_version_before_it_can_be_sampled_as_one_likes(server: ChatServer, images: Blobs) -> None:
    before = {"anthropic-version": "2023-06-01"}
    reply(server, images, chat("ok", temperature=0.5), options=before)
    reply(server, images, chat("ok", temperature=0.5, top_p=0.9), options=before)
    reply(server, images, chat("ok", temperature=0.5, top_p=0.9), options=before, omit=("temperature",))
    assert [(sent.get("temperature"), sent.get("top_p")) for sent in server.asked] == [
        (0.5, None),
        (0.5, 0.9),
        (None, 0.9),
    ]
    assert {sent["anthropic-version"] for sent in server.headers} == {"2023-06-01"}


def test_an_image_without_words_has_no_empty_text(server: ChatServer, images: Blobs) -> None:
    request = Chat(
        model="far",
        messages=(
            Message(role="user", text="", images=(images.keep(picture("a")),)),
            Message(role="user", text="well"),
        ),
    )
    reply(server, images, request)
    assert [part["type"] for part in server.asked[0]["messages"][0]["content"]] == ["image"]


def test_parameters_the_model_refuses_are_left_out(server: ChatServer, images: Blobs) -> None:
    reply(
        server, images, chat("ok"), omit=("thinking",), parameters={"thinking": {"type": "adaptive"}, "speed": "fast"}
    )
    assert set(server.asked[0]) == {"path", "model", "messages", "max_tokens", "speed"}


MENDED = ("429 then ok", "429 with Retry-After then ok", "529 then ok", "reset then ok")


@pytest.mark.parametrize("behaviour", MENDED)
def test_what_passes_at_once_is_asked_again_at_once(server: ChatServer, images: Blobs, behaviour: str) -> None:
    assert reply(server, images, chat(behaviour)).result == Answer(text=behaviour)
    assert server.attempts == {behaviour: 2}


FAILED = {
    "500": ("server", ALL),
    "reset": ("unreachable", ALL),
    "huge": ("server", ALL),
    "HTML": ("server", ALL),
    "cut JSON": ("server", ALL),
    "deep JSON": ("server", ALL),
    "error in a 200": ("server", ALL),
    "redirect": ("no_access", 1),
    "no content": ("no_answer", 1),
    "null content": ("no_answer", 1),
    "blocks of text": ("no_answer", 1),
    "text is a number": ("no_answer", 1),
    "only thinking": ("no_answer", 1),
    "refusal": ("refused", 1),
    "400": ("bad_request", 1),
    "400 too long": ("too_long", 1),
    "400 filtered": ("refused", 1),
    "400 without money": ("no_access", 1),
    "401": ("no_access", 1),
    "403": ("no_access", 1),
    "404": ("no_access", 1),
    "413": ("too_long", 1),
}


@pytest.mark.parametrize(("behaviour", "word", "attempts"), [(b, *v) for b, v in FAILED.items()])
def test_each_bad_answer_has_its_word(
    server: ChatServer, images: Blobs, behaviour: str, word: str, attempts: int
) -> None:
    result = reply(server, images, chat(behaviour)).result
    assert isinstance(result, Failure)
    assert (result.error, result.owed) == (word, word not in KEPT_FAILURES)
    assert 0 < len(result.message) <= 500
    assert server.attempts == {behaviour: attempts}


@pytest.mark.parametrize("behaviour", ["stall", "drip"])
def test_what_takes_too_long_to_its_last_byte_is_a_timeout(server: ChatServer, images: Blobs, behaviour: str) -> None:
    result = reply(server, images, chat(behaviour), timeout=0.2).result
    assert isinstance(result, Failure)
    assert result.error == "timeout"


GOOD = {
    "length": Answer(text="length", finish="length"),
    "context full": Answer(text="context full", finish="length"),
    "stop reason is a list": Answer(text="stop reason is a list"),
    "refusal in words": Answer(text="refusal in words", finish="refusal"),
    "two texts": Answer(text="One, two"),
    "thinking": Answer(text="Hello", reasoning="Hm."),
    "no usage": Answer(text="no usage"),
    "usage is text": Answer(text="usage is text"),
    "echo": Answer(text="Bearer *** Bearer%20*** Bearer%20***", reasoning="Bearer *** Bearer%20*** Bearer%20***"),
}


@pytest.mark.parametrize(("behaviour", "expected"), GOOD.items(), ids=GOOD)
def test_an_answer_is_an_answer_whatever_is_odd_about_the_rest(
    server: ChatServer, images: Blobs, behaviour: str, expected: Answer
) -> None:
    assert reply(server, images, chat(behaviour)).result == expected


def test_every_behaviour_of_the_server_is_tested() -> None:
    assert {*MENDED, *FAILED, *GOOD, "well", "stall", "drip"} == set(MESSAGES)


def test_a_refusal_that_was_paid_for_is_counted(server: ChatServer, images: Blobs) -> None:
    found = reply(server, images, chat("refusal"))
    assert found.result == Failure(error="refused", message="No.")
    assert (found.tokens_in, found.tokens_out) == (9, 5)


def test_without_an_address_it_is_anthropic_s_own(images: Blobs, tmp_path: Path) -> None:
    backend = reach(known(), images, tmp_path)
    assert isinstance(backend, Anthropic)
    assert [endpoint.address for endpoint in backend._pool.endpoints] == [ADDRESS]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
blocks = st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "thinking", "tool_use"]) | json_values},
    optional={"text": json_values, "thinking": json_values},
)
documents = json_values | st.fixed_dictionaries(
    {"content": st.lists(blocks) | json_values},
    optional={
        "stop_reason": st.sampled_from(["refusal", "max_tokens"]) | json_values,
        "stop_details": json_values,
        "error": json_values,
        "usage": json_values | st.fixed_dictionaries({"input_tokens": json_values, "output_tokens": json_values}),
    },
)


@given(status=st.integers(100, 599) | st.just(200), document=documents)
def test_whatever_a_server_sends_is_read(status: int, document: object) -> None:
    found = read(known(key=None), status, document)
    if isinstance(found, Reply):
        assert Reply.model_validate_json(found.model_dump_json()) == found
    else:
        assert Failure(error=found.word, message=found.message).model_dump_json()
