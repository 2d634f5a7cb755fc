"""MSTS: 4,000 answers of ten models that eight judges and two people labelled, as if all of it had just been given.

    tetrad run msts --source FOLDER

The folder holds the files of `paul-rottger/msts-multimodal-safety` (CC-BY-4.0): images.csv, prompts.csv, responses.csv and
judges.csv, the last two row by row. Nothing is asked of any model and no image is fetched: a release names their addresses.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from pipeline import taxonomy
from pipeline.errors import UserError
from pipeline.rules.safe_vs_unsafe import SafeVsUnsafe
from pipeline.run import Run
from pipeline.sources.parts.cells import Cells
from pipeline.sources.parts.files import stamp
from pipeline.stages import collect, judge, pair, question, review, sample, settle

TAXONOMY = taxonomy.load("msts")
POOLS = {"given": ()}
"""Nobody is asked."""
LANGUAGE = "en"
PUBLISHED = "2025-01-17T00:00:00Z"
"""When its paper came out (arXiv:2501.10057): when its people decided is not told."""
COLUMNS = {
    "images": ("case_id", "unsafe_image_url", "unsafe_image_license", "unsafe_image_description"),
    "prompts": ("case_id", "prompt_type", "prompt_text", "hazard_category", "hazard_subcategory", "hazard_subsubcategory"),
    "responses": ("case_id", "prompt_type", "model", "response", "annot1_name", "annot1_label", "annot1_note", "annot2_name",
                  "annot2_label", "annot2_note", "final_expert", "final_label", "final_taxonomy", "final_note"),
    "judges": (),
}  # fmt: skip


@dataclass(frozen=True)
class Files:
    """The folder, as a source of images that lie elsewhere."""

    folder: Path
    name: str = "MSTS"

    def read_table(self, name: str) -> pl.DataFrame:
        """One of its files, all text; a blank is null."""
        path = self.folder / f"{name}.csv"
        try:
            found = pl.read_csv(path, infer_schema=False, null_values=["", "NA"])
        except (OSError, pl.exceptions.PolarsError) as error:
            raise UserError(f"{path}: {str(error).splitlines()[0]}; the recipe msts reads the files of MSTS") from None
        if lost := [column for column in COLUMNS[name] if column not in found.columns]:
            raise UserError(f"{path} has no column {lost[0]}; the recipe msts reads the files of MSTS")
        return found.select(COLUMNS[name] or pl.all())

    def revision(self) -> str:
        """Changes with any of the files."""
        return stamp(self.folder, [self.folder / f"{name}.csv" for name in COLUMNS])

    def listing(self) -> Iterator[pl.DataFrame]:
        """One image a case, in the class of the case's prompts."""
        classes = (
            self.read_table("prompts").unique("case_id", maintain_order=True).select("case_id", subcategory=_leaf())
        )
        rows = self.read_table("images").join(classes, on="case_id", how="left", validate="m:1", maintain_order="left")
        told = {"url": "unsafe_image_url", "licence": "unsafe_image_license", "caption": "unsafe_image_description"}
        yield Cells(told | {"subcategory": "subcategory"}).listed(rows, self.name, pl.col("case_id"))

    def read(self, row: dict[str, Any]) -> None:
        """None: the bytes lie at the row's address."""


def _leaf() -> pl.Expr:
    """A leaf's alias in the taxonomy: its two lower names; of a branch that ends on the second level, that one."""
    return pl.concat_str("hazard_subcategory", "hazard_subsubcategory", separator=" / ", ignore_nulls=True)


def answers(files: Files, prompts: pl.DataFrame, images: pl.DataFrame) -> pl.DataFrame:
    """responses.csv, with what its rows were asked: prompt_id."""
    shown = images.select("key", image="id")
    asked = (
        files.read_table("prompts")
        .join(shown, left_on="case_id", right_on="key")
        .join(prompts.select("image", "question", prompt_id="id"), left_on=["image", "prompt_text"], right_on=["image", "question"])
        .select("case_id", "prompt_id", prompt_type=pl.format("prompt_{}_text", "prompt_type"))
    )  # fmt: skip
    known = files.read_table("responses").join(asked, on=["case_id", "prompt_type"], how="left", maintain_order="left")
    return known.with_columns(respondent="model", text="response").with_row_index("row")


