"""What a site says of being mined, asked before an image is and looked at before its body is read.

Its robots.txt and /.well-known/tdmrep.json are asked for once a day. Where one of them cannot be had just now, nothing is taken;
where there is none (4xx), nothing is forbidden.
"""

import asyncio
import json
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from multidict import CIMultiDictProxy

from pipeline.doors.log import Log, private_folder, rewrite
from pipeline.doors.web.address import Target
from pipeline.doors.web.limits import Limits
from pipeline.doors.web.rules import (
    canonical,
    opt_outs,
    reservation,
    reservations,
    reserved,
    robots,
)
from pipeline.doors.web.trouble import NotTaken

DAY = 24 * 3600.0
"""Seconds for which a page is good (RFC 9309, 2.4)."""
LARGEST = 500 * 1024
"""Bytes of a page; what is behind them is not read (RFC 9309, 2.5)."""
MEMORY = 16 * 2**20
"""Characters of pages whose rules are remembered, of each kind; as rules they take up to sixteen times as many bytes."""
ROBOTS, RESERVATIONS = "/robots.txt", "/.well-known/tdmrep.json"


class Page(NamedTuple):
    """What a site gave for one of the two."""

    status: int
    """Of HTTP; 0 after too many redirects."""
    text: str
    """Empty unless it was 2xx."""


Ask = Callable[[Target], Awaitable[Page]]
"""Raises `NotTaken` where it cannot be had now."""
T = TypeVar("T")


@dataclass
class Seen:
    """All that was seen on the way to one URL."""

    robots: str = "not asked"
    tag: str = "not seen"
    reservation: str = "not seen"
    by_file: bool | None = None
    """What the site's tdmrep.json says of it."""

    def __str__(self) -> str:
        return f"robots.txt: {self.robots}; X-Robots-Tag: {self.tag}; TDMRep: {self.reservation}"


class _Kept(NamedTuple, Generic[T]):
    found: T | NotTaken
    until: float
    size: int


class Pages(Generic[T]):
    """One of the two pages of every site, read. Many may want it at once: it is asked for once."""

    def __init__(self, path: str, read: Callable[[str], T], ask: Ask, limits: Limits, log: Log | None) -> None:
        self._path, self._read, self._ask, self._limits, self._log = path, read, ask, limits, log
        self._kept: OrderedDict[str, _Kept[tuple[int, T]]] = OrderedDict()
        self._size = 0
        self._asking: dict[str, asyncio.Task[_Kept[tuple[int, T]]]] = {}
        for url, at, page in _pages(log):
            if url.endswith(path):
                self._keep(url, _Kept((page.status, read(page.text)), at + DAY, len(page.text)))

    async def of(self, target: Target) -> tuple[int, T]:
        """Its status, and what it says. Raises `NotTaken` where nobody knows."""
        page = target.at(self._path)
        url = str(page.url)
        kept = self._kept.get(url)
        if kept is None or kept.until <= time.time():
            if url not in self._asking:
                self._asking[url] = asyncio.create_task(self._asked(page))
                self._asking[url].add_done_callback(lambda _: self._asking.pop(url))
            kept = await asyncio.shield(self._asking[url])  # the others go on when one who waits is cancelled
        else:
            self._kept.move_to_end(url)
        if isinstance(kept.found, NotTaken):
            raise NotTaken(kept.found.reason, kept.found.detail, owed=kept.found.owed)
        return kept.found

    async def _asked(self, target: Target) -> _Kept[tuple[int, T]]:
        now, url = time.time(), str(target.url)
        kept: _Kept[tuple[int, T]]
        try:
            page = await self._ask(target)
        except NotTaken as trouble:
            kept = _Kept(trouble, now + self._limits.unknown, 0)
        else:
            if self._log:
                line = {"url": url, "at": int(now), "status": page.status, "text": page.text}
                self._log.append(json.dumps(line).encode())
            kept = _Kept((page.status, self._read(page.text)), now + DAY, len(page.text))
        self._keep(url, kept)
        return kept

    def _keep(self, url: str, kept: _Kept[tuple[int, T]]) -> None:
        old = self._kept.pop(url, None)
        self._size += kept.size - (old.size if old else 0)
        self._kept[url] = kept
        while len(self._kept) > self._limits.hosts or self._size > MEMORY:
            _, forgotten = self._kept.popitem(last=False)
            self._size -= forgotten.size

    async def close(self) -> None:
        """Stop asking."""
        asking = list(self._asking.values())
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)


class Manners:
    """Both pages, and the headers."""

    def __init__(self, ask: Ask, limits: Limits, folder: Path | None) -> None:
        """In `folder` the pages are kept for the next run, in sites.jsonl."""
        self._log = None if folder is None else _opened(private_folder(folder) / "sites.jsonl")
        self._robots = Pages(ROBOTS, robots, ask, limits, self._log)
        self._reservations = Pages(RESERVATIONS, reservations, ask, limits, self._log)

    async def before(self, target: Target, seen: Seen) -> float:
        """Ask the site; returns its Crawl-delay in seconds. Raises `NotTaken` where robots.txt forbids the URL, or where the
        site cannot be asked. A reservation in tdmrep.json does not decide yet, for a header may lift it."""
        path = canonical(target.url.raw_path_qs)
        seen.robots = "unknown"
        status, rules = await self._robots.of(target)
        allowed = rules.allows(path)
        seen.robots = (
            ("allowed" if allowed else "disallowed") if 200 <= status < 300 else f"none ({status or 'redirects'})"
        )
        if not allowed:
            raise NotTaken("opted out (robots.txt)", target.told)
        seen.reservation = "unknown"
        _, reserving = await self._reservations.of(target)
        seen.by_file = reserved(reserving, path)
        seen.reservation = _worded(seen.by_file, "file")
        return rules.delay

    def after(self, target: Target, headers: CIMultiDictProxy[str], seen: Seen) -> None:
        """Look at the head of the answer. Raises `NotTaken` where it, or tdmrep.json where it says nothing, opts out."""
        tags = headers.getall("X-Robots-Tag", [])
        seen.tag = _printable(" | ".join(tags)) or "none"
        by_header = reservation(headers.getall("tdm-reservation", []))
        if by_header is not None:
            seen.reservation = _worded(by_header, "header")
        if found := opt_outs(tags):
            raise NotTaken("opted out (X-Robots-Tag)", f"{target.told}: {', '.join(found)}")
        if seen.by_file if by_header is None else by_header:
            raise NotTaken("opted out (TDMRep)", f"{target.told}: {seen.reservation}")

    async def close(self) -> None:
        """Stop asking, and close the file."""
        await self._robots.close()
        await self._reservations.close()
        if self._log:
            self._log.close()


def _worded(reserves: bool | None, where: str) -> str:
    return "none" if reserves is None else f"reserved ({where})" if reserves else f"not reserved ({where})"


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text[:200])


def _opened(path: Path) -> Log:
    """What is older than a day goes."""
    if path.exists():
        rewrite(path, lambda line: line if json.loads(line)["at"] > time.time() - DAY else None)
    return Log(path, write=True)


def _pages(log: Log | None) -> Iterator[tuple[str, float, Page]]:
    for _, line in log.lines() if log else ():
        entry = json.loads(line)
        yield entry["url"], entry["at"], Page(entry["status"], entry["text"])
