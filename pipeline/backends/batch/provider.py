"""The calls of OpenAI's Batch API, through the `openai` package; what goes wrong comes back as `Trouble`."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Any, Self

import httpx2
import openai
import orjson
from pydantic import BaseModel

from pipeline.backends import Asked
from pipeline.backends.api.pictures import Pictures
from pipeline.backends.api.trouble import Trouble, refusal, said
from pipeline.backends.api.wire import MOST, counted, decoded, dictionary
from pipeline.backends.openai import PATH, body, read
from pipeline.models import Model
from pipeline.requests import KEPT_FAILURES, Chat, Reply, failed

URL: Any = f"/v1/{PATH}"
"""Where each line of a batch goes, whatever the address of the server."""
FAULTS = (openai.OpenAIError, httpx2.HTTPError, json.JSONDecodeError, UnicodeDecodeError, RecursionError)
"""All that a server can do to the client: it lets through what breaks off a download, and what is no JSON."""
ENDED = frozenset({"completed", "expired", "cancelled", "failed"})
"""What the provider calls a batch that will not change any more."""
UNDONE = frozenset({"batch_expired", "batch_cancelled"})
"""What the provider calls a request that it did not come to."""
CLOCKS = 86400
"""Seconds by which the provider's clock and ours may differ."""
Fields = dict[str, Any]
Result = tuple[str, Reply | None]
"""A request's id and its reply; None: the provider did not come to it."""


@dataclass(frozen=True)
class Standing:
    """How a batch stands, of what the provider says of it."""

    name: str
    status: str
    completed: int
    """Requests that were answered."""
    files: tuple[str, ...]
    """Those of its results: first of the answers, then of the errors."""
    errors: tuple[tuple[str, int | None], ...]
    """Why it failed, and for which line, from 1."""
    told: str
    """How far it has come, in a line."""

    @property
    def ended(self) -> bool:
        """Whether it will not change any more."""
        return self.status in ENDED

    def why(self, names: Sequence[str]) -> str:
        """The errors; `names`: the id of the request in each line."""
        numbered = {n: f" (line {n}: {name})" for n, name in enumerate(names, 1)}
        return "; ".join(text + numbered.get(number or 0, "") for text, number in self.errors[:5])


