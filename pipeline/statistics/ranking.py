"""The best of many for each keyword, by their embeddings; and which goes where when several want it."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

_FLOATS = NDArray[np.float32]


class Best:
    """The `most` vectors nearest to each of m keywords, of a stream of any length. Memory: m x most, and one matrix of it."""

    def __init__(self, keywords: NDArray[np.floating], most: int) -> None:
        """`keywords`: (m, d), of any length each; ValueError: not a matrix, or one of them has no direction."""
        if keywords.ndim != 2:
            raise ValueError(f"keywords are a matrix (m, d), not of shape {keywords.shape}")
        self._keywords, sound = _directions(keywords)
        if not sound.all():
            raise ValueError(f"{int((~sound).sum())} keywords have no direction")
        self._most = most
        self._seen = 0
        self._similarity = np.empty((len(keywords), 0), np.float32)
        self._index = np.empty((len(keywords), 0), np.int64)

    def add(self, vectors: NDArray[np.floating]) -> None:
        """(n, d), of any length each; what has no direction (zero, NaN, infinite) is counted and never ranked."""
        if vectors.ndim != 2 or vectors.shape[1] != self._keywords.shape[1]:
            raise ValueError(f"vectors of shape {vectors.shape} for keywords of shape {self._keywords.shape}")
        directions, sound = _directions(vectors)
        index = np.flatnonzero(sound) + self._seen
        self._seen += len(vectors)
        new = self._keywords @ directions[sound].T
        if self._similarity.shape[1] == self._most:  # what is nearer to no keyword than its last need not be sorted
            useful = (new > self._similarity[:, -1:]).any(axis=0)
            new, index = new[:, useful], index[useful]
        similarity = np.hstack([self._similarity, new])
        index = np.hstack([self._index, np.broadcast_to(index, (len(self._keywords), len(index)))])
        # what is kept stands first, and of equals the first stays: so ties go to the smaller index
        order = np.argsort(-similarity, axis=1, kind="stable")[:, : self._most]
        self._similarity = np.take_along_axis(similarity, order, 1)
        self._index = np.take_along_axis(index, order, 1)

    def table(self) -> pl.DataFrame:
        """index (in the stream), keyword (its row), rank (0 is the best), similarity (cosine)."""
        m, k = self._index.shape
        return pl.DataFrame({
            "index": self._index.ravel(),
            "keyword": np.repeat(np.arange(m, dtype=np.int64), k),
            "rank": np.tile(np.arange(k, dtype=np.int64), m),
            "similarity": self._similarity.ravel().astype(np.float64),
        })  # fmt: skip


def _directions(vectors: NDArray[np.floating]) -> tuple[_FLOATS, NDArray[np.bool_]]:
    """Vectors of length one, and which of them have a direction at all."""
    rows = vectors.astype(np.float32)
    with np.errstate(invalid="ignore", over="ignore"):
        length = np.linalg.norm(rows, axis=1)
    sound = np.isfinite(length) & (length > 0)
    rows[sound] /= length[sound, None]
    return rows, sound


def assigned(ranked: pl.DataFrame, room: int | None) -> pl.DataFrame:
    """Which of several that want it gets it. `ranked`: index, keyword, rank, similarity, subcategory; the result: index,
    subcategory, keyword, similarity, each index once and no subcategory more than `room` times.

    The best rank is served first; of equal ranks the subcategory that fewer were ranked for. An index is left out only if
    every subcategory it was ranked for is full.
    """
    scarce = pl.col("index").n_unique().over("subcategory")
    wishes = ranked.sort("rank", scarce, -pl.col("similarity"), "index", "keyword").select(
        "index", "subcategory", "keyword", "similarity"
    )
    taken: dict[int, tuple[int, str, int, float]] = {}
    filled: dict[str, int] = {}
    for wish in wishes.iter_rows():
        index, subcategory = wish[0], wish[1]
        if index not in taken and (room is None or filled.get(subcategory, 0) < room):
            taken[index] = wish
            filled[subcategory] = filled.get(subcategory, 0) + 1
    return pl.DataFrame(list(taken.values()), schema=wishes.schema, orient="row")
