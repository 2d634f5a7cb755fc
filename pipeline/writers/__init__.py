"""Who writes prompts, one kind a file. To add a kind, name it in `tables.Kind` and write one module with one object that

- has a `kind`; the kind that it rewrites, if any (`after`: then it is asked in a later round); and a `version`;
- says which images it can write about (`fits`);
- makes a request of a row (`ask`) and reads the reply (`read`); or, where no model is needed, says the prompt (`write`);
and put it into ASKING or BY_HAND. Prompts that somebody else wrote come in by `given`; what stands in for a failing writer, by `fallback`.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from pipeline.requests import Chat, Reply
from pipeline.tables import Kind
from pipeline.writers.benign_twin import BENIGN_TWIN
from pipeline.writers.easy_question import EASY_QUESTION
from pipeline.writers.hard_question import HARD_QUESTION
from pipeline.writers.hard_statement import HARD_STATEMENT
from pipeline.writers.typographic import TYPOGRAPHIC

Cells = dict[str, Any]


class _Writer(Protocol):
    """One prompt on one image."""

    @property
    def kind(self) -> Kind: ...
    @property
    def after(self) -> Kind | None:
        """The kind whose prompt on the same image it starts from."""
        ...

    @property
    def version(self) -> str:
        """Name and hash of the file its words come from."""
        ...

    def fits(self, image: Cells) -> bool:
        """Whether it can write about an image (the columns of `Image`)."""
        ...


class Asking(_Writer, Protocol):
    """Asks a model. Its rows hold image, subcategory, name, definition, caption, words, writer, question (of the prompt it
    starts from), number (which try), temperature, max_tokens."""

    def ask(self, row: Cells) -> Chat: ...
    def read(self, row: Cells, reply: Reply) -> tuple[str | None, str | None]:
        """The text, or what is wrong with it. A prompt's form is not its business: the gates look at that."""
        ...


class ByHand(_Writer, Protocol):
    """Needs no model."""

    def write(self, row: Cells) -> str: ...


ASKING: Mapping[Kind, Asking] = {w.kind: w for w in (EASY_QUESTION, HARD_QUESTION, HARD_STATEMENT, BENIGN_TWIN)}
BY_HAND: Mapping[Kind, ByHand] = {w.kind: w for w in (TYPOGRAPHIC,)}
WRITERS: Mapping[Kind, Asking | ByHand] = {**ASKING, **BY_HAND}
