"""OpenAI's Batch API, and servers that speak it: the same requests, cheaper, and answered within a day.

A batch lives at the provider, not here: whoever stops the run leaves it there, and the next run collects it. What is
in a batch is not sent again while its reply may still come.
"""

import asyncio
import tempfile
import time
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import IO

from pipeline.backends import LOG, Asked
from pipeline.backends.api.pictures import Pictures
from pipeline.backends.api.trouble import PASSING, Trouble
from pipeline.backends.batch.limits import Limits, Room, limits
from pipeline.backends.batch.memory import Batch, Batches
from pipeline.backends.batch.provider import BatchAPI, Standing, line, queue_is_full
from pipeline.doors.blobs import Blobs
from pipeline.doors.log import disk_error, private_folder
from pipeline.models import Model
from pipeline.requests import Reply, failed

Pair = tuple[Asked, Reply]
UNSURE = frozenset({"server", "timeout", "unreachable"})
"""Troubles after which a batch may have been made nevertheless."""


class OpenAIBatch:
    """Backend: requests in files, answered in files."""

    can = frozenset({"chat"})
    exclusive = False

    def __init__(self, model: Model, images: Blobs, folder: Path) -> None:
        """`folder`: the workspace, where it remembers its batches."""
        self._model = model
        self._pictures = Pictures(images, model.pictures)
        self._folder = folder
        self._limits = limits(model)
        self._batches: Batches | None = None

    async def replies(self, asked: Iterator[Asked]) -> AsyncGenerator[Pair, None]:
        """Fill batches, and wait for them: up to a day. Ended early, it leaves them at the provider for the next call."""
        self._batches = self._batches or Batches(private_folder(self._folder), self._model.name)
        self._batches.settle()
        async with BatchAPI(self._model) as api:
            sitting = _Sitting(self._model, self._pictures, api, self._batches, self._limits, asked)
            async with aclosing(sitting.replies(self._folder)) as replies:
                async for pair in replies:
                    yield pair

    def close(self) -> None:
        """Close the file of batches: what was given is on the disk by now."""
        if self._batches:
            self._batches.close()
        self._batches = None


