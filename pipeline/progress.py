"""What a run tells while it goes: one line a table, and how far the asking has come. All on stderr."""

import time
from collections import Counter

from rich.console import Console

from pipeline.requests import Failure, Reply
from pipeline.tables import Made

EVERY = {True: 0.5, False: 15.0}
"""Seconds between two lines of progress: on a terminal (where it is one line, rewritten), and elsewhere."""


class Lines:
    """Watches a run for a person."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._owed: dict[str, int] = {}
        self.asked = 0
        """Requests that went out, over the whole run."""

    def begin(self, owed: dict[str, int]) -> None:
        """Asking begins."""
        self._owed, self._done, self._failed = owed, Counter[str](), Counter[str]()
        self._started = self._said = time.monotonic()
        self._say()

    def advance(self, model: str, reply: Reply) -> None:
        """One more reply."""
        self.asked += 1
        self._done[model] += 1
        if isinstance(reply.result, Failure):
            self._failed[model] += 1
        if time.monotonic() - self._said >= EVERY[self._console.is_terminal]:
            self._say()

    def end(self) -> None:
        """Asking ends."""
        self._say(last=True)

    def _say(self, *, last: bool = False) -> None:
        self._said = time.monotonic()
        seconds = self._said - self._started
        parts = []
        for model, owed in self._owed.items():
            done, errors = self._done[model], self._failed[model]
            rate = done / seconds if seconds > 0 and done else 0.0
            left = f", {(owed - done) / rate:.0f} s left" if rate and done < owed else ""
            parts.append(
                f"{model} {done}/{owed}"
                + (f" {rate:.1f}/s" if rate else "")
                + (f" {errors} errors" if errors else "")
                + left
            )
        end = "\n" if last or not self._console.is_terminal else "\r"
        self._console.print(
            "    asking " + "; ".join(parts), end=end, style="dim", highlight=False, markup=False, soft_wrap=True
        )

    def table(self, made: Made, *, fresh: bool) -> None:
        """One table is there."""
        dropped = f", {sum(made.dropped.values())} dropped ({_counted(made.dropped)})" if made.dropped else ""
        errors = f", with errors: {_counted(made.errors)}" if made.errors else ""
        owed = f", {made.owed} owed" if made.owed else ""
        when = "fresh" if fresh else f"{made.seconds:.1f} s"
        self._console.print(
            f"{made.number:>2} {made.name:<12} {made.considered} in, {made.kept} kept{dropped}{errors}{owed}  [{when}]",
            highlight=False, markup=False, soft_wrap=True,
        )  # fmt: skip


def _counted(reasons: dict[str, int]) -> str:
    return ", ".join(f"{n} {reason}" for reason, n in sorted(reasons.items(), key=lambda item: -item[1]))
