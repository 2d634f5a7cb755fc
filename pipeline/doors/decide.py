"""The decide door: what people decided, kept as an append-only log per run. Nothing is overwritten."""

from collections.abc import Set
from pathlib import Path

import polars as pl
from pydantic import ValidationError

from pipeline.doors.log import Log
from pipeline.errors import UserError
from pipeline.tables import Decision, frame

BY = ["candidate_id", "response_id", "criterion", "reviewer"]
"""Of what there is one decision."""


class Decide:
    """The decisions on one run's pairs and responses."""

    def __init__(self, folder: Path, *, write: bool) -> None:
        self.writable = write
        """Whether decisions can be kept."""
        self._log = Log(folder / "decisions.jsonl", write=write)

    def decisions(self) -> pl.DataFrame:
        """The last decision of each reviewer on each pair or response by each criterion, in the order they were made."""
        rows = [Decision.model_validate_json(line) for _, line in self._log.lines()]
        return frame(rows, Decision).unique(BY, keep="last", maintain_order=True)

    def keep(self, *decisions: Decision) -> None:
        """Keep decisions, on the disk: a person will not be asked for them again."""
        self._log.append(*(decision.model_dump_json().encode() for decision in decisions))
        self._log.sync()

    def take(self, path: Path, pairs: Set[str], responses: Set[str] = frozenset()) -> int:
        """Take a file of decisions (JSON lines) in, all or none; on pairs and responses of the run. Returns how many."""
        try:
            lines = path.read_bytes().split(b"\n")
        except OSError as error:
            raise UserError(f"cannot read {path}: {error.strerror}") from None
        decisions = []
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                decision = Decision.model_validate_json(line)
            except ValidationError as error:
                first = error.errors()[0]
                where = ".".join(map(str, first["loc"])) or "the line"
                raise UserError(f"{path}, line {number}: {where}: {first['msg']}; nothing was taken") from None
            if decision.candidate_id not in pairs | {None} or decision.response_id not in responses | {None}:
                what = f"pair {decision.candidate_id}" if decision.candidate_id else f"response {decision.response_id}"
                raise UserError(f"{path}, line {number}: this run has no {what}; nothing was taken")
            decisions.append(decision)
        self.keep(*decisions)
        return len(decisions)

    def fingerprint(self) -> str:
        """Changes with every decision."""
        return str(self._log.end)

    def close(self) -> None:
        """Sync, and close."""
        self._log.close()
