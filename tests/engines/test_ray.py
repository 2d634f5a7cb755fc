"""Engines as actors of a Ray on this machine: a small engine of the test's own, whose requests say how they behave, and
vLLM with the tiny captioner."""

import asyncio
import contextlib
import hashlib
import io
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "tiny_vlm"))
pytestmark = pytest.mark.engine

from pictures import draw  # noqa: E402 -- beside the script that trains on them
from PIL import Image  # noqa: E402

from pipeline.backends import Asked, reach, vllm  # noqa: E402
from pipeline.backends.ray import NEAR, Ray  # noqa: E402
from pipeline.doors.blobs import Blobs  # noqa: E402
from pipeline.errors import UserError  # noqa: E402
from pipeline.models import Model  # noqa: E402
from pipeline.requests import Answer, Chat, Failure, Message, Reply, failed, request_id  # noqa: E402

CPU = {
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "OMP_NUM_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
    "PYTHONPATH": f"{HERE.parents[1]}{os.pathsep}{HERE}",  # where the actors find the package, and the engine below
    "RAY_worker_niceness": "0",  # on a busy machine the actors would wait for everybody else
    "RAY_ADDRESS": "local",  # never a cluster that somebody runs here
}


class Clock:
    """An engine: a request `SECONDS [die|raise|memory]: text` is answered after so long with the hash of its text, its
    picture's size, and the engine's process; or ends the engine."""

    def __init__(self, model: Model, images: Blobs) -> None:
        if model.options.get("refuse"):
            raise UserError("this engine cannot load")
        self.window = int(model.options.get("window", 4))
        self._images = images
        self._due: dict[str, tuple[float, Chat]] = {}

    def add(self, asked: Asked) -> None:
        assert isinstance(asked.request, Chat)
        seconds = float(asked.request.messages[0].text.partition(":")[0].split()[0])
        self._due[asked.id] = time.monotonic() + seconds, asked.request

    def finished(self) -> list[tuple[str, Reply]]:
        time.sleep(0.002)
        over = [name for name, (due, _) in self._due.items() if due <= time.monotonic()]
        return [(name, self._reply(self._due.pop(name)[1])) for name in over]

    def _reply(self, request: Chat) -> Reply:
        message = request.messages[0]
        match message.text.partition(":")[0].split()[1:]:
            case ["die"]:
                os._exit(1)
            case ["raise"]:
                raise ArithmeticError("the engine broke")
            case ["memory"]:
                raise MemoryError("no room for the activations")
        try:
            sizes = [Image.open(self._images.path(i)).size for i in message.images]
        except OSError as error:
            return failed("unreadable_image", str(error))
        text = f"{hashlib.sha256(message.text.encode()).hexdigest()} {sizes} {os.getpid()}"
        return Reply(result=Answer(text=text))


@pytest.fixture(autouse=True, scope="module")
def one_ray() -> Iterator[None]:
    """What Ray's processes inherit; the first backend starts it, and all share it."""
    patch = pytest.MonkeyPatch()
    for name, value in CPU.items():
        patch.setenv(name, value)
    yield
    import ray

    ray.shutdown()
    patch.undo()


def clock(folder: Path, **options: object) -> Ray:
    model = Model(name="clock", backend="ray", served_as="clock", revision="1", replicas=2, gpus=0, options=options)
    return Ray(Clock, frozenset({"chat"}), model, Blobs(folder / "images"), folder / "logs")


def chat(text: str, *images: str) -> Asked:
    request = Chat(model="clock", messages=(Message(role="user", text=text, images=images),), max_tokens=24)
    return Asked(request_id(request, "test"), request)


def right(asked: Asked, reply: Reply) -> bool:
    assert isinstance(asked.request, Chat)
    text = asked.request.messages[0].text
    return (
        isinstance(reply.result, Answer) and reply.result.text.split()[0] == hashlib.sha256(text.encode()).hexdigest()
    )


def process(reply: Reply) -> int:
    assert isinstance(reply.result, Answer)
    return int(reply.result.text.split()[-1])


def alive(number: int) -> bool:
    return (Path("/proc") / str(number)).exists()


def gone(processes: set[int], seconds: float = 20) -> bool:
    """Whether these processes end; the limit is only there so that a failing test ends, too."""
    end = time.monotonic() + seconds
    while any(map(alive, processes)) and time.monotonic() < end:
        time.sleep(0.05)
    return not any(map(alive, processes))


