"""How several answers are asked for in one call. To add a way, write one frozen dataclass that

- names its `method` (in `tables.Response`) and how many `answers` it asks for;
- says what the model is told beside the respondent's own system prompt (`template`, its file in prompts/sample/, and `orders`);
- makes what it said answers again (`read`; `several.read` knows the usual shapes);
and give it to a respondent of a recipe's pool. `faults` says which answers are none, `wordings` which system prompts there are.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

from pipeline.templates import Template


@dataclass(frozen=True)
class Said:
    """One answer in a reply."""

    text: str
    probability: float | None = None
    """As stated, 0 to 1."""
    whole: bool = True
    """False: the reply was cut off within it."""


class Sampler(Protocol):
    """Several answers of one call."""

    @property
    def method(self) -> Literal["verbalized", "negatively_correlated"]: ...
    @property
    def answers(self) -> int:
        """How many it asks for."""
        ...

    @property
    def template(self) -> Template: ...
    @property
    def schema(self) -> str:
        """JSON Schema of the reply, for engines that can hold a model to it."""
        ...

    def orders(self) -> str: ...
    def read(self, text: str, *, cut: bool) -> list[Said]:
        """What can be read of a reply, at most `answers`; `cut`: it ran into the token limit."""
        ...
