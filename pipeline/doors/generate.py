"""The generate door: every question to a model goes out here, and every reply is kept before anything reads it.

`generate(rows, ask, read, into)` works in two passes. The first renders each row's request to learn its id, and so
what is owed, without holding it; the second renders only owed rows, in the order that serves the engines. Replies are
read some thousands at a time, so that what is held in memory does not grow with what was said.
"""

import asyncio
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

import polars as pl

from pipeline.backends import LOG, Asked, Backend, check, reach
from pipeline.doors.blobs import Blobs
from pipeline.doors.budget import Budget
from pipeline.doors.feed import Feed
from pipeline.doors.replies import Replies
from pipeline.doors.stop import Stop
from pipeline.errors import Halt, Interrupted, UserError
from pipeline.models import Catalogue, Model
from pipeline.requests import AnyRequest, Chat, Failure, Reply, Score, failed, images_of, request_id
from pipeline.tables import Dropped, Outcome, Row, gather, outcome
from pipeline.workspace import Asking

R = TypeVar("R", bound=Row)
Cells = dict[str, Any]
"""A table's row as a dictionary."""
Ask = Callable[[Cells], AnyRequest]
CHUNK = 1024
"""Rows rendered, or replies read, at once."""
PLAN = {
    "place": pl.UInt32(),
    "request_id": pl.String(),
    "model": pl.Categorical(),
    "kind": pl.Categorical(),
    "prefix": pl.UInt32(),
    "image": pl.Categorical(),
    "terms": pl.Boolean(),
}
"""What is known of each row's request once it was rendered: small, whatever it holds. `prefix`: hash of what comes before
the image, the system prompt; `terms`: whether the provider's terms forbid to send it."""


class Progress(Protocol):
    """Who wants to know how far it has come."""

    def begin(self, owed: dict[str, int]) -> None:
        """This many requests are about to be asked, by model."""
        ...

    def advance(self, model: str, reply: Reply, cost: float | None) -> None:
        """One more came back, and what it cost in US dollars."""
        ...

    def end(self) -> None:
        """All asked."""
        ...


@dataclass
class _Turn:
    """One call of the door: what is owed, and what came of asking."""

    plan: pl.DataFrame
    rows: pl.DataFrame
    ask: Ask
    failures: dict[str, Reply] = field(default_factory=dict)
    """Request id to a failure that may pass: it is not kept."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Model to the time its asking took."""
    asked: Counter[str] = field(default_factory=Counter)
    """Model to the replies that came back just now."""
    troubles: list[UserError] = field(default_factory=list)
    short: bool = False
    """Whether something was not asked for want of money."""


