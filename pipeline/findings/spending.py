"""What models were asked, and what it took."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.models import Catalogue
from pipeline.workspace import Made


@dataclass(frozen=True)
class Spent:
    """One model's part in a table."""

    stage: str
    table: str
    model: str
    requests: int
    owed: int
    tokens_in: int
    tokens_out: int
    cost: float | None
    """US dollars for all replies, at the price in models.toml; none where there is no price."""
    asked: int
    """Requests that went out when the table was made last; the other replies were kept already."""
    seconds: float
    """For those."""
    answering: float
    """Seconds that all the replies took, each by itself."""


def spending(made: Sequence[Made], models: Catalogue) -> list[Spent]:
    """A row for each table and model, in the order of the line."""
    return [
        Spent(
            page.stage, page.name, model, a.requests, a.owed, a.tokens_in, a.tokens_out,
            _cost(models, model, a.tokens_in, a.tokens_out), a.asked, a.seconds, a.answering,
        )
        for page in made
        for model, a in page.asking.items()
    ]  # fmt: skip


def _cost(models: Catalogue, name: str, tokens_in: int, tokens_out: int) -> float | None:
    """None, too, of a model that is no longer in models.toml."""
    model = models.get(name)
    return model.price.of(tokens_in, tokens_out, batch=model.batch) if model and model.price else None
