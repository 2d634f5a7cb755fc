"""Requests under way to a model's addresses: as many as the servers bear, at the pace the provider allows, each asked
again as long as that may help. What a server is and how it is spoken to is the business of whoever hands in `send`."""

import asyncio
import heapq
import random
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from dataclasses import dataclass

from pipeline.backends import Asked
from pipeline.backends.api.endpoint import PATIENCE, Endpoint, Patience, Sent
from pipeline.backends.api.rate import Rate
from pipeline.backends.api.trouble import PASSING, Trouble
from pipeline.models import Model
from pipeline.requests import Reply, failed, rough_tokens

Send = Callable[[str, Asked], Awaitable[Reply | Trouble]]
"""One attempt at an address. It may take its time, for `Model.timeout` is kept here; it raises nothing of the world's."""
_NOT_SENT = Trouble("unreachable", "not sent yet")
LOOK = 1.0
"""Seconds after which one looks anyway: the run may have been stopped."""
OURS = 0.25
"""What an attempt counts for that was refused because others were under way."""


@dataclass(slots=True)
class _Held:
    """A request that was taken and has no reply yet."""

    asked: Asked
    attempts: float = 0.0
    endpoint: Endpoint | None = None
    """Where it was sent last."""
    trouble: Trouble = _NOT_SENT
    """What came of that."""


@dataclass(slots=True)
class _Attempt:
    """One of its attempts, under way."""

    held: _Held
    endpoint: Endpoint
    sent: Sent
    tokens: float
    """What it was counted as."""


_Ended = tuple[_Attempt, Reply | Trouble]


class Pool:
    """What is known of a model's addresses: kept from call to call."""

    def __init__(self, model: Model, patience: Patience = PATIENCE) -> None:
        self.model = model
        self.patience = patience
        self.endpoints = [Endpoint(model.name, a, model.concurrency, patience) for a in model.addresses]
        self.requests = Rate(model.requests_per_minute)
        self.tokens = Rate(model.tokens_per_minute)

    async def replies(self, asked: Iterator[Asked], send: Send) -> AsyncGenerator[tuple[Asked, Reply], None]:
        """Every request that was taken gets its reply; when all addresses are given up, no more are taken."""
        for endpoint in self.endpoints:
            endpoint.renew()
        call = _Call(self, asked, send)
        try:
            while True:
                call.go_on()
                if call.found:
                    while call.found:
                        yield call.found.popleft()
                    call.dry = False
                elif call.busy or not call.dry:
                    await call.something()
                else:
                    return
        finally:
            await call.end()