class _Sitting:
    """One call: what it wants, and the batches it waits for."""

    def __init__(
        self, model: Model, pictures: Pictures, api: BatchAPI, batches: Batches, limits: Limits, asked: Iterator[Asked]
    ) -> None:
        self._model, self._pictures, self._api = model, pictures, api
        self._batches, self._limits, self._asked = batches, limits, asked
        self._wanted: dict[str, dict[str, Asked]] = {}
        """Token of a batch that is waited for → what is wanted of it, by id."""
        self._made: set[str] = set()
        """Tokens of the batches made in this sitting."""
        self._again: deque[Asked] = deque()
        """Taken, and in no batch, or none any more."""
        self._ready: list[Pair] = []
        """Failures that no batch brought."""
        self._room = Room(limits.requests)
        self._shut: Trouble | None = None
        """Why no more batches are made."""
        self._attempts = 0

    async def replies(self, folder: Path) -> AsyncGenerator[Pair, None]:
        """All there is to wait for, in turns: make batches, look after all, sleep."""
        while True:
            await self._fill(folder)
            under_way = len(self._wanted)
            for token in list(self._wanted):
                async with aclosing(self._look(self._batches[token])) as found:
                    async for pair in found:
                        yield pair
            for pair in self._failures():
                yield pair
            if self._again or len(self._wanted) == under_way > 0:
                await asyncio.sleep(self._limits.interval)
            elif not under_way:
                return

    async def _fill(self, folder: Path) -> None:
        """Make as many batches as there are requests for, and room."""
        while not self._room.full and not self._shut and await self._make(folder):
            if self._room.narrow:
                return

    def _failures(self) -> list[Pair]:
        """At the end of a turn: those that no batch brought."""
        if not self._room.settle(waiting=bool(self._wanted)):
            self._shut = Trouble("rate_limit", "the provider's queue of batches is full")
        if self._shut:
            self._fail(self._again, self._shut.word, self._shut.message)
            self._again.clear()
        found, self._ready = self._ready, []
        return found

    async def _make(self, folder: Path) -> bool:
        """Make one batch of what is asked, if anything is; returns whether another may be made at once."""
        try:
            with tempfile.TemporaryFile(dir=folder) as file:  # it has no name: a kill leaves nothing behind
                taken = await self._write(file)
                if not taken:
                    return False
                uploaded = await self._api.upload(file)
        except OSError as error:
            raise disk_error(folder, error) from None
        return self._not_made(taken, uploaded) if isinstance(uploaded, Trouble) else await self._create(taken, uploaded)

    async def _create(self, taken: list[Asked], file: str) -> bool:
        """Have the provider make a batch of an uploaded file; it is noted before, and named after."""
        batch = self._batches.intend(one.id for one in taken)
        made = await self._api.make(file, batch.token)
        if isinstance(made, Trouble) and made.word not in UNSURE:
            self._batches.forget(batch)
            return self._not_made(taken, made)
        self._made.add(batch.token)
        self._wanted[batch.token] = {one.id: one for one in taken}
        if isinstance(made, Trouble):  # `_search` finds out
            return False
        self._batches.named(batch, made.name)
        LOG.info("%s: batch %s holds %d requests", self._model.name, made.name, len(taken))
        self._attempts = 0
        return True

    async def _write(self, file: IO[bytes]) -> list[Asked]:
        """Fill the file with requests, until it is full or there are none; who is in a batch already waits for it."""
        taken: list[Asked] = []
        size, room = 0, self._limits.under_way - sum(map(len, self._wanted.values()))
        while len(taken) < min(self._room.requests, room):
            one = self._again.popleft() if self._again else next(self._asked, None)
            if one is None:
                break
            if batch := self._batches.of(one.id):
                self._wanted.setdefault(batch.token, {})[one.id] = one
                room -= 1
                continue
            text = await line(self._model, one, self._pictures, self._limits.bytes)
            if isinstance(text, Trouble):
                self._fail([one], text.word, text.message)
            elif size + len(text) > self._limits.bytes:
                self._again.appendleft(one)
                break
            else:
                size += file.write(text)
                taken.append(one)
            await asyncio.sleep(0)  # a batch is long in the writing, and others are at work
        file.seek(0)
        return taken

    def _not_made(self, taken: list[Asked], trouble: Trouble) -> bool:
        """No batch was made of these: try again later, where that may help."""
        LOG.warning("%s: no batch was made: %s", self._model.name, trouble.message)
        self._again.extendleft(reversed(taken))
        self._attempts += 1
        if queue_is_full(trouble.message):
            self._room.reject(len(taken))
        elif trouble.status == 413 and len(taken) > 1:
            self._room.requests = len(taken) // 2
        elif trouble.word not in PASSING or self._attempts > self._limits.patience:
            self._shut = trouble
        return False

    async def _look(self, batch: Batch) -> AsyncGenerator[Pair, None]:
        """What has become of a batch; once it ended, its replies."""
        now = await (self._api.see(batch.name) if batch.name else self._search(batch))
        if now is None:
            return
        if isinstance(now, Trouble):
            self._not_seen(batch, now)
            return
        self._tell(batch, now.told)
        if not now.ended:
            batch.troubles = 0
            return
        for file in now.files:
            async with aclosing(self._results(batch, file)) as results:
                async for result in results:
                    if isinstance(result, Trouble):
                        self._not_seen(batch, result)
                        return
                    yield result
        self._end(batch, now)

    async def _search(self, batch: Batch) -> Standing | Trouble | None:
        """Whether the provider has made a batch of which it never told us. None: it has not, or not yet."""
        found = await self._api.search(batch.token, batch.at)
        if isinstance(found, Standing):
            self._batches.named(batch, found.name)
        elif found is None and time.time() - batch.at >= self._limits.interval:  # it has had the time to appear
            self._not_made(self._leave(batch), Trouble("server", "the provider was asked for one, and has none"))
            self._batches.forget(batch)
        return found

    async def _results(self, batch: Batch, file: str) -> AsyncGenerator[Pair | Trouble, None]:
        """The replies in a file of results: its lines come in any order, some of them twice, or for who never asked."""
        spoiled = 0
        async with aclosing(self._api.results(file)) as results:
            async for result in results:
                if isinstance(result, Trouble):
                    if result.status != 404:
                        yield result
                        return
                    LOG.warning("%s: results of batch %s are gone", self._model.name, batch.name)
                elif result is None:
                    spoiled += 1
                elif result[1] and (asked := self._wanted[batch.token].pop(result[0], None)):
                    yield asked, result[1]
                    self._batches.given(batch, asked.id)
        if spoiled:
            LOG.warning("%s: batch %s: %d lines of its results cannot be read", self._model.name, batch.name, spoiled)

    def _end(self, batch: Batch, now: Standing) -> None:
        """It has ended: what is to become of those to whom it brought nothing."""
        rest = self._leave(batch)
        for one in rest:
            self._batches.given(batch, one.id)
        why = now.why(batch.asks)
        word, message = "server", f"batch {batch.name} brought no reply: {now.status} {why}".rstrip()
        if now.status == "failed":
            self._batches.forget(batch)
            if queue_is_full(why):
                self._again.extend(rest)
                self._room.reject(len(batch.asks))
                return
            if batch.token not in self._made:  # it failed long ago, and what was wrong may have been mended
                self._again.extend(rest)
                return
            LOG.warning("%s: %s", self._model.name, message)
            self._shut = Trouble(word, message)  # the next would fail alike
        if now.status == "expired":
            if now.completed:
                self._again.extend(rest)
                return
            word = "timeout"
        self._fail(rest, word, message)

    def _not_seen(self, batch: Batch, trouble: Trouble) -> None:
        """It could not be asked about: another time, or another run, may do better. It stays noted."""
        batch.troubles += 1
        if trouble.word in PASSING and batch.troubles <= self._limits.patience:
            if trouble.message != batch.told:
                LOG.warning("%s: cannot look after batch %s: %s", self._model.name, batch.name, trouble.message)
            batch.told = trouble.message
            return
        message = f"batch {batch.name} is left for another run: {trouble.message}"
        if trouble.status == 404:
            message += " (was it made with another key?)"
        LOG.warning("%s: %s", self._model.name, message)
        self._fail(self._leave(batch), trouble.word, message)

    def _tell(self, batch: Batch, told: str) -> None:
        if told != batch.told:
            LOG.info("%s: batch %s: %s", self._model.name, batch.name, told)
        batch.told = told

    def _leave(self, batch: Batch) -> list[Asked]:
        """Wait for it no more; what was still wanted of it."""
        self._room.full = False
        return list(self._wanted.pop(batch.token, {}).values())

    def _fail(self, asked: Iterable[Asked], word: str, message: str) -> None:
        self._ready.extend((one, failed(word, message)) for one in asked)
