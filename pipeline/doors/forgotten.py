"""Images that were forgotten: of each, nothing is left but hashes, by which it is refused for ever."""

import json
import time
from collections.abc import Iterator, Set
from pathlib import Path

from pipeline.doors.log import Log


class ForgottenImages:
    """The list `forgotten.jsonl` in the workspace: per line a date, and the SHA-256 of pictures and of their originals."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "forgotten.jsonl"
        with Log(self._path, write=False) as log:
            self._lines = [json.loads(line) for _, line in log.lines()]
        self._all = {sha256 for line in self._lines for sha256 in (*line["images"], *line["originals"])}

    def __contains__(self, sha256: str | None) -> bool:
        return sha256 in self._all

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def pairs(self) -> set[tuple[str, str]]:
        """Each original with each picture that it is listed with."""
        return {(original, image) for line in self._lines for original in line["originals"] for image in line["images"]}

    def add(self, images: Set[str], originals: Set[str]) -> None:
        """Refuse these from now on; on the disk when it returns."""
        if images | originals <= self._all:
            return
        line = {"date": time.strftime("%F", time.gmtime()), "images": sorted(images), "originals": sorted(originals)}
        with Log(self._path, write=True) as log:
            log.append(json.dumps(line).encode())
        self._lines.append(line)
        self._all |= images | originals
