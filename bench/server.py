"""A local server that answers every chat completion after a fixed time, in a process of its own, and counts.

It speaks HTTP/1.1 with keep-alive by hand, so that it costs far less than any client does: about 0.1 ms of CPU a
request. A request is known by the first `#` and number in its body (base64 has no `#`): arrivals are told by number.

    with Server() as server:
        ...ask server.url...
        report = server.report()
"""

import asyncio
import json
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

SECONDS = 0.05
"""What every answer takes."""
CLOSE = re.compile(rb"connection: *close", re.IGNORECASE)
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
NUMBER = re.compile(rb"\d+")
WORDS = "It shows what it shows, and says so plainly. " * 8
"""What every answer says behind its number: 360 bytes, about 80 tokens."""


class Report(NamedTuple):
    """What came since the last report."""

    arrivals: list[int]
    """The number of each request, in the order they came; -1: a request without one."""
    answered: int
    """How many were answered: the others' clients hung up before."""
    most_under_way: int
    """Requests at once."""
    cpu: float
    """Seconds of CPU, user and system, that the server took."""


class Desk:
    """What all connections share: the counts."""

    def __init__(self) -> None:
        self.under_way = 0
        self.begin()

    def begin(self) -> None:
        """Count from nothing."""
        self.arrivals: list[int] = []
        self.answered = 0
        self.most_under_way = self.under_way
        self.cpu = time.process_time()

    def report(self) -> bytes:
        """The counts as JSON; the next begin from nothing."""
        cpu = time.process_time() - self.cpu
        report = json.dumps(Report(self.arrivals, self.answered, self.most_under_way, cpu)._asdict()).encode()
        self.begin()
        return report


class Connection(asyncio.Protocol):
    """One client's connection: requests come one after another, whole or in pieces."""

    def __init__(self, desk: Desk, loop: asyncio.AbstractEventLoop) -> None:
        self._desk, self._loop = desk, loop
        self._came = bytearray()
        self._needed = 0
        """Bytes that the request has, once its head is known; before, 0."""
        self._last = False
        """Whether the client wants the connection closed behind its answer."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._came += data
        while self._came:
            if not self._needed:
                head = self._came.find(b"\r\n\r\n")
                if head < 0:
                    return
                length = LENGTH.search(self._came, 0, head)
                self._needed = head + 4 + (int(length[1]) if length else 0)
                self._last = CLOSE.search(self._came, 0, head) is not None
            if len(self._came) < self._needed:
                return
            self._take(self._came, self._needed)
            del self._came[: self._needed]
            self._needed = 0

    def _take(self, request: bytearray, end: int) -> None:
        if request.startswith(b"GET /report"):
            self._send(self._desk.report())
        elif not request.startswith(b"POST"):  # whatever else a client asks, such as the list of models
            self._send(b'{"object":"list","data":[{"id":"model","object":"model","created":0,"owned_by":"bench"}]}')
        else:
            mark = request.find(b"#", 0, end)  # an expression that began with it would search ten times longer
            found = NUMBER.match(request, mark + 1) if mark >= 0 else None
            number = int(found[0]) if found else -1
            self._desk.arrivals.append(number)
            self._desk.under_way += 1
            self._desk.most_under_way = max(self._desk.most_under_way, self._desk.under_way)
            self._loop.call_later(SECONDS, self._answer, number)

    def _answer(self, number: int) -> None:
        self._desk.under_way -= 1
        if not self._transport.is_closing():
            self._desk.answered += 1
            self._send(completion(number))

    def _send(self, body: bytes) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        self._transport.write(head + body)
        if self._last:
            self._transport.close()


def text(number: int) -> str:
    """The answer to the request of this number."""
    return f"Answer {number}. {WORDS}"


def completion(number: int) -> bytes:
    """It, as a chat completion."""
    return (
        b'{"id":"chatcmpl-%d","object":"chat.completion","created":1700000000,"model":"model","choices":[{"index":0,'
        b'"message":{"role":"assistant","content":"%s","refusal":null},"finish_reason":"stop","logprobs":null}],'
        b'"usage":{"prompt_tokens":20,"completion_tokens":80,"total_tokens":100}}' % (number, text(number).encode())
    )


async def serve() -> None:
    """Serve on a free port, which is printed, until standard input ends: with its parent, however that ends."""
    loop, desk = asyncio.get_running_loop(), Desk()
    server = await loop.create_server(lambda: Connection(desk, loop), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


class Server:
    """The server, started and ended."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__))], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}/v1"
        return self

    def report(self) -> Report:
        """What came since the last report."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(self.url.removesuffix("/v1") + "/report", timeout=30) as answer:
            fields: dict[str, Any] = json.load(answer)
        return Report(**fields)

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


if __name__ == "__main__":
    asyncio.run(serve())
