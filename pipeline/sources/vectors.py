"""Parquet files with embeddings of their images: in a column, or in .npy files in the same order, as clip-retrieval writes
them. So ten million candidates can be ranked before one is fetched."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import UserError
from pipeline.sources.parquet import Parquet
from pipeline.sources.parts.arrow import is_list
from pipeline.sources.parts.batches import opened
from pipeline.sources.parts.files import found, rooted, stamp

Matrix = npt.NDArray[np.float32]
"""A row an image."""


@dataclass(frozen=True, kw_only=True)
class ParquetWithVectors(Parquet):
    """A Parquet source that is `Embedded`. Where an embedding is missing, of another length or not finite, it is zeros: no
    keyword is like it."""

    model: str
    """Whose embeddings they are: a name in models.toml."""
    embedding: str | None = None
    """The column of vectors."""
    embeddings: Path | None = None
    """Or the .npy files, a folder or a pattern of them: together as many rows as the Parquet files, in the same order."""

    def revision(self) -> str:
        """Changes with the .npy files too."""
        of_files = "" if self.embeddings is None else stamp(rooted(self.embeddings)[0], found(self.embeddings, ".npy"))
        return f"{super().revision()}-{stamp(Path(), [], self.model, self.embedding, of_files)}"

    def vectors(self) -> Iterator[Matrix]:
        """One matrix for each frame of the listing."""
        if (self.embedding is None) == (self.embeddings is None):
            raise UserError(f"{self.path}: name the column of vectors (`embedding`) or their .npy files (`embeddings`)")
        stored = self._stored(self.embeddings) if self.embeddings else []
        width, start = self._width() if self.embedding else 0, 0
        for _, cells, batch in self.batches(*([self.embedding] if self.embedding else [])):
            if self.embedding:
                matrix = _matrix(batch.table[self.embedding], width)
            else:
                matrix = _slice(stored, start, batch.table.num_rows)
            start += batch.table.num_rows
            fits = self.fits(cells, batch.raw)
            if fits is None or fits.any():
                yield matrix if fits is None else matrix[fits.to_numpy()]

    def _width(self) -> int:
        """The length of the first vector."""
        for file, _, batch in self.batches(str(self.embedding)):
            kind = batch.table.schema.field(self.embedding).type
            if not is_list(kind) or not pa.types.is_floating(kind.value_type):
                raise UserError(f"{file}: {self.embedding} holds no vectors of floats, but {kind}")
            lengths = pc.list_value_length(batch.table[self.embedding])
            if width := pc.first(lengths.filter(pc.greater(lengths, 0))).as_py():
                return int(width)
        raise UserError(f"{self.path}: {self.embedding} is empty in all rows")

    def _stored(self, path: Path) -> list[tuple[Path, int]]:
        """The .npy files, and how many rows each has."""
        shapes = {file: _opened(file).shape for file in found(path, ".npy")}
        if len({shape[1:] for shape in shapes.values()}) > 1:
            raise UserError(f"{path}: the .npy files hold vectors of several lengths; give those of one model")
        images, vectors = 0, sum(shape[0] for shape in shapes.values())
        for parquet in found(self.path, ".parquet"):
            with opened(parquet) as file:
                images += file.metadata.num_rows
        if images != vectors:
            raise UserError(f"{path} holds {vectors} vectors, {self.path} {images} rows: both must be of one run")
        return [(file, shape[0]) for file, shape in shapes.items()]


def _opened(file: Path) -> Matrix:
    """An .npy file, mapped into memory."""
    try:
        matrix: Matrix = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{file} is no .npy file: {error}") from None
    if matrix.ndim != 2 or matrix.dtype.kind != "f":
        raise UserError(f"{file} is no matrix of floats, a row an image, but {matrix.dtype} of shape {matrix.shape}")
    return matrix


def _slice(stored: list[tuple[Path, int]], start: int, rows: int) -> Matrix:
    """Rows of all files taken as one."""
    parts = []
    for file, size in stored:
        if start < size and start + rows > 0:
            parts.append(_finite(_opened(file)[max(start, 0) : start + rows]))
        start -= size
    return np.concatenate(parts)


def _matrix(column: pa.ChunkedArray, width: int) -> Matrix:
    """Vectors of this length; zeros for others."""
    matrix = np.zeros((len(column), width), np.float32)
    good = pc.fill_null(pc.equal(pc.list_value_length(column), width), False)
    values = pc.list_flatten(column.filter(good)).to_numpy().astype(np.float32)
    matrix[good.to_numpy()] = values.reshape(-1, width)
    return _finite(matrix)


def _finite(matrix: Matrix) -> Matrix:
    """With zeros for vectors that are not finite."""
    matrix = np.array(matrix, np.float32)
    matrix[~np.isfinite(matrix).all(axis=1)] = 0
    return matrix
