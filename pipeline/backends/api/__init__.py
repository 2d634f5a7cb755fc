"""A model behind an API that takes a chat as one JSON body and answers with another: what its dialects share. A dialect
is a path, headers, and two pure functions, `body` and `read`."""

from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import aclosing
from typing import Any, NamedTuple

import orjson

from pipeline.backends import Asked
from pipeline.backends.api.endpoint import PATIENCE, Patience
from pipeline.backends.api.pictures import Picture, Pictures
from pipeline.backends.api.pool import Pool
from pipeline.backends.api.trouble import Trouble
from pipeline.backends.api.wire import Wire
from pipeline.doors.blobs import Blobs
from pipeline.models import Model
from pipeline.requests import Chat, Reply


class Dialect(NamedTuple):
    """How one kind of server is spoken to."""

    path: str
    """Behind the address."""
    headers: Callable[[Model], dict[str, str]]
    """They hold the key."""
    body: Callable[[Model, Asked, Mapping[str, Picture]], dict[str, Any]]
    """What is sent for a chat; the pictures by their SHA-256."""
    read: Callable[[Model, int, object], Reply | Trouble]
    """What came back: the status, and the body as JSON, or as text if it is none."""


class API:
    """Backend: a pool of requests to one model, at one address or several."""

    can = frozenset({"chat"})
    exclusive = False

    def __init__(self, model: Model, images: Blobs, dialect: Dialect, patience: Patience = PATIENCE) -> None:
        self._model = model
        self._dialect = dialect
        self._pictures = Pictures(images, model.pictures)
        self._wire = Wire(model, dialect.path, dialect.headers(model))
        self._pool = Pool(model, patience)

    async def replies(self, asked: Iterator[Asked]) -> AsyncGenerator[tuple[Asked, Reply], None]:
        """As many requests at a time as the servers bear; each reply as it comes."""
        async with self._wire, aclosing(self._pool.replies(asked, self._send)) as replies:
            async for pair in replies:
                yield pair

    async def _send(self, address: str, asked: Asked) -> Reply | Trouble:
        if not isinstance(asked.request, Chat):
            return Trouble("bad_request", f"{self._model.name} answers chats only")
        pictures = await self._pictures.of(asked.request)
        if isinstance(pictures, Trouble):
            return pictures
        came = await self._wire.post(address, orjson.dumps(self._dialect.body(self._model, asked, pictures)))
        if isinstance(came, Trouble):
            return came
        return came.timed(self._dialect.read(self._model, came.status, came.document))

    def close(self) -> None:
        """Each call opens and closes its own connections."""


def named(model: Model, fields: dict[str, Any]) -> dict[str, Any]:
    """Parameters under the names that the server knows, without those it refuses."""
    if not model.omit and not model.rename:
        return fields
    return {model.rename.get(name, name): value for name, value in fields.items() if name not in model.omit}
