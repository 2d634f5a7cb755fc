"""Which pictures look the same: each joins the first earlier one that it is a copy of, or stands for itself.

Whoever joins is compared with the one it joins, never only with another that joined: no chain leads from one picture to
quite another. What comes later changes nothing for what came before.

Candidates are found in tables, each sorted by some of the broadest waves' signs: copies, a few signs turned, share them
in some table. Where too many pictures share them, more signs divide the crowd; and none is compared with more than the
first of its likes and the last before it, so that a million of one kind take no longer than a million of all kinds.
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np
import polars as pl
from numpy.lib.recfunctions import repack_fields
from numpy.typing import NDArray

from pipeline.pictures.hashes import DIGITS, LAYOUT
from pipeline.pictures.likeness import COMPARED, Records, Verdicts, alike, comparable

TABLES = 96
_SIGNS, _MORE, _LEVELS = 16, 12, 3
"""Signs in a table's key; signs that divide its crowds, and how often keys are made."""
_BROAD, _FINER = 97, 157
"""Primes: the signs of a key are among so many of the broadest waves', those that divide among so many of the next."""
_FEW, _CROWDED = 32, 2
"""Pictures with the same key are compared each with each, up to so many; in a crowd, the later ones each with so many of
the last before and of the first."""
TURNED, _TURNED_BROADEST = 76, 20
"""Signs that copies may differ in, at most: of 256, and of the 64 broadest. Other pictures differ in 128, give or take 8."""
_NEAREST = 4
"""Candidates of one picture that are looked at closely."""
_ROUNDS = 8
"""Times at most that a picture is compared with what its likes have joined."""
_CHUNK = 1 << 14
_HEAD = repack_fields(LAYOUT[COMPARED])
"""What candidates are found by: 76 bytes."""
_BATCH = 1 << 12

Indices = NDArray[np.int64]
Signs = NDArray[Any]
"""Unsigned, of 64 bits."""


def groups(hashes: Sequence[str] | pl.Series) -> Indices:
    """For each hash the index of the first that looks the same: its own, if it is the first. Integers, of the same length.

    A hash that tells nothing (`hashes.LAYOUT`) stands for itself, though another be equal. Raises ValueError on no hash.
    """
    written = pl.Series("hash", hashes, dtype=pl.String)
    heads = _heads(written)
    found, telling = np.arange(len(written)), heads["telling"] == 1
    equal = _equal(written)
    found[telling] = equal[telling]
    distinct = np.flatnonzero(telling & (found == np.arange(len(found))))
    heads = heads[distinct]
    found[distinct] = distinct[_Distinct(written, heads, distinct).joined()]
    return found[found]


def _equal(hashes: pl.Series) -> Indices:
    """For each the index of the first that is equal. Told by 64 bits of them: grouping them whole would copy them all."""
    short = pl.DataFrame({"short": hashes.hash()}).with_row_index()
    first = short.select(pl.col("index").first().over("short")).to_series()
    later = (first != short["index"]).arg_true()
    same = hashes.gather(later) == hashes.gather(first.gather(later))
    found = np.arange(len(hashes))
    found[later.filter(same).to_numpy()] = first.gather(later.filter(same)).to_numpy()
    return found


def _heads(hashes: pl.Series) -> Records:
    """What candidates are found by, of each hash; all of it is read."""
    heads = np.empty(len(hashes), _HEAD)
    for start in range(0, len(hashes), _CHUNK):
        read = _read(hashes[start : start + _CHUNK])
        for name in COMPARED:
            heads[name][start : start + len(read)] = read[name]
    return heads


def _read(hashes: pl.Series) -> Records:
    if not hashes.null_count() and (hashes.str.len_bytes() == DIGITS).all():
        read = bytes.fromhex(
            "".join(hashes)
        )  # raises ValueError on what is no digit, but for blanks, which it leaves out
        if 2 * len(read) == DIGITS * len(hashes):
            return np.frombuffer(read, LAYOUT)
    raise ValueError(f"a hash has {DIGITS} hexadecimal digits")


