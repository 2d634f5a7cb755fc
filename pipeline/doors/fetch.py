"""The fetch door: images come in here. The listing is kept first, then the bytes; `collect` is pure over both.

An image that was forgotten (forgotten.py), or that matched a list of known illegal material (match.py), never comes in
again: neither by the bytes a source has, nor by the picture made of them.
"""

import hashlib
import json
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pipeline.backends import LOG
from pipeline.doors.blobs import Blobs
from pipeline.doors.forgotten import ForgottenImages
from pipeline.doors.listings import Listing, listing_of, name_of
from pipeline.doors.log import Log
from pipeline.doors.match import Matcher, MatcherError
from pipeline.doors.web.loop import Loop
from pipeline.sources import Source
from pipeline.tables import row_id

if TYPE_CHECKING:
    from pipeline.doors.web.download import Web

T = TypeVar("T")
Cells = dict[str, Any]
AT_ONCE = 64
"""Images under way: being downloaded, read or made. They come back in order, so a slow one holds up those behind it."""
AHEAD = 256
"""Images begun before the first of them was taken."""
MATCHED = "matched a list of known material"
SAID_EVERY = 60.0
"""Seconds between two lines in the log."""


@dataclass(frozen=True)
class Fetched(Generic[T]):
    """An image's bytes came in, now or earlier."""

    original_sha256: str
    retrieved_at: str | None
    manners: str | None
    made: T
    """What the caller made of the bytes."""


@dataclass(frozen=True)
class NotFetched:
    """They did not, and why."""

    reason: str
    """A few words; the same words for the same cause."""
    detail: str | None = None
    owed: bool = False
    """Whether the next run should try again."""


