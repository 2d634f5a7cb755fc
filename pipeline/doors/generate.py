"""The generate door: every question to a model goes out here, and every reply is kept before anything reads it.

`generate(rows, ask, read, into)` works in two passes. The first renders each row's request to learn its id, and so
what is owed, without holding it; the second renders only owed rows, in the order that serves the engines.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import aclosing
from pathlib import Path
from typing import Any, Protocol, TypeVar

import polars as pl

from pipeline.backends import Asked, Backend, reach
from pipeline.doors.blobs import Blobs
from pipeline.doors.replies import Replies
from pipeline.errors import Halt, UserError
from pipeline.models import Catalogue
from pipeline.requests import Failure, Reply, Request, failed, request_id
from pipeline.tables import Dropped, Outcome, Row, outcome

R = TypeVar("R", bound=Row)
Cells = dict[str, Any]
"""A table's row as a dictionary."""


class Progress(Protocol):
    """Who wants to know how far it has come."""

    def begin(self, owed: dict[str, int]) -> None:
        """This many requests are about to be asked, by model."""
        ...

    def advance(self, model: str, reply: Reply) -> None:
        """One more came back."""
        ...

    def end(self) -> None:
        """All asked."""
        ...


class Generate:
    """The door, open for one run."""

    def __init__(self, replies: Replies, models: Catalogue, images: Blobs, logs: Path, progress: Progress) -> None:
        self._replies = replies
        self._models = models
        self._images = images
        self._logs = logs
        self._progress = progress
        self._backends: dict[str, Backend] = {}
        self.preview: Callable[[Request], bool] | None = None
        """Instead of asking: shown each owed request, until it returns False; then the run halts."""
        self.owed = 0
        """Rows whose reply is still owed, over all calls so far."""

    def __call__(
        self,
        rows: pl.DataFrame,
        ask: Callable[[Cells], Request],
        read: Callable[[Cells, str, Reply], Iterable[R | Dropped]],
        into: type[R],
    ) -> Outcome:
        """`ask(row)` makes the request, `read(row, request_id, reply)` makes rows of it: both pure. Rows come back in
        order, one reply a row; rows that ask the same share it."""
        plan = self._plan(rows, ask)
        self._replies_to(plan, rows, ask)
        made: list[R | Dropped] = []
        for cells, name in zip(rows.iter_rows(named=True), plan["request_id"], strict=True):
            kept = self._replies.kept(name)
            reply = kept.reply if kept and kept.reply else self._failures.get(name, failed("not_asked"))
            if isinstance(reply.result, Failure) and reply.result.owed:
                self.owed += 1
            made.extend(read(cells, name, reply))
        return outcome(into, made)

    def _plan(self, rows: pl.DataFrame, ask: Callable[[Cells], Request]) -> pl.DataFrame:
        """request_id, model, image and place of every row: small, whatever the requests hold."""
        entries = []
        for place, cells in enumerate(rows.iter_rows(named=True)):
            request = ask(cells)
            images = [i for m in getattr(request, "messages", ()) for i in m.images]
            name = request_id(request, self._models[request.model].identity)
            entries.append((place, name, request.model, request.kind, images[0] if images else None))
        schema = {
            "place": pl.UInt32,
            "request_id": pl.String,
            "model": pl.String,
            "kind": pl.String,
            "image": pl.String,
        }
        return pl.DataFrame(entries, schema=schema, orient="row")

    def _replies_to(self, plan: pl.DataFrame, rows: pl.DataFrame, ask: Callable[[Cells], Request]) -> None:
        """Ask what is owed, by model and image, so that an engine meets one image's prompts together."""
        self._failures: dict[str, Reply] = {}
        owed = (
            plan.unique("request_id", keep="first", maintain_order=True)
            .filter(pl.col("request_id").map_elements(lambda name: name not in self._replies, return_dtype=pl.Boolean))
            .sort("model", "image", "place", nulls_last=True)
        )
        if owed.is_empty():
            return
        self._models.check(set(owed["model"]))
        if self.preview:
            for place in owed["place"]:
                if not self.preview(ask(rows.row(place, named=True))):
                    break
            raise Halt("previewed")
        self._check_kinds(owed)
        self._progress.begin(dict(Counter(owed["model"].to_list())))
        try:
            asyncio.run(self._ask_all(owed, lambda place: ask(rows.row(place, named=True))))
        except ExceptionGroup as group:  # one line is enough for the user: the first
            if user := group.subgroup(UserError):
                raise _first(user) from None
            raise
        finally:
            self._replies.sync()
            self._progress.end()

    def _check_kinds(self, owed: pl.DataFrame) -> None:
        for model, kind in owed.select("model", "kind").unique(maintain_order=True).iter_rows():
            if kind not in self._backend(model).can:
                raise UserError(
                    f"the model {model} cannot {kind}: {self._models[model].backend} can {', '.join(sorted(self._backend(model).can))}"
                )

    def _backend(self, model: str) -> Backend:
        if model not in self._backends:
            self._backends[model] = reach(self._models[model], self._images, self._logs)
        return self._backends[model]

    async def _ask_all(self, owed: pl.DataFrame, render: Callable[[int], Request]) -> None:
        """Pools at once; engines of this machine one after another, beside them."""
        by_model = {str(key[0]): part for key, part in owed.group_by("model", maintain_order=True)}
        turns = [m for m in by_model if self._backend(m).exclusive]

        async def exclusive() -> None:
            for model in turns:
                await self._ask_one(model, by_model[model], render)
                if model != turns[-1]:
                    self._backends.pop(model).close()

        async with asyncio.TaskGroup() as group:
            for model in by_model.keys() - set(turns):
                group.create_task(self._ask_one(model, by_model[model], render))
            group.create_task(exclusive())

    async def _ask_one(self, model: str, owed: pl.DataFrame, render: Callable[[int], Request]) -> None:
        if self._backend(model).exclusive:
            for other in [m for m, b in self._backends.items() if b.exclusive and m != model]:
                self._backends.pop(other).close()
        revision = self._models[model].identity
        requests = (Asked(name, render(place)) for place, name in owed.select("place", "request_id").iter_rows())
        async with aclosing(self._backend(model).replies(requests)) as replies:
            async for asked, reply in replies:
                self._replies.keep(asked.id, revision, asked.request, reply)
                if isinstance(reply.result, Failure):
                    self._failures[asked.id] = reply
                self._progress.advance(model, reply)

    def close(self) -> None:
        """End the engines."""
        for backend in self._backends.values():
            backend.close()
        self._backends.clear()


def _first(group: BaseExceptionGroup[UserError]) -> UserError:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