def labels(files: Files, given: pl.DataFrame) -> pl.DataFrame:
    """judges.csv, tall: response_id, judge, label."""
    wide = files.read_table("judges").with_row_index("row")
    return given.select("row", "response_id").join(wide, on="row", maintain_order="left").drop("row").unpivot(
        index="response_id", variable_name="judge", value_name="label"
    )  # fmt: skip


def people(given: pl.DataFrame) -> pl.DataFrame:
    """What two annotators said of each response, and what an expert did where they differed."""
    sides = [("annot1_name", "annot1_label", "annot1_note", "reviewer"), ("annot2_name", "annot2_label", "annot2_note", "reviewer"),
             ("final_expert", "final_taxonomy", "final_note", "adjudicator")]  # fmt: skip
    return pl.concat(
        given.drop_nulls(name).select(
            "response_id", reviewer=name, role=pl.lit(role), label=_label(said), reasons=pl.concat_list(said), note=note,
            decided_at=pl.lit(PUBLISHED),
        )
        for name, said, note, role in sides
    )  # fmt: skip


def _label(said: str) -> pl.Expr:
    """From "1.2 - refusal only" or "2.1 - explicit encouragement"."""
    code = pl.col(said)
    return (
        pl.when(code.str.starts_with("2")).then(pl.lit("unsafe"))
        .when(code.str.starts_with("1.2")).then(pl.lit("refusal"))
        .otherwise(pl.lit("safe"))
    )  # fmt: skip


def build(run: Run[Any]) -> None:
    """The line."""
    folder = next((source.path for source in run.sources if hasattr(source, "path")), None)
    if folder is None:
        raise UserError("the recipe msts reads files: name their folder with --source FOLDER")
    files, generate = Files(folder), run.generate
    wanted = run(collect.wanted, sources=(files,), taxonomy=TAXONOMY, fetch=run.fetch, only_named=True)
    images = run(collect.unfetched, wanted)
    asked = files.read_table("prompts").join(
        images.frame.select("key", image="id"), left_on="case_id", right_on="key", how="left", maintain_order="left"
    )
    texts = asked.select("image", question="prompt_text", subcategory=_leaf())
    drafts = run(question.given, questions=texts, source=files.name, images=images, taxonomy=TAXONOMY, limit=run.limit)
    prompts = run(question.prompts, drafts, images, taxonomy=TAXONOMY, generate=generate, repeats=asked.height)
    given = answers(files, prompts.frame, images.frame).drop_nulls("prompt_id")
    told: Any = {"source": files.name, "generate": generate}
    responses = run(sample.responses, prompts, given=given.select("prompt_id", "respondent", "model", "text"), **told)
    named = responses.frame.select("prompt_id", "respondent", response_id="id")
    given = given.join(named, on=["prompt_id", "respondent"], maintain_order="left")
    judgments = run(judge.judgments, prompts, responses, given=labels(files, given), **told)
    run(sample.spread, prompts, responses, judgments, taxonomy=TAXONOMY)
    review.given(responses.frame, labels=people(given), decide=run.decide)
    decisions = run(review.decisions, responses, decide=run.decide)
    settled = run(settle.labels, responses, judgments, decisions)
    candidates = run(judge.candidates, responses, judgments, settled, rule=SafeVsUnsafe())
    preferences = run(settle.preferences, candidates, judgments, decisions=decisions)
    run(
        pair.quadruples, prompts, responses, judgments, preferences, images, settled, taxonomy=TAXONOMY, minimum_strength=0.1, decide=run.decide
    )  # fmt: skip
