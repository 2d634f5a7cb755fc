"""Engines on a Ray cluster: an actor on a node holds each, and is handed requests as it has room; this process keeps the
replies.

Nodes need no file system in common: pictures travel with the requests. What they do need is this package, installed as
here, and the model's weights or a way to them. Ray's own logs lie on each node under /tmp/ray.
"""

import asyncio
import contextlib
import itertools
import logging
import os
import signal
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from pipeline.backends import LOG, Asked
from pipeline.backends.engines.actor import PATIENCE, Actor
from pipeline.backends.engines.child import LIVES, MEMORY, Engine, smaller
from pipeline.doors.blobs import Blobs
from pipeline.doors.log import private_folder
from pipeline.errors import UserError
from pipeline.models import Model
from pipeline.requests import Reply, failed, images_of

AHEAD = 2
"""Calls that wait at an actor, so that its engine does not idle while replies travel."""
RUN = 8
"""Requests handed out in one go, at most: neighbours often show the same picture, which an engine reads once."""
NEAR = 256
"""Pictures that an actor holds, at most, beside those under way."""


class Replica:
    """An actor as this process knows it."""

    def __init__(self, number: int, model: Model, lives: int, actor: Any, loading: Any) -> None:
        self.number = number
        self.model = model
        self.lives = lives
        """Actors that may still die in this place, one after another, before they answered much."""
        self.actor = actor
        self.calls = [loading]
        """References to what its calls will give, oldest first; until the window is known, to the window."""
        self.window = 0
        self.flying: dict[str, Asked] = {}
        self.answered = 0
        self._new: list[Asked] = []
        self._near: dict[str, None] = {}
        """The pictures it holds, those used last at the end."""

    @property
    def room(self) -> int:
        """Requests it can take now; few are not worth handing out while it has many."""
        room = self.window - len(self.flying)
        return room if room >= max(1, min(RUN, self.window // 4)) else 0

    def take(self, run: list[Asked]) -> None:
        """Be handed requests."""
        self._new += run
        self.flying |= {one.id: one for one in run}

    def call(self, images: Blobs) -> None:
        """Have it work on, unless enough calls wait there."""
        while self.window and self.flying and len(self.calls) < AHEAD:
            new, self._new = self._new, []
            shown = dict.fromkeys(image for one in new for image in images_of(one.request))
            pictures = dict(_bytes(images, [image for image in shown if image not in self._near]))
            here = {image: None for image in shown if image in self._near or image in pictures}
            self._near = {image: None for image in self._near if image not in here} | here
            self.calls.append(self.actor.step.remote(new, pictures, self._outdated()))

    def _outdated(self) -> list[str]:
        """Pictures that it need not hold any longer: the oldest that nothing under way shows."""
        many = len(self._near) - NEAR
        if many <= 0:
            return []
        used = {image for one in self.flying.values() for image in images_of(one.request)}
        outdated = [image for image in self._near if image not in used][:many]
        for image in outdated:
            del self._near[image]
        return outdated


def _bytes(images: Blobs, wanted: list[str]) -> Iterator[tuple[str, bytes]]:
    """Pictures that can be read; about the others the engine will say that it cannot open them."""
    for image in wanted:
        with contextlib.suppress(OSError):
            yield image, images.read(image)


def _outcome(call: Any) -> Any:
    """What a call that has ended gave, or the error it died of."""
    import ray
    from ray.exceptions import RayError

    try:
        return ray.get(call)
    except RayError as error:
        return error


def _cause(error: Any) -> tuple[str, str]:
    """The word for a dead actor's failures, and its story in a line: its engine's error, or what Ray knows."""
    from ray.exceptions import OutOfMemoryError, RayTaskError

    cause = error.cause if isinstance(error, RayTaskError) else error
    first = (str(cause).strip() or "no word").splitlines()[0]
    memory = isinstance(cause, OutOfMemoryError) or MEMORY.search(f"{type(cause).__name__}: {cause}")
    return "out_of_memory" if memory else "server", f"{type(cause).__name__}: {first}"


def _join(model: Model) -> None:
    """Join the cluster, or start a Ray of our own: quietly, and without a word to its makers."""
    import ray

    if not ray.is_initialized():
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        logging.getLogger("ray").setLevel(logging.ERROR)
        quiet = {"include_dashboard": False, "log_to_driver": False, "logging_level": logging.ERROR}
        try:
            _in_a_lasting_thread(lambda: ray.init(**quiet))
        except (ConnectionError, RuntimeError, ValueError) as error:
            first = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise UserError(f"the model {model.name} needs Ray, which does not answer: {first}") from None
    there, wanted = ray.cluster_resources().get("GPU", 0.0), model.replicas * model.gpus
    if there < wanted:
        words = "%d replicas of %s want %g GPUs, and Ray knows of %g now: those that find none wait"
        LOG.warning(words, model.replicas, model.name, wanted, there)


def _in_a_lasting_thread(work: Callable[[], object]) -> None:
    """Ray's servers on this machine end with the thread that started them, and the event loop's must not stand still."""
    done = Future[object]()

    def live() -> None:
        try:
            done.set_result(work())
        except BaseException as error:  # noqa: BLE001 -- for who waits
            done.set_exception(error)
        threading.Event().wait()

    threading.Thread(target=live, daemon=True, name="ray").start()
    done.result()


def _take_back_sigterm() -> None:
    """Give SIGTERM back to whoever in Python had it: Ray's own handler, which is not Python's, aborts the process."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM))


class Ray:
    """Backend: `Model.replicas` engines as Ray actors with `Model.gpus` GPUs each. `$RAY_ADDRESS` names the cluster; else
    it is the one last started on this machine, or a Ray of this process's own.

    It takes turns with the other engines, although the cluster may have room for two models: Ray lets who needs GPUs
    wait until another gives them back, and a model that may be asked again in the next round keeps its own.
    """

    exclusive = True

    def __init__(self, engine: type[Engine], can: frozenset[str], model: Model, images: Blobs, logs: Path) -> None:
        self.can = can
        self._engine = engine
        self._model = model
        self._images = images
        self._logs = logs
        self._replicas: list[Replica] = []

    async def replies(self, asked: Iterator[Asked]) -> AsyncGenerator[tuple[Asked, Reply], None]:
        """Keep the windows of all actors full; give replies as they come."""
        if not self._replicas:
            await asyncio.to_thread(_join, self._model)
            _take_back_sigterm()
            self._replicas = [self._enlist(number, self._model, LIVES) for number in range(self._model.replicas)]
        try:
            while self._hand_out(asked):
                for replica, result in await asyncio.to_thread(self._results):
                    for one, reply in self._came(replica, result):
                        yield one, reply
        finally:
            if any(
                replica.flying for replica in self._replicas
            ):  # interrupted: what is under way is not worth waiting for
                self.close()

    def _enlist(self, number: int, model: Model, lives: int) -> Replica:
        """Have Ray start an actor, as soon as it finds room, and load the model there."""
        import ray

        log = private_folder(self._logs) / f"{model.name.replace('/', '_')}-{number}.log"
        actor = ray.remote(Actor).options(num_gpus=model.gpus, max_restarts=0).remote(log.absolute())
        return Replica(number, model, lives, actor, actor.load.remote(self._engine, model))

    def _hand_out(self, asked: Iterator[Asked]) -> bool:
        """Runs of neighbours to whoever has most room. Returns whether there is anything to wait for."""
        ready = [replica for replica in self._replicas if replica.window]
        while ready and (most := max(ready, key=lambda replica: replica.room)).room:
            run = list(itertools.islice(asked, min(RUN, most.room)))
            if not run:
                break
            most.take(run)
        for replica in ready:
            replica.call(self._images)
        if not self._replicas:
            LOG.warning("no replica of %s is left: what remains is not asked; run again to go on", self._model.name)
        return any(replica.flying for replica in ready) or (bool(self._replicas) and not ready)

    def _results(self) -> list[tuple[Replica, Any]]:
        """Wait for the next calls to end, for at most `PATIENCE`: what they gave, or the error they died of."""
        import ray

        whose = {replica.calls[0]: replica for replica in self._replicas if replica.calls}
        calls = [*whose]
        ray.wait(calls, num_returns=1, timeout=PATIENCE)
        ended, _ = ray.wait(calls, num_returns=len(calls), timeout=0)
        return [(whose[call], _outcome(call)) for call in ended]

    def _came(self, replica: Replica, result: Any) -> Iterator[tuple[Asked, Reply]]:
        replica.calls.pop(0)
        match result:
            case int():
                replica.window = result
            case UserError():
                replica.lives = 0
                self._lost(replica, "server", str(result))
                if not self._replicas:
                    raise result
            case list():
                replica.answered += len(result)
                yield from ((replica.flying.pop(name), reply) for name, reply in result)
            case _:
                word, why = _cause(result)
                self._lost(replica, word, why)
                yield from ((one, failed(word, why)) for one in replica.flying.values())

    def _lost(self, replica: Replica, word: str, why: str) -> None:
        """Put another in its place, which needs less if memory was short; unless it died before it answered much, and
        the one before it too."""
        import ray

        ray.kill(replica.actor)
        lives = (LIVES if replica.answered >= replica.window > 0 else replica.lives) - 1
        model, place = replica.model, self._replicas.index(replica)
        if word == "out_of_memory":
            model = smaller(model, replica.window * 2 // 3)  # a third of its window waits at the actor
        self._replicas[place : place + 1] = [self._enlist(replica.number, model, lives)] if lives > 0 else []
        LOG.warning(
            "replica %d of %s is lost (%s): %d requests under way stay owed, and %s",
            replica.number,
            model.name,
            why,
            len(replica.flying),
            "another takes its place" if lives > 0 else f"{len(self._replicas)} replicas go on",
        )

    def close(self) -> None:
        """End the actors."""
        import ray

        for replica in self._replicas:
            ray.kill(replica.actor)
        self._replicas = []
