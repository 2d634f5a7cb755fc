"""Any server that speaks OpenAI's chat completions: hosted APIs, `vllm serve`, SGLang, llama.cpp."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncGenerator, Iterator

import openai
from openai.types.chat import ChatCompletion, ChatCompletionMessageParam

from pipeline.backends import Asked, seed
from pipeline.doors.blobs import Blobs
from pipeline.models import Model
from pipeline.requests import Answer, Chat, Message, Reply, failed

RETRIES = 4
"""The client's own: with back-off, jitter and Retry-After, for what may pass."""


class OpenAI:
    """Backend: a pool of requests to one endpoint."""

    can = frozenset({"chat"})
    exclusive = False

    def __init__(self, model: Model, images: Blobs) -> None:
        self._model = model
        self._images = images

    async def replies(self, asked: Iterator[Asked]) -> AsyncGenerator[tuple[Asked, Reply], None]:
        """`concurrency` requests at a time; a new one starts as soon as one ends."""
        async with openai.AsyncOpenAI(
            base_url=self._model.base_url,
            api_key=self._model.secret(),
            timeout=self._model.timeout,
            max_retries=RETRIES,
        ) as client:
            flying: set[asyncio.Task[tuple[Asked, Reply]]] = set()
            try:
                while True:
                    while len(flying) < self._model.concurrency and (one := next(asked, None)) is not None:
                        flying.add(asyncio.create_task(self._ask(client, one)))
                    if not flying:
                        return
                    ended, flying = await asyncio.wait(flying, return_when=asyncio.FIRST_COMPLETED)
                    for task in ended:
                        yield task.result()
            finally:
                for task in flying:
                    task.cancel()

    async def _ask(self, client: openai.AsyncOpenAI, asked: Asked) -> tuple[Asked, Reply]:
        request = asked.request
        if not isinstance(request, Chat):
            return asked, failed("bad_request", f"{self._model.name} answers chats only")
        try:
            messages = [self._message(m) for m in request.messages]
        except OSError as error:
            return asked, failed("unreadable_image", str(error))
        started = time.monotonic()
        response_format = _format(request.json_schema) if request.json_schema else openai.omit
        try:
            completion = await client.chat.completions.create(
                model=self._model.served_as,
                messages=messages,
                temperature=request.temperature,
                top_p=request.top_p,
                max_tokens=request.max_tokens,
                seed=seed(asked),
                response_format=response_format,
            )
        except openai.OpenAIError as error:
            return asked, self._failed(*_kind(error))
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            return asked, self._failed("server", f"an answer that is not JSON: {error}")
        result = _result(completion)
        if isinstance(result, tuple):
            return asked, self._failed(*result)
        return asked, _reply(completion, result, time.monotonic() - started)

    def _failed(self, word: str, message: str) -> Reply:
        """A failure in the server's words, which may repeat the key."""
        return failed(word, message.replace(self._model.secret(), "***") if self._model.key else message)

    def _message(self, message: Message) -> ChatCompletionMessageParam:
        if not message.images:
            return {"role": message.role, "content": message.text}  # type: ignore[return-value,misc]
        pictures = [
            {
                "type": "image_url",
                "image_url": {"url": "data:image/jpeg;base64," + base64.b64encode(self._images.read(i)).decode()},
            }
            for i in message.images
        ]
        return {"role": message.role, "content": [*pictures, {"type": "text", "text": message.text}]}  # type: ignore[return-value,misc]

    def close(self) -> None:
        """Each call opens and closes its own client."""


def _format(schema: str) -> openai.types.shared_params.ResponseFormatJSONSchema:
    return {"type": "json_schema", "json_schema": {"name": "verdict", "schema": json.loads(schema), "strict": True}}


def _result(completion: ChatCompletion) -> Answer | tuple[str, str]:
    """The answer, or the word for why there is none and a message. Nobody checked what the server sent: it may be a
    page, 200 with an error in it, no choices, or anything of another type than it should be."""
    if not isinstance(completion, ChatCompletion):
        return "server", f"an answer that is no completion: {completion}"
    if error := getattr(completion, "error", None):
        return "server", str(error)
    if not completion.choices:
        return "no_answer", "no choices in the answer"
    choice = completion.choices[0]
    message, finish = getattr(choice, "message", None), getattr(choice, "finish_reason", None)
    refusal, text = getattr(message, "refusal", None), getattr(message, "content", None)
    if finish == "content_filter" or refusal:
        return "refused", str(refusal or "content filter")
    if not isinstance(text, str):
        return "no_answer", "an answer without text"
    reasoning = getattr(message, "reasoning_content", None) or getattr(message, "reasoning", None)
    return Answer(
        text=text,
        reasoning=reasoning if isinstance(reasoning, str) else None,
        finish="length" if finish == "length" else "stop",
    )


def _reply(completion: ChatCompletion, answer: Answer, seconds: float) -> Reply:
    """The answer, with what the server says of it."""
    tokens = [getattr(completion.usage, f"{kind}_tokens", None) for kind in ("prompt", "completion")]
    tokens_in, tokens_out = (count if isinstance(count, int) else None for count in tokens)
    return Reply(
        result=answer,
        answered_by=completion.model if isinstance(completion.model, str) else None,
        provider_id=completion.id if isinstance(completion.id, str) else None,
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        seconds=round(seconds, 4),
    )


def _kind(error: openai.OpenAIError) -> tuple[str, str]:
    """The word for an error, and its message."""
    message = str(error)
    if isinstance(error, openai.BadRequestError):
        lower = message.lower()
        if "content_filter" in lower or "content_policy" in lower or "safety" in lower:
            return "refused", message
        long = "context" in lower and ("length" in lower or "size" in lower or "window" in lower)
        return ("too_long" if long else "bad_request"), message
    words = (
        (openai.APITimeoutError, "timeout"),
        (openai.APIConnectionError, "unreachable"),
        (openai.RateLimitError, "rate_limit"),
        (openai.InternalServerError, "server"),
        (openai.UnprocessableEntityError, "bad_request"),
        (openai.APIStatusError, "no_access"),
    )
    return next((word for kind, word in words if isinstance(error, kind)), "server"), message
