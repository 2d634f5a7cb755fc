"""What a run has spent, and may spend."""

from pipeline.errors import Spent, UserError
from pipeline.models import Model
from pipeline.requests import AnyRequest, Chat, Reply, Score, images_of

IMAGE_TOKENS = 2000
"""What an image may be charged as, at most: providers' formulas give 85 to 1,800 tokens for the sizes we send."""


class Budget:
    """Counts US dollars. What is under way is counted at its worst case, so that the limit is not passed."""

    def __init__(self, limit: float | None = None, spent: float = 0.0) -> None:
        self.limit = limit
        self.spent = spent
        """Over all sittings of the run."""
        self._under_way: dict[str, float] = {}
        self._held = 0.0

    def check(self, model: Model) -> None:
        """A limit means nothing for a model whose price nobody wrote down."""
        if self.limit is not None and model.paid and model.price is None:
            raise UserError(
                f"--budget needs the price of {model.name}: add `price` to its entry in models.toml, with source and date"
            )

    def allows(self, name: str, model: Model, request: AnyRequest) -> bool:
        """Whether the request under this id may go out now; if so, it is counted as under way."""
        if self.limit is None or model.price is None or name in self._under_way:
            return True
        worst = model.price.of(*_most(request), batch=model.batch)
        if self.spent + self._held + worst > self.limit:
            return False
        self._under_way[name] = worst
        self._held += worst
        return True

    def came(self, name: str, model: Model, reply: Reply) -> float | None:
        """US dollars of a reply that came back, where it can be known."""
        self._held -= self._under_way.pop(name, 0.0)
        if model.price is None or (reply.tokens_in is None and reply.tokens_out is None):
            return None
        cost = model.price.of(reply.tokens_in or 0, reply.tokens_out or 0, batch=model.batch)
        self.spent += cost
        return cost

    def halt(self) -> Spent:
        """What is said when it is spent."""
        return Spent(
            f"the budget of {self.limit:g} USD is spent ({self.spent:.4f} USD over all sittings); a larger --budget goes on"
        )


def _most(request: AnyRequest) -> tuple[int, int]:
    """Tokens in and out, at most: a token is at least a byte of text."""
    texts = [m.text for m in request.messages] if isinstance(request, Chat | Score) else []
    tokens_in = sum(len(t.encode(errors="replace")) + 16 for t in texts) + IMAGE_TOKENS * len(images_of(request))
    return tokens_in, request.max_tokens if isinstance(request, Chat) else 1
