"""How the doors keep: a lock for one writer, an append-only log of JSON lines, files written whole or not at all."""

import contextlib
import errno
import fcntl
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

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
    return UserError(f"cannot write {path}: {error.strerror or error}")


def sync_folder(folder: Path) -> None:
    """Have on the disk which files the folder holds: a new file is synced only when its folder is, too."""
    descriptor = os.open(folder, os.O_RDONLY)
    with contextlib.suppress(OSError):  # some network file systems cannot, and need not
        os.fsync(descriptor)
    os.close(descriptor)


@contextlib.contextmanager
def whole(path: Path) -> Iterator[BinaryIO]:
    """Write a file whole or not at all: a file aside, which takes the place of `path` once it is on the disk."""
    aside = path.parent / f"{path.name}.aside"
    try:
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise disk_error(path, error) from None
    finally:
        with contextlib.suppress(OSError):
            aside.unlink(missing_ok=True)


class Lock:
    """One writer per folder. The operating system drops the lock when its owner dies, so none is ever stale.

    It is `flock`'s. Over NFS, Linux asks the server for it, so that it holds between machines; where a file system is
    mounted with locks of this machine only (`nolock`, `local_lock=flock`, `localflock`), two machines are not kept apart
    here, and `Log.sync` finds the other writer only after the fact.
    """

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
        except OSError as error:  # ENOLCK, EOPNOTSUPP: without locks, two runs would write at once
            self._file.close()
            raise UserError(
                f"the file system of {folder} gives no locks ({error.strerror}); choose another with --workspace"
            ) from None
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
            new = not path.exists()
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            self.end = _sound_end(self._descriptor)
            os.ftruncate(self._descriptor, self.end)
            if new:
                sync_folder(path.parent)
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
                self._sync()
        except OSError as error:
            os.ftruncate(self._descriptor, offset)
            self.end = offset
            raise disk_error(self.path, error) from None
        return offset

    def sync(self) -> None:
        """Have everything appended on the disk; and find out if another writes here, or if the file is gone."""
        try:
            self._sync()
        except OSError as error:
            raise disk_error(self.path, error) from None

    def _sync(self) -> None:
        if self._write and self._unsynced:
            os.fsync(self._descriptor)
            self._unsynced = 0
            found = os.fstat(self._descriptor)
            if found.st_size != self.end or not found.st_nlink:
                raise UserError(
                    f"{self.path} was changed by somebody else while this process wrote it: stop the other one (the file "
                    "system may not lock across machines), and run the same command again"
                )
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

    def line(self, offset: int) -> bytes:
        """The line that begins at `offset`."""
        size = 1 << 12
        while (found := os.pread(self._descriptor, size, offset)).find(b"\n") < 0 and len(found) == size:
            size *= 8
        return found.partition(b"\n")[0]

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


def rewrite(path: Path, change: Callable[[bytes], bytes | None]) -> int:
    """Write a log anew, whole or not at all, with each line changed, or left out where that gives None. Nobody may have it
    open for writing. Returns how many lines were changed or left out; of none, the file stays as it is."""
    with Log(path, write=False) as log:
        if all(change(line) == line for _, line in log.lines()):
            return 0
        number = 0
        with whole(path) as file:
            for _, line in log.lines():
                new = change(line)
                number += new != line
                if new is not None:
                    file.write(new + b"\n")
    return number


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
