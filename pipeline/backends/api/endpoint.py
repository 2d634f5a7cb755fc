"""One address at which a model answers: how much it bears, and whether it answers at all."""

import statistics
from dataclasses import dataclass
from urllib.parse import urlsplit

from pipeline.backends import LOG
from pipeline.backends.api.trouble import BUSY, PASSING, Trouble
from pipeline.requests import Reply

CUT = 0.7
"""What is left of the limit when the server says that it has too much to do."""
GENTLE = 0.9
"""What is left of it when the server only becomes slow; this alone never takes more than `FLOOR` leaves."""
FLOOR = 0.25
SLOW = 2.0
"""Slow is a window whose median latency is this many times the best, while hardly more (`GAIN`) was done in its time."""
GAIN = 1.2
DRIFT = 1.02
"""The best latency seen is forgotten by this factor a window."""
PREFILL = 20
"""Tokens that a question's reading is worth, so that latencies of short and long answers can be compared."""


@dataclass(frozen=True)
class Patience:
    """How long one tries. Times are seconds."""

    attempts: int = 5
    """For one request, the first among them."""
    first: float = 0.5
    """Upper end of the random wait before the second attempt; it doubles with each (full jitter)."""
    longest: float = 60.0
    """Upper end of that wait, at most."""
    stay_away: float = 300.0
    """What a server may ask for by Retry-After, at most."""
    failures: int = 8
    """So many in a row, with no answer between, and nothing more is sent to an address but a probe now and then."""
    denials: int = 3
    """So many times no access in a row, and it is given up."""
    pause: float = 15.0
    """Before the first probe; it doubles with each."""
    probes: int = 3
    """After so many it is given up, until the next call."""


PATIENCE = Patience()


@dataclass(slots=True)
class Sent:
    """An attempt under way."""

    at: float
    probe: bool


class Endpoint:
    """Additive increase, multiplicative decrease of the requests under way; and a circuit breaker. Its methods take the
    time as `now`: seconds of one monotonic clock."""

    def __init__(self, model: str, address: str, most: int, patience: Patience) -> None:
        self.address = address
        parts = urlsplit(address)
        self._told = f"{model} at {parts.netloc.rpartition('@')[2]}{parts.path}"
        """How it is called where people read: never with a password."""
        self._most = most
        self._patience = patience
        self.limit = float(most)
        self._ceiling = float("inf")
        """The limit at which it last had too much to do: approached slowly."""
        self._cut_at = 0.0
        self._paused_until = 0.0
        self._best, self._rate_at_best = float("inf"), 0.0
        self.renew()

    def renew(self) -> None:
        """Another call, another chance; nothing of the last is under way."""
        self.under_way = 0
        self.given_up = False
        self._shut = self._probing = False
        self._failures = self._denials = self._probes = 0
        self._shut_until = 0.0
        self._latencies: list[float] = []
        self._work, self._since = 0.0, 0.0

    def room(self, now: float) -> int:
        """Requests that may be sent at once."""
        if self.given_up or now < self._paused_until:
            return 0
        if self._shut:
            return 0 if self._probing or now < self._shut_until else 1
        return int(self.limit) - self.under_way

    def opens(self, now: float) -> float | None:
        """When there may be room though nothing came back; None: not by waiting."""
        when = max(self._paused_until, self._shut_until if self._shut else 0.0)
        return None if self.given_up or when <= now else when

    def send(self, now: float) -> Sent:
        """One more is under way."""
        self.under_way += 1
        self._probing |= self._shut
        return Sent(now, self._shut)

    def answered(self, sent: Sent, reply: Reply, now: float) -> None:
        """It ended well."""
        self._ended(sent)
        self._alive()
        if self.under_way + 1 >= self.limit / 2:  # a limit that is not used cannot be judged
            near = self.limit + 1 >= self._ceiling > self.limit
            self.limit = min(self._most, self.limit + (0.1 if near else 1.0) / self.limit)
        self._watch(sent, reply, now)

    def troubled(self, sent: Sent, trouble: Trouble, now: float) -> bool:
        """It ended badly; returns whether that was for our haste, which the request cannot help: others were under way."""
        self._ended(sent)
        if trouble.status is None and trouble.word not in PASSING:
            return False  # it was never sent
        ours = trouble.status in BUSY and self.under_way > 0
        if trouble.status in BUSY:
            self._back_off(sent, trouble, now)
        if trouble.word in PASSING:
            if not ours:
                self._failed(sent, trouble, now)
        elif trouble.word == "no_access":
            self._denied(trouble)
        else:
            self._alive()
        return ours

    def _ended(self, sent: Sent) -> None:
        self.under_way -= 1
        if sent.probe:
            self._probing = False

    def _alive(self) -> None:
        if self._shut:
            LOG.warning("%s answers again", self._told)
            self._shut = False
        self._failures = self._denials = self._probes = 0

    def _back_off(self, sent: Sent, trouble: Trouble, now: float) -> None:
        """Once a round trip: what was sent before the last cut tells nothing new."""
        if trouble.retry_after:
            self._paused_until = max(self._paused_until, now + min(trouble.retry_after, self._patience.stay_away))
        if sent.at >= self._cut_at:
            self.limit = min(self.limit, self.under_way + 1.0)
            self._ceiling, self._cut_at = self.limit, now
            self.limit = max(1.0, self.limit * CUT)

    def _failed(self, sent: Sent, trouble: Trouble, now: float) -> None:
        self._failures += 1
        patience = self._patience
        if self._shut:
            if not sent.probe:
                return
            self._probes += 1
            if self._probes >= patience.probes:
                self._give_up(f"still does not answer ({trouble.message[:200]!r})")
            self._shut_until = now + patience.pause * 2**self._probes
        elif self._failures >= patience.failures:
            self._shut, self._shut_until = True, now + patience.pause
            LOG.warning(
                "%s does not answer (%r); it will be tried again in %g s",
                self._told,
                trouble.message[:200],
                patience.pause,
            )

    def _denied(self, trouble: Trouble) -> None:
        self._denials += 1
        if self._denials >= self._patience.denials:
            self._give_up(f"gives no access ({trouble.message[:200]!r})")

    def _give_up(self, why: str) -> None:
        if not self.given_up:
            LOG.warning("%s %s; what is left for it stays owed", self._told, why)
        self.given_up = True

    def _watch(self, sent: Sent, reply: Reply, now: float) -> None:
        """Compare a window's median latency, by work, with the best. That of a server which batches grows with what is
        under way, to everybody's good: so it counts only if no more was done in the time."""
        work = PREFILL + (reply.tokens_out or 0)
        self._since = self._since or sent.at
        self._latencies.append((now - sent.at) / work)
        self._work += work
        if len(self._latencies) < max(20, 2 * self.limit):
            return
        median, rate = statistics.median(self._latencies), self._work / max(1e-6, now - self._since)
        self._latencies, self._work, self._since = [], 0.0, now
        self._best *= DRIFT
        if median <= self._best:
            self._best, self._rate_at_best = median, rate
        elif median > SLOW * self._best and rate < GAIN * self._rate_at_best:
            self.limit = min(self.limit, max(1.0, FLOOR * self._most, GENTLE * self.limit))
