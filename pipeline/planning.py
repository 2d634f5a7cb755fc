"""What a run still has to ask, before anything is paid: requests, tokens, cost and time, by table and model.

The first table that is owed is counted exactly. What tables behind it will ask depends on its replies: they are
extrapolated from what the run did so far, best a pilot with `--limit`, in proportion to the requests of that table.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.models import Catalogue
from pipeline.requests import AnyRequest, rough_tokens
from pipeline.workspace import Asking, Made


@dataclass(frozen=True)
class Owed:
    """What one model is still to be asked for one table."""

    table: str
    model: str
    requests: int
    tokens_in: float | None
    tokens_out: float | None
    cost: float | None
    """US dollars; none where the model has no price, or nothing is known of its tokens."""
    seconds: float | None
    """At the rate at which the model answered before."""
    exact: bool
    """Whether the number of requests is known, not extrapolated."""


class Rough:
    """Shown each request that is owed, sums up what is guessed of its tokens, by model."""

    def __init__(self) -> None:
        self.tokens: dict[str, tuple[float, float]] = {}
        """In, and out at most."""

    def __call__(self, request: AnyRequest) -> bool:
        """One more; there is never enough."""
        before, more = self.tokens.get(request.model, (0.0, 0.0)), rough_tokens(request)
        self.tokens[request.model] = (before[0] + more[0], before[1] + more[1])
        return True


def plan(
    table: str, number: int, asking: dict[str, Asking], rough: dict[str, tuple[float, float]], before: list[Made], models: Catalogue
) -> Iterator[Owed]:  # fmt: skip
    """`table`, `number`: the first table that is owed, and `asking` its counts; `rough`: tokens in and out of all that
    it owes, by model, guessed; `before`: the pages of the run as it was, perhaps of a pilot."""
    pages = {page.number: page for page in before}
    here = pages.get(number)
    for model, counts in asking.items():
        if counts.owed:
            seen = _seen(model, [here] if here else [], before)
            guess = tuple(tokens / counts.owed for tokens in rough[model])
            yield _owed(table, model, counts.owed, seen, guess, models, exact=True)
    done = sum(a.requests for a in here.asking.values()) if here else 0
    if not done:
        return
    scale = sum(a.requests for a in asking.values()) / done
    for page in sorted((p for p in before if p.number > number), key=lambda p: p.number):
        for model, counts in page.asking.items():
            left = round(counts.requests * scale) - (counts.requests - counts.owed)
            if left > 0:
                yield _owed(page.name, model, left, _seen(model, [page], before), None, models, exact=scale == 1)


def _seen(model: str, first: list[Made], pages: list[Made]) -> Asking:
    """What is known of a model's replies: of this table, or else of any."""
    for some in (first, pages):
        parts = [a for page in some if (a := page.asking.get(model)) and a.requests > a.owed]
        if parts:
            return Asking(
                **{name: sum(getattr(a, name) for a in parts) for name in ("requests", "owed", "tokens_in", "tokens_out", "asked", "seconds")}
            )  # fmt: skip
    return Asking()


def _owed(
    table: str, model: str, requests: int, seen: Asking, guess: tuple[float, ...] | None, models: Catalogue, *, exact: bool
) -> Owed:  # fmt: skip
    replies = seen.requests - seen.owed
    each = (seen.tokens_in / replies, seen.tokens_out / replies) if replies else guess
    price, batch = models[model].price, models[model].batch
    tokens_in, tokens_out = (each[0] * requests, each[1] * requests) if each else (None, None)
    cost = None
    if price and tokens_in is not None and tokens_out is not None:
        cost = price.of(round(tokens_in), round(tokens_out), batch=batch)
    seconds = requests * seen.seconds / seen.asked if seen.asked else None
    return Owed(table, model, requests, tokens_in, tokens_out, cost, seconds, exact)
