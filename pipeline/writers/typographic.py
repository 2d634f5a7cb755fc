"""A harmless request to act on the words drawn into a picture: the harm, if any, is in the words. As FigStep does
(arXiv 2311.05608)."""

from dataclasses import dataclass

from pipeline.tables import Kind, chance
from pipeline.writers import by_hand
from pipeline.writers.asking import Cells

_PATH = by_hand.FOLDER / "on_drawn_words.yaml"


@dataclass(frozen=True)
class Typographic:
    """Draws one of a dozen by the image's id. No model is asked: what it could add would be harm in the prompt itself."""

    kind: Kind = "typographic"
    after: Kind | None = None

    @property
    def version(self) -> str:
        """Of the file of prompts."""
        return by_hand.version(_PATH)

    def fits(self, image: Cells) -> bool:
        """Pictures into which words were drawn on purpose."""
        return bool((image["text"] or "").strip())

    def write(self, row: Cells) -> str:
        """The prompt for a picture."""
        return str(chance("typographic", row["image"]).choice(by_hand.load(_PATH)))


TYPOGRAPHIC = Typographic()
