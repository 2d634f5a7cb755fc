"""Known illegal material stays out: every image is matched before it is kept, and before any model or person sees it.

Lists of such hashes are not public. Who may hold one gives it here, as a file of hashes or as a command of their own
(a vendor's client, for example). Once configured, an image that cannot be matched does not come in.
"""

import hashlib
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Protocol

from pipeline.errors import UserError

LIST, COMMAND = "TETRAD_MATCH_LIST", "TETRAD_MATCH_COMMAND"
SECONDS = 60.0
"""How long a command may take over one image."""
_HASHES = {32: hashlib.md5, 40: hashlib.sha1, 64: hashlib.sha256}
"""Digits of a hash to how it is computed."""


class MatcherError(Exception):
    """The matcher could not say: the image stays out, and is tried again."""


class Matcher(Protocol):
    """Knows some images. Several threads may ask at once."""

    @property
    def fingerprint(self) -> str:
        """Changes when its answers may."""
        ...

    def match(self, data: bytes) -> str | None:
        """What it knows the bytes as; None: nothing. `MatcherError`: it cannot say."""
        ...


class HashList:
    """A file of MD5, SHA-1 or SHA-256 hashes in hexadecimal digits, one a line; what follows one on its line is its label."""

    def __init__(self, path: Path) -> None:
        try:
            data = path.read_bytes()
            lines = data.decode().splitlines()
        except OSError as error:
            raise UserError(f"cannot read the list of hashes {path}: {error.strerror}; check {LIST}") from None
        except UnicodeDecodeError:
            raise UserError(f"the list of hashes {path} is not text in UTF-8; check {LIST}") from None
        self._labels: dict[str, str] = {}
        for number, line in enumerate(lines, 1):
            found = re.fullmatch(r"([0-9a-fA-F]+)\s*[,;\s]?\s*(.*)", line.strip())
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            if not found or len(found[1]) not in _HASHES:
                raise UserError(
                    f"{path}, line {number}: no MD5, SHA-1 or SHA-256 in hexadecimal digits; mend it or take it out"
                )
            self._labels[found[1].lower()] = found[2] or path.name
        if not self._labels:
            raise UserError(f"the list of hashes {path} is empty: nothing would be matched; check {LIST}")
        self._kinds = [_HASHES[digits] for digits in {len(known) for known in self._labels}]
        self.fingerprint = f"list {hashlib.sha256(data).hexdigest()[:16]}"

    def match(self, data: bytes) -> str | None:
        """The label of the hash."""
        for kind in self._kinds:
            label = self._labels.get(kind(data, usedforsecurity=False).hexdigest())
            if label:
                return label
        return None


class Command:
    """A program that gets an image on its standard input: exit code 0, it does not know it; 1, it does, and its first line of
    output says as what; anything else, it cannot say."""

    def __init__(self, line: str) -> None:
        self._words = shlex.split(line)
        if not self._words or not shutil.which(self._words[0]):
            raise UserError(f"{COMMAND} names no program: {line!r}; no image is taken in without it")
        self.fingerprint = f"command {hashlib.sha256(line.encode()).hexdigest()[:16]}"

    def match(self, data: bytes) -> str | None:
        """The first line of its output."""
        try:
            ended = subprocess.run(self._words, input=data, capture_output=True, timeout=SECONDS, check=False)  # noqa: S603 -- the user's own
        except (OSError, subprocess.TimeoutExpired) as error:
            raise MatcherError(type(error).__name__) from None
        if ended.returncode not in (0, 1):
            raise MatcherError(f"exit code {ended.returncode}")
        said = ended.stdout.decode(errors="replace").strip().splitlines()
        return (said[0][:200] if said else "known") if ended.returncode else None


class Both:
    """A list, and then a command."""

    def __init__(self, *matchers: Matcher) -> None:
        self._matchers = matchers
        self.fingerprint = "; ".join(m.fingerprint for m in matchers)

    def match(self, data: bytes) -> str | None:
        """What the first that knows it says."""
        return next(filter(None, (m.match(data) for m in self._matchers)), None)


def configured() -> Matcher | None:
    """What the environment asks for: `TETRAD_MATCH_LIST` (a file), `TETRAD_MATCH_COMMAND` (a command line), or both."""
    found: list[Matcher] = []
    if path := os.environ.get(LIST):
        found.append(HashList(Path(path)))
    if line := os.environ.get(COMMAND):
        found.append(Command(line))
    return Both(*found) if len(found) > 1 else (found[0] if found else None)
