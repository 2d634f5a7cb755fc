"""Negatively correlated sampling (Community Alignment, arXiv 2507.09650): several answers in one call that represent diverse
values. Drawn one by one, a model's answers hold much the same ones, whatever the temperature."""

from dataclasses import dataclass, replace
from typing import Literal

from pipeline import templates
from pipeline.errors import UserError
from pipeline.samplers import Said, several
from pipeline.templates import Template

_SCHEMA = several.schema({"text": {"type": "string"}})


@dataclass(frozen=True)
class NegativelyCorrelated:
    """Four are the paper's."""

    answers: int = 4

    @property
    def method(self) -> Literal["negatively_correlated"]:
        """In `Response.method`."""
        return "negatively_correlated"

    def __post_init__(self) -> None:
        """What cannot be asked for is found before anything is asked."""
        if self.answers < 2:
            raise UserError(
                f"negatively correlated sampling asks for two answers or more in a call, not {self.answers}"
            )

    @property
    def template(self) -> Template:
        """What the model is told."""
        return templates.load("sample/negatively_correlated", "number")

    @property
    def schema(self) -> str:
        """Texts."""
        return _SCHEMA

    def orders(self) -> str:
        """Filled in."""
        return self.template.fill(number=str(self.answers))

    def read(self, text: str, *, cut: bool) -> list[Said]:
        """Without probabilities: nobody asked for them."""
        return [replace(said, probability=None) for said in several.read(text, self.answers, cut=cut)]
