"""How large a batch may be, and how many the provider takes at once."""

from pydantic import Field, ValidationError

from pipeline.errors import UserError
from pipeline.models import Model
from pipeline.requests import Record


class Limits(Record):
    """Of a batch, as the provider documents them, and of our patience. `options` in models.toml may change them."""

    requests: int = Field(50_000, ge=1)
    bytes: int = Field(190_000_000, ge=1)
    """Of its file: 200 MB, less a margin."""
    under_way: int = Field(100_000, ge=1)
    """Requests waited for at once, over all batches: they are held in memory, without their images."""
    interval: float = Field(60.0, gt=0)
    """Seconds between two looks at what has become of the batches."""
    patience: int = Field(30, ge=0)
    """Looks at a batch, or attempts to make one, that may fail in a row."""


def limits(model: Model) -> Limits:
    """What holds for this model."""
    try:
        return Limits.model_validate(model.options)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UserError(f"the model {model.name}: options: {where}: {first['msg']}") from None


class Room:
    """What the provider's queue has room for: it has a limit of its own, in tokens, which nobody tells us."""

    def __init__(self, requests: int) -> None:
        self.requests = requests
        """In a batch, at most."""
        self.narrow = False
        """Whether it was ever full: then batches are made one a turn..."""
        self.full = False
        """...and none until another ends."""
        self._rejected = 0

    def reject(self, requests: int) -> None:
        """It had none for a batch of so many requests."""
        self._rejected = max(self._rejected, requests)

    def settle(self, *, waiting: bool) -> bool:
        """At the end of a turn: where it had none, wait until a batch of ours ends, if we wait for any; else make
        smaller ones. Returns False if it has none for a single request."""
        if not self._rejected:
            return True
        alone, self.narrow, self.full = self._rejected == 1 and not waiting, True, waiting
        if not waiting:
            self.requests = max(1, self._rejected // 2)
        self._rejected = 0
        return not alone
