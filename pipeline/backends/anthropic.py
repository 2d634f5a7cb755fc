"""Anthropic's Messages API. It is spoken over the same wire as the others, which bears whatever comes back; that we
send what Anthropic's own client sends is what the tests compare."""

from collections.abc import Mapping
from typing import Any, Literal

import orjson

from pipeline.backends import Asked
from pipeline.backends.api import API, Dialect, named
from pipeline.backends.api.endpoint import PATIENCE, Patience
from pipeline.backends.api.pictures import Picture
from pipeline.backends.api.trouble import Trouble, refusal, said, words
from pipeline.backends.api.wire import counted, dictionary
from pipeline.doors.blobs import Blobs
from pipeline.models import Model
from pipeline.requests import Answer, Chat, Failure, Message, Reply

ADDRESS = "https://api.anthropic.com"
"""Where it is, unless models.toml says otherwise."""
PATH = "v1/messages"
VERSION = "2026-10-21"
"""Of the API, as the package `anthropic` asks for it. It refuses `temperature` and `top_p`, whatever their value, for all
models: they are not sent, and answers are sampled as the model does it by itself. Older models take them under the version
before, with `options = { anthropic-version = "2023-06-01" }` in models.toml."""
_STATUSES = {"overloaded_error": 529, "rate_limit_error": 429}
"""What an error in a 200 would have had as its status."""
_FINISH: dict[str, Literal["length", "refusal"]] = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "refusal",
}


def _headers(model: Model) -> dict[str, str]:
    key = {"Authorization": f"Bearer {model.secret()}"} if model.key else {}
    return {"anthropic-version": _version(model), **key}


def _version(model: Model) -> str:
    return str(model.options.get("anthropic-version", VERSION))


def body(model: Model, asked: Asked, pictures: Mapping[str, Picture]) -> dict[str, Any]:
    """What is sent for a chat. Source: the types of the package `anthropic`. There is no `seed`."""
    request = asked.request
    if not isinstance(request, Chat):
        raise TypeError(request.kind)
    fields: dict[str, Any] = {
        "model": model.served_as,
        "messages": [_message(m, pictures) for m in request.messages if m.role != "system"],
        "max_tokens": request.max_tokens,
    }
    if system := "\n\n".join(m.text for m in request.messages if m.role == "system"):
        fields["system"] = system
    if _version(model) < VERSION:
        fields["temperature"] = request.temperature
        if request.top_p < 1:  # some models refuse the one beside the other
            fields["top_p"] = request.top_p
    fields |= model.parameters
    if request.json_schema:
        form = {"type": "json_schema", "schema": orjson.loads(request.json_schema)}
        fields["output_config"] = {**dictionary(fields.get("output_config")), "format": form}
    return named(model, fields)


def _message(message: Message, pictures: Mapping[str, Picture]) -> dict[str, Any]:
    if not message.images:
        return {"role": message.role, "content": message.text}
    sources = [{"type": "base64", "media_type": pictures[i].mime, "data": pictures[i].data} for i in message.images]
    text = [{"type": "text", "text": message.text}] if message.text else []  # an empty block is refused
    return {"role": message.role, "content": [*({"type": "image", "source": source} for source in sources), *text]}


def read(model: Model, status: int, document: object) -> Reply | Trouble:
    """What a body says: an answer, a failure that is final and was paid for, or trouble. Nobody checked what came."""
    if status != 200:
        return refusal(model, status, document)
    if not isinstance(document, dict):
        return Trouble("server", said(model, f"an answer that is no message: {document}"[:2000]), status)
    if error := document.get("error"):
        kind = dictionary(error).get("type")
        return refusal(model, _STATUSES.get(kind, 500) if isinstance(kind, str) else 500, document)
    usage = dictionary(document.get("usage"))
    inward = [counted(usage.get(f"{kind}input_tokens")) for kind in ("", "cache_creation_", "cache_read_")]
    return Reply(
        result=_result(model, document),
        answered_by=words(model, document.get("model")),
        provider_id=words(model, document.get("id")),
        tokens_in=None if inward[0] is None else sum(count or 0 for count in inward),
        tokens_out=counted(usage.get("output_tokens")),
    )


def _result(model: Model, document: dict[str, Any]) -> Answer | Failure:
    blocks = document.get("content")
    parts = [dictionary(block) for block in blocks] if isinstance(blocks, list) else []
    texts, thoughts = (_said(model, parts, kind) for kind in ("text", "thinking"))
    reason = document.get("stop_reason")
    if reason == "refusal" and not texts:
        why = words(model, dictionary(document.get("stop_details")).get("explanation"))
        return Failure(error="refused", message=(why or "refusal")[:500])
    if not texts:
        return Failure(error="no_answer", message="nothing but reasoning" if thoughts else "an answer without text")
    finish = _FINISH.get(str(reason), "stop")
    return Answer(text="".join(texts), reasoning="\n\n".join(thoughts) or None, finish=finish)


def _said(model: Model, parts: list[dict[str, Any]], kind: str) -> list[str]:
    found = (words(model, part.get(kind)) for part in parts if part.get("type") == kind)
    return [text for text in found if text]


class Anthropic(API):
    """Backend: a pool of requests to one model, at Anthropic or where models.toml says."""

    def __init__(self, model: Model, images: Blobs, patience: Patience = PATIENCE) -> None:
        if not model.addresses:
            model = model.model_copy(update={"base_url": ADDRESS})
        super().__init__(model, images, Dialect(PATH, _headers, body, read), patience)
