"""Engines in a child process: requests and replies cross the pipe, and the child ends when it should."""

import asyncio
import contextlib
import gc
import multiprocessing
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from pipeline.backends import Asked
from pipeline.backends.engines.child import Child, Engine
from pipeline.doors.blobs import Blobs
from pipeline.errors import UserError
from pipeline.models import Model
from pipeline.requests import Answer, Chat, Failure, Message, Reply

CAN = frozenset({"chat"})


class Echo:
    """Answers with the question and the child's process id, the last request first, two at a time."""

    window = 6

    def __init__(self, model: Model, images: Blobs) -> None:
        self.model = model
        self.images = images
        self.waiting: list[Asked] = []

    def add(self, asked: Asked) -> None:
        self.waiting.append(asked)
        assert len(self.waiting) <= self.window

    def finished(self) -> list[tuple[str, Reply]]:
        ready = [self.waiting.pop() for _ in range(min(2, len(self.waiting)))]
        return [(one.id, self.reply(one)) for one in ready]

    def reply(self, asked: Asked) -> Reply:
        assert isinstance(asked.request, Chat)
        return Reply(result=Answer(text=asked.request.messages[0].text), answered_by=str(os.getpid()))


class Looks(Echo):
    """Answers with the bytes of the picture."""

    def reply(self, asked: Asked) -> Reply:
        assert isinstance(asked.request, Chat)
        return Reply(result=Answer(text=self.images.read(asked.request.messages[0].images[0]).decode()))


class DiesInTheMiddle(Echo):
    """Answers one at a time, and dies without a word when it comes to what it must not read."""

    def finished(self) -> list[tuple[str, Reply]]:
        time.sleep(0.01)
        one = self.waiting.pop(0)
        if isinstance(one.request, Chat) and "poison" in one.request.messages[0].text:
            self.die()
        return [(one.id, self.reply(one))]

    def die(self) -> None:
        os._exit(1)


class RunsOutOfMemory(DiesInTheMiddle):
    """Answers with the number of its places, and wants too much of the machine."""

    def __init__(self, model: Model, images: Blobs) -> None:
        super().__init__(model, images)
        self.window = model.options.get("max_num_seqs", self.window)

    def die(self) -> None:
        raise MemoryError("of the graphics card")

    def reply(self, asked: Asked) -> Reply:
        return Reply(result=Answer(text=f"{self.window}"), provider_id=asked.id)


class IsKilled(DiesInTheMiddle):
    """Is ended by the system."""

    def die(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class LoadsOnce(DiesInTheMiddle):
    """Cannot be loaded a second time."""

    def __init__(self, model: Model, images: Blobs) -> None:
        super().__init__(model, images)
        (images.folder / "loads").mkdir(parents=True)


class HasHelpers(Echo):
    """Starts a process of its own, as engines on several graphics cards do, and answers with its id."""

    def __init__(self, model: Model, images: Blobs) -> None:
        super().__init__(model, images)
        self.helper = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(60,))
        self.helper.start()

    def reply(self, asked: Asked) -> Reply:
        return Reply(result=Answer(text=str(self.helper.pid)), provider_id=asked.id)


class Stumbles(Echo):
    """Has a bug."""

    def finished(self) -> list[tuple[str, Reply]]:
        print("native words", flush=True)  # noqa: T201
        raise ZeroDivisionError("in the engine")


class DiesAtOnce(Echo):
    """Dies while it loads."""

    def __init__(self, model: Model, images: Blobs) -> None:
        super().__init__(model, images)
        os.write(2, b"Segmentation fault\n")
        os._exit(139)


class NeedsMore(Echo):
    """Knows what is wrong."""

    def __init__(self, model: Model, images: Blobs) -> None:
        super().__init__(model, images)
        raise UserError(f"the model {model.name} needs a graphics card; there is none")


class FindsOutLater(Echo):
    """Knows what is wrong once it works."""

    def finished(self) -> list[tuple[str, Reply]]:
        raise UserError("the graphics card has gone")


class DiesWhenDone(Echo):
    """Answers, and dies before the next request comes."""

    window = 1

    def finished(self) -> list[tuple[str, Reply]]:
        if self.waiting[0].id.endswith("1"):
            os._exit(0)
        return super().finished()


class DiesInTheMiddleOfAReply(Echo):
    """Announces a thousand bytes, sends one, and dies."""

    def finished(self) -> list[tuple[str, Reply]]:
        (pipe,) = [o for o in gc.get_objects() if isinstance(o, Connection) and not o.closed]
        os.write(pipe.fileno(), struct.pack("!i", 1000) + b"x")
        os._exit(1)


