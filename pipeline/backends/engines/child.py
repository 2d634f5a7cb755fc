"""An engine in a child process that lives for one model: requests and replies cross a pipe, and when the child ends
its memory is given back. The parent keeps the replies.

An engine that dies is the world's failure: what was under way stays owed, and the rest is asked of a new one."""

import asyncio
import contextlib
import multiprocessing
import os
import queue
import re
import signal
import threading
import traceback
from collections.abc import AsyncGenerator, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Protocol

from pipeline.backends import LOG, Asked
from pipeline.doors.blobs import Blobs
from pipeline.doors.log import private_folder
from pipeline.errors import UserError
from pipeline.models import Model
from pipeline.requests import Reply, failed

LIVES = 2
"""Engines that may die, one after another, before they answered as many requests as they hold at once."""
LAST_WORDS = 1 << 16
"""Bytes of a dead engine's log that are read for the reason."""
MEMORY = re.compile(
    r"OutOfMemory|(CUDA|HIP|XPU)( error:)? out of memory|can(no|')t allocate memory|MemoryError|bad_alloc|oom-kill",
    re.IGNORECASE,
)
"""What Python, PyTorch and the system say of memory, and nobody in passing."""


class Engine(Protocol):
    """A model in this very process, fed continuously."""

    window: int
    """Requests it can use at once: those under way, and a few waiting. An engine that ran out of memory is started again
    with half of it as `options["max_num_seqs"]`."""

    def __init__(self, model: Model, images: Blobs) -> None: ...

    def add(self, asked: Asked) -> None:
        """Take one more request."""
        ...

    def finished(self) -> list[tuple[str, Reply]]:
        """Work for a moment; the ids and replies that came of it."""
        ...