def answers(backend: Ray, asked: list[Asked]) -> list[tuple[Asked, Reply]]:
    """In the order in which they came."""

    async def collect() -> list[tuple[Asked, Reply]]:
        return [pair async for pair in backend.replies(iter(asked))]

    return asyncio.run(collect())


def test_all_replicas_answer_and_serve_the_next_round_too(tmp_path: Path) -> None:
    with contextlib.closing(clock(tmp_path)) as backend:
        workers: set[int] = set()
        for turn in range(2):
            asked = [chat(f"0.05: {turn} {n}") for n in range(40)]
            came = answers(backend, asked)
            assert sorted(one.id for one, _ in came) == sorted(one.id for one in asked)
            assert all(right(one, reply) for one, reply in came)
            workers |= {process(reply) for _, reply in came}
        assert len(workers) <= 2, "the second round started actors anew"
    assert gone(workers)


def test_a_slow_request_holds_up_no_other(tmp_path: Path) -> None:
    with contextlib.closing(clock(tmp_path)) as backend:
        answers(backend, [chat("0: so that they are loaded")])
        slow = chat("4: slow")
        came = answers(backend, [slow, *(chat(f"0.02: {n}") for n in range(60))])
        assert [one for one, _ in came][-1] == slow
        assert process(came[-1][1]) in {process(reply) for _, reply in came[20:-1]}, "its actor got nothing meanwhile"


def test_a_feed_that_holds_back_for_a_while_is_asked_again(tmp_path: Path) -> None:
    class Feed(Iterator[Asked]):
        """Gives one more only when all it gave were answered."""

        def __init__(self) -> None:
            self.given = self.answered = 0

        def __next__(self) -> Asked:
            if self.given > self.answered or self.given == 5:
                raise StopIteration
            self.given += 1
            return chat(f"0.01: {self.given}")

    async def collect(backend: Ray) -> int:
        feed = Feed()
        async for _ in backend.replies(feed):
            feed.answered += 1
        return feed.answered

    with contextlib.closing(clock(tmp_path)) as backend:
        assert asyncio.run(collect(backend)) == 5


