"""What a run tells while it goes, on stderr and in its log: each table as it is made, and how far the asking has come."""

import contextlib
import logging
import time
from collections import Counter
from collections.abc import Iterator

from rich.console import Console

from pipeline.backends import LOG
from pipeline.models import hidden
from pipeline.requests import Failure, Reply
from pipeline.workspace import Made

EVERY = {True: 0.5, False: 10.0}
"""Seconds between two lines of progress: on a terminal (where it is one line, rewritten), and elsewhere."""
LOGGED = 60.0
"""Seconds between two lines of progress in the log."""


class Lines:
    """Watches a run for a person."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._owed: dict[str, int] = {}
        self.asked = 0
        """Requests that went out, over the whole run."""
        self.cost = 0.0
        """US dollars, likewise, as far as prices are known."""

    def begin(self, owed: dict[str, int]) -> None:
        """Asking begins."""
        self._owed, self._cost = owed, dict.fromkeys(owed, 0.0)
        self._done, self._failed = Counter[str](), Counter[str]()
        self._started = self._said = self._logged = time.monotonic()
        self._say(log=True)

    def advance(self, model: str, reply: Reply, cost: float | None) -> None:
        """One more reply."""
        self.asked += 1
        self.cost += cost or 0.0
        self._done[model] += 1
        self._cost[model] += cost or 0.0
        if isinstance(reply.result, Failure):
            self._failed[model] += 1
        now = time.monotonic()
        if now - self._said >= EVERY[self._console.is_terminal]:
            self._say(log=now - self._logged >= LOGGED)

    def end(self) -> None:
        """Asking ends."""
        self._say(log=True, last=True)

    def _say(self, *, log: bool, last: bool = False) -> None:
        self._said = time.monotonic()
        parts = [self._of(model, self._said - self._started) for model in self._owed]
        line = "asking " + "; ".join(parts)
        end = "\n" if last or not self._console.is_terminal else "\r"
        self._console.print("    " + line, end=end, style="dim", highlight=False, markup=False, soft_wrap=True)
        if log:
            self._logged = self._said
            LOG.info("%s", line)

    def _of(self, model: str, seconds: float) -> str:
        """How far one model has come."""
        owed, done, errors, cost = self._owed[model], self._done[model], self._failed[model], self._cost[model]
        rate = done / seconds if seconds > 0 and done else 0.0
        parts = [f"{model} {done}/{owed}"]
        if rate:
            parts.append(f"{rate:.1f}/s")
        if errors:
            parts.append(f"{errors} errors")
        if cost:
            parts.append(f"{cost:.2f} USD")
        if rate and done < owed:
            parts.append(f"{duration((owed - done) / rate)} left")
        return " ".join(parts)

    def table(self, made: Made, *, fresh: bool) -> None:
        """One table is there."""
        dropped = f", {sum(made.dropped.values())} dropped ({_counted(made.dropped)})" if made.dropped else ""
        errors = f", with errors: {_counted(made.errors)}" if made.errors else ""
        owed = f", {made.owed} owed" if made.owed else ""
        when = "fresh" if fresh else f"{made.seconds:.1f} s"
        line = (
            f"{made.number:>2} {made.name:<12} {made.considered} in, {made.kept} kept{dropped}{errors}{owed}  [{when}]"
        )
        for said in (line, *(f"    {note}" for note in made.notes)):
            self._console.print(said, highlight=False, markup=False, soft_wrap=True)
            LOG.info("%s", said)


class Masked(logging.Formatter):
    """Lines of a log in which no key can stand."""

    def __init__(self, form: str, secrets: set[str]) -> None:
        super().__init__(form)
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        return hidden(super().format(record), self._secrets)


@contextlib.contextmanager
def heard(handler: logging.Handler, form: str, secrets: set[str]) -> Iterator[None]:
    """While it lasts, what is said to the log goes to this handler too."""
    handler.setFormatter(Masked(form, secrets))
    logging.getLogger().addHandler(handler)
    LOG.setLevel(logging.INFO)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()


def duration(seconds: float) -> str:
    """Seconds in words that one reads at a glance."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _counted(reasons: dict[str, int]) -> str:
    return ", ".join(f"{n} {reason}" for reason, n in sorted(reasons.items(), key=lambda item: -item[1]))
