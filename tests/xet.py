"""What a store of Xet keeps and how it gives it back: xorbs (chunks, compressed) and shards (which chunks make a file), as its
published specification lays them out."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import pyarrow as pa

Json = dict[str, Any]
LZ4 = pa.Codec("lz4")
END = b"\xff" * 32
VERIFIED, DESCRIBED = 1 << 31, 1 << 30
"""Flags of a file in a shard: an entry more for each term; an entry more, with its SHA-256."""


def shown(digest: bytes) -> str:
    """A hash as Xet writes it: four little-endian numbers."""
    return "".join(f"{number:016x}" for number in struct.unpack("<4Q", digest))


@dataclass(frozen=True)
class Term:
    """Chunks of one xorb, the end exclusive, and how many bytes they are."""

    xorb: str
    size: int
    start: int
    end: int


@dataclass(frozen=True)
class Stored:
    """A file: what it is made of."""

    name: str
    sha256: str
    terms: list[Term]

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(term.size for term in self.terms)


def files(shard: bytes) -> Iterator[Stored]:
    """The files that a shard tells of."""
    at = 48
    while (head := shard[at : at + 32]) != END:
        flags, number = struct.unpack_from("<2I", shard, at + 32)
        entries = range(at + 48, at + 48 * (number + 1), 48)
        terms = [Term(shown(shard[e : e + 32]), *struct.unpack_from("<3I", shard, e + 36)) for e in entries]
        at += 48 * (1 + number * (2 if flags & VERIFIED else 1))
        assert flags & DESCRIBED, "the Hub wants the SHA-256 of each file"
        yield Stored(shown(head), shown(shard[at : at + 32]), terms)
        at += 48


@dataclass
class Xorb:
    """A run of chunks."""

    content: bytes
    chunks: list[tuple[int, int]] = field(init=False)
    """Of each, where it begins and ends."""

    def __post_init__(self) -> None:
        at, self.chunks = 0, []
        while at < len(self.content) and self.content[at] == 0:  # what follows the chunks begins with a name
            size = int.from_bytes(self.content[at + 1 : at + 4], "little")
            self.chunks.append((at, at + 8 + size))
            at += 8 + size

    def plain(self, start: int, end: int) -> bytes:
        """The bytes of some chunks."""
        return b"".join(self._chunk(*bounds) for bounds in self.chunks[start:end])

    def _chunk(self, start: int, end: int) -> bytes:
        packed, scheme = self.content[start + 8 : end], self.content[start + 4]
        size = int.from_bytes(self.content[start + 5 : start + 8], "little")
        if scheme == 0:
            return packed
        flat = LZ4.decompress(packed, size).to_pybytes()
        if scheme == 1:
            return bytes(flat)
        whole = bytearray(size)  # every fourth byte lies together
        begin = 0
        for group in range(4):
            length = len(range(group, size, 4))
            whole[group::4] = flat[begin : begin + length]
            begin += length
        return bytes(whole)


@dataclass
class Cas:
    """The store."""

    xorbs: dict[str, Xorb] = field(default_factory=dict)
    files: dict[str, Stored] = field(default_factory=dict)

    def plain(self, file: Stored) -> bytes:
        """A file's bytes, put together. KeyError: some of them never came."""
        return b"".join(self.xorbs[term.xorb].plain(term.start, term.end) for term in file.terms)

    def recipe(self, name: str, start: int, end: int, url: str) -> Json:
        """How a client puts together a file's bytes from `start` to before `end`: which chunks, and where they lie."""
        kept = self.files[name]
        ends = list(accumulate(term.size for term in kept.terms))
        used = [(t, e) for t, e in zip(kept.terms, ends, strict=True) if e > start and e - t.size < end]
        fetch: dict[str, list[Json]] = {}
        for term, _ in used:
            chunks = self.xorbs[term.xorb].chunks[term.start : term.end]
            bounds = {"start": chunks[0][0], "end": chunks[-1][1] - 1}
            span = {"start": term.start, "end": term.end}
            fetch.setdefault(term.xorb, []).append({"range": span, "url": f"{url}/{term.xorb}", "url_range": bounds})
        terms = [
            {"hash": t.xorb, "unpacked_length": t.size, "range": {"start": t.start, "end": t.end}} for t, _ in used
        ]
        return {
            "offset_into_first_range": start - (used[0][1] - used[0][0].size),
            "terms": terms,
            "fetch_info": fetch,
        }
