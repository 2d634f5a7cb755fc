"""A host is asked little at once, slowly, and not at all while it does not want to be, or does not answer."""

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass

from pipeline.doors.web.limits import Limits
from pipeline.doors.web.trouble import NotTaken


@dataclass
class Effort:
    """What may still be spent on one URL, in seconds."""

    seconds: float
    """Of asking."""
    patience: float
    """Of waiting because the host asked for it."""


class Host:
    """One host, by its registered name: all its ports and schemes together."""

    def __init__(self, name: str, limits: Limits) -> None:
        self._name = name
        self._limits = limits
        self._places = asyncio.Semaphore(limits.at_once)
        self._next = self._away = 0.0
        self._failures = 0
        self.users = 0
        """Under way or waiting."""

    @contextlib.asynccontextmanager
    async def turn(self, pause: float, effort: Effort) -> AsyncIterator[None]:
        """Wait for a place, and for one's time. Raises `NotTaken` where the host is left alone."""
        async with self._places:
            self._check(effort)
            while (wait := max(self._next, self._away) - time.monotonic()) > 0:
                asked_for = max(0.0, self._away - time.monotonic())
                if asked_for > effort.patience:
                    raise NotTaken("rate limited", f"{self._name} asked for {asked_for:.0f} s without us", owed=True)
                effort.patience -= asked_for
                await asyncio.sleep(wait)
                self._check(effort)
            self._next = time.monotonic() + min(self._limits.longest_pause, max(pause, self._limits.pause))
            yield

    def _check(self, effort: Effort) -> None:
        if self._failures >= self._limits.failures:
            detail = f"{self._name} did not answer {self._failures} times in a row and is left alone in this run"
            raise NotTaken("unreachable", detail, owed=True)
        if effort.seconds <= 0:
            raise NotTaken("timeout", self._name, owed=True)

    def answered(self) -> None:
        """It lives."""
        self._failures = 0

    def failed(self) -> None:
        """It gave no answer."""
        self._failures += 1

    def stay_away(self, seconds: float) -> None:
        """It asked for this."""
        self._away = max(self._away, time.monotonic() + seconds)


class Hosts:
    """The hosts asked last, so many as `limits` says, and all that are in use."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._hosts: OrderedDict[str, Host] = OrderedDict()

    def __len__(self) -> int:
        return len(self._hosts)

    @contextlib.asynccontextmanager
    async def turn(self, name: str, pause: float, effort: Effort) -> AsyncIterator[Host]:
        """One's turn at a host: as `Host.turn`."""
        host = self._hosts.setdefault(name, Host(name, self._limits))
        self._hosts.move_to_end(name)
        host.users += 1
        try:
            async with host.turn(pause, effort):
                yield host
        finally:
            host.users -= 1
            self._forget()

    def _forget(self) -> None:
        """Look at the oldest alone: where that is in use, the next turn's end will come back to it."""
        while len(self._hosts) > self._limits.hosts and not next(iter(self._hosts.values())).users:
            self._hosts.popitem(last=False)
