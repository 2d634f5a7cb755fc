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
        done: asyncio.Queue[tuple[Asked, Reply] | None] = asyncio.Queue(self._model.concurrency)

        async def worker(client: openai.AsyncOpenAI) -> None:
            for one in asked:
                await done.put((one, await self._ask(client, one)))
            await done.put(None)

        async with openai.AsyncOpenAI(
            base_url=self._model.base_url,
            api_key=self._model.secret(),
            timeout=self._model.timeout,
            max_retries=RETRIES,
        ) as client:
            workers = [asyncio.create_task(worker(client)) for _ in range(self._model.concurrency)]
            try:
                working = len(workers)
                while working:
                    pair = await done.get()
                    if pair is None:
                        working -= 1
                    else:
                        yield pair
                await asyncio.gather(*workers)
            finally:
                for task in workers:
                    task.cancel()

    async def _ask(self, client: openai.AsyncOpenAI, asked: Asked) -> Reply:
        request = asked.request
        if not isinstance(request, Chat):
            return failed("bad_request", f"{self._model.name} answers chats only")
        started = time.monotonic()
        try:
            completion = await client.chat.completions.create(
                model=self._model.served_as,
                messages=[self._message(m) for m in request.messages],
                temperature=request.temperature,
                top_p=request.top_p,
                max_tokens=request.max_tokens,
                seed=seed(asked),
                response_format=_format(request.json_schema) if request.json_schema else openai.omit,
            )
        except openai.OpenAIError as error:
            word, message = _kind(error)
            return failed(word, message.replace(self._model.secret(), "***") if self._model.key else message)
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            return failed("server", f"an answer that is not JSON: {error}")
        return _reply(completion, time.monotonic() - started)

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


def _reply(completion: ChatCompletion, seconds: float) -> Reply:
    """An answer, or why there is none: servers may send 200 with an error in it, or no choices."""
    if not getattr(completion, "choices", None):
        return failed("no_answer", "no choices in the answer")
    choice, usage = completion.choices[0], completion.usage
    if choice.finish_reason == "content_filter" or choice.message.refusal:
        return failed("refused", choice.message.refusal or "content filter")
    if choice.message.content is None:
        return failed("no_answer", "an answer without text")
    return Reply(
        result=Answer(
            text=choice.message.content,
            reasoning=getattr(choice.message, "reasoning_content", None) or getattr(choice.message, "reasoning", None),
            finish="length" if choice.finish_reason == "length" else "stop",
        ),
        answered_by=completion.model,
        provider_id=completion.id,
        tokens_in=usage.prompt_tokens if usage else None,
        tokens_out=usage.completion_tokens if usage else None,
        seconds=round(seconds, 4),
    )


def _kind(error: openai.OpenAIError) -> tuple[str, str]:
    """The word for an error, and its message."""
    message = str(error)
    if isinstance(error, openai.BadRequestError):
        lower = message.lower()
        if "content_filter" in lower or "content_policy" in lower or "safety" in lower:
            return "refused", message
        return ("too_long" if "context" in lower and "length" in lower else "bad_request"), message
    words = (
        (openai.APITimeoutError, "timeout"),
        (openai.APIConnectionError, "unreachable"),
        (openai.RateLimitError, "rate_limit"),
        (openai.InternalServerError, "server"),
        (openai.UnprocessableEntityError, "bad_request"),
        (openai.APIStatusError, "no_access"),
    )
    return next((word for kind, word in words if isinstance(error, kind)), "server"), message
