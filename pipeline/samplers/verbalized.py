"""Verbalized sampling (arXiv 2510.01171): several answers in one call, each with the probability that the model gives it."""

import json
from dataclasses import dataclass
from typing import Literal

from pipeline import templates
from pipeline.errors import UserError
from pipeline.samplers import Said, several
from pipeline.templates import Template

_SCHEMA = several.schema({"text": {"type": "string"}, "probability": {"type": "number"}})


@dataclass(frozen=True)
class Verbalized:
    """Five are the paper's; `below` asks for the tails of the distribution, where the paper has 0.1."""

    answers: int = 5
    below: float | None = None
    """Only answers less likely than this, 0 to 1; none: of the whole distribution."""

    @property
    def method(self) -> Literal["verbalized"]:
        """In `Response.method`."""
        return "verbalized"

    def __post_init__(self) -> None:
        """What cannot be asked for is found before anything is asked."""
        if self.answers < 2:
            raise UserError(f"verbalized sampling asks for two answers or more in a call, not {self.answers}")
        if self.below is not None and not 0 < self.below < 1:
            raise UserError(
                f"the tails of verbalized sampling lie below a probability between 0 and 1, not {self.below}"
            )

    @property
    def template(self) -> Template:
        """What the model is told."""
        if self.below is None:
            return templates.load("sample/verbalized", "number")
        return templates.load("sample/verbalized_tails", "number", "below")

    @property
    def schema(self) -> str:
        """Texts and probabilities."""
        return _SCHEMA

    def orders(self) -> str:
        """Filled in."""
        tails = {} if self.below is None else {"below": json.dumps(self.below)}
        return self.template.fill(number=str(self.answers), **tails)

    def read(self, text: str, *, cut: bool) -> list[Said]:
        """With probabilities, where they can be read."""
        return several.read(text, self.answers, cut=cut)