class DiesIdle(Echo):
    """Answers the first, then dies while nobody asks."""

    window = 1

    def finished(self) -> list[tuple[str, Reply]]:
        ready = super().finished()
        signal.setitimer(signal.ITIMER_REAL, 0.05)  # SIGALRM ends the process
        return ready


class Busy(Echo):
    """Says who it is, then works for a minute without looking up."""

    def __init__(self, model: Model, images: Blobs) -> None:
        super().__init__(model, images)
        (images.folder / "pid").write_text(str(os.getpid()))
        if model.options.get("loads"):
            time.sleep(60)

    def finished(self) -> list[tuple[str, Reply]]:
        time.sleep(60)
        return []


class SlowToLoad(Echo):
    """Takes its time to load."""

    def __init__(self, model: Model, images: Blobs) -> None:
        super().__init__(model, images)
        time.sleep(1.5)


def model(name: str = "small", **options: object) -> Model:
    return Model(name=name, backend="vllm", served_as="nothing", revision="1", options=options)


def requests(texts: list[str], *pictures: str) -> Iterator[Asked]:
    for n, text in enumerate(texts):
        messages = (Message(role="user", text=text, images=pictures),)
        yield Asked(f"{n:032x}", Chat(model="small", messages=messages))


@contextlib.contextmanager
def patience(seconds: float) -> Iterator[None]:
    """Gives up on what blocks, the event loop included."""

    def give_up(*_: object) -> None:
        raise TimeoutError(f"still waiting after {seconds} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class Opened:
    """A child, and what came out of it."""

    def __init__(self, engine: type[Engine], folder: Path, name: str = "small") -> None:
        self.images = Blobs(folder / "images")
        self.log = folder / "logs" / f"{name}.log"
        self.child = Child(engine, CAN, model(name), self.images, folder / "logs")
        self.came: dict[str, Reply] = {}

    def ask(self, texts: list[str], *pictures: str) -> None:
        async def ask() -> None:
            async with contextlib.aclosing(self.child.replies(requests(texts, *pictures))) as replies:
                async for asked, reply in replies:
                    assert asked.id not in self.came
                    self.came[asked.id] = reply

        self.came = {}
        with patience(30):
            asyncio.run(ask())

    @property
    def texts(self) -> list[str]:
        return [r.result.text for _, r in sorted(self.came.items()) if isinstance(r.result, Answer)]

    @property
    def failures(self) -> dict[int, str]:
        """Number of the request to the failure's word."""
        return {int(n, 16): r.result.error for n, r in self.came.items() if isinstance(r.result, Failure)}

    @property
    def pid(self) -> int:
        (pid,) = {int(reply.answered_by or 0) for reply in self.came.values()}
        return pid


@pytest.fixture
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opened]:
    child = Opened(request.param, tmp_path)
    yield child
    child.child.close()


