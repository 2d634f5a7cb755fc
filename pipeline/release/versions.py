"""Versions of a release: what changed from one to the next, and what the next is called.

By rule: rows removed or changed make a major version, rows added a minor one, anything else (text) a patch.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import polars as pl

from pipeline.errors import UserError

FIRST = "1.0.0"
_BESIDE = ("since", "split")
"""Columns that say nothing of the row itself."""
_VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)")
COLUMNS = {
    "change": pl.String(), "id": pl.String(), "domain": pl.String(), "category": pl.String(), "subcategory": pl.String(),
    "reason": pl.String(),
}  # fmt: skip
"""Of the table of changes."""


@dataclass(frozen=True)
class Entry:
    """What a version is, in one line of the changelog."""

    version: str
    added: int = 0
    removed: int = 0
    changed: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    """Why rows were removed, and which columns of rows changed."""

    def page(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


def parts(version: str) -> tuple[int, int, int]:
    """`1.2.3` in numbers. UserError: it is no such version."""
    found = _VERSION.fullmatch(version)
    if not found:
        raise UserError(f"{version!r} is no version: it is three numbers, such as 1.0.0")
    return int(found[1]), int(found[2]), int(found[3])


def changes(before: pl.DataFrame, after: pl.DataFrame, gone: Mapping[str, str]) -> pl.DataFrame:
    """A row for each that was added, removed or changed, by id. `gone`: why a row is no longer there, where that is known.
    Only columns that both have are compared."""
    shared = [c for c in before.columns if c in after.columns and c not in ("id", *_BESIDE)]
    both = before.select("id", *shared).join(after.select("id", *shared), on="id", suffix="|", validate="1:1")
    differ = [pl.when(pl.col(c).ne_missing(pl.col(f"{c}|"))).then(pl.lit(c)) for c in shared]
    changed = both.with_columns(reason=pl.concat_list(differ).list.drop_nulls().list.join(", ")).filter(
        pl.col("reason") != ""
    )
    removed = before.join(after, on="id", how="anti")
    why = [gone.get(row, "not in it") for row in removed["id"]]
    found = [
        after.join(before, on="id", how="anti").with_columns(change=pl.lit("added"), reason=pl.lit(None, pl.String)),
        removed.with_columns(change=pl.lit("removed"), reason=pl.Series(why, dtype=pl.String)),
        changed.with_columns(change=pl.lit("changed")),
    ]
    return pl.concat(
        rows.select(
            (pl.col(name) if name in rows.columns else pl.lit(None)).cast(kind).alias(name)
            for name, kind in COLUMNS.items()
        ).sort("id")
        for rows in found
    )


def entry(version: str, changed: pl.DataFrame) -> Entry:
    """The changelog's line for these changes."""
    counts = dict(changed["change"].value_counts().iter_rows())
    reasons = (
        changed.drop_nulls("reason")["reason"].value_counts(sort=True).sort("count", "reason", descending=[True, False])
    )
    return Entry(
        version, counts.get("added", 0), counts.get("removed", 0), counts.get("changed", 0), dict(reasons.iter_rows())
    )


def following(version: str, changed: pl.DataFrame) -> str:
    """What the version after this one is called."""
    major, minor, patch = parts(version)
    kinds = set(changed["change"])
    if kinds & {"removed", "changed"}:
        return f"{major + 1}.0.0"
    return f"{major}.{minor + 1}.0" if kinds else f"{major}.{minor}.{patch + 1}"


def by_class(changed: pl.DataFrame) -> list[tuple[str, str, int]]:
    """(change, class path, rows), the most first."""
    path = pl.concat_str(pl.col("domain", "category", "subcategory").fill_null("—"), separator=" / ")
    counted = (
        changed.group_by("change", path.alias("path"))
        .len()
        .sort("change", "len", "path", descending=[False, True, False])
    )
    return list(counted.iter_rows())