class Fetch:
    """Listings and original bytes, kept in the workspace; rebuilt images lie beside them."""

    def __init__(self, folder: Path, *, web: "Callable[[], Web] | None" = None, matcher: Matcher | None = None) -> None:
        """`web`: makes what downloads, in the loop that it will be used in; `matcher`: sees every image before anybody."""
        self._listings = folder / "listings"
        self.originals = Blobs(folder / "originals")
        self.images = Blobs(folder / "images")
        self.matcher = matcher
        self.owed = 0
        """Images that were not fetched and may be another time, over all calls so far."""
        self._web = web or self._downloads
        self._forgotten = ForgottenImages(folder)
        self._writing = threading.Lock()
        self._decoding = threading.BoundedSemaphore(os.cpu_count() or 1)  # memory: one unpacked image each
        self._fetched = Log(folder / "originals" / "fetched.jsonl", write=True)
        self._rebuilt = Log(folder / "originals" / "rebuilt.jsonl", write=True)
        self._pairs = {
            (e["original"], e["image"]) for e in map(json.loads, (line for _, line in self._rebuilt.lines()))
        }
        """Which original became which image: known also when no table says it any more."""
        self._known: dict[str, int] = {}
        """`Wanted.id` to where the log says what became of it: the last entry counts."""
        self.epoch = 0
        """Changes when downloads that were refused for good are to be tried again."""
        for offset, line in self._fetched.lines():
            entry = json.loads(line)
            self._known[entry["id"]] = offset
            self.epoch += len(entry) == 1

    def _downloads(self) -> "Web":
        from pipeline.doors.web.download import Web  # it takes its time to load, and most runs download nothing
        from pipeline.doors.web.limits import AGENT

        contact = os.environ.get("TETRAD_CONTACT")
        return Web(folder=self._listings, agent=f"{AGENT} {contact}" if contact else AGENT)

    def listing(self, source: Source) -> Listing:
        """What the source offers at its present revision: listed once, kept for good."""
        return listing_of(source, self._listings)

    def originals_of(
        self, rows: Iterator[Cells], sources: dict[str, Source], make: Callable[[bytes], T]
    ) -> Iterator[tuple[Cells, Fetched[T] | NotFetched]]:
        """The bytes of each row of `Wanted`, kept on the first reading, and what `make` (pure) makes of them: in order, many
        at once, in threads."""
        waiting: deque[tuple[Cells, Future[Fetched[T] | NotFetched]]] = deque()
        done, said = 0, time.monotonic()
        with ExitStack() as at_last, Loop(self._web) as web, ThreadPoolExecutor(AT_ONCE) as pool:
            at_last.callback(self._fetched.sync)  # when no thread writes any more: it looks at how long the file is
            try:
                for row in rows:
                    waiting.append((row, pool.submit(self._one, row, sources[row["source"]], make, web)))
                    if len(waiting) >= AHEAD:
                        yield self._taken(*waiting.popleft())
                        done += 1
                        if time.monotonic() - said > SAID_EVERY:
                            said = time.monotonic()
                            LOG.info("fetching: %d images", done)
                while waiting:
                    yield self._taken(*waiting.popleft())
            finally:  # also when nobody wants the rest any more: what is under way is left
                for _, future in waiting:
                    future.cancel()
                web.stop()

    def _taken(self, row: Cells, future: Future[Fetched[T] | NotFetched]) -> tuple[Cells, Fetched[T] | NotFetched]:
        result = future.result()
        self.owed += isinstance(result, NotFetched) and result.owed
        return row, result

    def _one(self, row: Cells, source: Source, make: Callable[[bytes], T], web: Loop) -> Fetched[T] | NotFetched:
        entry: Cells = {"id": row["id"], "listing": name_of(row["source"], row["revision"]), "key": row["key"]}
        known, data = self._entry(row["id"]), None
        if not self._settled(known):
            try:
                data = source.read(row)
            except OSError as error:
                return NotFetched("not fetched", str(error))
            if data is None:  # whichever list a URL stands in, it is downloaded once
                entry |= {"id": row_id("url", row["url"]), "url": row["url"]}
                known = self._entry(entry["id"])
        if barred := self._barred(known):
            return barred
        came = known if self._settled(known) else self._come_in(entry, data, web)
        if not isinstance(came, NotFetched) and self.matcher and came.get("screened") != self.matcher.fingerprint:
            came = self._screened(came, self.originals.read(came["sha256"]))
        if isinstance(came, NotFetched):
            return came
        with self._decoding:
            made = make(self.originals.read(came["sha256"]))
        return Fetched(came["sha256"], came.get("at"), came.get("manners"), made)

    def _entry(self, name: str) -> Cells:
        """What became of an image so far."""
        offset = self._known.get(name)
        return {} if offset is None else json.loads(self._fetched.line(offset))

    def _settled(self, known: Cells) -> bool:
        """Whether its bytes are here, or will never be."""
        return "refused" in known or "matched" in known or known.get("sha256", "") in self.originals

    def _barred(self, known: Cells) -> NotFetched | None:
        """Why it does not come in, known from before."""
        if "refused" in known:
            return NotFetched(known["refused"], known.get("detail"))
        if "matched" in known:
            return NotFetched(MATCHED, known["sha256"])
        return NotFetched("forgotten") if known.get("sha256", "") in self._forgotten else None

    def _come_in(self, entry: Cells, data: bytes | None, web: Loop) -> Cells | NotFetched:
        """Screened before it is kept. A download that is refused for good is noted, and not tried again."""
        if data is None:
            from pipeline.doors.web.download import Downloaded

            if not entry["url"]:
                return NotFetched("no URL")
            came = web.get(entry["url"])
            entry |= {"manners": came.manners}
            if not isinstance(came, Downloaded):
                if not came.owed:
                    self._note(entry | {"refused": came.reason, "detail": came.detail})
                return NotFetched(came.reason, came.detail, came.owed)
            data, entry = came.data, entry | {"at": came.retrieved_at}
        entry |= {"sha256": hashlib.sha256(data).hexdigest()}
        if entry["sha256"] in self._forgotten:
            self._note(entry)
            return NotFetched("forgotten")
        return self._screened(entry, data)

    def _screened(self, entry: Cells, data: bytes) -> Cells | NotFetched:
        """Let the matcher see the bytes, and keep them only if it knows nothing of them. If it cannot say, they stay out."""
        if self.matcher:
            try:
                found = self.matcher.match(data)
            except MatcherError as error:
                return NotFetched("not screened", str(error), owed=True)
            if found:
                self._note(entry | {"matched": found})
                self._discard(entry["sha256"])
                LOG.warning(
                    "an image matched a list of known material (%s): not kept, not shown; see the README", found
                )
                return NotFetched(MATCHED, entry["sha256"])
            entry = entry | {"screened": self.matcher.fingerprint}
        self.originals.keep(data)
        self._note(entry)
        return entry

    def _discard(self, original: str) -> None:
        """Remove an original and what was made of it."""
        self.originals.discard(original)
        for of, image in self._pairs:
            if of == original:
                self.images.discard(image)

    def _note(self, entry: Cells) -> None:
        with self._writing:
            self._known[entry["id"]] = self._fetched.append(json.dumps(entry).encode())

    def retry(self, reason: str) -> int:
        """Have the downloads that were refused for this reason tried again by the next run. Returns how many."""
        refused = [name for name in self._known if self._entry(name).get("refused") == reason]
        for name in refused:
            self._note({"id": name})
        return len(refused)

    def refusals(self) -> set[str]:
        """The reasons for which downloads were refused for good."""
        return {entry["refused"] for entry in map(self._entry, self._known) if "refused" in entry}

    def rebuilt(self, original: str, data: bytes) -> str | None:
        """Keep the picture made of an original (its SHA-256); returns its SHA-256. None: it was forgotten, and now so is this
        original of it."""
        image = hashlib.sha256(data).hexdigest()
        if image in self._forgotten:
            self._forgotten.add({image}, {original})
            self.originals.discard(original)
            return None
        if (original, image) not in self._pairs:
            self._rebuilt.append(json.dumps({"original": original, "image": image}).encode())
            self._pairs.add((original, image))
        return self.images.keep(data)

    def close(self) -> None:
        """Close the logs."""
        self._fetched.close()
        self._rebuilt.close()
