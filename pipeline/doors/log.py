"""An append-only log of JSON lines: what is in it was kept, what is not was never promised."""

import errno
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from pipeline.errors import UserError

SYNC_EVERY = 64
"""Records between two fsyncs, at most..."""
SYNC_SECONDS = 1.0
"""...and seconds."""


def private_folder(path: Path) -> Path:
    """Make a folder that only its user can enter (0700), with its parents."""
    try:
        missing = [p for p in (path, *path.parents) if not p.exists()]
        for folder in [*reversed(missing), path]:  # mkdir(parents=True) would leave the parents open to all
            folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the folder {path}: {error.strerror}; choose another with --workspace") from None
    if not os.access(path, os.W_OK | os.X_OK):
        raise UserError(f"cannot write in the folder {path}; choose another with --workspace")
    return path


def disk_error(path: Path, error: OSError) -> UserError:
    """The user's line for a failed write."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return UserError(
            f"the disk under {path} is full: free some space and run the same command again; what was kept stays kept"
        )
    return UserError(f"cannot write {path}: {error.strerror}")


class Lock:
    """One writer per folder. The operating system drops the lock when its owner dies, so none is ever stale."""

    def __init__(self, folder: Path) -> None:
        path = private_folder(folder) / "lock"
        self._file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.seek(0)
            owner = self._file.read().strip() or "another process"
            self._file.close()
            raise UserError(f"{folder} is in use by {owner}; wait for it to end, or stop it") from None
        self._file.truncate(0)
        self._file.write(f"process {os.getpid()} on {socket.gethostname()} since {time.strftime('%F %T %z')}\n")
        self._file.flush()

    def release(self) -> None:
        """Let the next writer in."""
        self._file.close()


class Log:
    """One file of JSON lines. A line counts once its newline is written; a torn tail is cut when a writer opens it.

    A kill loses nothing that was appended; a power cut, at most what came since the last sync: 64
    records, or those of the last second before more came.
    """

    def __init__(self, path: Path, *, write: bool) -> None:
        self.path = path
        self._write = write
        self._unsynced = 0
        self._synced_at = time.monotonic()
        if write:
            private_folder(path.parent)
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            self.end = _sound_end(self._descriptor)
            os.ftruncate(self._descriptor, self.end)
        elif path.exists():
            self._descriptor = os.open(path, os.O_RDONLY)
            self.end = _sound_end(self._descriptor)
        else:
            self._descriptor, self.end = -1, 0

    def append(self, *lines: bytes) -> int:
        """Append JSON documents without a newline in them, all or none; returns the offset of the first."""
        if not self._write:
            raise RuntimeError(f"{self.path} was opened for reading")
        offset, data = self.end, b"".join(line + b"\n" for line in lines)
        try:
            written = os.write(self._descriptor, data)
            while written < len(data):
                written += os.write(self._descriptor, data[written:])
            self.end += len(data)
            self._unsynced += len(lines)
            if self._unsynced >= SYNC_EVERY or time.monotonic() - self._synced_at >= SYNC_SECONDS:
                self.sync()
        except OSError as error:
            os.ftruncate(self._descriptor, offset)
            self.end = offset
            raise disk_error(self.path, error) from None
        return offset

    def sync(self) -> None:
        """Have everything appended on the disk."""
        if self._write and self._unsynced:
            os.fsync(self._descriptor)
            self._unsynced = 0
        self._synced_at = time.monotonic()

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Every line with its offset, oldest first."""
        if self._descriptor < 0:
            return
        offset = 0
        with self.path.open("rb") as file:  # a duplicate of the descriptor would share its place in the file
            while offset < self.end and (line := file.readline()):
                yield offset, line[:-1]
                offset += len(line)

    def at(self, offset: int, length: int) -> bytes:
        """The line that begins at `offset` and is `length` bytes long."""
        return os.pread(self._descriptor, length, offset)

    def close(self) -> None:
        """Sync, and close the file."""
        if self._descriptor >= 0:
            self.sync()
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _sound_end(descriptor: int) -> int:
    """Where the last whole line ends: behind it lies at most what a kill or a power cut tore."""
    end = os.fstat(descriptor).st_size
    while end:
        start = _line_start(descriptor, end)
        line = os.pread(descriptor, end - start, start)
        if line.endswith(b"\n") and _is_json(line):
            return end
        end = start
    return 0


def _line_start(descriptor: int, end: int) -> int:
    """Where the line that ends at `end` begins."""
    step, position = 1 << 16, end - 1  # the last byte may be this line's own newline
    while position > 0:
        low = max(0, position - step)
        found = os.pread(descriptor, position - low, low).rfind(b"\n")
        if found >= 0:
            return low + found + 1
        position = low
    return 0


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True
