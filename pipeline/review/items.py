"""What a reviewer is shown: a question, its image and two answers, without a word of who wrote them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from pipeline.doors.entries import Gold
from pipeline.taxonomy import Taxonomy

PNG = b"\x89PNG"
"""How such a file begins: rebuilt images are PNG or JPEG."""


@dataclass(frozen=True)
class Item:
    """A pair of the queue."""

    id: str
    """`Candidate.id`, or that of a pair whose answer is known."""
    question: str
    image: str | None
    """`Image.id`."""
    a_id: str
    b_id: str
    a: str
    b: str
    category: str | None = None
    """Id in the taxonomy."""
    subcategory: str | None = None
    """Id in the taxonomy."""
    path: tuple[str, ...] = ()
    """Names in the taxonomy, from above."""
    definition: str = ""
    """What its subcategory covers."""
    blur: bool = True
    """Whether its image is covered until it is asked for."""
    preferred: float | None = None
    """Of a pair whose answer is known: above zero a."""


def of_run(tables: Mapping[str, pl.DataFrame], taxonomy: Taxonomy | None) -> dict[str, Item]:
    """The queue's pairs in the order of their ranks, from the tables queue, candidates, prompts and responses."""
    answers = tables["responses"].select("id", "text")
    rows = (
        tables["queue"].sort("rank").unique("id", keep="first", maintain_order=True).select("id")
        .join(tables["candidates"], on="id", validate="1:1", maintain_order="left")
        .join(tables["prompts"].select("image", "question", "category", "subcategory", prompt_id="id"),
              on="prompt_id", validate="m:1", maintain_order="left")
        .join(answers.rename({"text": "a"}), left_on="a_id", right_on="id", validate="m:1", maintain_order="left")
        .join(answers.rename({"text": "b"}), left_on="b_id", right_on="id", validate="m:1", maintain_order="left")
        .drop("prompt_id")
    )  # fmt: skip
    places = {leaf: _place(leaf, taxonomy) for leaf in rows["subcategory"].unique()}
    return {row["id"]: Item(**row, **places[row["subcategory"]]) for row in rows.iter_rows(named=True)}


def of_gold(gold: Iterable[Gold], taxonomy: Taxonomy | None = None) -> dict[str, Item]:
    """Pairs whose answer is known. Without a class, their images are covered."""
    return {
        g.candidate_id: Item(
            g.candidate_id, g.question, g.image, f"{g.candidate_id}/a", f"{g.candidate_id}/b", g.a, g.b,
            category=_category(g.subcategory, taxonomy), subcategory=g.subcategory, preferred=g.preferred,
            **_place(g.subcategory, taxonomy),
        )
        for g in gold
    }  # fmt: skip


def _category(subcategory: str | None, taxonomy: Taxonomy | None) -> str | None:
    found = taxonomy.leaves.get(subcategory or "") if taxonomy else None
    return found[1].id if found else None


def _place(subcategory: str | None, taxonomy: Taxonomy | None) -> dict[str, Any]:
    """Of a class that nobody knows, images are covered."""
    found = taxonomy.leaves.get(subcategory or "") if taxonomy else None
    if not found:
        return {"path": (subcategory,) if subcategory else ()}
    names = tuple(dict.fromkeys(node.name for node in found))
    return {"path": names, "definition": found[-1].definition, "blur": any(node.review_blur for node in found)}
