"""A local server that speaks OpenAI's Batch API. What becomes of a request its last user message names, up to a colon
(`expires once: whatever`); one that names nothing is answered well. What becomes of a whole batch, or of a call, the
test says beforehand."""

import base64
import hashlib
import itertools
import json
import random
import threading
import time
from collections import Counter, deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

Json = dict[str, Any]
NAMES = ("missing", "expires once", "expires", "bad", "busy", "doubled", "torn", "no code", "separators", "cut in half")


class Exchange(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "BatchServer"

    def do_POST(self) -> None:
        """A file, or a batch of one."""
        data = self.rfile.read(int(self.headers["Content-Length"]))
        if not self._refused():
            if self.path == "/v1/files":
                self._send({"id": self.server.upload(_file_of(data)), "object": "file", "purpose": "batch"})
            else:
                made = self.server.create(json.loads(data))
                if self.server.mute:  # it was made, and nobody is told
                    self.server.mute -= 1
                    self.close_connection = True
                else:
                    self._send(made)

    def do_GET(self) -> None:
        """How a batch stands, all batches, or a file."""
        if self._refused():
            return
        match self.path.partition("?")[0].split("/")[2:]:
            case ["batches"]:
                newest = list(reversed(self.server.batches.values()))
                self._send({"object": "list", "data": newest, "has_more": False})
            case ["batches", name] if name in self.server.batches:
                standing = self.server.look(name)
                self._send(_sparse(standing) if self.server.sparse else standing)
            case ["files", name, "content"] if name in self.server.files:
                self._send_bytes(200, self.server.files[name], cut=self.server.cuts)
            case _:
                self._send({"error": {"message": "no such thing", "code": "not_found"}}, 404)

    def _refused(self) -> bool:
        kind = f"{self.command} {'/'.join(self.path.partition('?')[0].split('/')[2:3])}"
        with self.server.lock:
            self.server.calls.append(f"{self.command} {self.path}")
            waiting = self.server.refusals.get(kind)
            status, message = waiting.popleft() if waiting else (200, "")
        if status != 200:
            self._send({"error": {"message": f"{message} ({self.headers['Authorization']})"}}, status)
        return status != 200

    def _send(self, document: Json, status: int = 200) -> None:
        self._send_bytes(status, json.dumps(document).encode(), "application/json")

    def _send_bytes(self, status: int, data: bytes, kind: str = "application/octet-stream", cut: int = 0) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Retry-After-Ms", "5")
        self.end_headers()
        if cut:
            self.server.cuts -= 1
            self.close_connection = True
            data = data[: len(data) // 2]
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class BatchServer(ThreadingHTTPServer):
    """The server, in threads of its own, on a free port of the loopback."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Exchange)
        self.url = f"http://127.0.0.1:{self.server_port}/v1"
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, Json] = {}
        self.bodies: dict[str, Json] = {}
        """Request id to what was asked, for all that a batch was made of."""
        self.seen: Counter[str] = Counter()
        """Request id to how many batches had it."""
        self.sizes: list[tuple[int, int]] = []
        """Requests and bytes of each batch's file."""
        self.fates: deque[str] = deque()
        """What the next batches come to, one each; then `completed`."""
        self.errors: list[Json] = []
        """What is said of those that fail."""
        self.refusals: dict[str, deque[tuple[int, str]]] = {}
        """A call such as `POST files` to the statuses with which the next ones are refused; 200 lets one through."""
        self.mute = 0
        """So many batches are made without an answer."""
        self.cuts = 0
        """So many downloads break off in the middle."""
        self.sparse = False
        """Whether the server says of a batch only what cannot be done without, and says it badly."""
        self.held = False
        """Whether batches make no progress."""
        self.queue: int | None = None
        """Requests that may wait in unfinished batches."""
        self.calls: list[str] = []
        self.lock = threading.Lock()
        self._numbers = itertools.count()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,))

    def upload(self, data: bytes) -> str:
        """Keep a file."""
        with self.lock:
            name = f"file-{len(self.files)}"
            self.files[name] = data
        return name

    def create(self, asked: Json) -> Json:
        """A batch of an uploaded file."""
        lines = self.files[asked["input_file_id"]].splitlines()
        with self.lock:
            waiting = sum(b["request_counts"]["total"] for b in self.batches.values() if b["status"] == "validating")
            name = f"batch_{next(self._numbers)}"
            fate = self.fates.popleft() if self.fates else "completed"
            if self.queue is not None and waiting + len(lines) > self.queue:
                fate = "full"
            else:
                self.sizes.append((len(lines), len(self.files[asked["input_file_id"]])))
            self.batches[name] = {
                "id": name, "object": "batch", "endpoint": asked["endpoint"], "metadata": asked["metadata"],
                "completion_window": asked["completion_window"], "input_file_id": asked["input_file_id"],
                "created_at": int(time.time()), "status": "validating", "fate": fate, "looks": 0,
                "request_counts": {"total": len(lines), "completed": 0, "failed": 0},
            }  # fmt: skip
            for line in map(json.loads, lines):
                assert (line["method"], line["url"]) == ("POST", asked["endpoint"])
                self.bodies[line["custom_id"]] = line["body"]
                self.seen[line["custom_id"]] += fate != "full"
        return self.batches[name]

    def look(self, name: str) -> Json:
        """How it stands; it ends with the second look."""
        with self.lock:
            batch = self.batches[name]
            batch["looks"] += 1
            if batch["status"] == "validating" and not self.held and batch["looks"] > 1:
                self._end(batch)
        return batch

    def _end(self, batch: Json) -> None:
        fate = batch["fate"]
        if fate in ("failed", "full"):
            full = {"code": "token_limit_exceeded", "message": "Enqueued token limit reached for vlm.", "line": None}
            batch.update(status="failed", errors={"object": "list", "data": [full] if fate == "full" else self.errors})
            return
        good: list[bytes] = []
        bad: list[bytes] = []
        for line in self.files[batch["input_file_id"]].splitlines():
            self._answer(json.loads(line), good, bad)
        random.Random(batch["id"]).shuffle(good)
        stranger = {"custom_id": "stranger", "response": {"status_code": 200, "body": {}}, "error": None}
        good.append(json.dumps(stranger).encode())
        expired = any(b"batch_expired" in line for line in bad)
        batch["status"] = "expired" if expired and fate == "completed" else fate
        batch["request_counts"].update(completed=len(good) - 1, failed=len(bad))
        for kind, lines in (("output_file_id", good), ("error_file_id", bad)):
            if lines:
                batch[kind] = f"{batch['id']}-{kind}"
                self.files[batch[kind]] = b"".join(line + b"\n" for line in lines)

    def _answer(self, asked: Json, good: list[bytes], bad: list[bytes]) -> None:
        name, text, images = asked["custom_id"], *_shown(asked["body"])
        act = next((known for known in NAMES if text.startswith(f"{known}:")), "")
        said = " ".join([*images, text])
        if act == "cut in half":
            said += "\ud83d"
        line = _line(name, 200, _completion(asked["body"]["model"], said))
        if act == "expires" or (act == "expires once" and self.seen[name] == 1):
            error = {"code": "batch_expired", "message": "This request could not be executed in time."}
            bad.append(json.dumps({"id": "x", "custom_id": name, "response": None, "error": error}).encode())
        elif act in ("bad", "busy"):
            bad.append(_line(name, 400 if act == "bad" else 500, {"error": {"message": "it asked for it"}}))
        elif act == "no code":
            bad.append(json.dumps({"custom_id": name, "response": None, "error": None}).encode())
        elif act == "separators":
            document = _completion(asked["body"]["model"], "one\u2028two\x85three\x0bfour")
            response = {"status_code": 200, "body": document}
            good.append(json.dumps({"custom_id": name, "response": response}, ensure_ascii=False).encode())
        elif act == "torn":
            good.append(line[: len(line) // 2])
        elif act != "missing":
            good.extend([line, line] if act == "doubled" else [line])

    def handle_error(self, *_: object) -> None:
        """A client that hung up is nothing to tell."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


def _file_of(form: bytes) -> bytes:
    """The file in a multipart form."""
    boundary = form.partition(b"\r\n")[0]
    part = next(p for p in form.split(boundary) if b'name="file"' in p.partition(b"\r\n\r\n")[0])
    return part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")


def _sparse(batch: Json) -> Json:
    kept = {k: v for k, v in batch.items() if k in ("id", "status", "output_file_id", "error_file_id")}
    return kept | {"request_counts": {"total": "some"}, "errors": "none", "metadata": 5}


def _shown(body: Json) -> tuple[str, list[str]]:
    """The last user message: its text, and the SHA-256 of each image."""
    content = [m for m in body["messages"] if m["role"] == "user"][-1]["content"]
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    urls = [p["image_url"]["url"] for p in parts if p["type"] == "image_url"]
    images = [hashlib.sha256(base64.b64decode(url.partition(";base64,")[2])).hexdigest() for url in urls]
    return next(p["text"] for p in parts if p["type"] == "text"), images


def _completion(model: str, said: str) -> Json:
    message = {"role": "assistant", "content": said}
    return {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 0, "model": f"{model}-0613",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12},
    }  # fmt: skip


def _line(name: str, status: int, body: Json) -> bytes:
    response = {"status_code": status, "request_id": "req", "body": body}
    return json.dumps({"id": "batch_req", "custom_id": name, "response": response, "error": None}).encode()