def smaller(model: Model, window: int) -> Model:
    """The same model for an engine that shall need less memory than one of this window: half as many sequences at once."""
    half = max(1, model.options.get("max_num_seqs", window) // 2)
    return model.model_copy(update={"options": model.options | {"max_num_seqs": half}})


class _Death(Exception):  # noqa: N818 -- what happened
    """The child has ended, and nobody told it to."""

    def __init__(self, word: str, reason: str) -> None:
        super().__init__(reason)
        self.word = word
        """The failure of what was under way: out_of_memory or server."""


class Child:
    """Backend: an engine in a child process."""

    exclusive = True

    def __init__(self, engine: type[Engine], can: frozenset[str], model: Model, images: Blobs, logs: Path) -> None:
        self.can = can
        self._engine, self._model, self._images = engine, model, images
        self._log = private_folder(logs) / f"{model.name.replace('/', '_')}.log"
        self._process: multiprocessing.process.BaseProcess | None = None
        self._window = 1
        self._answered = 0
        """Replies of the engine at work now."""
        self._loaded = False
        """Whether the model was ever loaded: then it can be."""

    async def replies(self, asked: Iterator[Asked]) -> AsyncGenerator[tuple[Asked, Reply], None]:
        """Keep the engine's window full; give replies as they finish. When it dies, what was under way are failures that
        stay owed, and the rest is asked of a new one, unless it died before it answered much, and the one before it
        too: then the rest is not asked."""
        flying: dict[str, Asked] = {}
        lives = LIVES
        try:
            while lives:
                try:
                    await self._fill(asked, flying)
                    if not flying:
                        return
                    done = await asyncio.to_thread(self._finished)
                except _Death as death:
                    lives = (LIVES if self._answered >= self._window else lives) - 1
                    self._bury(death, len(flying), last=not lives)
                    done = [(name, failed(death.word, f"the engine died: {death}")) for name in flying]
                for name, reply in done:
                    yield flying.pop(name), reply
        finally:
            if flying:  # interrupted: what is under way is not worth waiting for
                self.close()

    async def _fill(self, asked: Iterator[Asked], flying: dict[str, Asked]) -> None:
        """Send requests until the window is full: in one message, for each one interrupts the engine's steps."""
        new: list[Asked] = []
        while len(flying) < self._window and (one := next(asked, None)) is not None:
            flying[one.id] = one
            new.append(one)
            if self._process and len(flying) == 1 and not self._process.is_alive():
                LOG.warning("the engine of %s died while idle; its words are in %s", self._model.name, self._log)
                self.close()
            if self._process is None:
                await self._start()
        if new:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it died: its replies end so too
                self._pipe.send(new)

    async def _start(self) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would carry the parent's threads and locks along
        self._pipe, theirs = context.Pipe()
        self._begun = self._log.stat().st_size if self._log.exists() else 0
        arguments = (theirs, self._engine, self._model, self._images, self._log)
        self._process = context.Process(target=_serve, args=arguments, daemon=True)
        self._process.start()
        theirs.close()
        self._answered = 0
        try:
            hello = await asyncio.to_thread(self._receive)  # loading takes minutes; API pools must go on meanwhile
        except asyncio.CancelledError:
            self.close()
            raise
        except (_Death, UserError) as error:
            self.close()
            if self._loaded:  # it could be loaded before, and perhaps can be again
                raise _Death("server", str(error)) from None
            if isinstance(error, UserError):
                raise
            raise UserError(f"the engine of {self._model.name} died while it loaded ({error}); its words are in "
                            f"{self._log}; run again to go on") from None  # fmt: skip
        self._window, self._loaded = int(hello), True  # type: ignore[call-overload]

    def _receive(self) -> object:
        """The child's next message. Raises what the child raised for the user, and _Death."""
        try:
            message = self._pipe.recv()
        except (EOFError, OSError):  # in the middle of a message it is an OSError without a name of its own
            raise self._death() from None
        if isinstance(message, UserError):
            raise message
        return message

    def _finished(self) -> list[tuple[str, Reply]]:
        done: list[tuple[str, Reply]] = self._receive()  # type: ignore[assignment]
        self._answered += len(done)
        return done

    def _death(self) -> _Death:
        """Why it died, by its exit code and its log."""
        if self._process is None:
            return _Death("server", "it was told to end")
        self._process.join(5)  # the pipe ends a moment before its process
        if self._process.exitcode == -signal.SIGKILL:
            return _Death("out_of_memory", "killed, as the system does when memory runs out")
        with self._log.open("rb") as log:
            log.seek(max(self._begun, self._log.stat().st_size - LAST_WORDS))
            words = log.read().decode(errors="replace")
        lines = [line for line in map(str.strip, words.splitlines()) if line and line.isprintable()]
        return _Death("out_of_memory" if MEMORY.search(words) else "server", [*lines[-1:], "without a word"][0][:200])

    def _bury(self, death: _Death, many: int, *, last: bool) -> None:
        """Say what happened, once; what starts next must need less, if this one lacked memory."""
        self.close()
        if death.word == "out_of_memory":
            self._model = smaller(self._model, self._window)
        LOG.warning(
            "the engine of %s died (%s): %d requests under way stay owed, and %s; its words are in %s",
            self._model.name,
            death,
            many,
            "so does the rest: the engine before it died as soon" if last else "a new one is asked the rest",
            self._log,
        )

    def close(self) -> None:
        """End the child, and whatever it started."""
        if self._process is not None:
            if self._process.pid:
                with contextlib.suppress(ProcessLookupError):  # it has not come so far as to lead a group
                    os.killpg(self._process.pid, signal.SIGKILL)
            self._process.kill()
            self._process.join()
            self._process = None


def _serve(pipe: Connection, engine_class: type[Engine], model: Model, images: Blobs, log: Path) -> None:
    """The child's main: ends when the parent does, for then the pipe breaks."""
    os.setpgrp()  # Ctrl-C is the parent's business, also where the engine starts processes of its own
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    multiprocessing.current_process().daemon = False  # a daemon may have no children, and tensor parallelism has
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
    except Exception:  # noqa: BLE001 -- the last word of a dying child, for its log and its parent
        traceback.print_exc()
    finally:
        os._exit(1)  # native engines' threads would keep it alive


def _take(pipe: Connection, requests: "queue.SimpleQueue[Asked]") -> None:
    """Take requests as they come, whatever the engine does: else both ends could wait for the other to read. When the
    parent ends, so does the child."""
    try:
        while True:
            for one in pipe.recv():
                requests.put(one)
    finally:
        os.killpg(0, signal.SIGKILL)  # this process, and whatever the engine started
