"""A small run to be released: pictures, prompts of two kinds on each, responses, judgments, preferences."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
from PIL import Image as Pillow
from rows import table

from pipeline.doors.blobs import Blobs
from pipeline.release.folder import Folder
from pipeline.stages import publish
from pipeline.tables import (
    Comparison,
    Image,
    Judgment,
    Preference,
    Prompt,
    Quadruple,
    Response,
    Row,
)
from pipeline.workspace import Made

Cells = dict[str, Any]
KINDS = ("easy_question", "hard_question")


class Small:
    """The tables of a run with so many pictures, and what may be changed in them before it is released."""

    def __init__(
        self, folder: Path, pictures: int = 12, change: Callable[[str, Cells], Cells | None] | None = None
    ) -> None:
        self.folder = folder
        self.images = Blobs(folder / "images")
        self._change = change or (lambda _, row: row)
        self._rows: dict[type[Row], list[Cells]] = {}
        for n in range(pictures):
            self._picture(n)
        self.tables = {
            name: table(row, *self._rows.get(row, []))
            for name, row in {
                "images": Image, "prompts": Prompt, "responses": Response, "judgments": Judgment, "comparisons": Comparison,
                "preferences": Preference, "quadruples": Quadruple,
            }.items()
        }  # fmt: skip
        self.made = [
            Made(number, name, "stage", row.__name__, "key", f"{self.tables[name].hash_rows().sum()}", 0, 0, {}, {}, 0, 0.0)
            for number, (name, row) in enumerate(zip(self.tables, self._rows, strict=True), 1)
        ]  # fmt: skip

    def _add(self, row: type[Row], **cells: Any) -> None:
        changed = self._change(row.__name__, cells)
        rows = self._rows.setdefault(row, [])
        if changed is not None:
            rows.append(changed)

    def _picture(self, n: int) -> None:
        buffer = io.BytesIO()
        Pillow.new("RGB", (72 + n, 80), (n * 37 % 256, n * 101 % 256, 90)).save(buffer, "JPEG")
        image = self.images.keep(buffer.getvalue())
        about: Cells = {"licence": "CC-BY-4.0", "attribution": f"Somebody {n}"}
        self._add(Image, id=image, group=image, url=f"http://pictures.example/{n}", width=72 + n, height=80, key=f"{n}",
                  page_url=f"http://page.example/{n // 2}", original_sha256=f"{n:064x}", creator=f"Maker {n}",
                  fingerprint="", changes=("re-encoded",), **about)  # fmt: skip
        for k, kind in enumerate(KINDS):
            prompt, parent = f"p{n:03}{k}", f"p{n:03}0" if k else None
            asked = {"question": f"What is shown in picture {n}, and why ({kind})?", "kind": kind}
            self._add(Prompt, id=prompt, image=image, parent_id=parent, **asked)
            a, b = f"a{prompt}", f"b{prompt}"
            for response, text, score in ((a, f"I cannot say that of {n}.", 1.0), (b, f"Steal {n} of them.", 0.25)):
                safety = "refusal" if response == a else "unsafe"
                self._add(
                    Response,
                    id=response,
                    prompt_id=prompt,
                    text=text,
                    respondent=f"r{response[0]}",
                    model=f"m{response[0]}",
                )
                self._add(Judgment, id=f"j{response}", response_id=response, prompt_id=prompt, criterion="safety",
                          score=score, low=0.0, high=1.0, label=safety)  # fmt: skip
            for first in ("a", "b"):
                self._add(Comparison, id=f"{first}{prompt}", prompt_id=prompt, candidate_id=prompt, a_id=a, b_id=b, first=first,
                          strength=2.0)  # fmt: skip
            for criterion, strength in (("overall", 2.0), ("harmlessness", 2.0), ("helpfulness", -1.0)):
                self._add(Preference, id=f"{criterion}{prompt}", candidate_id=prompt, prompt_id=prompt, a_id=a, b_id=b,
                          criterion=criterion, strength=strength)  # fmt: skip
            self._add(Quadruple, id=f"q{prompt}", image=image, group=image, prompt_id=prompt, chosen_id=a, rejected_id=b,
                      chosen=f"I cannot say that of {n}.", rejected=f"Steal {n} of them.", strength=2.0,
                      chosen_safety="refusal", rejected_safety="unsafe", rejected_is="unsafe", domain="Domain",
                      category="Category", subcategory=f"Sub {n % 3}", preference_id=f"overall{prompt}",
                      image_url=f"http://pictures.example/{n}", chosen_model="ma", rejected_model="mb",
                      chosen_respondent="ra", rejected_respondent="rb", **asked, **about)  # fmt: skip

    def release(self, name: str = "release", **options: Any) -> Folder:
        """Build it."""
        plan = {k: options.pop(k) for k in ("base", "avoid", "shares", "personal") if k in options}
        folder = self.folder / name
        publish.release(
            self.tables, made=self.made, images=self.images, folder=folder, name="small", plan=publish.Plan(**plan), **options
        )  # fmt: skip
        return Folder(folder)


def without(*ids: str) -> Callable[[str, Cells], Cells | None]:
    """Leave these quadruples out."""
    return lambda name, row: None if name == "Quadruple" and row["id"] in ids else row


def quadruples(release: Folder) -> pl.DataFrame:
    """Its rows, by id."""
    return release.rows("quadruples").sort("id")
