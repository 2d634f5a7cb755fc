"""Rows on their way to becoming prompts: each gate takes some out and says why, until every row is kept or dropped."""

from collections.abc import Callable
from typing import Any, Self

import polars as pl

from pipeline.tables import Dropped, Outcome, Prompt, frame

Cells = dict[str, Any]


class Sieve:
    """Holds in `rows` what has passed so far: kind, subcategory, and whatever the gates need."""

    def __init__(self, stage: str, rows: pl.DataFrame, *, made_from: str) -> None:
        """`made_from`: the column with the id of what a row is made from. `Dropped.id` is that id, a slash, and the kind of
        prompt that it did not become: `kind_of` reads it there."""
        self.rows = rows
        self._stage = stage
        self._made_from = made_from
        self._gone = [frame([], Dropped)]

    def leave(self, reason: pl.Expr | pl.Series, detail: pl.Expr | pl.Series | None = None) -> Self:
        """Take out every row for which there is a reason."""
        marked = self.rows.with_columns(
            reason.alias("reason"),
            pl.lit(None, pl.String).alias("detail") if detail is None else detail.alias("detail"),
        )
        gone = marked.filter(pl.col("reason").is_not_null())
        name = pl.concat_str(self._made_from, pl.lit("/"), "kind").alias("id")
        self._gone.append(gone.select(pl.lit(self._stage).alias("stage"), name, "reason", "detail", "subcategory"))
        self.rows = marked.filter(pl.col("reason").is_null()).drop("reason", "detail")
        return self

    def each(self, reason: Callable[[Cells], str | None]) -> Self:
        """The same, row by row."""
        found = [reason(row) for row in self.rows.iter_rows(named=True)]
        return self.leave(pl.Series(found, dtype=pl.String))

    def outcome(self) -> Outcome:
        """What passed, in order, and what did not."""
        return Outcome(Prompt, self.rows.select(list(Prompt.columns())), pl.concat(self._gone))


def where(flag: pl.Expr, reason: str) -> pl.Expr:
    """A reason for the rows for which the flag is true."""
    return pl.when(flag).then(pl.lit(reason))


def kind_of(dropped: pl.Expr) -> pl.Expr:
    """The kind of prompt in the id of a dropped row."""
    return dropped.str.extract(r"/([a-z_]+)$")