class _Distinct:
    """Hashes that tell something, no two of them equal. They are numbered in their order."""

    def __init__(self, written: pl.Series, heads: Records, rows: Indices) -> None:
        self._written, self._rows, self._heads = written, rows, heads

    def joined(self) -> Indices:
        """For each the first that it is a copy of and that joined none itself; its own number, if there is none."""
        number = len(self._rows)
        later, earlier = self._candidates()
        copies = self._copies(later, earlier)
        later, earlier = later[copies], earlier[copies]
        first, tried = _first(number, later, earlier), np.zeros(0, np.int64)
        for _ in range(_ROUNDS):
            further = first[earlier] < first[later]
            pairs = np.setdiff1d(later[further] * number + first[earlier[further]], tried)
            one, other = np.divmod(pairs, max(number, 1))
            copies = self._copies(one, other)
            if not copies.any():
                break
            tried = np.union1d(tried, pairs)
            later, earlier = np.concatenate([later, one[copies]]), np.concatenate([earlier, other[copies]])
            first = _first(number, later, earlier)
        return first

    def _copies(self, one: Indices, other: Indices) -> Verdicts:
        """Whether the hashes with these numbers belong to copies."""
        found = comparable(self._heads[one], self._heads[other])
        near = np.flatnonzero(found)
        for start in range(0, len(near), _BATCH):
            part = near[start : start + _BATCH]
            first, second = (_read(self._written[self._rows[numbers[part]]]) for numbers in (one, other))
            found[part] = alike(first, second)
        return found

    def _candidates(self) -> tuple[Indices, Indices]:
        """Pairs that may be copies, the later and the earlier: for each the nearest of those it met, by their signs."""
        nobody, signs = len(self._rows), np.ascontiguousarray(self._heads["signs"])
        nearest = np.full((nobody, _NEAREST), nobody)
        turned = np.full((nobody, _NEAREST), 255, np.uint8)
        for later, earlier in chain.from_iterable(_met(signs, table) for table in range(TABLES)):
            differing = np.bitwise_count(signs[later] ^ signs[earlier]).sum(1)
            near = (differing <= np.minimum(TURNED, turned[later, -1])) & (nearest[later] != earlier[:, None]).all(1)
            near[near] = comparable(self._heads[later[near]], self._heads[earlier[near]])
            one = later[near]
            nearest[one, -1], turned[one, -1] = earlier[near], differing[near]
            order = np.lexsort((nearest[one], turned[one]))
            nearest[one], turned[one] = (np.take_along_axis(kept[one], order, 1) for kept in (nearest, turned))
        later, place = np.nonzero(nearest < nobody)
        return later, nearest[later, place]


def _first(number: int, later: Indices, earlier: Indices) -> Indices:
    """For each of a number of pictures the first that it is a copy of and that joined none itself, in their order."""
    first = list(range(number))
    order = np.lexsort((earlier, later))
    for one, other in zip(later[order].tolist(), earlier[order].tolist(), strict=True):
        if first[one] == one and first[other] == other:
            first[one] = other
    return np.array(first, np.int64)


def _met(signs: Signs, table: int) -> Iterator[tuple[Indices, Indices]]:
    """Pairs that share a key, the later and the earlier; in one yield no picture is the later one twice."""
    order = np.arange(len(signs), dtype=np.uint64)
    keys = _bits(signs, [(7 * table + (table + 1) * n) % _BROAD for n in range(_SIGNS)])
    for level in range(_LEVELS):
        if len(order) < 2:
            return
        together = np.sort(keys << np.uint64(32) | order)
        keys, order = together >> np.uint64(32), together & np.uint64(0xFFFFFFFF)
        begins = np.flatnonzero(np.diff(keys, prepend=~keys[:1]))
        lengths = np.diff(begins, append=len(order))
        yield from _neighbours(order.astype(np.int64), signs[order, 0], np.repeat(begins, lengths))
        crowds = lengths > _FEW
        order = order[np.repeat(crowds, lengths)]
        crowd = np.repeat(np.arange(crowds.sum(), dtype=np.uint64), lengths[crowds])
        more = range(_SIGNS + level * _MORE, _SIGNS + (level + 1) * _MORE)
        places = [_BROAD + (7 * table + (table + 1) * n) % _FINER for n in more]
        keys = crowd << np.uint64(_MORE) | _bits(signs[order], places)


def _bits(signs: Signs, places: list[int]) -> Signs:
    """The signs at these places as one number each."""
    found = np.zeros(len(signs), np.uint64)
    for place in places:
        found = found << np.uint64(1) | signs[:, place // 64] >> np.uint64(place % 64) & np.uint64(1)
    return found


def _neighbours(order: Indices, broadest: Signs, start: Indices) -> Iterator[tuple[Indices, Indices]]:
    """Pairs within each run of equal keys, which begins at `start`."""
    rank = (np.arange(len(order)) - start).astype(np.uint32)
    crowded = np.flatnonzero(rank >= _FEW)
    for later, earlier in chain(_last(rank), ((crowded, start[crowded] + n) for n in range(_CROWDED))):
        near = np.bitwise_count(broadest[later] ^ broadest[earlier]) <= _TURNED_BROADEST
        yield order[later[near]], order[earlier[near]]


def _last(rank: Signs) -> Iterator[tuple[Indices, Indices]]:
    """Places in a run, and one before them."""
    later = np.arange(len(rank))
    for n in range(1, _FEW):
        room = rank[later] >= n
        later = later[room if n != _CROWDED + 1 else room & (rank[later] < _FEW)]
        if not len(later):
            return
        yield later, later - n
