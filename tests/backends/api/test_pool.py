"""The pool of requests: as many as the servers bear, at the pace allowed, and nothing taken is lost. The servers here are
functions; those in test_openai.py are real."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.backends import Asked
from pipeline.backends.api.endpoint import Patience
from pipeline.backends.api.pool import Pool, Send
from pipeline.backends.api.trouble import Trouble
from pipeline.backends.openai import OpenAI
from pipeline.doors.blobs import Blobs
from pipeline.models import Model
from pipeline.requests import Answer, Chat, Failure, Message, Reply
from tests.servers import ChatServer

QUICK = Patience(first=0.002, longest=0.01, pause=0.01)
DEAD = Trouble("unreachable", "nobody is there")
BUSY = Trouble("rate_limit", "429: not so fast", 429)


def chat(number: int, **settings: Any) -> Asked:
    return Asked(
        f"{number:032x}", Chat(model="far", messages=(Message(role="user", text=f"Question {number}"),), **settings)
    )


def chats(count: int, taken: list[int] | None = None) -> Iterator[Asked]:
    for number in range(count):
        if taken is not None:
            taken.append(number)
        yield chat(number)


def number(asked: Asked) -> int:
    return int(asked.id, 16)


def well(asked: Asked, **counts: int) -> Reply:
    return Reply(result=Answer(text=str(number(asked))), **counts)


def pool(*addresses: str, patience: Patience = QUICK, **settings: Any) -> Pool:
    known = {"backend": "openai", "served_as": "vlm", "revision": "1", "concurrency": 8, "timeout": 5.0} | settings
    return Pool(Model(name="far", base_url=addresses or "http://far", **known), patience)


def ask(pool: Pool, asked: Iterator[Asked], send: Send) -> list[tuple[int, Reply]]:
    async def all_of_them() -> list[tuple[int, Reply]]:
        return [(number(one), reply) async for one, reply in pool.replies(asked, send)]

    return asyncio.run(asyncio.wait_for(all_of_them(), 60))


def errors(found: list[tuple[int, Reply]]) -> Counter[str]:
    return Counter(reply.result.error for _, reply in found if isinstance(reply.result, Failure))


class Counting:
    """A server that answers after a moment, and remembers."""

    def __init__(self, answer: Callable[[str, Asked], Reply | Trouble] = lambda _, asked: well(asked)) -> None:
        self._answer = answer
        self.sent: list[tuple[str, int]] = []
        self.times = [time.monotonic()]
        self.under_way = self.most = 0

    async def __call__(self, address: str, asked: Asked) -> Reply | Trouble:
        self.sent.append((address, number(asked)))
        self.times.append(time.monotonic())
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await asyncio.sleep(0.001)
            return self._answer(address, asked)
        finally:
            self.under_way -= 1


def test_each_request_gets_its_own_reply_and_no_more_than_allowed_are_under_way() -> None:
    server = Counting()
    found = ask(pool(), chats(200), server)
    assert sorted(n for n, _ in found) == list(range(200))
    assert all(reply == well(chat(n)) for n, reply in found)
    assert server.most == 8


def test_what_may_pass_is_asked_again_and_what_may_not_is_not() -> None:
    tried = Counter[int]()

    def flaky(_: str, asked: Asked) -> Reply | Trouble:
        tried[number(asked)] += 1
        if number(asked) == 3:
            return Trouble("bad_request", "400: no", 400)
        return well(asked) if tried[number(asked)] > 2 else Trouble("server", "500: once more", 500)

    found = ask(pool(patience=Patience(first=0.001, failures=1000)), chats(20), Counting(flaky))
    assert errors(found) == {"bad_request": 1}
    assert tried == Counter(dict.fromkeys(range(20), 3)) - Counter({3: 2})


def test_a_server_that_bears_less_is_sent_less_and_nothing_is_lost() -> None:
    outcomes = []

    def narrow(_: str, asked: Asked) -> Reply | Trouble:
        outcomes.append(server.under_way <= 8)
        return well(asked) if outcomes[-1] else BUSY

    server = Counting(narrow)
    far = pool(concurrency=64)
    found = ask(far, chats(2000), server)
    assert len(found) == 2000
    assert not errors(found)
    late = outcomes[len(outcomes) // 2 :]
    assert late.count(False) < 0.1 * len(late)
    assert 2 < far.endpoints[0].limit < 16


def test_what_a_busy_server_taught_is_known_to_the_next_call() -> None:
    far = pool(concurrency=64)
    server = Counting(lambda _, asked: well(asked) if server.under_way <= 8 else BUSY)
    ask(far, chats(500), server)
    limit = far.endpoints[0].limit
    server.most = 0
    ask(far, chats(20), server)
    assert server.most <= limit + 2


def test_a_real_server_that_turns_away_what_is_too_much_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with ChatServer() as server:
        server.capacity, server.pause = 8, 0.02
        model = Model(name="far", backend="openai", served_as="vlm", revision="1", base_url=server.url, concurrency=32)

        async def all_of_them() -> list[Reply]:
            return [reply async for _, reply in OpenAI(model, Blobs(tmp_path), QUICK).replies(chats(600))]

        found = asyncio.run(asyncio.wait_for(all_of_them(), 60))
    assert Counter(reply.result.kind for reply in found) == {"chat": 600}
    assert server.most_under_way <= 8
    assert len([well for well in server.turned_away if well > 300]) < 45


def test_retry_after_keeps_everybody_away_from_the_server() -> None:
    told = []

    def once(_: str, asked: Asked) -> Reply | Trouble:
        if told:
            return well(asked)
        told.append(time.monotonic())
        return BUSY._replace(retry_after=0.3)

    server = Counting(once)
    found = ask(pool(concurrency=1), chats(5), server)
    assert len(found) == 5
    assert not errors(found)
    assert server.times[2] - told[0] >= 0.3


def test_retry_after_is_believed_up_to_a_limit() -> None:
    server = Counting(lambda _, asked: well(asked) if len(server.sent) > 1 else BUSY._replace(retry_after=1e9))
    found = ask(pool(patience=Patience(first=0.001, stay_away=0.05)), chats(1), server)
    assert not errors(found)


def test_no_more_requests_a_minute_than_the_provider_allows() -> None:
    server = Counting()
    ask(pool(requests_per_minute=1200, concurrency=64), chats(30), server)  # 20 a second, and a second's worth at once
    assert server.times[-1] - server.times[0] >= (30 - 1 - 20) * 0.05 - 0.001


def test_no_more_tokens_a_minute_than_the_provider_allows() -> None:
    server = Counting(lambda _, asked: well(asked, tokens_in=100, tokens_out=100))
    asked = (chat(n, max_tokens=1000) for n in range(13))
    ask(pool(tokens_per_minute=60_000, concurrency=1), asked, server)  # 1,000 a second; 200 a request, as it turns out
    assert server.times[-1] - server.times[0] >= (12 * 200 - 1000 - 1000) / 1000


def test_an_address_that_does_not_answer_is_left_alone_and_the_rest_is_not_asked(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING, "tetrad")
    taken: list[int] = []
    server = Counting(lambda *_: DEAD)
    found = ask(pool("http://user:secret@far:8000/v1"), chats(1000, taken), server)
    assert sorted(n for n, _ in found) == taken
    assert errors(found) == {"unreachable": len(taken)}
    assert len(taken) <= 16
    assert len(server.sent) <= 8 + 8 + QUICK.probes
    assert [r.message.partition(" (")[0] for r in caplog.records] == [
        "far at far:8000/v1 does not answer",
        "far at far:8000/v1 still does not answer",
    ]
    assert "secret" not in caplog.text


def test_an_address_that_comes_back_is_asked_on(caplog: pytest.LogCaptureFixture) -> None:
    server = Counting(lambda _, asked: DEAD if len(server.sent) <= 9 else well(asked))
    found = ask(pool(), chats(100), server)
    assert len(found) == 100
    assert not errors(found)
    assert "far at far answers again" in caplog.text


def test_an_address_that_was_given_up_gets_another_chance_with_the_next_call() -> None:
    far = pool()
    ask(far, chats(50), Counting(lambda *_: DEAD))
    assert far.endpoints[0].given_up
    assert not errors(ask(far, chats(50), Counting()))


def test_a_server_that_refuses_everything_for_haste_is_given_up_too() -> None:
    taken: list[int] = []
    found = ask(pool(), chats(1000, taken), Counting(lambda *_: BUSY))
    assert errors(found) == {"rate_limit": len(taken)}
    assert len(taken) < 100


def test_where_there_is_no_access_little_is_asked(caplog: pytest.LogCaptureFixture) -> None:
    taken: list[int] = []
    found = ask(pool(), chats(1000, taken), Counting(lambda *_: Trouble("no_access", "401: who are you?", 401)))
    assert errors(found) == {"no_access": len(taken)}
    assert len(taken) <= 16
    assert [r.message for r in caplog.records] == [
        "far at far gives no access ('401: who are you?'); what is left for it stays owed"
    ]


def test_a_bad_request_now_and_then_gives_nobody_up() -> None:
    server = Counting(lambda _, asked: Trouble("bad_request", "400: no", 400) if number(asked) % 2 else DEAD if len(server.sent) % 7 == 0 else well(asked))  # fmt: skip
    found = ask(pool(), chats(300), server)
    assert len(found) == 300
    assert errors(found)["bad_request"] == 150


def test_of_two_replicas_one_dies_and_the_other_answers_all() -> None:
    def half(address: str, asked: Asked) -> Reply | Trouble:
        return DEAD if address == "http://one" and len(server.sent) > 40 else well(asked)

    server = Counting(half)
    found = ask(pool("http://one", "http://two"), chats(400), server)
    assert sorted(n for n, _ in found) == list(range(400))
    assert not errors(found)
    sent = Counter(address for address, _ in server.sent)
    assert 5 < sent["http://one"] < 60
    assert server.most == 16


def test_a_replica_without_access_costs_no_request_its_answer() -> None:
    server = Counting(
        lambda address, asked: Trouble("no_access", "404", 404) if address == "http://one" else well(asked)
    )
    found = ask(pool("http://one", "http://two"), chats(100), server)
    assert len(found) == 100
    assert not errors(found)


def test_an_attempt_that_takes_too_long_is_a_timeout() -> None:
    async def never(_: str, __: Asked) -> Reply:
        await asyncio.sleep(60)
        raise AssertionError

    assert errors(ask(pool(timeout=0.01), chats(1), never)) == {"timeout": 1}


class Held(Iterator[Asked]):
    """Requests of which only two may be under way: the third is given when a reply came."""

    def __init__(self, count: int) -> None:
        self.left, self.free, self.asked_for_nothing = list(range(count)), 2, 0

    def __next__(self) -> Asked:
        if not self.left or not self.free:
            self.asked_for_nothing += 1
            raise StopIteration
        self.free -= 1
        return chat(self.left.pop(0))


def test_requests_that_are_held_back_for_a_while_are_asked_for_again() -> None:
    feed, found = Held(20), []

    async def all_of_them() -> None:
        async for asked, _ in pool().replies(feed, Counting()):
            found.append(number(asked))
            feed.free += 1

    asyncio.run(asyncio.wait_for(all_of_them(), 60))
    assert sorted(found) == list(range(20))
    assert feed.asked_for_nothing <= 21


def test_what_is_under_way_is_finished_when_the_requests_end() -> None:
    wanted = [True]
    taken: list[int] = []
    found = []

    async def all_of_them() -> None:
        feed = (one for one in chats(1000, taken) if wanted[0])
        async for asked, _ in pool().replies(iter(lambda: next(feed) if wanted[0] else None, None), Counting()):
            found.append(number(asked))
            wanted[0] = len(found) < 20

    asyncio.run(asyncio.wait_for(all_of_them(), 60))
    assert sorted(found) == taken
    assert len(found) <= 40


def test_who_stops_listening_leaves_nothing_under_way() -> None:
    server = Counting()

    async def one() -> int:
        replies = pool().replies(chats(1000), server)
        async for _ in replies:
            break
        await replies.aclose()
        return server.under_way

    assert asyncio.run(one()) == 0


def test_who_comes_back_after_leaving_is_served_as_before() -> None:
    far, server = pool(), Counting()

    async def twice() -> list[int]:
        replies = far.replies(chats(1000), server)
        async for _ in replies:
            break
        await replies.aclose()
        return [number(one) async for one, _ in far.replies(chats(50), server)]

    assert sorted(asyncio.run(asyncio.wait_for(twice(), 60))) == list(range(50))


def test_an_error_of_our_own_comes_out() -> None:
    async def wrong(_: str, __: Asked) -> Reply:
        raise KeyError("ours")

    with pytest.raises(KeyError, match="ours"):
        ask(pool(), chats(10), wrong)
