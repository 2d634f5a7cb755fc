"""pair: preferences, responses → quadruples."""

from typing import Any

import polars as pl

from pipeline.tables import Dropped, Outcome, Quadruple, outcome, row_id
from pipeline.taxonomy import Taxonomy

Cells = dict[str, Any]


def quadruples(
    prompts: pl.DataFrame, responses: pl.DataFrame, judgments: pl.DataFrame, preferences: pl.DataFrame,
    images: pl.DataFrame | None = None,
    *, taxonomy: Taxonomy | None = None, minimum_strength: float, unsafe_chosen: bool = False, criterion: str = "overall",
) -> Outcome:  # fmt: skip
    """A quadruple of each preference by this criterion, of at least `minimum_strength`. A tie makes none; two alike texts make none; an
    unsafe chosen response makes none unless the recipe says so."""
    by_prompt = {p["id"]: p for p in prompts.iter_rows(named=True)}
    by_response = {r["id"]: r for r in responses.iter_rows(named=True)}
    labels = dict(judgments.filter(pl.col("label").is_not_null()).select("response_id", "label").iter_rows())
    by_image = {} if images is None else {i["id"]: i for i in images.iter_rows(named=True)}

    def row(preference: Cells) -> Quadruple | Dropped:
        ids = (preference["a_id"], preference["b_id"])
        strength = preference["strength"]
        chosen, rejected = (by_response[i] for i in (ids if (strength or 0) > 0 else ids[::-1]))
        if fault := _fault(
            strength, minimum_strength, chosen, rejected, None if unsafe_chosen else labels.get(chosen["id"])
        ):
            return Dropped(stage="quadruples", id=preference["id"], reason=fault, detail=None)
        prompt = by_prompt[preference["prompt_id"]]
        image = by_image.get(prompt["image"], {})
        path = taxonomy.leaves[prompt["subcategory"]] if taxonomy and prompt["subcategory"] else None
        return Quadruple(
            id=row_id("quadruple", prompt["id"], chosen["id"], rejected["id"]),
            image=prompt["image"], question=prompt["question"], chosen=chosen["text"], rejected=rejected["text"],
            domain=path[0].name if path else None, category=path[1].name if path else None,
            subcategory=path[2].name if path else None, kind=prompt["kind"], language=prompt["language"], harm=prompt["harm"],
            strength=abs(strength), confidence=preference["confidence"], sources=tuple(preference["sources"]),
            reviewed=preference["reviewed"],
            chosen_respondent=chosen["respondent"], rejected_respondent=rejected["respondent"],
            chosen_model=chosen["model"], rejected_model=rejected["model"],
            chosen_safety=labels.get(chosen["id"]), rejected_safety=labels.get(rejected["id"]),
            licence=image.get("licence"), attribution=image.get("attribution"), image_url=image.get("url"), group=image.get("group"),
            prompt_id=prompt["id"], preference_id=preference["id"], chosen_id=chosen["id"], rejected_id=rejected["id"],
        )  # fmt: skip

    settled = preferences.filter(pl.col("criterion") == criterion)
    return outcome(Quadruple, [row(p) for p in settled.iter_rows(named=True)], settled.height)


def _fault(strength: float | None, minimum: float, chosen: Cells, rejected: Cells, label: str | None) -> str | None:
    """Why this preference makes no quadruple, or None."""
    if strength is None:
        return "no verdict"
    if strength == 0 or abs(strength) < minimum:
        return "tie"
    if _words(chosen["text"]) == _words(rejected["text"]):
        return "the same text twice"
    if label == "unsafe":
        return "unsafe chosen"
    return None


def _words(text: str) -> list[str]:
    return "".join(c if c.isalnum() else " " for c in text.casefold()).split()
