"""Which of two responses is better, and by how much? Asked in both orders where the recipe says so."""

from dataclasses import dataclass

from pipeline import templates
from pipeline.judges import Cells, asking, comparison, reading
from pipeline.requests import Chat, Reply
from pipeline.tables import Comparison


@dataclass(frozen=True)
class Pairwise:
    """A model that is asked to choose, by one criterion; with `critique`, after giving its reasons."""

    model: str
    template: str | None = None
    """Below prompts/, without `.md`; none: ours."""
    share: float = 1.0
    criterion: str = "overall"
    """A file of prompts/judge/prefer. Helpfulness and harmlessness, asked apart, are two judges of one model."""
    critique: bool = False
    max_tokens: int | None = None
    """Of the reply; none: 256, or 1,024 for a critique. A model that thinks needs more."""

    @property
    def name(self) -> str:
        """Model, template and criterion: another wording is another judge."""
        by = "" if self.criterion == "overall" else f"/{self.criterion}"
        return f"{self.model}/{self._path.rpartition('/')[2]}{by}"

    def __post_init__(self) -> None:
        """A template that will not do is found before anything is asked."""
        self._template()
        self._prefer()

    @property
    def _path(self) -> str:
        return self.template or f"judge/pairwise{'_critique' * self.critique}"

    def _template(self) -> templates.Template:
        return templates.load(self._path, "prefer", "question", "response_a", "response_b", "fence")

    def _prefer(self) -> str:
        return templates.load(f"judge/prefer/{self.criterion}").fill()

    def ask(self, row: Cells) -> Chat:
        """Question and both responses behind a fence; `first` says which is called A."""
        shown = (row["a"], row["b"]) if row["first"] == "a" else (row["b"], row["a"])
        holes = asking.marked(
            row["candidate_id"], question=row["question"], response_a=shown[0], response_b=shown[1]
        )  # the same mark for both orders
        form = asking.schema(
            **({"critique": asking.CRITIQUE} if self.critique else {}),
            preferred={"enum": ["A", "B", "tie"]},
            strength={"enum": [1, 2, 3]},
        )
        text = self._template().fill(prefer=self._prefer(), **holes)
        return asking.chat(self.model, text, row["image"], asking.tokens(self.max_tokens, self.critique), form)

    def read(self, row: Cells, request_id: str, reply: Reply) -> Comparison:
        """The last stated verdict, turned so that above zero prefers a."""
        text, error = reading.said(reply)
        shown = None
        if error is None:
            shown, error = verdict(text, (row["question"], row["a"], row["b"]))
        strength = None if shown is None else shown if row["first"] == "a" else -shown
        return comparison(self, row, request_id, strength, error, self.criterion)


def verdict(text: str, judged: tuple[str, ...] = ()) -> tuple[float | None, str | None]:
    """-3 to 3, above zero for A, or why not: a verdict that was not on offer is an error. `judged`: what the judge may have
    quoted."""
    stated = reading.stated(text, "preferred", judged=judged)
    if stated is None:
        return None, reading.unread(text)
    if stated["preferred"] == "tie":
        return 0.0, None
    strength = stated.get("strength")
    if stated["preferred"] not in ("A", "B") or isinstance(strength, bool) or strength not in (1, 2, 3):
        return None, "off_scale"
    return (float(strength) if stated["preferred"] == "A" else -float(strength)), None
