"""A local server that speaks OpenAI's chat completions and Anthropic's messages, and misbehaves on demand: the request's
last user message names how, up to a colon (`500 then ok: whatever`). A message that names nothing is answered well."""

import base64
import gzip
import hashlib
import json
import random
import socket
import struct
import threading
import time
from collections.abc import Callable
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

Json = dict[str, Any]
SOON = {"Retry-After-Ms": "5"}
"""Asks the client to come back at once."""


def picture(label: str) -> bytes:
    """Bytes that begin like a PNG: enough for who only passes them on."""
    return b"\x89PNG\r\n\x1a\n" + label.encode()


class Exchange(BaseHTTPRequestHandler):
    """One connection: what was asked, and ways to answer."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "ChatServer"

    def do_POST(self) -> None:
        """Find the behaviour, and behave: each attempt of the same request takes the next act."""
        self.asked: Json = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        content = [m for m in self.asked["messages"] if m["role"] == "user"][-1]["content"]
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        self.text: str = next(p["text"] for p in parts if p["type"] == "text")
        self.images = [hashlib.sha256(base64.b64decode(_image(p))).hexdigest() for p in parts if p["type"] != "text"]
        known = MESSAGES if self.path.endswith("/messages") else BEHAVIOURS
        acts = known.get(self.text.partition(":")[0], known["well"])
        attempt = self.server.note(self)
        acts[min(attempt, len(acts)) - 1](self)

    def send(self, status: int, body: bytes, headers: dict[str, str] | None = None, promised: int = 0) -> None:
        """Answer; `promised` bytes where more are announced than sent."""
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(promised or len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _image(part: Json) -> str:
    """The base64 of an image, in either dialect."""
    found: str = (
        part["source"]["data"] if part["type"] == "image" else part["image_url"]["url"].partition(";base64,")[2]
    )
    return found


Act = Callable[[Exchange], None]


class ChatServer(ThreadingHTTPServer):
    """The server, in threads of its own, on a free port of the loopback."""

    request_queue_size = 128
    pause = 0.0
    """Each good answer waits a random time up to this many seconds."""
    capacity = 10**9
    """More at once are turned away with a 429."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Exchange)
        self.url = f"http://127.0.0.1:{self.server_port}/v1"
        self.asked: list[Json] = []
        """Every request, in the order they came; those asked again by the client too."""
        self.headers: list[dict[str, str]] = []
        """Of each."""
        self.closing = threading.Event()
        self.attempts: dict[str, int] = {}
        """The text of a request, to how often it came."""
        self.under_way = self.most_under_way = 0
        self.turned_away: list[int] = []
        """After how many good answers each was."""
        self.well = 0
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,))

    def note(self, exchange: Exchange) -> int:
        """Remember a request; returns which attempt it is, from 1."""
        with self._lock:
            self.asked.append({**exchange.asked, "path": exchange.path})
            self.headers.append(dict(exchange.headers))
            self.attempts[exchange.text] = self.attempts.get(exchange.text, 0) + 1
            return self.attempts[exchange.text]

    def enter(self) -> bool:
        """One more answer is being prepared, unless there are too many."""
        with self._lock:
            if self.under_way >= self.capacity:
                self.turned_away.append(self.well)
                return False
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
            return True

    def leave(self) -> None:
        """It is prepared."""
        with self._lock:
            self.under_way -= 1
            self.well += 1

    def handle_error(self, *_: object) -> None:
        """A client that hung up is nothing to tell."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        self.shutdown()
        self._thread.join()
        self.server_close()


def completion(exchange: Exchange, **changes: object) -> Json:
    """A good answer: the SHA-256 of each image that came, then the text. `changes` replace fields of the choice, of
    its message, or of the whole; a field set to `...` is left out."""
    message: Json = {"role": "assistant", "content": " ".join([*exchange.images, exchange.text]), "refusal": None}
    choice: Json = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    whole: Json = {
        "id": f"chatcmpl-{len(exchange.server.asked)}",
        "object": "chat.completion",
        "created": 0,
        "model": f"{exchange.asked['model']}-0613",
        "choices": [choice],
        "usage": {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12},
    }
    for name, value in changes.items():
        target = choice if name in ("message", "finish_reason") else whole if name in whole else message
        target[name] = value
    return {name: value for name, value in whole.items() if value is not ...}


def message(exchange: Exchange, **changes: object) -> Json:
    """The same in Anthropic's words; `changes` replace fields of the whole."""
    whole: Json = {
        "id": f"msg-{len(exchange.server.asked)}",
        "type": "message",
        "role": "assistant",
        "model": f"{exchange.asked['model']}-20261101",
        "content": [{"type": "text", "text": " ".join([*exchange.images, exchange.text])}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 7, "cache_read_input_tokens": 2, "output_tokens": 5},
    }
    return {name: value for name, value in (whole | changes).items() if value is not ...}


