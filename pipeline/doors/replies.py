"""The kept replies: one log for the whole workspace, indexed by the id of the request."""

import json
import time
from pathlib import Path

from pydantic import TypeAdapter

from pipeline.doors.log import Log
from pipeline.requests import Failure, Record, Reply, Request

_ID = slice(7, 39)
"""Every line begins with {"id":" and the 32 digits of the request's id."""


class Kept(Record):
    """One line of the log: what was asked, and what came back. A line without a reply makes its request owed again."""

    id: str
    at: float
    """Seconds since 1970."""
    revision: str | None = None
    """Revision and quantisation of the model asked."""
    request: Request | None = None
    reply: Reply | None = None


_KEPT = TypeAdapter(Kept)


class Replies:
    """What models said, kept for good."""

    def __init__(self, folder: Path, *, write: bool) -> None:
        self._log = Log(folder / "replies.jsonl", write=write)
        self._index: dict[bytes, tuple[int, int]] = {}
        self.epoch = 0
        """How often something kept was made owed again: tables made before may be stale."""
        for offset, line in self._log.lines():
            self._note(offset, line)

    def _note(self, offset: int, line: bytes) -> None:
        name = bytes.fromhex(line[_ID].decode())
        if line.endswith(b'"reply":null}'):
            self._index.pop(name, None)
            self.epoch += 1
        else:
            self._index[name] = (offset, len(line))

    def __contains__(self, request_id: str) -> bool:
        return bytes.fromhex(request_id) in self._index

    def __len__(self) -> int:
        return len(self._index)

    def kept(self, request_id: str) -> Kept | None:
        """Request and reply, or None while it is owed."""
        place = self._index.get(bytes.fromhex(request_id))
        return None if place is None else _KEPT.validate_json(self._log.at(*place))

    def keep(self, request_id: str, revision: str, request: Request, reply: Reply) -> None:
        """Keep a reply before anything reads it. A failure that may pass is not kept."""
        if isinstance(reply.result, Failure) and reply.result.owed:
            return
        self._append(Kept(id=request_id, at=round(time.time(), 3), revision=revision, request=request, reply=reply))

    def owe(self, request_id: str) -> None:
        """Make a kept reply owed again; the log still holds it."""
        self._append(Kept(id=request_id, at=round(time.time(), 3)))

    def _append(self, kept: Kept) -> None:
        line = _line(kept)
        self._note(self._log.append(line), line)

    def failures(self) -> dict[str, str]:
        """Request id to error, for each kept failure."""
        found = {}
        for name, (offset, length) in self._index.items():
            line = self._log.at(offset, length)
            if b'"kind":"failure"' in line:
                result = json.loads(line)["reply"]["result"]
                if result["kind"] == "failure":
                    found[name.hex()] = str(result["error"])
        return found

    def sync(self) -> None:
        """Have everything on the disk."""
        self._log.sync()

    def close(self) -> None:
        """Sync, and close."""
        self._log.close()


def _line(kept: Kept) -> bytes:
    """JSON whatever was said: infinities and NaN as Python writes them, U+FFFD for half a character (a lone surrogate)."""
    text = json.dumps(kept.model_dump(), ensure_ascii=False, separators=(",", ":"))
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()
