"""What texts say, in numbers: a sparse matrix whose rows are items and whose columns are features."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Sparse:
    """(n, d), row by row: of row i the columns `column[start[i] : start[i + 1]]` hold `value[...]`, all others 0."""

    start: Integers
    column: Integers
    value: Floats
    columns: int
    """d."""

    def __len__(self) -> int:
        return len(self.start) - 1

    @classmethod
    def of(cls, row: ArrayLike, column: ArrayLike, value: ArrayLike, shape: tuple[int, int]) -> "Sparse":
        """From entries in any order, each place at most once."""
        rows, names, values = np.asarray(row, np.int64), np.asarray(column, np.int64), np.asarray(value, np.float64)
        order = np.lexsort((names, rows))
        start = np.concatenate([[0], np.bincount(rows, minlength=shape[0]).cumsum()])
        return cls(start, names[order], values[order], shape[1])

    def rows(self, some: NDArray[np.integer]) -> "Sparse":
        """(k, d)."""
        lengths = np.diff(self.start)[some]
        start = np.concatenate([[0], lengths.cumsum()])
        where = np.repeat(self.start[some] - start[:-1], lengths) + np.arange(start[-1])
        return Sparse(start, self.column[where], self.value[where], self.columns)

    def times(self, weights: Floats) -> Floats:
        """(d,) → (n,)."""
        sums = np.concatenate([[0.0], (self.value * weights[self.column]).cumsum()])
        return np.diff(sums[self.start])

    def back(self, weights: Floats) -> Floats:
        """(n,) → (d,): the transposed matrix times it."""
        spread = np.repeat(weights, np.diff(self.start))
        return np.bincount(self.column, self.value * spread, self.columns).astype(np.float64)


def beside(*blocks: Sparse) -> Sparse:
    """The columns of several, one block after another; each row of each block at most of length 1."""
    many = len(blocks[0])
    rows, columns, values, before = [], [], [], 0
    for block in blocks:
        rows.append(np.repeat(np.arange(many), np.diff(block.start)))
        columns.append(block.column + before)
        values.append(block.value)
        before += block.columns
    return Sparse.of(np.concatenate(rows), np.concatenate(columns), np.concatenate(values), (many, before))


def dense(matrix: ArrayLike) -> Sparse:
    """(n, d), as it is."""
    full = np.asarray(matrix, np.float64)
    row, column = np.nonzero(full)
    return Sparse.of(row, column, full[row, column], (full.shape[0], full.shape[1]))


def kinds(names: Sequence[str | None]) -> Sparse:
    """A column for each name; 1 where an item has it."""
    known, which = np.unique(np.array([name or "" for name in names]), return_inverse=True)
    return Sparse.of(np.arange(len(which)), which, np.ones(len(which)), (len(which), len(known)))


def words(texts: Sequence[str | None], *, first: int | None = None) -> Sparse:
    """Words and pairs of neighbouring words, of each text's `first` words or of all; those that stand in two texts or more,
    weighted by how often they stand in this one and by how few of the others have them (tf-idf: 1 + ln tf times
    1 + ln((1 + n) / (1 + df))), each row of length 1."""
    token = pl.col("text").fill_null("").str.to_lowercase().str.extract_all(r"\w+")
    said = pl.DataFrame({"row": range(len(texts)), "text": pl.Series(texts, dtype=pl.String)}).select(
        "row", word=token if first is None else token.list.head(first)
    )
    said = said.explode("word").drop_nulls()
    pairs = said.select("row", word=pl.col("word") + " " + pl.col("word").shift(-1).over("row")).drop_nulls()
    times = pl.concat([said, pairs]).group_by("row", "word").agg(times=pl.len())
    common = (
        times.group_by("word").agg(texts=pl.len()).filter(pl.col("texts") > 1).sort("word").with_row_index("column")
    )
    table = times.join(common, on="word").sort("row", "column")
    row = table["row"].to_numpy()
    weight = (1 + np.log(table["times"].to_numpy())) * (1 + np.log((1 + len(texts)) / (1 + table["texts"].to_numpy())))
    length = np.sqrt(np.bincount(row, weight**2, len(texts)))
    return Sparse.of(row, table["column"].to_numpy(), weight / length[row], (len(texts), common.height))