def answering(form: Callable[..., Json] = completion, **changes: object) -> Act:
    """Answers 200 with some fields changed."""

    def act(exchange: Exchange) -> None:
        if not exchange.server.enter():
            status(429)(exchange)
            return
        if exchange.server.pause:
            time.sleep(random.uniform(0, exchange.server.pause))
        exchange.server.leave()
        exchange.send(200, json.dumps(form(exchange, **changes)).encode())

    return act


answer = answering()


def status(code: int, message: str = "as you wished", headers: dict[str, str] | None = None) -> Act:
    """An error; its message repeats the key that came, as some servers do."""

    def act(exchange: Exchange) -> None:
        error = {"message": f"{message} (key {exchange.headers['Authorization']})", "type": "x", "code": None}
        exchange.send(code, json.dumps({"error": error}).encode(), headers)

    return act


def sending(body: bytes, promised: int = 0, content_type: str = "application/json") -> Act:
    """Sends these very bytes with a 200."""
    return lambda exchange: exchange.send(200, body, {"Content-Type": content_type}, promised)


def reset(exchange: Exchange) -> None:
    """Tears the connection."""
    exchange.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    exchange.close_connection = True
    exchange.connection.close()


def stall(exchange: Exchange) -> None:
    """Sends half an answer, and then nothing."""
    exchange.send(200, b'{"id": "x", "choices": [', promised=1000)
    exchange.server.closing.wait(30)
    exchange.close_connection = True


def as_text(exchange: Exchange) -> None:
    """A good answer under a wrong content type."""
    exchange.send(200, json.dumps(completion(exchange)).encode(), {"Content-Type": "text/plain"})


def cut(exchange: Exchange) -> None:
    """A good answer that lacks its end, though the length is right."""
    exchange.send(200, json.dumps(completion(exchange)).encode()[:-20])


def broken_off(exchange: Exchange) -> None:
    """Half of the bytes announced, then the end of the connection."""
    exchange.send(200, b'{"id": "x", "choices": [', promised=1000)
    exchange.close_connection = True


def invalid_utf8(exchange: Exchange) -> None:
    """A good answer with bytes that are no UTF-8."""
    exchange.send(200, json.dumps(completion(exchange, content="MARK")).encode().replace(b"MARK", b"caf\xe9 \xff"))


def error_in_a_200(exchange: Exchange) -> None:
    """What some routers send when the provider behind them failed."""
    error = {"message": f"Provider returned error (key {exchange.headers['Authorization']})", "code": 429}
    exchange.send(200, json.dumps({"error": error, "choices": None}).encode())


def refusal(exchange: Exchange) -> None:
    """A refusal apart from the text, which repeats the key."""
    answering(content=None, refusal=f"I will not. {exchange.headers['Authorization']}")(exchange)


def echo(exchange: Exchange) -> None:
    """An answer that repeats the key wherever it can, percent-encoded too."""
    key = exchange.headers["Authorization"]
    said = f"{key} {quote(key)} {quote(key, safe='')}"
    if exchange.path.endswith("/messages"):
        blocks = [{"type": "thinking", "thinking": said}, {"type": "text", "text": said}]
        answering(message, content=blocks, model=said, id=said)(exchange)
    else:
        answering(content=said, reasoning=said, model=said, id=said)(exchange)


def drip(exchange: Exchange) -> None:
    """A byte now and then, and never the end."""
    exchange.send(200, b"{", promised=10_000)
    while not exchange.server.closing.wait(0.02):
        exchange.wfile.write(b" ")
    exchange.close_connection = True


def redirect(exchange: Exchange) -> None:
    """Sends us elsewhere."""
    exchange.send(307, b"", {"Location": f"{exchange.server.url}/elsewhere"})


def huge(exchange: Exchange) -> None:
    """65 MiB that unpack from little."""
    exchange.send(200, _packed(), {"Content-Encoding": "gzip"})
    exchange.close_connection = True


@cache
def _packed() -> bytes:
    return gzip.compress(b'{"choices": "' + b" " * (65 * 2**20), 1)


