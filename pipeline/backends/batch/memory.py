"""What was handed to a batch API and not yet given back: remembered, for a batch outlives the process that made it."""

import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from pipeline.doors.log import Log
from pipeline.requests import Record

RESULTS_KEPT = 30 * 86400.0
"""Seconds for which a provider keeps the results of a batch."""


class Note(Record):
    """A line of the file: what became known of one batch."""

    token: str
    """Names the batch before the provider has named it."""
    at: float | None = None
    """Unix time at which it was about to be made..."""
    asks: tuple[str, ...] | None = None
    """...and the ids of its requests, in the order of its lines."""
    name: str | None = None
    """What the provider calls it."""
    left: tuple[str, ...] | None = None
    """Ids whose replies it still owes."""


@dataclass
class Batch:
    """One batch that may hold replies nobody has had."""

    token: str
    at: float
    asks: tuple[str, ...]
    left: set[str]
    name: str | None = None
    """None: the provider was asked to make it, and did not say whether it has."""
    told: str = ""
    """What was last said of it."""
    troubles: int = 0
    """How often in a row it could not be asked about."""


class Batches:
    """The batches of one model. Each is noted before it is made, so that a kill between the two loses none: it is known
    by its token, which the provider keeps with it."""

    def __init__(self, folder: Path, model: str) -> None:
        """`folder`: the workspace."""
        self._log = Log(folder / "batches" / f"{quote(model, safe='')}.jsonl", write=True)
        self._batches: dict[str, Batch] = {}
        self._of: dict[str, Batch] = {}
        self._changed: set[str] = set()
        for _, line in self._log.lines():
            self._take(Note.model_validate_json(line))
        for batch in [b for b in self._batches.values() if b.at < time.time() - RESULTS_KEPT]:
            self._leave(batch, set())

    def __getitem__(self, token: str) -> Batch:
        return self._batches[token]

    def of(self, request: str) -> Batch | None:
        """The batch that owes the reply to this id."""
        return self._of.get(request)

    def intend(self, requests: Iterable[str]) -> Batch:
        """A batch of these ids is about to be made."""
        token = secrets.token_hex(16)
        self._note(Note(token=token, at=time.time(), asks=tuple(requests)))
        return self._batches[token]

    def named(self, batch: Batch, name: str) -> None:
        """The provider has it, under this name."""
        self._note(Note(token=batch.token, name=name))

    def forget(self, batch: Batch) -> None:
        """It was never made, or nothing will come of it."""
        self._note(Note(token=batch.token, left=()))

    def given(self, batch: Batch, request: str) -> None:
        """It owes this reply no more. This is noted later (`settle`): until the door has the reply on the disk, the
        batch is where it can be had again."""
        batch.left.discard(request)
        if self._of.get(request) is batch:
            del self._of[request]
        self._changed.add(batch.token)

    def settle(self) -> None:
        """Note what was given."""
        for batch in [self._batches[token] for token in self._changed if token in self._batches]:
            self._note(Note(token=batch.token, left=tuple(sorted(batch.left))))
        self._changed.clear()

    def close(self) -> None:
        """Settle, and close the file."""
        self.settle()
        self._log.close()

    def _note(self, note: Note) -> None:
        self._log.append(note.model_dump_json(exclude_none=True).encode())
        self._log.sync()
        self._take(note)

    def _take(self, note: Note) -> None:
        if note.asks is not None:
            batch = Batch(note.token, note.at or 0.0, note.asks, set(note.asks))
            self._batches[note.token] = batch
            for request in note.asks:
                if older := self._of.get(request):  # it expired there, and is asked again here
                    older.left.discard(request)
                self._of[request] = batch
            self._batches = {t: b for t, b in self._batches.items() if b.left or t in self._changed}
        if (found := self._batches.get(note.token)) is None:
            return
        found.name = note.name or found.name
        if note.left is not None:
            self._leave(found, set(note.left))

    def _leave(self, batch: Batch, left: set[str]) -> None:
        for request in batch.left - left:
            if self._of.get(request) is batch:
                del self._of[request]
        batch.left &= left
        if not batch.left:
            del self._batches[batch.token]
