"""Ctrl-C and SIGTERM while models are asked: nothing that came back is lost, and nothing more goes out."""

import asyncio
import signal
import threading
from types import TracebackType
from typing import Self

from pipeline.backends import LOG

GRACE = 8.0
"""Seconds that a job which is told to end (SIGTERM) waits for what is under way: it must be gone within ten."""


class Stop:
    """Ctrl-C once: take no more, and finish what is under way; twice: leave now. SIGTERM: finish what comes within
    `GRACE` seconds, and leave."""

    def __init__(self) -> None:
        self.code = 0
        """Exit code of who was stopped: 130 by Ctrl-C, 143 by SIGTERM; 0: nobody stopped it."""
        self.lasting: set[asyncio.Task[None]] = set()
        """Tasks whose work goes on elsewhere, for the next run to collect: they are not waited for."""

    def __enter__(self) -> Self:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        self._before = {}
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.getsignal(number)
                self._loop.add_signal_handler(number, self._stopped, number)
        return self

    def _stopped(self, number: signal.Signals) -> None:
        again, self.code = self.code != 0, 128 + number
        for task in self.lasting:
            task.cancel()
        if again:
            self._leave()
        elif number == signal.SIGTERM:
            self._loop.call_later(GRACE, self._leave)
        else:
            LOG.warning("finishing what is under way, and keeping it; Ctrl-C again leaves at once")

    def _leave(self) -> None:
        if self._task:
            self._task.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            self._loop.remove_signal_handler(number)
            signal.signal(number, handler)