BEHAVIOURS: dict[str, tuple[Act, ...]] = {
    "well": (answer,),
    "429 then ok": (status(429), answer),
    "429 with Retry-After then ok": (status(429, headers={"Retry-After": "1"}), answer),
    "429": (status(429, headers=SOON),),
    "500 then ok": (status(500), answer),
    "500 five times then ok": (*[status(500, headers=SOON)] * 5, answer),
    "503": (status(503, headers=SOON),),
    "reset then ok": (reset, answer),
    "reset": (reset,),
    "stall": (stall,),
    "drip": (drip,),
    "redirect": (redirect,),
    "huge": (huge,),
    "echo": (echo,),
    "429 as a date then ok": (status(429, headers={"Retry-After": "Sun, 01 Jan 2006 00:00:00 GMT"}), answer),
    "429 without money": (status(429, "You exceeded your current quota: insufficient_quota"),),
    "deep JSON": (sending(b"[" * 100_000),),
    "control characters": (sending(b'{"choices": [{"message": {"content": "bell \x07"}}]}'),),
    "an infinite number": (sending(b'{"choices": [{"message": {"content": "Hello"}, "index": 1e999}]}'),),
    "thinking aloud": (answering(content="<think>\nHm.\n</think>\n\nHello"),),
    "only thinking": (answering(content="<think>Hm, hm, h", finish_reason="length"),),
    "413": (status(413, "Payload Too Large"),),
    "529": (status(529, "Overloaded", headers=SOON),),
    "418": (status(418, "A teapot"),),
    "broken off": (broken_off,),
    "cut JSON": (cut,),
    "HTML": (sending(b"<html>Sign in to the Wi-Fi</html>", content_type="text/html"),),
    "nothing": (sending(b""),),
    "a number": (sending(b"5"),),
    "as text/plain": (as_text,),
    "error in a 200": (error_in_a_200,),
    "invalid UTF-8": (invalid_utf8,),
    "no choices": (answering(choices=[]),),
    "null choices": (answering(choices=None),),
    "refusal": (refusal,),
    "content filter": (answering(finish_reason="content_filter", content=None),),
    "length": (answering(finish_reason="length"),),
    "unknown finish": (answering(finish_reason="tired"),),
    "reasoning_content": (answering(reasoning_content="Hm."),),
    "reasoning": (answering(reasoning="Hm, hm."),),
    "no usage": (answering(usage=...),),
    "null content": (answering(content=None),),
    "empty content": (answering(content=""),),
    "lone surrogate": (answering(content="half a smile \ud83d"),),
    "10 MB": (answering(content="ten megabytes " * 750_000),),
    "content in parts": (answering(content=[{"type": "text", "text": "Hello"}]),),
    "content is a number": (answering(content=5),),
    "no message": (answering(message=None),),
    "choices of text": (answering(choices=["Hello"]),),
    "id is a number": (answering(id=5),),
    "usage is text": (answering(usage="much"),),
    "usage of text": (answering(usage={"prompt_tokens": "many", "completion_tokens": None}),),
    "400": (status(400, "temperature must be below 2"),),
    "400 context length": (
        status(400, "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens"),
    ),
    "400 context size": (status(400, "request (5000 tokens) exceeds the available context size (4096 tokens)"),),
    "400 content policy": (status(400, "Your request was rejected: content_policy_violation"),),
    "401": (status(401, "Incorrect API key provided"),),
    "402": (status(402, "Insufficient credits"),),
    "403": (status(403, "Not in your country"),),
    "404": (status(404, "The model does not exist"),),
    "422": (status(422, "Unprocessable"),),
}
MESSAGES: dict[str, tuple[Act, ...]] = {
    "well": (answering(message),),
    "429 then ok": (status(429), answering(message)),
    "429 with Retry-After then ok": (status(429, headers={"Retry-After": "1"}), answering(message)),
    "529 then ok": (status(529, headers=SOON), answering(message)),
    "500": (status(500, headers=SOON),),
    "reset then ok": (reset, answering(message)),
    "reset": (reset,),
    "stall": (stall,),
    "drip": (drip,),
    "redirect": (redirect,),
    "huge": (huge,),
    "echo": (echo,),
    "HTML": (sending(b"<html>Sign in to the Wi-Fi</html>", content_type="text/html"),),
    "cut JSON": (sending(b'{"type": "message", "content": [{"type": "text", "te'),),
    "deep JSON": (sending(b"[" * 100_000),),
    "error in a 200": (sending(b'{"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}'),),
    "no content": (answering(message, content=[]),),
    "null content": (answering(message, content=None),),
    "blocks of text": (answering(message, content=["Hello"]),),
    "text is a number": (answering(message, content=[{"type": "text", "text": 5}]),),
    "two texts": (answering(message, content=[{"type": "text", "text": "One, "}, {"type": "text", "text": "two"}]),),
    "thinking": (
        answering(message, content=[{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Hello"}]),
    ),
    "only thinking": (answering(message, content=[{"type": "thinking", "thinking": "Hm."}], stop_reason="max_tokens"),),
    "length": (answering(message, stop_reason="max_tokens"),),
    "context full": (answering(message, stop_reason="model_context_window_exceeded"),),
    "stop reason is a list": (answering(message, stop_reason=["tired"]),),
    "refusal": (
        answering(message, content=[], stop_reason="refusal", stop_details={"type": "refusal", "explanation": "No."}),
    ),
    "refusal in words": (answering(message, stop_reason="refusal"),),
    "no usage": (answering(message, usage=...),),
    "usage is text": (answering(message, usage="much"),),
    "400": (status(400, "max_tokens: must be at least 1"),),
    "400 too long": (status(400, "prompt is too long: 210000 tokens > 200000 maximum"),),
    "400 filtered": (status(400, "Output blocked by content filtering policy"),),
    "400 without money": (status(400, "Your credit balance is too low to access the API"),),
    "401": (status(401, "invalid x-api-key"),),
    "403": (status(403, "Your key has no permission"),),
    "404": (status(404, "model: none"),),
    "413": (status(413, "Request exceeds the maximum size"),),
}
