"""Who may come in: tokens of which only hashes are kept, signed sessions, and a pause after wrong tokens."""

import hashlib
import hmac
import os
import secrets
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

COOKIE = "tetrad_session"
_SECONDS = 60.0
_ONE, _ALL = 5, 50
"""Wrong tokens within a minute: of one address, and of all."""


def new_token() -> str:
    """One that cannot be guessed: 256 bits."""
    return secrets.token_urlsafe(32)


def hashed(token: str) -> str:
    """What is kept of it. It is random, so that a plain hash is enough."""
    return hashlib.sha256(token.strip().encode()).hexdigest()


def key_in(path: Path) -> bytes:
    """The key that signs sessions, kept in a file of its owner's alone: restarts end no session."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        found = path.read_bytes()
        if len(found) == 32:
            return found
        path.unlink()  # a kill tore it
        return key_in(path)
    with os.fdopen(descriptor, "wb") as file:
        key = secrets.token_bytes(32)
        file.write(key)
    return key


class Sessions:
    """Cookies that say who it is, until when, and that we said so."""

    def __init__(self, key: bytes, lifetime: float = 12 * 3600, clock: Callable[[], float] = time.time) -> None:
        self._key, self._lifetime, self._clock = key, lifetime, clock

    def begin(self, name: str, token_sha256: str) -> str:
        """A cookie's value. It ends with its time, or with the token by which it began."""
        body = f"{name}.{int(self._clock() + self._lifetime)}.{secrets.token_urlsafe(9)}"
        return f"{body}.{self._sign(body, token_sha256)}"

    def name(self, cookie: str, token_of: Callable[[str], str | None]) -> str | None:
        """Whose it is, if it is ours and has not ended; `token_of`: a name's token's hash, if they may come in."""
        body, _, signature = cookie.rpartition(".")
        name, _, rest = body.partition(".")
        token_sha256 = token_of(name)
        if token_sha256 is None or not hmac.compare_digest(signature.encode(), self._sign(body, token_sha256).encode()):
            return None
        return name if int(rest.partition(".")[0]) > self._clock() else None

    def form_token(self, cookie: str) -> str:
        """What a form of this session must bring along."""
        return self._sign("form", cookie)

    def _sign(self, *parts: str) -> str:
        return hmac.new(self._key, "\0".join(parts).encode(), hashlib.sha256).hexdigest()


class Doorkeeper:
    """Counts wrong tokens."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._wrong: deque[tuple[float, str]] = deque(maxlen=10 * _ALL)

    def patience(self, address: str) -> float:
        """Seconds that this address has to wait before it may try again; 0: it may."""
        recent = [(at, who) for at, who in self._wrong if self._clock() - at < _SECONDS]
        for limit, times in ((_ONE, [at for at, who in recent if who == address]), (_ALL, [at for at, _ in recent])):
            if len(times) >= limit:
                return _SECONDS - (self._clock() - times[-limit])
        return 0.0

    def wrong(self, address: str) -> None:
        """It brought a wrong one."""
        self._wrong.append((self._clock(), address))
