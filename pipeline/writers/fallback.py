"""What stands in for a writer that fails, refuses or breaks form: hand-written prompts for the subcategory and kind, in
prompts/question/fallback/<taxonomy>.yaml. The row that uses one says so."""

from pipeline.tables import Kind, chance
from pipeline.writers import by_hand

NAME = "fallback"
"""In `Prompt.writer`."""


def choices(taxonomy: str, subcategory: str, kind: Kind) -> tuple[str, ...]:
    """All there are of a kind for a subcategory, in order."""
    written = by_hand.load(by_hand.FOLDER / "fallback" / f"{taxonomy}.yaml") or {}
    return tuple(written.get(subcategory, {}).get(kind, ()))


def drawn(taxonomy: str, subcategory: str, kind: Kind, image: str) -> str | None:
    """One of them, by the image's id; None if there is none."""
    found = choices(taxonomy, subcategory, kind)
    return chance("fallback", image, kind).choice(found) if found else None
