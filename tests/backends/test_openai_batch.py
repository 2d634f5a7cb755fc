"""The Batch API: files up, batches polled, files down; and whatever happens between, no request is in two live batches
and every reply meets its request."""

import asyncio
import io
import itertools
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline.backends import Asked, Backend, reach
from pipeline.backends.batch.memory import Batches
from pipeline.backends.openai_batch import OpenAIBatch
from pipeline.doors.blobs import Blobs
from pipeline.errors import UserError
from pipeline.models import Model
from pipeline.requests import Answer, AnyRequest, Chat, Classify, Failure, Message, Reply, request_id
from tests.batches import BatchServer

CANARY = "sk-canary-0123456789abcdef"
SOON: dict[str, Any] = {"interval": 0.02, "patience": 4}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TETRAD_TEST_KEY", CANARY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture(autouse=True)
def told(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """What the user hears; never the key."""
    with caplog.at_level(logging.INFO, "tetrad"):
        yield caplog
    assert CANARY not in caplog.text


@pytest.fixture
def server() -> Iterator[BatchServer]:
    with BatchServer() as running:
        yield running


@pytest.fixture
def images(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "images")


def picture(images: Blobs, red: int) -> str:
    data = io.BytesIO()
    Image.new("RGB", (8, 8), (red, 0, 0)).save(data, "PNG")
    return images.keep(data.getvalue())


def model(server: BatchServer, **options: object) -> Model:
    return Model(
        name="org/far", backend="openai", served_as="vlm", revision="1", base_url=server.url, key="TETRAD_TEST_KEY",
        batch=True, options=SOON | options,
    )  # fmt: skip


def chat(text: str, *pictures: str, **parameters: Any) -> Chat:
    return Chat(model="org/far", messages=(Message(role="user", text=text, images=pictures),), **parameters)


def asking(server: BatchServer, requests: Iterable[AnyRequest]) -> Iterator[Asked]:
    return (Asked(request_id(r, model(server).identity), r) for r in requests)


def backend(server: BatchServer, images: Blobs, **options: int) -> OpenAIBatch:
    return OpenAIBatch(model(server, **options), images, images.folder.parent)


async def collect(asked: Backend, feed: Iterator[Asked], most: int | None = None) -> list[tuple[Asked, Reply]]:
    """All replies, or the first of them."""
    async with aclosing(asked.replies(feed)) as replies:
        found: list[tuple[Asked, Reply]] = []
        async for pair in replies:
            found.append(pair)
            if len(found) == most:
                break
    return found


def ask(server: BatchServer, asked: Backend, *texts: str | AnyRequest) -> dict[str, Reply]:
    """Text of a request to its reply: one each, and none holds the key."""
    feed = asking(server, [chat(t) if isinstance(t, str) else t for t in texts])
    found = asyncio.run(asyncio.wait_for(collect(asked, feed), 30))
    assert CANARY not in ascii(found)
    by_text = {one.request.messages[0].text if isinstance(one.request, Chat) else "": r for one, r in found}
    assert len(by_text) == len(found)
    return by_text


def failure(reply: Reply) -> Failure:
    assert isinstance(reply.result, Failure)
    return reply.result


def answers(found: dict[str, Reply]) -> dict[str, str]:
    """Text to the text of its answer; failures are left out."""
    return {text: r.result.text for text, r in found.items() if isinstance(r.result, Answer)}


def test_each_reply_meets_its_request(server: BatchServer, images: Blobs, told: pytest.LogCaptureFixture) -> None:
    red, dark = picture(images, 255), picture(images, 50)
    asked = backend(server, images)
    found = ask(
        server, asked, chat("plain", temperature=0.7, max_tokens=9), chat("shown", red), chat("both", red, dark)
    )
    assert answers(found) == {"plain": "plain", "shown": f"{red} shown", "both": f"{red} {dark} both"}
    reply = found["plain"]
    assert (reply.answered_by, reply.provider_id, reply.tokens_in, reply.tokens_out) == ("vlm-0613", "chatcmpl-1", 7, 5)
    (body,) = [b for b in server.bodies.values() if b["messages"][0]["content"] == "plain"]
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("vlm", 0.7, 9)
    assert "org/far: batch batch_0: completed, 3 of 3 answered, 0 failed" in told.messages
    assert [p.name for p in images.folder.parent.iterdir()] == ["images", "batches"], "the file of requests is gone"


def test_a_setting_chooses_it(server: BatchServer, images: Blobs) -> None:
    batch = model(server)
    direct = batch.model_copy(update={"batch": False})
    assert isinstance(reach(batch, images, images.folder.parent), OpenAIBatch)
    assert not isinstance(reach(direct, images, images.folder.parent), OpenAIBatch)
    assert batch.identity == direct.identity


def test_batches_are_split_by_count(server: BatchServer, images: Blobs) -> None:
    texts = [f"question {n}" for n in range(10)]
    found = ask(server, backend(server, images, requests=4), *texts)
    assert answers(found) == {t: t for t in texts}
    assert [count for count, _ in server.sizes] == [4, 4, 2]


def test_batches_are_split_by_bytes(server: BatchServer, images: Blobs) -> None:
    texts = [f"question {n} {'x' * 700}" for n in range(10)]
    found = ask(server, backend(server, images, bytes=4000), *texts, "large " + "x" * 4000)
    assert answers(found) == {t: t for t in texts}
    assert failure(found["large " + "x" * 4000]).error == "too_long"
    assert len(server.sizes) > 2
    assert max(size for _, size in server.sizes) <= 4000
    assert set(server.seen.values()) == {1}


def test_no_more_is_held_than_the_limit(server: BatchServer, images: Blobs) -> None:
    feed = asking(server, (chat(f"question {n}") for n in range(9)))
    waiting: list[int] = []

    async def count() -> int:
        got = 0
        async with aclosing(backend(server, images, requests=2, under_way=4).replies(feed)) as replies:
            async for _ in replies:
                waiting.append(server.seen.total() - got)
                got += 1
        return got

    assert asyncio.run(asyncio.wait_for(count(), 30)) == 9
    assert max(waiting) == 4


def test_what_cannot_be_sent_is_a_failure_of_its_own(server: BatchServer, images: Blobs) -> None:
    found = ask(
        server, backend(server, images), chat("gone", "0" * 64), "fine", Classify(model="org/far", context="", text="")
    )
    assert failure(found["gone"]).error == "unreadable_image"
    assert failure(found[""]).error == "bad_request"
    assert answers(found) == {"fine": "fine"}


def test_lines_that_fail_are_failures_and_the_others_answers(server: BatchServer, images: Blobs) -> None:
    found = ask(server, backend(server, images), "bad: a", "busy: b", "fine")
    assert (failure(found["bad: a"]).error, failure(found["busy: b"]).error) == ("bad_request", "server")
    assert "it asked for it" in failure(found["bad: a"]).message
    assert answers(found) == {"fine": "fine"}


def test_spoiled_results_cost_only_their_own_lines(
    server: BatchServer, images: Blobs, told: pytest.LogCaptureFixture
) -> None:
    found = ask(
        server, backend(server, images), "torn: a", "missing: b", "no code: c", "doubled: d", "separators: e",
        "cut in half: f", "fine",
    )  # fmt: skip
    assert {text for text, r in found.items() if isinstance(r.result, Failure)} == {
        "torn: a",
        "missing: b",
        "no code: c",
    }
    assert all(failure(found[text]).owed for text in ("torn: a", "missing: b", "no code: c"))
    assert found["separators: e"].result == Answer(text="one\u2028two\x85three\x0bfour")
    assert found["cut in half: f"].result == Answer(text="cut in half: f\ufffd")
    assert "org/far: batch batch_0: 1 lines of its results cannot be read" in told.messages


def test_what_stays_owed_is_asked_anew_by_the_next_run(server: BatchServer, images: Blobs) -> None:
    first = backend(server, images)
    ask(server, first, "busy: b", "fine")
    first.close()
    ask(server, backend(server, images), "busy: b")
    assert sorted(server.seen.values()) == [1, 2]


def test_what_expired_is_asked_again_and_what_was_answered_is_not(server: BatchServer, images: Blobs) -> None:
    found = ask(server, backend(server, images), "expires once: a", "fine", "expires once: b")
    assert answers(found) == {t: t for t in ("expires once: a", "fine", "expires once: b")}
    assert server.sizes[1][0] == 2
    assert sorted(server.seen.values()) == [1, 2, 2]


def test_a_batch_that_expires_without_one_answer_is_not_tried_for_ever(server: BatchServer, images: Blobs) -> None:
    found = ask(server, backend(server, images), "expires: a")
    assert failure(found["expires: a"]).error == "timeout"
    assert len(server.batches) == 1


def test_a_cancelled_batch_gives_what_it_has(server: BatchServer, images: Blobs) -> None:
    server.fates = deque(["cancelled"])
    found = ask(server, backend(server, images), "missing: a", "fine")
    assert answers(found) == {"fine": "fine"}
    assert failure(found["missing: a"]).owed
    assert "cancelled" in failure(found["missing: a"]).message


def test_a_batch_that_is_not_valid_names_the_line_and_no_more_are_sent(
    server: BatchServer, images: Blobs, told: pytest.LogCaptureFixture
) -> None:
    server.fates = deque(["failed"] * 2)
    server.errors = [{"code": "invalid_request", "message": "No such model.", "line": 2, "param": None}]
    feed = asking(server, [chat(f"question {n}") for n in range(9)])
    names = [one.id for one in asking(server, [chat(f"question {n}") for n in range(2)])]
    found = asyncio.run(collect(backend(server, images, requests=2, under_way=2), feed))
    assert {failure(r).error for _, r in found} == {"server"}
    assert f"No such model. (line 2: {names[1]})" in failure(found[0][1]).message
    assert "No such model." in told.text
    assert len(found) == 2
    assert next(feed, None), "the rest is not even taken"


def test_what_failed_in_an_earlier_run_is_tried_once_more(server: BatchServer, images: Blobs) -> None:
    server.fates = deque(["failed"])
    server.held = True
    stop_early(server, backend(server, images), "a", "b")
    server.held = False
    assert answers(ask(server, backend(server, images), "a", "b")) == {"a": "a", "b": "b"}


def stop_early(server: BatchServer, asked: Backend, *texts: str) -> None:
    """Leave as soon as the server was asked how a batch stands."""

    async def leave() -> None:
        task = asyncio.create_task(collect(asked, asking(server, map(chat, texts))))
        while not any(call.startswith("GET") for call in server.calls):
            await asyncio.wait([task], timeout=0.01)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(leave())


def test_who_leaves_finds_the_batches_again(server: BatchServer, images: Blobs) -> None:
    server.held = True
    stop_early(server, backend(server, images, requests=2), "a", "b", "c")
    server.held = False
    assert answers(ask(server, backend(server, images), "a", "b", "c", "new")) == {t: t for t in ("a", "b", "c", "new")}
    assert set(server.seen.values()) == {1}
    assert not [call for call in server.calls if "cancel" in call]


def test_who_asks_for_less_leaves_the_rest_to_be_collected(server: BatchServer, images: Blobs) -> None:
    server.held = True
    stop_early(server, backend(server, images), "a", "b", "busy: c")
    server.held = False
    for texts in (["a"], ["b"], ["busy: c"]):
        asked = backend(server, images)
        assert set(ask(server, asked, *texts)) == set(texts)
        asked.close()
    assert set(server.seen.values()) == {1}


def test_who_leaves_amid_the_results_has_the_rest_later(server: BatchServer, images: Blobs) -> None:
    texts = [f"question {n}" for n in range(6)]
    first = asyncio.run(collect(backend(server, images), asking(server, map(chat, texts)), most=2))
    had = {one.request.messages[0].text for one, _ in first if isinstance(one.request, Chat)}
    rest = [t for t in texts if t not in had]
    assert answers(ask(server, backend(server, images), *rest)) == {t: t for t in rest}
    assert len(rest) == 4
    assert set(server.seen.values()) == {1}


def test_a_batch_whose_answer_was_lost_is_found_by_its_token(server: BatchServer, images: Blobs) -> None:
    server.mute = 1
    assert answers(ask(server, backend(server, images), "a")) == {"a": "a"}
    assert set(server.seen.values()) == {1}


def test_a_kill_between_making_and_noting_sends_nothing_twice(server: BatchServer, images: Blobs) -> None:
    server.held = True
    stop_early(server, backend(server, images), "a", "b")
    (path,) = (images.folder.parent / "batches").iterdir()
    intent, _ = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(intent)
    server.held = False
    assert answers(ask(server, backend(server, images), "a", "b")) == {"a": "a", "b": "b"}
    assert set(server.seen.values()) == {1}


def test_a_batch_that_was_never_made_is_made_after_all(server: BatchServer, images: Blobs) -> None:
    server.refusals = {"POST batches": deque([(500, "oh")])}
    assert answers(ask(server, backend(server, images), "a")) == {"a": "a"}
    assert set(server.seen.values()) == {1}


SCRIPT = """
import asyncio, sys
from pathlib import Path
from pipeline.backends import Asked
from pipeline.backends.openai_batch import OpenAIBatch
from pipeline.doors.blobs import Blobs
from pipeline.models import Model
from pipeline.requests import Chat, Message, request_id

folder, model = Path(sys.argv[1]), Model.model_validate_json(sys.argv[2])

async def ask():
    requests = [Chat(model=model.name, messages=(Message(role="user", text=t),)) for t in sys.argv[3:]]
    feed = iter([Asked(request_id(r, model.identity), r) for r in requests])
    backend = OpenAIBatch(model, Blobs(folder / "images"), folder)
    async for _ in backend.replies(feed):
        pass

asyncio.run(ask())
"""


@pytest.mark.parametrize("call", ["POST /v1/files", "POST /v1/batches", "GET /v1/batches/batch_1"])
def test_a_killed_run_goes_on_where_it_was(server: BatchServer, images: Blobs, call: str) -> None:
    server.held = True
    texts = [f"question {n}" for n in range(5)]
    command = [sys.executable, "-c", SCRIPT, images.folder.parent, model(server, requests=2).model_dump_json(), *texts]
    process = subprocess.Popen(command, env=os.environ | {"TETRAD_TEST_KEY": CANARY})
    try:
        while call not in server.calls:
            assert process.poll() is None
            time.sleep(0.002)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    server.held = False
    assert answers(ask(server, backend(server, images), *texts)) == {t: t for t in texts}
    assert server.seen.total() == 5
    assert set(server.seen.values()) == {1}


def test_a_download_that_breaks_off_is_begun_again(server: BatchServer, images: Blobs) -> None:
    server.cuts = 2
    texts = [f"question {n}" for n in range(20)]
    assert answers(ask(server, backend(server, images), *texts)) == {t: t for t in texts}
    assert set(server.seen.values()) == {1}


def test_results_that_are_gone_stay_owed_and_are_asked_anew(server: BatchServer, images: Blobs) -> None:
    server.held = True
    stop_early(server, backend(server, images), "a", "b")
    server.held = False
    server.refusals = {"GET files": deque([(404, "no such file")])}
    asked = backend(server, images)
    assert {failure(r).owed for r in ask(server, asked, "a", "b").values()} == {True}
    asked.close()
    assert answers(ask(server, backend(server, images), "a", "b")) == {"a": "a", "b": "b"}
    assert set(server.seen.values()) == {2}


def test_a_batch_that_this_key_does_not_know_is_not_paid_for_again(server: BatchServer, images: Blobs) -> None:
    server.held = True
    stop_early(server, backend(server, images), "a")
    kept, server.batches, server.held = server.batches, {}, False
    found = ask(server, backend(server, images), "a", "b")
    assert failure(found["a"]).error == "no_access"
    assert "left for another run" in failure(found["a"]).message
    assert answers(found) == {"b": "b"}
    server.batches = kept
    assert answers(ask(server, backend(server, images), "a")) == {"a": "a"}


def test_a_batch_older_than_its_results_is_given_up(server: BatchServer, images: Blobs) -> None:
    (one,) = asking(server, [chat("a")])
    folder = images.folder.parent / "batches"
    folder.mkdir(mode=0o700)
    lines = [{"token": "t", "at": time.time() - 40 * 86400, "asks": [one.id]}, {"token": "t", "name": "batch_gone"}]
    (folder / "org%2Ffar.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert answers(ask(server, backend(server, images), "a")) == {"a": "a"}


@pytest.mark.parametrize("call", ["POST files", "POST batches", "GET batches", "GET files"])
def test_too_many_calls_are_made_again_later(server: BatchServer, images: Blobs, call: str) -> None:
    server.refusals = {call: deque([(429, "slow down")] * 4)}
    assert answers(ask(server, backend(server, images), "a")) == {"a": "a"}
    assert set(server.seen.values()) == {1}


@pytest.mark.parametrize(
    ("status", "word"),
    [(302, "no_access"), (401, "no_access"), (400, "no_access"), (404, "no_access"), (500, "server")],
)
@pytest.mark.parametrize("call", ["POST files", "POST batches"])
def test_who_lets_nobody_in_is_not_asked_on(
    server: BatchServer, images: Blobs, call: str, status: int, word: str
) -> None:
    server.refusals = {call: deque([(status, f"not you, {CANARY}")] * 100)}
    feed = asking(server, [chat(f"question {n}") for n in range(9)])
    found = asyncio.run(collect(backend(server, images, requests=2), feed))
    assert {failure(r).error for _, r in found} == {word}
    assert all(failure(r).owed for _, r in found)
    assert CANARY not in ascii(found)
    assert len(found) < 9
    assert next(feed, None), "the rest is not even taken"


def test_a_key_that_is_taken_back_leaves_the_batches_noted(server: BatchServer, images: Blobs) -> None:
    server.refusals = {"GET batches": deque([(401, "not you")])}
    assert failure(ask(server, backend(server, images), "a")["a"]).error == "no_access"
    assert answers(ask(server, backend(server, images), "a")) == {"a": "a"}
    assert set(server.seen.values()) == {1}


def test_a_full_queue_is_waited_for(server: BatchServer, images: Blobs) -> None:
    server.queue = 4
    texts = [f"question {n}" for n in range(10)]
    assert answers(ask(server, backend(server, images, requests=4), *texts)) == {t: t for t in texts}
    assert set(server.seen.values()) == {1}


def test_a_queue_too_small_for_a_batch_gets_smaller_ones(server: BatchServer, images: Blobs) -> None:
    server.queue = 3
    texts = [f"question {n}" for n in range(10)]
    assert answers(ask(server, backend(server, images), *texts)) == {t: t for t in texts}
    assert max(count for count, _ in server.sizes) <= 3


def test_a_queue_with_no_room_at_all_leaves_all_owed(server: BatchServer, images: Blobs) -> None:
    server.queue = 0
    found = ask(server, backend(server, images), "a", "b")
    assert {failure(r).error for r in found.values()} == {"rate_limit"}


def test_a_server_that_says_little_is_understood(server: BatchServer, images: Blobs) -> None:
    server.sparse = True
    found = ask(server, backend(server, images), "bad: a", "fine")
    assert answers(found) == {"fine": "fine"}
    server.fates = deque(["failed"])
    assert "failed" in failure(ask(server, backend(server, images), "more")["more"]).message


@pytest.mark.parametrize("options", [{"interval": 0}, {"polite": True}, {"requests": "all"}])
def test_a_wrong_option_is_said_at_once(server: BatchServer, images: Blobs, options: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=f"org/far: options: {next(iter(options))}"):
        backend(server, images, **options)


def test_a_feed_that_pauses_is_asked_again(server: BatchServer, images: Blobs) -> None:
    class Paused(Iterator[Asked]):
        """Gives one at a time, as a budget may."""

        def __init__(self, requests: Iterable[Asked]) -> None:
            self._requests = iter(requests)
            self._turn = itertools.count()

        def __next__(self) -> Asked:
            if next(self._turn) % 2:
                raise StopIteration
            return next(self._requests)

    feed = Paused(asking(server, [chat(t) for t in "abc"]))
    found = asyncio.run(asyncio.wait_for(collect(backend(server, images), feed), 30))
    assert len(found) == 3
    assert [count for count, _ in server.sizes] == [1, 1, 1]


def test_what_was_handed_over_once_is_not_handed_over_again_in_the_same_process(
    server: BatchServer, images: Blobs
) -> None:
    asked = backend(server, images)
    assert answers(ask(server, asked, "a")) == {"a": "a"}
    assert failure(ask(server, asked, "busy: a")["busy: a"]).owed
    ask(server, asked, "busy: a")
    assert sorted(server.seen.values()) == [1, 2]


NAMES = [f"{n:032x}" for n in range(6)]
acts = st.tuples(
    st.sampled_from(["intend", "named", "given", "forget", "settle"]), st.sets(st.sampled_from(NAMES), min_size=1)
)


def note(batches: Batches, act: str, ids: set[str]) -> None:
    mine = batches.of(min(ids))
    if act == "intend":
        batches.intend(sorted(ids))
    elif act == "settle":
        batches.settle()
    elif mine:
        {"named": lambda: batches.named(mine, "x"), "given": lambda: batches.given(mine, min(ids)),
         "forget": lambda: batches.forget(mine)}[act]()  # fmt: skip


@given(st.lists(acts))
@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_after_a_kill_the_notes_know_all_that_was_owed(tmp_path: Path, done: list[tuple[str, set[str]]]) -> None:
    (tmp_path / "batches" / "m.jsonl").unlink(missing_ok=True)
    batches = Batches(tmp_path, "m")
    for act, ids in done:
        note(batches, act, ids)
    owed = {name: mine for name in NAMES if (mine := batches.of(name))}
    killed = Batches(tmp_path, "m")
    assert {n: killed.of(n) and killed.of(n).token for n in owed} == {n: mine.token for n, mine in owed.items()}  # type: ignore[union-attr]
    assert {killed[m.token].name == m.name and killed[m.token].asks == m.asks for m in owed.values()} <= {True}
    killed.close()
    batches.close()
    settled = Batches(tmp_path, "m")
    assert {n for n in NAMES if settled.of(n)} == owed.keys()
    settled.close()
