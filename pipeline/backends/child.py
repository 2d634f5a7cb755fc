"""An engine in a child process that lives for one model: requests and replies cross a pipe, and when the child ends
its memory is given back. The parent keeps the replies."""

import asyncio
import contextlib
import multiprocessing
import os
import queue
import signal
import threading
import traceback
from collections.abc import AsyncGenerator, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Protocol

from pipeline.backends import Asked
from pipeline.doors.blobs import Blobs
from pipeline.doors.log import private_folder
from pipeline.errors import UserError
from pipeline.models import Model
from pipeline.requests import Reply


class Engine(Protocol):
    """A model in this very process, fed continuously."""

    window: int
    """Requests it can use at once: those under way, and a few waiting."""

    def __init__(self, model: Model, images: Blobs) -> None: ...

    def add(self, asked: Asked) -> None:
        """Take one more request."""
        ...

    def finished(self) -> list[tuple[str, Reply]]:
        """Work for a moment; the ids and replies that came of it."""
        ...


class Child:
    """Backend: an engine in a child process."""

    exclusive = True

    def __init__(self, engine: type[Engine], can: frozenset[str], model: Model, images: Blobs, logs: Path) -> None:
        self.can = can
        self._arguments = (engine, model, images, private_folder(logs) / f"{model.name.replace('/', '_')}.log")
        self._process: multiprocessing.process.BaseProcess | None = None

    async def _start(self) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would carry the parent's threads and locks along
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, *self._arguments), daemon=True)
        self._process.start()
        theirs.close()
        try:
            hello = await asyncio.to_thread(self._receive)  # loading takes minutes; API pools must go on meanwhile
        except asyncio.CancelledError:
            self.close()
            raise
        if isinstance(hello, UserError):
            self.close()
            raise hello
        self._window = int(hello)  # type: ignore[call-overload]

    def _receive(self) -> object:
        try:
            return self._pipe.recv()
        except (EOFError, OSError):  # in the middle of a message it is an OSError without a name of its own
            model, log = self._arguments[1], self._arguments[3]
            return UserError(f"the engine of {model.name} died; its words are in {log}; run again to go on")

    async def replies(self, asked: Iterator[Asked]) -> AsyncGenerator[tuple[Asked, Reply], None]:
        """Keep the engine's window full; give replies as they finish."""
        if self._process is None:
            await self._start()
        flying: dict[str, Asked] = {}
        try:
            while True:
                while len(flying) < self._window and (one := next(asked, None)) is not None:
                    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it died: its replies end so too
                        self._pipe.send(one)
                    flying[one.id] = one
                if not flying:
                    return
                for name, reply in await asyncio.to_thread(self._finished):
                    yield flying.pop(name), reply
        finally:
            if flying:  # interrupted: what is under way is not worth waiting for
                self.close()

    def _finished(self) -> list[tuple[str, Reply]]:
        message = self._receive()
        if isinstance(message, UserError):
            raise message
        return message  # type: ignore[return-value]

    def close(self) -> None:
        """End the child."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None


def _serve(pipe: Connection, engine_class: type[Engine], model: Model, images: Blobs, log: Path) -> None:
    """The child's main: ends when the parent does, for then the pipe breaks."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    requests: queue.SimpleQueue[Asked] = queue.SimpleQueue()
    threading.Thread(target=_take, args=(pipe, requests), daemon=True).start()
    try:
        engine = engine_class(model, images)
        pipe.send(engine.window)
        busy = 0
        while True:
            while not busy or not requests.empty():
                engine.add(requests.get())
                busy += 1
            if done := engine.finished():
                busy -= len(done)
                pipe.send(done)
    except UserError as error:
        pipe.send(error)
    except BrokenPipeError:
        pass
    except Exception:  # noqa: BLE001 -- the last word of a dying child, for its log
        traceback.print_exc()
    finally:
        os._exit(0)  # native engines' threads would keep it alive


def _take(pipe: Connection, requests: "queue.SimpleQueue[Asked]") -> None:
    """Take requests as they come, whatever the engine does: else both ends could wait for the other to read. When the
    parent ends, so does the child."""
    try:
        while True:
            requests.put(pipe.recv())
    finally:
        os._exit(0)
