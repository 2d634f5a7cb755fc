"""The decide door: what people decided, kept as an append-only log per run. Nothing is overwritten.

Reading takes no lock: `tetrad run` settles with what stands in the log while people go on deciding.
"""

import json
from collections.abc import Iterable, Iterator, Set
from contextlib import closing
from pathlib import Path

import polars as pl
from pydantic import TypeAdapter, ValidationError

from pipeline.doors import entries
from pipeline.doors.entries import AnyEntry, Entry, Flagged, Given, Gold, Skipped, Undone, Votes
from pipeline.doors.log import Lock, Log
from pipeline.errors import UserError
from pipeline.tables import Decision, frame


class Decide:
    """The log of one run's review. Who writes holds the run's lock; UserError: another process does."""

    def __init__(self, folder: Path, *, write: bool, takes: bool = False) -> None:
        """`takes`: what was decided elsewhere may be given to it, although nothing else is written."""
        self._folder = folder if takes else None
        self._lock = Lock(folder) if write else None
        self._log = Log(folder / "decisions.jsonl", write=write)

    def entries(self) -> Iterator[AnyEntry]:
        """All that was said, oldest first."""
        for number, (_, line) in enumerate(self._log.lines(), 1):
            try:
                yield entries.read(line)
            except ValidationError as error:
                raise UserError(f"{self._log.path}, line {number}: {_first(error)}; another version wrote it") from None

    def decisions(self) -> pl.DataFrame:
        """The last decision of each reviewer on each pair or response by each criterion, in the order they were made."""
        return frame(Votes(self.entries()).decisions(), Decision)

    def gold(self) -> tuple[int, int]:
        """How often reviewers were wrong about pairs whose answer is known, and how often they were asked."""
        said = list(self.entries())
        known = {entry.candidate_id: entry.preferred for entry in said if isinstance(entry, Gold)}
        votes = Votes(said)
        right = [right for name, preferred in known.items() for right in votes.agree(name, preferred)]
        return len(right) - sum(right), len(right)

    def illegal(self) -> tuple[Flagged, ...]:
        """What was flagged as illegal, and whose flag stands."""
        return tuple(flag for flag in self._passed() if isinstance(flag, Flagged) and flag.what == "illegal")

    def flagged(self) -> dict[str, str]:
        """Pairs that were flagged, and as what, whose flag stands."""
        return {flag.candidate_id: flag.what for flag in self._passed() if isinstance(flag, Flagged)}

    def passed(self) -> frozenset[str]:
        """Pairs that somebody skipped or flagged, and did not take that back."""
        return frozenset(entry.candidate_id for entry in self._passed())

    def _passed(self) -> Iterable[Skipped | Flagged]:
        standing: dict[str, Skipped | Flagged] = {}
        for entry in self.entries():
            if isinstance(entry, Skipped | Flagged):
                standing[entry.id] = entry
            elif isinstance(entry, Undone):
                standing.pop(entry.entry, None)
        return standing.values()

    def keep(self, *said: Entry | Decision) -> None:
        """Keep entries, or decisions that were made elsewhere, on the disk, all or none: a person will not be asked for
        them again."""
        made = (one if isinstance(one, Entry) else Given(by=one.reviewer, decision=one) for one in said)
        self._log.append(*(entry.model_dump_json().encode() for entry in made))
        self._log.sync()

    def give(self, *decisions: Decision) -> None:
        """Keep decisions that were made elsewhere, and read them from now on, unless it takes none. UserError: a review is under way."""
        if self._folder and decisions:
            with closing(Decide(self._folder, write=True)) as door:
                door.keep(*decisions)
            self._log.close()
            self._log = Log(self._log.path, write=False)  # which ends where it ended when it was opened

    def take(self, path: Path, pairs: Set[str], responses: Set[str] = frozenset()) -> int:
        """Take a file of decisions (JSON lines) in, all or none: each line a `Decision`, or a page of `--export` with its
        list of them. `pairs` and `responses` are those of the run. Returns how many."""
        try:
            lines = path.read_bytes().split(b"\n")
        except OSError as error:
            raise UserError(f"cannot read {path}: {error.strerror}") from None
        found: list[Decision] = []
        for number, line in enumerate(lines, 1):
            try:
                found += _known(_decisions(line), pairs, responses)
            except ValidationError as error:
                raise UserError(f"{path}, line {number}: {_first(error)}; nothing was taken") from None
            except LookupError as error:
                raise UserError(f"{path}, line {number}: {error.args[0]}; nothing was taken") from None
        self.keep(*found)
        return len(found)

    def fingerprint(self) -> str:
        """Changes with every entry."""
        return str(self._log.end)

    def close(self) -> None:
        """Sync, close, and let the next writer in."""
        self._log.close()
        if self._lock:
            self._lock.release()


def illegal_images(workspace: Path) -> frozenset[str]:
    """Images that were flagged as illegal in the review of any run of the workspace, and whose flag stands."""
    found: set[str] = set()
    for log in sorted(workspace.glob("runs/*/decisions.jsonl")):
        with closing(Decide(log.parent, write=False)) as decide:
            found |= {flag.image for flag in decide.illegal() if flag.image}
    return frozenset(found)


def _decisions(line: bytes) -> Iterable[Decision]:
    """Those of one line. ValidationError: it holds none."""
    if not line.strip():
        return ()
    try:
        page = json.loads(line)
    except ValueError:
        page = None
    if isinstance(page, dict) and "decisions" in page:
        return TypeAdapter(tuple[Decision, ...]).validate_python(page["decisions"])
    return (Decision.model_validate_json(line),)


def _known(decisions: Iterable[Decision], pairs: Set[str], responses: Set[str]) -> Iterator[Decision]:
    """The same. LookupError: one is of something that the run does not have."""
    for one in decisions:
        if (one.candidate_id and one.candidate_id not in pairs) or (
            one.response_id and one.response_id not in responses
        ):
            what = f"pair {one.candidate_id}" if one.candidate_id else f"response {one.response_id}"
            raise LookupError(f"this run has no {what}")
        yield one


def _first(error: ValidationError) -> str:
    """What is wrong, and where in the line."""
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc'])) or 'the line'}: {first['msg'].removeprefix('Value error, ')}"
