"""Foreign tables as listings: which of their columns hold what, and what their cells become. Nothing in them is trusted."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import polars as pl

from pipeline.errors import UserError
from pipeline.licences import spdx

LONGEST = 2000
"""Characters of a text; the rest is cut off."""
LONGEST_URL = 4000
"""Characters; what is longer is no address of an image, and a piece of it leads elsewhere: it is left out."""
_UNPRINTABLE = r"[\p{Cc}\u{202a}-\u{202e}\u{2066}-\u{2069}]+"
"""Control characters, and those that turn the direction of what stands behind them."""
TEXTS = ("subcategory", "url", "page_url", "creator", "licence", "attribution", "caption", "text")
"""The columns of `Listed` that a foreign table may fill."""

Columns = Mapping[str, str | tuple[str, ...]]
"""Our name of a column to theirs. Of several for `subcategory`, from broad to narrow, the last that is filled counts."""


@dataclass(frozen=True)
class Cells:
    """How a foreign table is read."""

    columns: Columns
    licence: str | None = None
    """Of all rows that say nothing of their licence: an SPDX id, or another name of it."""
    classes: Mapping[str, str | None] = field(default_factory=dict)
    """What the table calls a class to what the taxonomy does; None: no class. A class that is not in it stays as it is."""

    def theirs(self, *ours: str) -> list[str]:
        """The foreign columns that hold these of ours, each once."""
        named = (self.columns.get(name, ()) for name in ours)
        return list(dict.fromkeys(c for names in named for c in ((names,) if isinstance(names, str) else names)))

    def check(self, known: Iterable[str], there: Iterable[str], where: object) -> None:
        """Refuse a column of ours that is not `known`, and one of theirs that is not `there`."""
        known, there = [*known], [*there]
        if odd := set(self.columns) - set(known):
            raise UserError(f"{where}: no column {', '.join(sorted(odd))} can be told; there are {', '.join(known)}")
        if lost := [c for c in self.theirs(*self.columns) if there.count(c) != 1]:
            has = ", ".join(there)[:500] or "none"
            raise UserError(f"{where} has no column {', '.join(lost)}, or more than one; it has {has}")

    def listed(self, raw: pl.DataFrame, source: str, key: pl.Expr, place: pl.Expr | None = None) -> pl.DataFrame:
        """Rows as a listing. A licence that is not understood stands in `attribution`, as it was given."""
        own = spdx(self.licence) or self.licence
        listed = raw.select(
            pl.lit(source, pl.String).alias("source"),
            key.alias("key"),
            pl.lit(None, pl.String).alias("place") if place is None else place.alias("place"),
            *(self._told(raw, name).alias(name) for name in TEXTS),
        )
        if "licence" not in self.columns:
            return listed.with_columns(licence=pl.lit(own, pl.String))
        given = listed["licence"]
        known = {text: spdx(text) for text in given.unique().drop_nulls()}
        found = given.replace_strict(list(known), list(known.values()), default=None, return_dtype=pl.String)
        odd = pl.when(found.is_null()).then("Licence as given: " + given)
        line = pl.concat_str("attribution", odd, separator="; ", ignore_nulls=True).str.slice(0, LONGEST)
        return listed.with_columns(
            licence=found if own is None else pl.when(given.is_null()).then(pl.lit(own)).otherwise(found),
            attribution=pl.when(line != "").then(line),
        )

    def _told(self, raw: pl.DataFrame, name: str) -> pl.Expr:
        texts = [_words(first(raw, column)) for column in self.theirs(name)]
        if name in ("url", "page_url"):
            return _address(first(raw, *self.theirs(name)))
        if name == "licence" and texts:
            return pl.when(texts[0].str.contains(r"\pL")).then(texts[0])  # LAION says "?"
        if name != "subcategory" or not texts:
            return texts[0] if texts else pl.lit(None, pl.String)
        given = pl.coalesce(reversed(texts))
        if not self.classes:
            return given
        return given.replace(list(self.classes), list(self.classes.values()))


def table(rows: Iterable[Mapping[str, str]], columns: Iterable[str]) -> pl.DataFrame:
    """Rows as a foreign table with these columns, of text; what a row does not say is null."""
    rows = [*rows]
    return pl.DataFrame({name: pl.Series([row.get(name) for row in rows], dtype=pl.String) for name in columns})


def file_name(path: pl.Expr) -> pl.Expr:
    """What a key says of a file's name: a dash and the name, printable and not too long; or nothing."""
    name = path.cast(pl.String).str.extract(r"([^/\\]+)$").str.replace_all(_UNPRINTABLE, "_").str.tail(80)
    return ("-" + name).fill_null("")


def first(raw: pl.DataFrame, *columns: str) -> pl.Expr:
    """A column as text: of a list its first; of what cannot be said as text, nothing."""
    if not columns:
        return pl.lit(None, pl.String)
    value, kind = pl.col(columns[0]), raw.schema[columns[0]]
    if isinstance(kind, pl.List):
        value, kind = value.list.first(), kind.inner  # type: ignore[assignment] # a type of types
    elif isinstance(kind, pl.Array):
        value, kind = value.arr.first(), kind.inner  # type: ignore[assignment]
    if kind.is_nested() or kind in (pl.Binary, pl.Object):
        return pl.lit(None, pl.String)
    return value.cast(pl.String)


def _words(text: pl.Expr) -> pl.Expr:
    """On one line, printable, not too long; nothing is null."""
    plain = text.str.slice(0, LONGEST).str.replace_all(_UNPRINTABLE, " ").str.strip_chars()
    return pl.when(plain != "").then(plain)


def _address(text: pl.Expr) -> pl.Expr:
    """Whole, or null: a piece of an address leads elsewhere."""
    plain = text.str.strip_chars()
    fits = (plain.str.len_bytes().is_between(1, LONGEST_URL)) & ~plain.str.contains(_UNPRINTABLE)
    return pl.when(fits).then(plain)