class _Call:
    """What is under way, waits and has come back, within one call."""

    def __init__(self, pool: Pool, asked: Iterator[Asked], send: Send) -> None:
        self._pool = pool
        self._asked = asked
        self._send = send
        self.found: deque[tuple[Asked, Reply]] = deque()
        self.dry = False
        """Whether the requests had none to give when they were asked last; a reply may change that. While no more may be
        sent, they are not asked."""
        self._most = pool.model.concurrency * len(pool.endpoints)
        self._waiting: list[tuple[float, int, _Held]] = []
        """Heap of what is to be asked again: when, and a number for the order."""
        self._number = 0
        self._now = 0.0
        self._tasks: set[asyncio.Task[_Ended]] = set()
        self._done: deque[asyncio.Task[_Ended]] = deque()
        self._wake = asyncio.Event()

    @property
    def busy(self) -> bool:
        """Whether any request is without its reply."""
        return bool(self._tasks or self._waiting)

    def go_on(self) -> None:
        """Take in what ended, and send what may be sent."""
        self._now = now = time.monotonic()
        while self._done:
            task = self._done.popleft()
            self._tasks.discard(task)
            self._settle(*task.result(), now)
        if all(endpoint.given_up for endpoint in self._pool.endpoints) or getattr(self._asked, "over", False):
            self._leave()
        while self._pace(now) <= 0 and any(e.room(now) > 0 for e in self._pool.endpoints):
            held = self._next(now)
            if held is None:
                break
            self._start(held, now)

    def _pace(self, now: float) -> float:
        """Seconds until the provider's limits allow the next."""
        return max(self._pool.requests.wait(now), self._pool.tokens.wait(now))

    def _next(self, now: float) -> _Held | None:
        """What waited for its time goes first."""
        if self._waiting and self._waiting[0][0] <= now:
            return heapq.heappop(self._waiting)[2]
        if self.dry or len(self._tasks) + len(self._waiting) >= self._most:
            return None
        asked = next(self._asked, None)
        self.dry = asked is None
        return None if asked is None else _Held(asked)

    def _start(self, held: _Held, now: float) -> None:
        """To the address with the most room, but rather not where it just failed."""
        pool = self._pool
        open_ = [e for e in pool.endpoints if e.room(now) > 0]
        held.endpoint = endpoint = max(open_, key=lambda e: (e is not held.endpoint, e.room(now)))
        tokens = sum(rough_tokens(held.asked.request)) if pool.model.tokens_per_minute else 0.0
        pool.requests.take(1, now)
        pool.tokens.take(tokens, now)
        task = asyncio.create_task(self._try(_Attempt(held, endpoint, endpoint.send(now), tokens)))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[_Ended]) -> None:
        self._done.append(task)
        self._wake.set()

    async def _try(self, attempt: _Attempt) -> _Ended:
        timeout = self._pool.model.timeout
        try:
            async with asyncio.timeout(timeout):
                return attempt, await self._send(attempt.endpoint.address, attempt.held.asked)
        except TimeoutError:
            return attempt, Trouble("timeout", f"no whole answer within {timeout:g} s")

    def _settle(self, attempt: _Attempt, came: Reply | Trouble, now: float) -> None:
        held, endpoint = attempt.held, attempt.endpoint
        if isinstance(came, Reply):
            endpoint.answered(attempt.sent, came, now)
            if came.tokens_in is not None:
                self._pool.tokens.correct(came.tokens_in + (came.tokens_out or 0) - attempt.tokens)
            self.found.append((held.asked, came))
            return
        held.trouble = came
        held.attempts += OURS if endpoint.troubled(attempt.sent, came, now) else 1.0
        if held.attempts < self._pool.patience.attempts and self._may_pass(endpoint, came):
            self._number += 1
            heapq.heappush(self._waiting, (now + self._delay(held), self._number, held))
        else:
            self._fail(held)

    def _fail(self, held: _Held) -> None:
        self.found.append((held.asked, failed(held.trouble.word, held.trouble.message)))

    def _may_pass(self, endpoint: Endpoint, trouble: Trouble) -> bool:
        if trouble.word == "no_access":  # there, but maybe not elsewhere
            return any(e is not endpoint and not e.given_up for e in self._pool.endpoints)
        return trouble.word in PASSING

    def _delay(self, held: _Held) -> float:
        """Full jitter; or what the server asks for and a little of it. While an address keeps everybody away, the request
        may go to another."""
        patience = self._pool.patience
        jitter = random.uniform(0, min(patience.longest, patience.first * 2 ** max(0.0, held.attempts - 1)))  # noqa: S311
        if held.trouble.retry_after is None:
            return jitter
        alone = len(self._pool.endpoints) == 1
        return jitter / 10 + (min(held.trouble.retry_after, patience.stay_away) if alone else 0.0)

    def _leave(self) -> None:
        """Nobody is left to ask, or somebody stopped the run: what waits fails as it did last, and no more is taken."""
        self.dry = True
        for _, _, held in self._waiting:
            self._fail(held)
        self._waiting.clear()

    async def something(self) -> None:
        """Wait until a request ends, or until what held back the next has passed: as seen when `go_on` looked."""
        then = self._now
        times = [then + LOOK, then + self._pace(then), *(e.opens(then) or then for e in self._pool.endpoints)]
        if self._waiting:
            times.append(self._waiting[0][0])
        soon = min((when for when in times if when > then), default=None)
        loop = asyncio.get_running_loop()
        timer = None if soon is None else loop.call_later(max(0.0, soon - time.monotonic()), self._wake.set)
        await self._wake.wait()
        self._wake.clear()
        if timer:
            timer.cancel()

    async def end(self) -> None:
        """Leave nothing under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
