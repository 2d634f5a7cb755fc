"""What runs on the nodes of a Ray cluster: an engine, and the pictures that it was sent."""

import os
import signal
import time
from collections import deque
from pathlib import Path

from pipeline.backends import Asked
from pipeline.backends.engines.child import Engine
from pipeline.doors.blobs import Blobs
from pipeline.errors import UserError
from pipeline.models import Model
from pipeline.requests import Reply

PULSE = 0.05
"""Seconds for which an actor gathers replies before it sends them..."""
PATIENCE = 0.5
"""...and after which it reports even if there are none: nobody who stops the run waits longer."""


class Nearby(Blobs):
    """Pictures that came along, in memory: each under a path while it is held, and gone with the process, however that ends."""

    def __init__(self) -> None:
        super().__init__(Path(f"/proc/{os.getpid()}/fd"))
        self._open: dict[str, int] = {}

    def path(self, sha256: str) -> Path:
        """Where the bytes lie; no file is there for those that did not come."""
        return self.folder / str(self._open.get(sha256, sha256))

    def hold(self, sha256: str, data: bytes) -> None:
        """Hold bytes that are known by this name."""
        if sha256 not in self._open:
            self._open[sha256] = os.memfd_create(sha256)
            with open(self._open[sha256], "wb", closefd=False) as file:
                file.write(data)

    def drop(self, sha256: str) -> None:
        """Forget bytes."""
        if sha256 in self._open:
            os.close(self._open.pop(sha256))


class Actor:
    """One engine in a process of its own, on whichever node Ray finds room."""

    def __init__(self, log: Path) -> None:
        import resource

        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the business of who asks
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # every picture is an open file
        if log.parent.is_dir():  # this node sees the workspace; else the words are in Ray's own logs
            descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.dup2(descriptor, 1)
            os.dup2(descriptor, 2)
        self._images = Nearby()
        self._waiting: deque[Asked] = deque()
        self._under_way = 0

    def load(self, engine: type[Engine], model: Model) -> int | UserError:
        """Load the model. Returns how many requests it should have at once: the engine's window, and half as many again
        that wait here, so that there is work while replies travel."""
        try:
            self._engine = engine(model, self._images)
        except UserError as error:
            return error
        return self._engine.window + (self._engine.window + 1) // 2

    def step(self, new: list[Asked], pictures: dict[str, bytes], outdated: list[str]) -> list[tuple[str, Reply]]:
        """Take more requests with their pictures; work until something is done, or for `PATIENCE`."""
        for image in outdated:
            self._images.drop(image)
        for image, data in pictures.items():
            self._images.hold(image, data)
        self._waiting += new
        began, done = time.monotonic(), list[tuple[str, Reply]]()
        while time.monotonic() - began < (PULSE if done else PATIENCE):
            while self._waiting and self._under_way < self._engine.window:
                self._engine.add(self._waiting.popleft())
                self._under_way += 1
            if not self._under_way:
                break
            finished = self._engine.finished()
            self._under_way -= len(finished)
            done += finished
        return done
