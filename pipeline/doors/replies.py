"""The kept replies: one store for the whole workspace, in segments, indexed by the id of the request.

`workspace/replies/` holds segments, numbered from 000001. The newest is a log of JSON lines, `000004.jsonl`, to which
replies are appended. When it has grown to 64 MiB or 65,536 rows, the next one is begun, and a thread seals the old one:
it becomes `000004.parquet`, compressed to about a third. Both kinds are flat rows of the same columns
(`kept.COLUMNS`), which Polars reads while the run goes on: `pl.scan_parquet("workspace/replies/*.parquet")`. The last row
of an id counts; one without a kind makes its request owed again.

What makes it safe, and where:
- A reply counts once its line is on the disk: the log is synced (fsync) every 64 replies or every second. A kill loses
  nothing that was appended, a power cut at most what came since; a line torn by either is cut when the store is opened.
- A segment is sealed whole or not at all: written aside, synced, renamed, read back, and only then the log is removed.
  Where a kill leaves both, the Parquet counts. Every page of it bears a checksum.
- One process writes: it holds the workspace's lock, `flock`'s, which goes with its owner, so that none is ever stale. A
  file system that gives no locks is refused.
- On network file systems it needs three things of the server: locks between machines (NFS from version 4, or 3 with
  lockd; Lustre with `flock`; CephFS; BeeGFS with `tuneUseGlobalFileLocks`), fsync that reaches the disk (NFS: exported
  `sync`), and rename that replaces at once. Where locks hold on one machine only (NFS `nolock` or `local_lock=flock`,
  Lustre `localflock`, most FUSE and SMB mounts, object stores mounted as folders) two machines can write at once: the log
  then finds, at the next sync, that it grew by what it did not write, and the run stops; but start no two. Object stores
  without append and rename cannot hold it at all.
- A reader takes no lock. It sees what was there when it opened the store; on NFS, what the writer had synced by then.
"""

import threading
import time
from collections.abc import Iterable, Iterator, Set
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import polars as pl

from pipeline.backends import LOG
from pipeline.doors.store import inventory
from pipeline.doors.store.kept import COLUMNS, Kept, Row, kept_of, reply_of, row_of, rows_of
from pipeline.doors.store.quoting import quoting
from pipeline.doors.store.sealed import Sealed, seal, segments
from pipeline.doors.store.segments import Index, Open, Segment
from pipeline.errors import UserError
from pipeline.requests import AnyRequest, Failure, Reply

__all__ = ["Kept", "Replies"]

RECENT = 32
"""Row groups that stay decompressed: up to 4 MB each."""
_REPLY = tuple(name for name in COLUMNS.names if name not in ("at", "run", "model", "revision", "cost", "request"))
_ALL = tuple(COLUMNS.names)