def with_engine(engine: type[Engine]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("opened", [engine], indirect=True, ids=[engine.__name__])


def is_gone(pid: int, within: float = 5.0) -> bool:
    """Whether a process ends in time; a zombie has ended."""
    until = time.monotonic() + within
    while time.monotonic() < until:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


@with_engine(Echo)
def test_each_request_gets_its_own_reply_from_one_child_that_lives_on(opened: Opened) -> None:
    texts = [f"Question {n}" for n in range(50)]
    opened.ask(texts)
    assert opened.texts == texts
    first = opened.pid
    opened.ask(["One more?"])
    assert (opened.texts, opened.pid) == (["One more?"], first)
    assert first != os.getpid()
    opened.child.close()
    assert is_gone(first)


@with_engine(Echo)
def test_after_closing_the_next_request_starts_a_new_child(opened: Opened) -> None:
    opened.ask(["One?"])
    first = opened.pid
    opened.child.close()
    opened.child.close()
    opened.ask(["Two?"])
    assert (opened.texts, opened.pid != first) == (["Two?"], True)


@with_engine(Echo)
def test_no_requests_bring_no_replies(opened: Opened) -> None:
    opened.ask([])
    assert opened.came == {}


@with_engine(Looks)
def test_the_engine_sees_the_pictures(opened: Opened) -> None:
    opened.ask(["What is this?"], opened.images.keep(b"a crane"))
    assert opened.texts == ["a crane"]


@with_engine(Echo)
def test_requests_and_replies_that_fill_the_pipe_both_ways_do_not_block_each_other(opened: Opened) -> None:
    texts = [f"{n}" * 1_000_000 for n in range(8)]
    opened.ask(texts)
    assert opened.texts == texts


@with_engine(DiesInTheMiddle)
def test_an_engine_that_dies_fails_what_was_under_way_and_a_new_one_is_asked_the_rest(
    opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    texts = [f"Question {n}" for n in range(20)]
    opened.ask([*texts[:7], "poison", *texts[8:]])
    assert opened.failures == dict.fromkeys(range(7, 13), "server")
    assert opened.texts == texts[:7] + texts[13:]
    (said,) = caplog.messages
    assert said == (
        "the engine of small died (without a word): 6 requests under way stay owed, and a new one is asked the rest; "
        f"its words are in {opened.log}"
    )


@with_engine(DiesInTheMiddle)
def test_an_engine_that_dies_again_before_it_answered_much_is_asked_no_more(
    opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    opened.ask(["poison"] * 30)
    assert opened.failures == dict.fromkeys(range(12), "server")
    assert len(caplog.messages) == 2
    assert "and so does the rest: the engine before it died as soon" in caplog.messages[1]


@with_engine(DiesInTheMiddle)
def test_an_engine_that_dies_now_and_then_is_started_anew_as_often_as_it_answers_much(opened: Opened) -> None:
    texts = ["poison" if n % 15 == 14 else "fine" for n in range(60)]
    opened.ask(texts)
    assert len(opened.came) == 60
    assert {n for n, text in enumerate(texts) if text == "poison"} <= opened.failures.keys()
    assert len(opened.failures) <= 24


@with_engine(RunsOutOfMemory)
def test_an_engine_that_ran_out_of_memory_is_started_anew_with_half_the_window(
    opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    opened.ask(["fine", "poison", *["fine"] * 20])
    assert opened.failures == dict.fromkeys(range(1, 7), "out_of_memory")
    assert opened.texts == ["6"] + ["3"] * 15
    assert "small died (MemoryError: of the graphics card): 6 requests" in caplog.text


@with_engine(IsKilled)
def test_an_engine_that_the_system_killed_is_taken_to_have_had_too_little_memory(
    opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    opened.ask(["poison", "fine"])
    assert opened.failures == {0: "out_of_memory", 1: "out_of_memory"}
    assert "killed, as the system does when memory runs out" in caplog.text


@with_engine(LoadsOnce)
def test_an_engine_that_cannot_be_loaded_again_leaves_the_rest_owed(
    opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    opened.ask(["fine"] * 3 + ["poison"] * 20)
    assert opened.texts == ["fine"] * 3
    assert set(opened.failures.values()) == {"server"}
    assert len(opened.came) < 23
    assert "FileExistsError" in caplog.messages[1]


@with_engine(DiesWhenDone)
def test_an_engine_that_dies_between_two_requests_fails_the_second(opened: Opened) -> None:
    opened.ask(["One?", "Two?", "Three?"])
    assert opened.texts == ["One?", "Three?"]
    assert opened.failures == {1: "server"}


@with_engine(DiesInTheMiddleOfAReply)
def test_half_a_reply_is_no_reply(opened: Opened) -> None:
    opened.ask(["One?"])
    assert opened.failures == {0: "server"}


@with_engine(DiesIdle)
def test_an_engine_that_died_while_nobody_asked_is_started_anew(
    opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    opened.ask(["One?"])
    assert is_gone(opened.pid)
    opened.ask(["Two?"])
    assert opened.texts == ["Two?"]
    assert "the engine of small died while idle" in caplog.text


@with_engine(Stumbles)
def test_a_dying_engine_s_last_words_are_in_its_log_for_its_user_alone(
    opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    opened.ask(["One?"])
    assert opened.failures == {0: "server"}
    assert "small died (ZeroDivisionError: in the engine)" in caplog.text
    words = opened.log.read_text()
    assert "native words" in words
    assert words.rstrip().endswith("ZeroDivisionError: in the engine")
    assert opened.log.stat().st_mode & 0o777 == 0o600


@with_engine(RunsOutOfMemory)
def test_an_older_death_in_the_same_log_is_not_taken_for_this_one(opened: Opened) -> None:
    opened.log.write_text("torch.OutOfMemoryError: CUDA out of memory\n")
    opened.child._engine = DiesInTheMiddle
    opened.ask(["poison"])
    assert opened.failures == {0: "server"}


@with_engine(HasHelpers)
def test_an_engine_may_have_processes_of_its_own_and_they_end_with_it(opened: Opened) -> None:
    opened.ask(["Who?"])
    (helper,) = map(int, opened.texts)
    assert not is_gone(helper, within=0.1)
    opened.child.close()
    assert is_gone(helper)


@with_engine(DiesAtOnce)
def test_an_engine_that_dies_while_it_loads_is_one_line(opened: Opened) -> None:
    with pytest.raises(
        UserError, match=r"the engine of small died while it loaded \(Segmentation fault\); its words are in .*; run"
    ):
        opened.ask(["One?"])
    assert opened.log.read_text() == "Segmentation fault\n"


@with_engine(NeedsMore)
def test_what_the_engine_says_the_user_can_mend_is_the_user_s_line(opened: Opened) -> None:
    with pytest.raises(UserError, match=r"^the model small needs a graphics card; there is none$"):
        opened.ask(["One?"])


@with_engine(FindsOutLater)
def test_what_the_engine_says_later_is_the_user_s_line_too(opened: Opened) -> None:
    with pytest.raises(UserError, match=r"^the graphics card has gone$"):
        opened.ask(["One?"])


def test_a_model_named_like_a_repository_has_its_log_in_the_same_folder(tmp_path: Path) -> None:
    opened = Opened(DiesAtOnce, tmp_path, "Qwen/Qwen2.5-VL-7B")
    with pytest.raises(
        UserError, match=r"the engine of Qwen/Qwen2.5-VL-7B died .* its words are in (.*); run again"
    ) as error:
        opened.ask(["One?"])
    (log,) = (tmp_path / "logs").iterdir()
    assert f"its words are in {log};" in str(error.value)


@pytest.mark.parametrize("loads", [True, False], ids=["loading", "working"])
def test_breaking_off_ends_the_child(tmp_path: Path, loads: bool) -> None:
    images = Blobs(tmp_path)
    child = Child(Busy, CAN, model(loads=loads), images, tmp_path / "logs")

    async def break_off() -> None:
        asking = asyncio.create_task(anext(child.replies(requests(["One?"]))))
        await asyncio.to_thread(wait_for_pid, tmp_path / "pid")
        asking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asking

    with patience(30):
        asyncio.run(break_off())
    assert is_gone(int((tmp_path / "pid").read_text()))


@with_engine(SlowToLoad)
def test_others_go_on_while_an_engine_loads(opened: Opened) -> None:
    """API pools share the event loop: were it blocked for minutes, their answers would be lost to time-outs."""
    gaps = [0.0]

    async def tick(child: Child) -> None:
        asking = asyncio.create_task(anext(child.replies(requests(["One?"]))))
        while not asking.done():
            before = time.monotonic()
            await asyncio.sleep(0.01)
            gaps.append(time.monotonic() - before)

    with patience(30):
        asyncio.run(tick(opened.child))
    assert sum(gaps) > 1.4
    assert max(gaps) < 1


PARENT = """
import asyncio, sys
from pathlib import Path
from tests.backends.engines import test_child
from pipeline.backends.engines.child import Child
from pipeline.doors.blobs import Blobs

async def main(folder, engine, options, texts):
    images = Blobs(folder)
    child = Child(getattr(test_child, engine), test_child.CAN, test_child.model(**options), images, folder / "logs")
    async for asked, reply in child.replies(test_child.requests(texts)):
        (folder / "pid").write_text(reply.answered_by)
        await asyncio.sleep(60)

if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], {"loads": True} if sys.argv[3] == "loading" else {}, ["One?"]))
"""


@pytest.mark.parametrize(("engine", "at"), [("Echo", "waiting"), ("Busy", "working"), ("Busy", "loading")])
def test_the_child_ends_when_its_parent_is_killed(tmp_path: Path, engine: str, at: str) -> None:
    (tmp_path / "parent.py").write_text(PARENT)
    root = Path(__file__).parents[3]
    with subprocess.Popen(
        [sys.executable, tmp_path / "parent.py", tmp_path, engine, at], env={**os.environ, "PYTHONPATH": str(root)}
    ) as parent:
        try:
            pid = wait_for_pid(tmp_path / "pid")
        finally:
            parent.kill()
        assert is_gone(pid)


def wait_for_pid(path: Path) -> int:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if path.is_file() and (text := path.read_text()):
            return int(text)
        time.sleep(0.02)
    raise AssertionError("the child never came up")
