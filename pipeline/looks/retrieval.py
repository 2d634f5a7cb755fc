"""Images found by what they show: embeddings of images and of keywords, in one space."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from pipeline.requests import Embed, Embedded, Failure, Reply
from pipeline.tables import Dropped, Row

Cells = dict[str, Any]
NEAREST = 5
"""Keywords of an image that are looked at, the nearest first."""


class Vector(Row):
    """A keyword's embedding."""

    key: str
    """The keyword."""
    vector: tuple[float, ...]
    """Of length one."""


class Near(Row):
    """An image, and a keyword that it lies near."""

    image: str
    """`Image.id`."""
    subcategory: str
    """Id in the taxonomy."""
    keyword: str
    """One of the subcategory's."""
    similarity: float
    """Cosine, -1 to 1."""


@dataclass(frozen=True)
class Retrieval:
    """A model that embeds images and text, and how it is asked."""

    model: str
    per_keyword: int = 100
    """Images of which a keyword may choose: its best."""
    template: str = "a photo of {keyword}"
    """CLIP's own words for what is to be found (Radford et al. 2021, 3.1.4)."""

    def ask(self, row: Cells) -> Embed:
        """A row with a keyword, or of an image."""
        if "keyword" in row and "id" not in row:
            return Embed(model=self.model, text=self.template.format(keyword=row["keyword"]))
        return Embed(model=self.model, image=row["id"])

    def read(self, row: Cells, request_id: str, reply: Reply) -> list[Vector | Dropped]:
        """A keyword's."""
        if not isinstance(reply.result, Embedded):
            return [Dropped(stage="keywords", id=request_id, reason=_error(reply), detail=row["keyword"])]
        return [Vector(key=row["keyword"], vector=reply.result.vector)]

    def near(self, keywords: pl.DataFrame) -> Callable[[Cells, str, Reply], list[Near | Dropped]]:
        """What reads an image's reply: the nearest of `keywords` (subcategory, keyword, vector)."""
        names = list(keywords.select("subcategory", "keyword").iter_rows())
        matrix = np.array(keywords["vector"].to_list(), dtype=np.float64).reshape(len(names), -1)
        matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)

        def read(row: Cells, _request_id: str, reply: Reply) -> list[Near | Dropped]:
            vector = np.array(reply.result.vector) if isinstance(reply.result, Embedded) else np.zeros(1)
            length = float(np.linalg.norm(vector))
            if vector.shape != matrix.shape[1:] or not np.isfinite(length) or length == 0:
                return [Dropped(stage="selected", id=row["id"], reason=f"not embedded: {_error(reply)}", detail=None)]
            similarity = matrix @ (vector / length)
            return [
                Near(image=row["id"], subcategory=names[n][0], keyword=names[n][1], similarity=float(similarity[n]))
                for n in np.argsort(-similarity, kind="stable")[:NEAREST]
            ]

        return read


def _error(reply: Reply) -> str:
    return reply.result.error if isinstance(reply.result, Failure) else "no vector of the keywords' length"