class Replies:
    """What models said, kept for good."""

    def __init__(self, folder: Path, *, write: bool) -> None:
        """`folder`: the workspace; who writes holds its lock. UserError: a segment is damaged."""
        self._folder, self._write = folder / "replies", write
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="seal")
        self._closing = threading.Event()
        self._sealing: Future[tuple[Segment, Index]] | None = None
        self._load()

    def _load(self) -> None:
        self._segments = {s.number: s for s in segments(self._folder, write=self._write)}
        last = max((n for n, s in self._segments.items() if isinstance(s, Sealed)), default=0)
        self._open = [s for n, s in self._segments.items() if n > last and isinstance(s, Open)]
        """Logs behind all Parquet, whose rows are not in the index: the last one grows, the others wait for being sealed."""
        self._index = Index().extended(s for n, s in self._segments.items() if n <= last)
        self.epoch = self._index.owed + sum(log.owed for log in self._open)
        """How often something kept was made owed again: tables made before may be stale."""
        self._group = lru_cache(RECENT)(Sealed.group)
        if self._write and (not self._open or self._open[-1].full):
            self._begin()
        self._advance()

    def _begin(self) -> None:
        """Begin the next segment."""
        number = max(self._segments, default=0) + 1
        log = Open(self._folder / f"{number:06}.jsonl", write=True)
        self._segments[number] = log
        self._open.append(log)

    def _advance(self) -> None:
        """Take over what the thread has sealed, and hand it the next log that grows no more."""
        if self._sealing and self._sealing.done():
            self._adopt(self._sealing)
        if self._write and not self._sealing and len(self._open) > 1:
            self._sealing = self._worker.submit(self._seal, self._open[0], self._index)

    def _seal(self, log: Open, index: Index) -> tuple[Segment, Index]:
        segment: Segment | None = None
        try:
            segment = seal(log, lambda: not self._closing.is_set())
        except UserError as error:
            LOG.warning("%s", error)
        return segment or log, index.extended([segment or log])

    def _adopt(self, sealing: Future[tuple[Segment, Index]]) -> None:
        self._sealing = None
        segment, self._index = sealing.result()
        log = self._open.pop(0)
        self._segments[log.number] = segment
        if segment is not log:
            log.close()

    def _where(self, ids: pl.Series) -> pl.DataFrame:
        """Segment and place of each id, in their order; nulls where it is owed."""
        found = self._index.find(ids)
        segments, places = found["segment"], found["place"]
        for log in self._open:
            newer = [(n, log.places[i]) for n, i in enumerate(ids) if i in log.places]
            if newer:
                at = [n for n, _ in newer]
                places.scatter(at, pl.Series([p for _, p in newer], dtype=pl.UInt64))
                segments.scatter(at, pl.Series([None if p is None else log.number for _, p in newer], dtype=pl.UInt32))
        return pl.DataFrame({"segment": segments, "place": places})

    def __contains__(self, request_id: str) -> bool:
        return not self.missing(pl.Series([request_id]))[0]

    def __len__(self) -> int:
        newer = {i: place is not None for log in self._open for i, place in log.places.items()}
        older = self._index.find(pl.Series(list(newer), dtype=pl.String))["place"]
        return len(self._index) + sum(newer.values()) - (len(older) - older.null_count())

    def missing(self, ids: pl.Series) -> pl.Series:
        """Of each request's id, whether it is owed: a boolean Series."""
        return self._where(ids)["place"].is_null()

    def many(self, ids: Iterable[str]) -> dict[str, Reply]:
        """The replies to those of the requests that are kept. Of a sealed segment, each row group is decompressed once."""
        return {row["id"]: reply_of(row) for row in self._rows(set(ids), _REPLY)}

    def kept(self, request_id: str) -> Kept | None:
        """Request and reply, or None while it is owed."""
        return next((kept_of(row) for row in self._rows({request_id}, _ALL)), None)

    def _rows(self, ids: Set[str], columns: tuple[str, ...]) -> Iterator[Row]:
        """At least these columns of the rows that keep the ids."""
        found = self._where(pl.Series(list(ids), dtype=pl.String)).drop_nulls().sort("segment", "place")
        for (number,), part in found.partition_by("segment", as_dict=True).items():
            segment, places = self._segments[number], part["place"].to_list()
            if isinstance(segment, Open):
                yield from segment.rows(places)
            elif isinstance(segment, Sealed):
                for group, inside in segment.spread(places):
                    yield from rows_of(self._group(segment, group, columns).take(inside))

    def keep(
        self, request_id: str, revision: str, request: AnyRequest, reply: Reply, *, run: str | None = None, cost: float | None = None
    ) -> None:  # fmt: skip
        """Keep a reply before anything reads it. A failure that may pass is not kept."""
        if isinstance(reply.result, Failure) and reply.result.owed:
            return
        at = round(time.time(), 3)
        self._append(Kept(id=request_id, at=at, run=run, revision=revision, cost=cost, request=request, reply=reply))

    def owe(self, request_id: str) -> None:
        """Make a kept reply owed again; the store still holds it."""
        self._append(Kept(id=request_id, at=round(time.time(), 3)))
        self.epoch += 1

    def _append(self, kept: Kept) -> None:
        if not self._write:
            raise RuntimeError(f"{self._folder} was opened for reading")
        log = self._open[-1]
        log.append(row_of(kept))
        if log.full:
            log.sync()
            self._begin()
        self._advance()

    def _live(self, *columns: str) -> Iterator[tuple[Segment, pl.DataFrame]]:
        """These columns of all rows that count, some thousands at a time, with their segments."""
        for segment in self._segments.values():
            for frame in segment.frames(["id", *columns]):
                found = self._where(frame["id"])
                counts = (found["segment"] == segment.number) & (found["place"] == frame["place"])
                yield segment, frame.filter(counts)

    def failures(self) -> dict[str, str]:
        """Request id to error, for each kept failure."""
        found = (frame.filter(kind="failure") for _, frame in self._live("kind", "error"))
        return {name: error for frame in found for name, error in frame.select("id", "error").iter_rows()}

    def spent(self, run: str) -> float:
        """US dollars that a run has paid, over all its sittings."""
        frames = (frame for segment in self._segments.values() for frame in segment.frames(["run", "cost"]))
        return sum(float(frame.filter(run=run)["cost"].sum()) for frame in frames)

    def costs(self, ids: pl.Series) -> pl.DataFrame:
        """id and cost (US dollars) of those of these requests whose price is known."""
        found = [
            frame.filter(pl.col("id").is_in(ids.implode())).select("id", "cost") for _, frame in self._live("cost")
        ]
        return pl.concat([pl.DataFrame(schema={"id": pl.String, "cost": pl.Float64}), *found]).drop_nulls("cost")

    def stats(self) -> pl.DataFrame:
        """What is kept, by the model's `revision` and by `error` (null: an answer): replies, tokens_in, tokens_out, cost in
        US dollars, bytes of requests and replies before compression, and how many of the replies lie open (in logs) and
        sealed. What was made owed again does not count."""
        live = self._live(*inventory.MEASURED)
        return inventory.total([inventory.counted(frame, sealed=isinstance(s, Sealed)) for s, frame in live])

    def seal(self) -> int:
        """Seal all logs now, also the one that grows; returns how many replies were. UserError: the disk is full."""
        with self._alone():
            logs = [s for s in self._segments.values() if isinstance(s, Open) and s.height]
            return sum(log.height - log.owed for log in logs if seal(log))

    def check(self) -> list[str]:
        """What is wrong, a line each: segments that are missing, lines that nobody can read, pages of Parquet whose checksum
        does not fit, rows that are no replies, ids that do not fit their request. All is read: about a minute for a
        million replies."""
        gaps = set(range(1, max(self._segments, default=0))) - self._segments.keys()
        missing = [f"segment {number:06} is missing" for number in sorted(gaps)]
        return missing + [fault for segment in self._segments.values() for fault in inventory.faults(segment)]

    def quoting(self, ids: Set[str], images: Set[str], texts: Set[str]) -> set[str]:
        """The ids of all that rests on some requests, images or texts, by what the requests say: see `quoting`."""
        return quoting(self._segments.values(), ids, images, texts)

    def forget(self, ids: Set[str], images: Set[str]) -> int:
        """Purge every reply to a request with one of these ids, or that shows one of these images (SHA-256), also what was
        made owed again. Each segment is written anew whole or not at all: killed half-way, it can be done again. Returns
        how many replies went."""
        with self._alone():
            return sum(segment.forget(ids, images) for segment in self._segments.values())

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Nothing is sealed meanwhile; afterwards, all segments are opened anew."""
        if not self._write:
            raise RuntimeError(f"{self._folder} was opened for reading")
        self.sync()
        if self._sealing:
            self._adopt(self._sealing)
        try:
            yield
        finally:
            self._close_files()
            self._load()

    def sync(self) -> None:
        """Have everything on the disk."""
        if self._write:
            self._open[-1].sync()
            self._advance()

    def _close_files(self) -> None:
        for segment in self._segments.values():
            segment.close()

    def close(self) -> None:
        """Sync, and close. A sealing under way is broken off: the next opening does it."""
        self._closing.set()
        self._worker.shutdown()
        if self._sealing:
            self._adopt(self._sealing)
        self._close_files()