class BatchAPI:
    """One model's server, while the context is open. Redirects are not followed: only addresses of models.toml are
    called."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._client = openai.AsyncOpenAI(
            base_url=model.addresses[0],
            api_key=model.secret(),
            timeout=model.timeout,
            http_client=openai.DefaultAsyncHttpxClient(follow_redirects=False),
        )

    async def upload(self, file: IO[bytes]) -> str | Trouble:
        """Send a file of requests, read as it goes; the name that the provider gives it."""
        sent = ("batch.jsonl", file, "application/jsonl")
        found = await self._tried(self._client.files.create(file=sent, purpose="batch"))
        return found if isinstance(found, Trouble) else str(found["id"])

    async def make(self, file: str, token: str) -> Standing | Trouble:
        """Have a batch made of an uploaded file. A second attempt might make a second batch: there is none."""
        create = self._client.with_options(max_retries=0).batches.create
        made = create(completion_window="24h", endpoint=URL, input_file_id=file, metadata={"tetrad": token})
        return self._standing(await self._tried(made))

    async def see(self, name: str) -> Standing | Trouble:
        """How a batch stands."""
        return self._standing(await self._tried(self._client.batches.retrieve(name)))

    async def search(self, token: str, at: float) -> Standing | Trouble | None:
        """The batch that was made under this token at this Unix time, if any was."""
        try:
            async for made in self._client.batches.list(limit=100):  # the newest come first
                found = _fields(made)
                if _fields(found.get("metadata")).get("tetrad") == token:
                    return self._standing(found)
                if (counted(found.get("created_at")) or at) < at - CLOCKS:
                    break
        except FAULTS as error:
            return self._trouble(error)
        return None

    async def results(self, file: str) -> AsyncGenerator[Result | Trouble | None, None]:
        """A file of results, as it arrives. None for a line that cannot be read; trouble, if any, comes last."""
        try:
            async with (
                self._client.files.with_streaming_response.content(file) as response,
                aclosing(_lines(response.iter_bytes())) as lines,
            ):
                async for text in lines:
                    yield _result(self._model, text)
        except FAULTS as error:
            yield self._trouble(error)

    async def _tried(self, call: Awaitable[BaseModel]) -> Fields | Trouble:
        try:
            found = await call
        except FAULTS as error:
            return self._trouble(error)
        fields = _fields(found)
        if not isinstance(fields.get("id"), str):  # the client checks nothing
            return Trouble("server", said(self._model, f"an answer that makes no sense: {found}"[:2000]))
        return fields

    def _standing(self, found: Fields | Trouble) -> Standing | Trouble:
        if isinstance(found, Trouble):
            return found
        status, counts = str(found.get("status")), _fields(found.get("request_counts"))
        done, failures, total = (counted(counts.get(name)) or 0 for name in ("completed", "failed", "total"))
        errors = _fields(found.get("errors")).get("data")
        files = (found.get("output_file_id"), found.get("error_file_id"))
        return Standing(
            name=found["id"],
            status=status,
            completed=done,
            files=tuple(file for file in files if isinstance(file, str)),
            errors=tuple(self._error(_fields(e)) for e in errors) if isinstance(errors, list) else (),
            told=f"{status}, {done} of {total} answered, {failures} failed",
        )

    def _error(self, error: Fields) -> tuple[str, int | None]:
        return said(self._model, f"{error.get('code')}: {error.get('message')}"), counted(error.get("line"))

    def _trouble(self, error: BaseException) -> Trouble:
        """A refusal of the whole is never final for the requests in it: they stay owed."""
        if isinstance(error, openai.APIStatusError):
            found = refusal(self._model, error.status_code, {"error": error.body})
            return found._replace(word="no_access") if found.word in KEPT_FAILURES else found
        late = isinstance(error, openai.APITimeoutError | httpx2.TimeoutException)
        cut = isinstance(error, openai.APIConnectionError | httpx2.HTTPError)
        word = "timeout" if late else "unreachable" if cut else "server"
        return Trouble(word, said(self._model, f"{type(error).__name__}: {error.__cause__ or error}"))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.close()


async def line(model: Model, asked: Asked, pictures: Pictures, most: int) -> bytes | Trouble:
    """A request's line in a batch's file, of `most` bytes; or why it can have none."""
    if not isinstance(asked.request, Chat):
        return Trouble("bad_request", f"{model.name} answers chats only")
    shown = await pictures.of(asked.request)
    if isinstance(shown, Trouble):
        return shown
    document = {"custom_id": asked.id, "method": "POST", "url": URL, "body": body(model, asked, shown)}
    text = orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)
    return text if len(text) <= most else Trouble("too_long", f"{len(text):,} bytes: a batch may have {most:,}")


def queue_is_full(message: str) -> bool:
    """Whether these words say that too many tokens wait in the provider's queue: they do so by 429, or by a batch that
    fails with `token_limit_exceeded`."""
    return "enqueued token" in message.lower() or "token_limit_exceeded" in message


def _fields(value: object) -> Fields:
    """Of what should be an object, and may be anything: the client makes its own of what came, and checks nothing."""
    return dictionary(value.model_dump(warnings=False) if isinstance(value, BaseModel) else value)


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Cut at line feeds alone: what Python calls a line also ends at U+2028, which JSON may hold as it is."""
    parts: list[bytes] = []
    held = 0
    async for chunk in chunks:
        first, *others = chunk.split(b"\n")
        for more, ended in ((first, bool(others)), *((other, n < len(others)) for n, other in enumerate(others, 1))):
            if held + len(more) <= MOST:
                parts.append(more)
            held += len(more)
            if ended:
                if held:
                    yield b"".join(parts)
                parts, held = [], 0
    if held:
        yield b"".join(parts)


def _result(model: Model, text: bytes) -> Result | None:
    """What a line says of which request."""
    found: Any = decoded(text)
    try:
        name, response, error = found["custom_id"], found.get("response"), found.get("error")
        if response:
            reply = read(model, response["status_code"], response["body"])
        elif error["code"] in UNDONE:
            reply = None
        else:
            reply = Trouble("server", said(model, f"{error['code']}: {error['message']}"))
    except (AttributeError, KeyError, TypeError):
        return None
    if not isinstance(name, str):
        return None
    return name, failed(reply.word, reply.message) if isinstance(reply, Trouble) else reply