def test_a_killed_actor_loses_only_what_was_under_way(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with contextlib.closing(clock(tmp_path)) as backend, caplog.at_level(logging.WARNING, "tetrad"):
        asked = [chat(f"0.05{' die' if n == 30 else ''}: {n}") for n in range(80)]
        came = answers(backend, asked)
    assert sorted(one.id for one, _ in came) == sorted(one.id for one in asked)
    lost = [(one, reply.result) for one, reply in came if isinstance(reply.result, Failure)]
    assert asked[30] in [one for one, _ in lost]
    assert len(lost) <= 6, "more than one actor has"
    assert {result.error for _, result in lost} == {"server"}
    assert all(result.owed for _, result in lost)
    assert all(right(one, reply) for one, reply in came if not isinstance(reply.result, Failure))
    assert "another takes its place" in caplog.text


@pytest.mark.parametrize(("how", "word"), [("raise", "server"), ("memory", "out_of_memory")])
def test_an_engine_that_breaks_says_why(tmp_path: Path, caplog: pytest.LogCaptureFixture, how: str, word: str) -> None:
    with contextlib.closing(clock(tmp_path)) as backend, caplog.at_level(logging.WARNING, "tetrad"):
        came = answers(backend, [chat(f"0.05{f' {how}' if n == 10 else ''}: {n}") for n in range(30)])
    assert len(came) == 30
    lost = [reply.result for _, reply in came if isinstance(reply.result, Failure)]
    assert {result.error for result in lost} == {word}
    assert ("ArithmeticError: the engine broke" if how == "raise" else "MemoryError: no room") in lost[0].message
    assert lost[0].message in caplog.text


def test_when_all_are_dead_the_rest_is_not_asked(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with contextlib.closing(clock(tmp_path)) as backend, caplog.at_level(logging.WARNING, "tetrad"):
        came = answers(backend, [chat(f"0 die: {n}") for n in range(60)])
    assert 0 < len(came) <= 24, "two replicas, each twice, with six requests at once"
    assert all(isinstance(reply.result, Failure) and reply.result.owed for _, reply in came)
    assert "no replica of clock is left" in caplog.text


def test_an_engine_that_cannot_load_is_the_users_to_mend(tmp_path: Path) -> None:
    with contextlib.closing(clock(tmp_path, refuse=True)) as backend, pytest.raises(UserError, match="cannot load"):
        answers(backend, [chat("0: never asked")])


def test_cancelled_in_the_middle_it_leaves_no_actor(tmp_path: Path) -> None:
    backend, workers = clock(tmp_path), set[int]()

    async def interrupted(met: asyncio.Event) -> None:
        async for _, reply in backend.replies(chat(f"{60 if n > 20 else 0.01}: {n}") for n in range(60)):
            workers.add(process(reply))
            met.set()

    async def run() -> None:
        met = asyncio.Event()
        task = asyncio.create_task(interrupted(met))
        await met.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()

    asyncio.run(run())
    assert gone(workers)


STOPPED = """
import asyncio, itertools, pathlib, sys, test_ray
from pipeline.doors.stop import Stop

async def run():
    with Stop() as stop:
        def feed():
            for number in itertools.count():  # no request twice: a backend is never asked the same at once
                if stop.code:
                    return
                given.append(test_ray.chat(f"0.3: {number}"))
                yield given[-1]
        async for one, reply in backend.replies(feed()):
            print("came", flush=True)
            assert test_ray.right(one, reply), reply
            given.remove(one)
    return stop.code

given, backend = [], test_ray.clock(pathlib.Path(sys.argv[1]))
code = asyncio.run(run())
backend.close()
sys.exit(1 if given else code)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_is_told_to_end_finishes_what_is_under_way(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C reaches a terminal's whole group of processes, Ray's own too; SIGTERM only who asks."""
    asking = subprocess.Popen(
        [sys.executable, "-c", STOPPED, tmp_path], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert asking.stdout
    assert asking.stdout.readline() == "came\n"
    os.killpg(asking.pid, number) if number == signal.SIGINT else asking.send_signal(number)
    asking.communicate()
    assert asking.returncode == 128 + number


def test_pictures_travel_with_the_requests_and_are_forgotten_in_time(tmp_path: Path) -> None:
    """More pictures than an actor holds, each shown twice: soon after, and when it is long forgotten."""
    backend = clock(tmp_path, window=32)
    sizes = {}
    for n in range(2 * NEAR + 100):
        buffer = io.BytesIO()
        size = (n % 50 + 1, n // 50 + 1)
        Image.new("RGB", size).save(buffer, "PNG")
        sizes[backend._images.keep(buffer.getvalue())] = size
    missing = "0" * 64
    asked = [chat(f"0: {turn} {i}", i) for i in sizes for turn in "ab"] + [chat(f"0: c {i}", i) for i in sizes]
    with contextlib.closing(backend):
        came = dict(answers(backend, [*asked, chat("0: missing", missing)]))
        held = [len(replica._near) for replica in backend._replicas]
    broken = came.pop(chat("0: missing", missing)).result
    assert isinstance(broken, Failure)
    assert broken.error == "unreadable_image"
    assert len(came) == len(asked)
    for one, reply in came.items():
        assert isinstance(one.request, Chat)
        assert isinstance(reply.result, Answer)
        assert str(sizes[one.request.messages[0].images[0]]) in reply.result.text
    assert max(held) <= NEAR + 48


def test_two_vllm_actors_give_each_picture_its_own_caption(tmp_path: Path) -> None:
    images, captions = Blobs(tmp_path / "images"), {}
    for number in range(40):
        picture, caption = draw(number, side=256)
        buffer = io.BytesIO()
        picture.save(buffer, "PNG")
        captions[images.keep(buffer.getvalue())] = caption
    assert len(captions) == 40
    options = {"dtype": "float32", "max_model_len": 2048, "max_num_seqs": 8, "enforce_eager": True}
    model = Model(
        name="tiny", backend="ray", served_as=str(HERE / "tiny_vlm" / "weights"), revision="1", replicas=2, gpus=0,
        options=options | {"limit_mm_per_prompt": {"image": 1}},
    )  # fmt: skip
    backend = reach(model, images, tmp_path)
    assert isinstance(backend, Ray)
    assert backend.can == vllm.CAN
    with contextlib.closing(backend):
        came = answers(backend, [chat("Describe the image.", image) for image in captions])
    said = {}
    for one, reply in came:
        assert isinstance(one.request, Chat)
        assert isinstance(reply.result, Answer), reply
        said[one.request.messages[0].images[0]] = reply.result.text.strip()
    assert said == captions
