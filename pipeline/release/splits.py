"""Which rows are for training and which for testing: by a hash of their group, so that what is alike stays together.

A group is all rows that share a picture or a near-duplicate of it, the page that shows it, the prompt, or the question that
theirs was made from. A row that was published stays where it was, also if it was removed and comes back; a new one goes where its
group is, and one that would join groups of two splits is left out.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from pipeline.errors import UserError

SHARES = {"train": 0.9, "test": 0.1}
"""By default: trainers want a `train` and a `test`."""
TOLERANCE = 3.0
"""Of each class, how many binomial standard deviations the number of its groups in a split may be off the share's."""
_SALTS = 64
"""So many hashes are tried for one that keeps the tolerance."""


@dataclass(frozen=True)
class Row:
    """What splits go by."""

    id: str
    keys: tuple[str, ...]
    """Rows that share one belong together."""
    classes: tuple[str, ...] = ()
    """Subcategory, kind: what is to be balanced."""


@dataclass(frozen=True)
class Off:
    """How far a class is off its share of a split."""

    name: str
    split: str
    groups: int
    """Of the class."""
    expected: float
    found: int
    """Of them in the split."""

    @property
    def deviations(self) -> float:
        """In standard deviations; 0 where it can be no other way."""
        spread = (self.expected * (1 - self.expected / self.groups)) ** 0.5
        return abs(self.found - self.expected) / spread if spread else 0.0


@dataclass(frozen=True)
class Splits:
    """Where each row goes."""

    of: Mapping[str, str]
    """Row to split."""
    linking: frozenset[str]
    """Rows that would join groups of two splits, and are not published."""
    salt: int
    groups: int
    off: tuple[Off, ...]
    """Every class and split, the furthest off first."""

    @property
    def outside(self) -> int:
        """How many of them are off by more than the tolerance."""
        return sum(off.deviations > TOLERANCE + 1e-9 for off in self.off)


class _Groups:
    """Keys that belong together (union-find), and the split of those that have one."""

    def __init__(self) -> None:
        self._above: dict[str, str] = {}
        self.split: dict[str, str] = {}

    def of(self, key: str) -> str:
        """The key that stands for the group: the first in the alphabet, so that it does not depend on who came first."""
        way = []
        while (above := self._above.setdefault(key, key)) != key:
            way.append(key)
            key = above
        for passed in way:
            self._above[passed] = key
        return key

    def splits(self, keys: Iterable[str]) -> set[str]:
        return {self.split[name] for name in map(self.of, keys) if name in self.split}

    def join(self, keys: Sequence[str]) -> str:
        names = sorted(set(map(self.of, keys)))
        splits = [self.split.pop(name) for name in names if name in self.split]
        for name in names:
            self._above[name] = names[0]
        if splits:
            self.split[names[0]] = splits[0]
        return names[0]


def assigned(
    rows: Iterable[Row], known: Mapping[str, str] | None = None, once: Mapping[str, str] | None = None, *,
    shares: Mapping[str, float] = SHARES, salt: int | None = None,
) -> Splits:  # fmt: skip
    """A split for each row. `known`: rows to the splits in which they are published, with the salt of that version; `once`:
    likewise of rows that were published, and removed. UserError: published rows of one group stand in two splits."""
    known, once = known or {}, once or {}
    rows = sorted(rows, key=lambda row: (row.id not in known, row.id not in once, row.id))
    groups = _Groups()
    linking = frozenset(row.id for row in rows if not _joined(groups, row, known.get(row.id), once.get(row.id)))
    kept = [row for row in rows if row.id not in linking]
    own = {row.id: groups.of(row.keys[0]) for row in kept}
    classes: dict[str, set[str]] = defaultdict(set)
    for row in kept:
        for name in ("all rows", *row.classes):
            classes[name].add(own[row.id])
    fresh = sorted(set(own.values()) - groups.split.keys())
    best: Splits | None = None
    for tried in range(_SALTS) if salt is None else (salt,):
        split = groups.split | {name: _drawn(tried, name, shares) for name in fresh}
        off = sorted(_off(classes, split, shares), key=lambda o: (-o.deviations, o.name, o.split))
        made = Splits({i: split[name] for i, name in own.items()}, linking, tried, len(split), tuple(off))
        if best is None or _badness(made, shares) < _badness(best, shares):
            best = made
        if not any(_badness(best, shares)):
            break
    assert best is not None  # noqa: S101 -- at least one salt is tried
    return best


def _joined(groups: _Groups, row: Row, own: str | None, once: str | None) -> bool:
    """Take a row into the groups of its keys; not one that would join two splits. `own`: the split it is published in; `once`: the
    one it was in before it was removed."""
    split = own or once
    found = groups.splits(row.keys) | ({split} if split else set())
    if len(found) > 1 and own:
        raise UserError(
            f"the published row {row.id} is in {own}, but shares a picture, page or question with rows in "
            f"{' and '.join(sorted(found - {own}))}: no version can be built on this one until one side is removed"
        )
    if len(found) > 1:
        return False
    name = groups.join(row.keys)
    if split:
        groups.split[name] = split
    return True


def _badness(made: Splits, shares: Mapping[str, float]) -> tuple[bool, int, int]:
    """Nothing to train on is worst, then splits without rows, then classes off their shares."""
    there = set(made.of.values())
    return next(iter(shares)) not in there, len(shares) - len(there), made.outside


def _drawn(salt: int, name: str, shares: Mapping[str, float]) -> str:
    """The split that a group's hash falls into."""
    place = int.from_bytes(hashlib.sha256(f"split {salt} {name}".encode()).digest()[:8], "big") / 2**64
    for split, share in shares.items():
        if place < share:
            return split
        place -= share
    return next(iter(shares))


def _off(classes: Mapping[str, set[str]], split: Mapping[str, str], shares: Mapping[str, float]) -> Iterable[Off]:
    for name, members in classes.items():
        found = Counter(split[member] for member in members)
        for each, share in shares.items():
            yield Off(name, each, len(members), share * len(members), found[each])


def crossing(rows: pl.DataFrame, columns: Iterable[str]) -> Iterator[str]:
    """What rows of two splits have in common: "the page_url ..., in the row ..."."""
    for column in columns:
        where = rows.drop_nulls(column).group_by(value=column).agg(pl.col("split").n_unique(), row=pl.col("id").min())
        for hit in where.filter(pl.col("split") > 1).sort("row").iter_rows(named=True):
            yield f"the {column} {hit['value']}, for example in the row {hit['row']}"


def shares_of(text: str) -> dict[str, float]:
    """`train=0.8,validation=0.1,test=0.1`. UserError: they are no shares, or do not add up to 1."""
    try:
        shares = {name.strip(): float(share) for name, share in (part.split("=") for part in text.split(","))}
    except ValueError:
        shares = {}
    if (
        not shares
        or not all(n.isidentifier() and 0 < s <= 1 for n, s in shares.items())
        or abs(sum(shares.values()) - 1) > 1e-6
    ):
        raise UserError(
            f"--splits {text}: give names and shares that add up to 1, such as train=0.8,validation=0.1,test=0.1"
        )
    return shares
