"""Bytes kept under their SHA-256, once each."""

import hashlib
import threading
from pathlib import Path

from pipeline.doors.log import private_folder, whole

_WRITING = tuple(threading.Lock() for _ in range(16))
"""Two threads may keep the same bytes at once: by the hash's first digit, one after the other."""


class Blobs:
    """A content-addressed folder: `ab/abcdef...`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, sha256: str) -> Path:
        """Where the bytes lie, or would."""
        return self.folder / sha256[:2] / sha256

    def __contains__(self, sha256: str) -> bool:
        return self.path(sha256).is_file()

    def read(self, sha256: str) -> bytes:
        """The bytes."""
        return self.path(sha256).read_bytes()

    def keep(self, data: bytes) -> str:
        """Keep bytes; returns their SHA-256."""
        sha256 = hashlib.sha256(data).hexdigest()
        path = self.path(sha256)
        with _WRITING[int(sha256[0], 16)]:
            if not path.is_file():
                private_folder(path.parent)
                with whole(path) as file:
                    file.write(data)
        return sha256

    def discard(self, sha256: str) -> bool:
        """Remove the bytes; returns whether they were there."""
        there = sha256 in self
        self.path(sha256).unlink(missing_ok=True)
        return there

    def sweep(self) -> None:
        """Remove what a kill left half-written. Nobody may be keeping anything meanwhile."""
        for aside in self.folder.glob("*/*.aside"):
            aside.unlink()