class Generate:
    """The door, open for one run."""

    def __init__(
        self, replies: Replies, models: Catalogue, images: Blobs, folder: Path, progress: Progress,
        *, run: str = "", budget: Budget | None = None, lineage: Mapping[str, frozenset[str]] | None = None,
    ) -> None:  # fmt: skip
        """`folder`: the workspace, where backends keep what they must remember; `lineage`: subcategory to the ids of
        itself and of all above it, by which providers' terms are held."""
        self._replies = replies
        self._models = models
        self._images = images
        self._folder = folder
        self._progress = progress
        self._run = run
        self._budget = budget or Budget()
        self._lineage = lineage or {}
        self._backends: dict[str, Backend] = {}
        self.preview: Callable[[AnyRequest], bool] | None = None
        """Instead of asking: shown each owed request, until it returns False; then the run halts."""
        self.owed = 0
        """Rows whose reply is still owed, over all calls so far."""
        self.asking: dict[str, Asking] = {}
        """Model to what its replies took, over all calls so far; whoever reads it may empty it."""

    def __call__(
        self, rows: pl.DataFrame, ask: Ask, read: Callable[[Cells, str, Reply], Iterable[R | Dropped]], into: type[R]
    ) -> Outcome:  # fmt: skip
        """`ask(row)` makes the request, `read(row, request_id, reply)` makes rows of it: both pure. Rows come back in
        order, one reply a row; rows that ask the same share it."""
        turn = _Turn(self._plan(rows, ask), rows, ask)
        self._ask_owed(turn)
        return gather(into, self._read(turn, read, into))

    def given(
        self, rows: pl.DataFrame, ask: Ask, reply: Callable[[Cells], Reply],
        read: Callable[[Cells, str, Reply], Iterable[R | Dropped]], into: type[R], *, source: str,
    ) -> Outcome:  # fmt: skip
        """Replies that somebody else got: each row holds one, and `reply(row)` makes it. They are kept as if they had just come,
        under the ids of their requests to models of this `source`, and read like all others. Nobody is asked."""

        def parts() -> Iterator[Outcome]:
            for part in rows.iter_slices(CHUNK):
                asked = [(cells, ask(cells)) for cells in part.iter_rows(named=True)]
                names = [request_id(request, f"{request.model} by {source}") for _, request in asked]
                for owed, name, (cells, request) in zip(
                    self._replies.missing(pl.Series(names, dtype=pl.String)), names, asked, strict=True
                ):
                    if owed:
                        self._replies.keep(name, f"{request.model} by {source}", request, reply(cells), run=self._run)
                kept = self._replies.many(names)
                made = [
                    row for name, (cells, _) in zip(names, asked, strict=True) for row in read(cells, name, kept[name])
                ]
                yield outcome(into, made)
            self._replies.sync()

        return gather(into, parts())

    def _plan(self, rows: pl.DataFrame, ask: Ask) -> pl.DataFrame:
        parts = [pl.DataFrame(schema=PLAN)]
        for start in range(0, rows.height, CHUNK):
            part = rows.slice(start, CHUNK).iter_rows(named=True)
            entries = [self._entry(start + n, cells, ask(cells)) for n, cells in enumerate(part)]
            parts.append(pl.DataFrame(entries, schema=PLAN, orient="row"))
        return pl.concat(parts)

    def _entry(self, place: int, cells: Cells, request: AnyRequest) -> tuple[object, ...]:
        model = self._models[request.model]
        messages = request.messages if isinstance(request, Chat | Score) else ()
        before = (
            zlib.crc32(messages[0].text.encode(errors="replace")) if messages and messages[0].role == "system" else 0
        )
        forbidden = model.terms is not None and not self._lineage.get(
            cells.get("subcategory") or "", frozenset()
        ).isdisjoint(model.terms.not_sent)
        image = next(iter(images_of(request)), None)
        return place, request_id(request, model.identity), request.model, request.kind, before, image, forbidden

    def _ask_owed(self, turn: _Turn) -> None:
        """Ask what is owed, by model, beginning and image, so that an engine meets what it can reuse together."""
        owed = (
            turn.plan.filter(~pl.col("terms") & pl.col("request_id").is_first_distinct())
            .pipe(lambda plan: plan.filter(self._replies.missing(plan["request_id"])))
            .sort("model", "prefix", "image", "place", nulls_last=True)
        )
        if owed.is_empty():
            return
        self._models.check(set(owed["model"]))
        if self.preview:
            self._show(turn, owed, self.preview)
            raise Halt("previewed")
        for name, kind in owed.select("model", "kind").unique(maintain_order=True).iter_rows():
            self.check(name, kind)
        self._progress.begin(dict(Counter(owed["model"].to_list())))
        try:
            code = asyncio.run(self._ask_all(turn, owed))
        finally:
            self._replies.sync()
            self._progress.end()
        if turn.troubles:  # one line is enough for the user: the first
            raise turn.troubles[0]
        if code:
            raise Interrupted(code)
        if turn.short:
            raise self._budget.halt()

    def _show(self, turn: _Turn, owed: pl.DataFrame, preview: Callable[[AnyRequest], bool]) -> None:
        """Instead of asking: count, and show."""
        for model, number in turn.plan["model"].value_counts().iter_rows():
            self.asking.setdefault(model, Asking()).requests += number
        for model, number in owed["model"].value_counts().iter_rows():
            self.asking.setdefault(model, Asking()).owed += number
        for asked in self._requests(turn, owed):
            if not preview(asked.request):
                break

    def check(self, name: str, kind: str) -> None:
        """What would go wrong for every request of a kind to a model is found before the first."""
        model = self._models[name]
        check(model)
        self._budget.check(model)
        can = self._backend(name).can
        if kind not in can:
            raise UserError(f"the model {name} cannot {kind}: {model.backend} can {', '.join(sorted(can))}")

    def _requests(self, turn: _Turn, owed: pl.DataFrame) -> Iterator[Asked]:
        """Each owed request, rendered when it is its turn."""
        for part in owed.iter_slices(CHUNK):
            rows = turn.rows[part["place"]].iter_rows(named=True)
            for name, cells in zip(part["request_id"], rows, strict=True):
                yield Asked(name, turn.ask(cells))

    def _backend(self, model: str) -> Backend:
        if model not in self._backends:
            self._backends[model] = reach(self._models[model], self._images, self._folder)
        return self._backends[model]

    async def _ask_all(self, turn: _Turn, owed: pl.DataFrame) -> int:
        """Pools at once; engines of this machine one after another, beside them. Returns an exit code, if stopped."""
        by_model = {str(key[0]): part for key, part in owed.group_by("model", maintain_order=True)}
        engines = [m for m in by_model if self._backend(m).exclusive]

        async def in_turns() -> None:
            for model in engines:
                for other in [m for m, b in self._backends.items() if b.exclusive and m != model]:
                    self._backends.pop(other).close()
                await self._ask_one(model, turn, by_model[model], stop)

        with Stop() as stop:
            syncing = asyncio.create_task(self._sync(turn))
            try:
                async with asyncio.TaskGroup() as group:
                    for model in by_model.keys() - set(engines):
                        task = group.create_task(self._ask_one(model, turn, by_model[model], stop))
                        if self._models[model].batch:
                            stop.lasting.add(task)
                    group.create_task(in_turns())
            except asyncio.CancelledError:
                if not stop.code:
                    raise
            finally:
                syncing.cancel()
        return stop.code

    async def _sync(self, turn: _Turn) -> None:
        """What came is on the disk a second later, also when nothing follows it."""
        while not turn.troubles:
            await asyncio.sleep(1)
            try:
                self._replies.sync()
            except UserError as error:
                turn.troubles.append(error)

    async def _ask_one(self, name: str, turn: _Turn, owed: pl.DataFrame, stop: Stop) -> None:
        model, started = self._models[name], time.monotonic()
        feed = Feed(
            self._requests(turn, owed),
            wanted=lambda: not stop.code and not turn.troubles,
            allowed=lambda asked: self._budget.allows(asked.id, model, asked.request),
        )
        try:
            more = not stop.code and not turn.troubles
            while more:
                before = turn.asked[name]
                async with aclosing(self._backend(name).replies(feed)) as replies:
                    async for asked, reply in replies:
                        self._keep(model, turn, asked, reply)
                more = feed.short and turn.asked[name] > before  # what came cost less than was held back for it
            turn.short |= feed.short
        except UserError as error:  # the other models finish what is under way, and keep it
            turn.troubles.append(error)
            LOG.warning("%s", error)
        finally:
            turn.seconds[name] = time.monotonic() - started

    def _keep(self, model: Model, turn: _Turn, asked: Asked, reply: Reply) -> None:
        cost = self._budget.came(asked.id, model, reply)
        self._replies.keep(asked.id, model.identity, asked.request, reply, run=self._run, cost=cost)
        if isinstance(reply.result, Failure) and reply.result.owed:
            turn.failures[asked.id] = reply
        turn.asked[model.name] += 1
        self._progress.advance(model.name, reply, cost)

    def _read(
        self, turn: _Turn, read: Callable[[Cells, str, Reply], Iterable[R | Dropped]], into: type[R]
    ) -> Iterator[Outcome]:
        forbidden = failed("terms", "the provider's terms forbid to send what belongs to this subcategory")
        unasked = failed("not_asked")
        for part in turn.plan.iter_slices(CHUNK):
            kept = self._replies.many(part["request_id"])
            rows = turn.rows.slice(part["place"][0], part.height).iter_rows(named=True)
            made: list[R | Dropped] = []
            for cells, (name, model, terms) in zip(
                rows, part.select("request_id", "model", "terms").iter_rows(), strict=True
            ):
                reply = forbidden if terms else kept.get(name) or turn.failures.get(name, unasked)
                owed = isinstance(reply.result, Failure) and reply.result.owed
                self.owed += owed
                self._tally(model, reply, owed=owed)
                made.extend(read(cells, name, reply))
            yield outcome(into, made)
        for model, seconds in turn.seconds.items():
            asking = self.asking.setdefault(model, Asking())
            asking.asked += turn.asked[model]
            asking.seconds += seconds

    def _tally(self, model: str, reply: Reply, *, owed: bool) -> None:
        asking = self.asking.setdefault(model, Asking())
        asking.requests += 1
        asking.owed += owed
        asking.tokens_in += reply.tokens_in or 0
        asking.tokens_out += reply.tokens_out or 0
        asking.answering = round(asking.answering + (reply.seconds or 0), 3)

    def costs(self, request_ids: pl.Series) -> pl.DataFrame:
        """id and cost (US dollars) of those of these requests whose price is known."""
        return self._replies.costs(request_ids)

    def close(self) -> None:
        """End the engines."""
        for backend in self._backends.values():
            backend.close()
        self._backends.clear()
