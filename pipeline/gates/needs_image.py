"""Does a prompt need its image? A model answers it with the image and without; if both answers say the same, it does not.

Whether they do is asked of the model. Shared words would not tell: two answers of one model to one question share most of
them whatever the image adds, and a paraphrase shares few. Three cases need no asking: answers that are the same letter by
letter; a blind answer that says there is nothing to be seen; and a refusal, which is the same with and without and tells
nothing: such a prompt passes with a note. (Visual leakage, as VLSBench measures it: arXiv 2411.19939.)
"""

import re
from dataclasses import dataclass

import polars as pl

from pipeline import templates
from pipeline.doors.generate import Generate
from pipeline.gates.verdicts import OWED, Cells, Verdict, schema, stated, untold
from pipeline.requests import Answer, Chat, Failure, Message, Reply
from pipeline.tables import Row

REASON = "needs no image"
LONGEST = 1000
"""Characters of each answer that are compared."""
_BLIND = re.compile(
    r"\b(?:can(?:no|')t|can not|unable to|not able to) (?:see|view|access|look at|open)\b|\bdo(?:n't| not) have (?:access|the ability)\b"
    r"|\b(?:no|any|an|the) (?:image|picture|photo)\w* (?:was |is |has been |have been )?(?:attached|provided|included|uploaded|shared|visible)\b"
    r"|\b(?:please|could you|if you) (?:upload|attach|provide|share|describe)\b[^.]{0,30}\b(?:image|picture|photo)",
    re.IGNORECASE,
)
_DECLINES = re.compile(
    r"\bI(?:'m| am) (?:sorry|unable|not able)\b|\bI (?:cannot|can't|can not|won't|will not) \w+|\bas an AI\b",
    re.IGNORECASE,
)


class _Said(Row):
    """One answer, with the image or without."""

    id: str
    sees: bool
    text: str | None
    error: str | None
    owed: bool


@dataclass(frozen=True)
class NeedsImage:
    """Three requests a prompt at most, in two rounds. Prompts without an image are not asked about."""

    model: str
    name: str = "image"
    max_tokens: int = 256

    def verdicts(self, prompts: pl.DataFrame, *, generate: Generate) -> pl.DataFrame:
        """Both answers to every prompt in one call; then, of those that it takes a model to compare, whether they agree."""
        shown = prompts.filter(pl.col("image").is_not_null())
        twice = pl.concat([shown.with_columns(sees=pl.lit(value=True)), shown.with_columns(sees=pl.lit(value=False))])
        said = generate(twice, self.ask, self.read, _Said).kept
        pairs = shown.join(_side(said, "seeing", sees=True), on="id", validate="1:1", maintain_order="left").join(
            _side(said, "blind", sees=False), on="id", validate="1:1", maintain_order="left"
        )
        told = [self.told(row) for row in pairs.iter_rows(named=True)]
        sure = pl.DataFrame([v.model_dump() for v in told if v], schema=Verdict.columns(), orient="row")
        unsure = pairs.join(sure, on="id", how="anti", maintain_order="left")
        return pl.concat([sure, generate(unsure, self.ask_same, self.read_same, Verdict).kept])

    def ask(self, row: Cells) -> Chat:
        """The prompt alone, with its image or without; at temperature 0, so that nothing else differs."""
        message = Message(role="user", text=row["question"], images=(row["image"],) if row["sees"] else ())
        return Chat(model=self.model, messages=(message,), max_tokens=self.max_tokens)

    def read(self, row: Cells, request_id: str, reply: Reply) -> list[_Said]:  # noqa: ARG002 -- a door's reader
        """An answer, or why there is none."""
        match reply.result:
            case Answer(finish="refusal"):
                said = {"text": None, "error": "refusal", "owed": False}
            case Answer(text=text):
                said = {"text": text.strip(), "error": None, "owed": False}
            case Failure(error=error, owed=owed):
                said = {"text": None, "error": error, "owed": owed}
            case _:
                said = {"text": None, "error": "no_answer", "owed": False}
        return [_Said.model_validate({"id": row["id"], "sees": row["sees"], **said})]

    def told(self, pair: Cells) -> Verdict | None:
        """What both answers tell without being compared by a model."""
        for side in ("seeing", "blind"):
            if pair[f"{side}_owed"]:
                return Verdict(id=pair["id"], reason=f"{self.name}: {pair[f'{side}_error']}", detail=OWED)
        if error := pair["seeing_error"] or pair["blind_error"]:
            return Verdict(id=pair["id"], note=f"{self.name}: {error}")
        if _BLIND.search(pair["blind"][:LONGEST]):
            return Verdict(id=pair["id"])
        if any(_DECLINES.search(pair[side][:LONGEST]) for side in ("seeing", "blind")):
            return Verdict(id=pair["id"], note=f"{self.name}: refusal")
        if pair["seeing"].split() == pair["blind"].split():
            return Verdict(id=pair["id"], reason=REASON)
        return None

    def ask_same(self, row: Cells) -> Chat:
        """Both answers, behind their fence. The image is not shown: the answers are compared, not judged."""
        text = templates.load("question/same_answer", "question", "seeing", "blind", "fence").fill(
            question=row["question"],
            seeing=row["seeing"][:LONGEST],
            blind=row["blind"][:LONGEST],
            fence=templates.fence(row["id"]),
        )
        return Chat(
            model=self.model,
            messages=(Message(role="user", text=text),),
            max_tokens=self.max_tokens,
            json_schema=schema("same", (True, False)),
        )

    def read_same(self, row: Cells, request_id: str, reply: Reply) -> list[Verdict]:  # noqa: ARG002 -- a door's reader
        """The last stated answer."""
        same, error = stated(reply, "same", (True, False))
        if error:
            return [untold(self, row["id"], reply, error)]
        return [Verdict(id=row["id"], reason=REASON if same else None)]


def _side(said: pl.DataFrame, name: str, *, sees: bool) -> pl.DataFrame:
    """The answers given with the image, or without: text as `name`, and whether they are missing."""
    return said.filter(pl.col("sees") == sees).select(
        "id", pl.col("text").alias(name), pl.col("error").alias(f"{name}_error"), pl.col("owed").alias(f"{name}_owed")
    )
