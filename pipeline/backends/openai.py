"""Any server that speaks OpenAI's chat completions: hosted APIs, `vllm serve`, SGLang, llama.cpp."""

from collections.abc import Mapping
from typing import Any

import orjson

from pipeline.backends import Asked, reasoning_apart, seed
from pipeline.backends.api import API, Dialect, named
from pipeline.backends.api.endpoint import PATIENCE, Patience
from pipeline.backends.api.pictures import Picture
from pipeline.backends.api.trouble import Trouble, refusal, said, words
from pipeline.backends.api.wire import counted, dictionary
from pipeline.doors.blobs import Blobs
from pipeline.models import Model
from pipeline.requests import Answer, Chat, Failure, Message, Reply

PATH = "chat/completions"


def _headers(model: Model) -> dict[str, str]:
    return {"Authorization": f"Bearer {model.secret()}"} if model.key else {}


def body(model: Model, asked: Asked, pictures: Mapping[str, Picture]) -> dict[str, Any]:
    """What is sent for a chat. `pictures`: SHA-256 to picture, as `Pictures.of` gives them. Source: the reference of
    OpenAI's `POST /chat/completions`, which all these servers follow."""
    request = asked.request
    if not isinstance(request, Chat):
        raise TypeError(request.kind)
    fields: dict[str, Any] = {
        "model": model.served_as,
        "messages": [_message(m, pictures) for m in request.messages],
        "temperature": request.temperature,
        "top_p": request.top_p,
        "max_tokens": request.max_tokens,
        "seed": seed(asked),
    }
    if request.json_schema:
        schema = orjson.loads(request.json_schema)
        fields["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "verdict", "schema": schema, "strict": True},
        }
    return named(model, fields | model.parameters)


def _message(message: Message, pictures: Mapping[str, Picture]) -> dict[str, Any]:
    if not message.images:
        return {"role": message.role, "content": message.text}
    shown = [{"type": "image_url", "image_url": {"url": pictures[i].url}} for i in message.images]
    return {"role": message.role, "content": [*shown, {"type": "text", "text": message.text}]}


def read(model: Model, status: int, document: object) -> Reply | Trouble:
    """What a body says: an answer, a failure that is final and was paid for, or trouble. Nobody checked what the server
    sent: it may be a page, 200 with an error in it, no choices, or anything of another type than it should be."""
    if status != 200:
        return refusal(model, status, document)
    if not isinstance(document, dict):
        return Trouble("server", said(model, f"an answer that is no completion: {document}"[:2000]), status)
    if error := document.get("error"):
        code = error.get("code") if isinstance(error, dict) else None
        return refusal(model, code if isinstance(code, int) and 400 <= code < 600 else 500, document)
    usage = dictionary(document.get("usage"))
    return Reply(
        result=_result(model, document),
        answered_by=words(model, document.get("model")),
        provider_id=words(model, document.get("id")),
        tokens_in=counted(usage.get("prompt_tokens")),
        tokens_out=counted(usage.get("completion_tokens")),
    )


def _result(model: Model, document: dict[str, Any]) -> Answer | Failure:
    choices = document.get("choices")
    if not isinstance(choices, list) or not choices:
        return Failure(error="no_answer", message="no choices in the answer")
    choice = dictionary(choices[0])
    message, finish = dictionary(choice.get("message")), choice.get("finish_reason")
    if refused := words(model, message.get("refusal")):
        return Answer(text=refused, finish="refusal")
    if finish == "content_filter":
        return Failure(error="refused", message="content filter")
    text = words(model, _joined(message.get("content")))
    reasoning = words(model, message.get("reasoning_content")) or words(model, message.get("reasoning"))
    if text and not reasoning:
        reasoning, answer = reasoning_apart(text)
        text = text if reasoning is None else answer or None
    if text is None:
        told = "nothing but reasoning" if reasoning else "an answer without text"
        return Failure(error="no_answer", message=told)
    return Answer(text=text, reasoning=reasoning or None, finish="length" if finish == "length" else "stop")


def _joined(content: object) -> object:
    """Some servers give the text in parts."""
    if not isinstance(content, list):
        return content
    texts = [part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str)]
    return "".join(texts) if texts else None


class OpenAI(API):
    """Backend: a pool of requests to one model, at one address or several."""

    def __init__(self, model: Model, images: Blobs, patience: Patience = PATIENCE) -> None:
        super().__init__(model, images, Dialect(PATH, _headers, body, read), patience)
