"""How an image is looked at. To add a look, write one frozen dataclass that

- has a `model`;
- makes a request of an image's row (`ask`): the columns of `Image`;
- reads the reply (`read`) into a `Description`, with an `error` where it says nothing;
and name it in a recipe's pool. Both halves are pure: a reply is kept before it is read, and can be read again.
"""

from typing import Any, Literal, Protocol

from pipeline.requests import Failure, Reply, Request
from pipeline.tables import Description, row_id

Cells = dict[str, Any]


class Look(Protocol):
    """Describes an image in one respect."""

    @property
    def model(self) -> str: ...
    def ask(self, row: Cells) -> Request: ...
    def read(self, row: Cells, request_id: str, reply: Reply) -> Description: ...


def description(
    look: Look, row: Cells, request_id: str, aspect: Literal["text", "caption", "severity"], reply: Reply, **values: Any
) -> Description:
    """A description row; `values` are text, share, severity, error. A reply that is a failure gives its error."""
    if isinstance(reply.result, Failure):
        values = {"error": reply.result.error}
    return Description(
        id=row_id("description", row["id"], look.model, aspect, request_id), image=row["id"], model=look.model, aspect=aspect,
        request_id=request_id, **({"text": None, "share": None, "severity": None, "error": None} | values),
    )  # fmt: skip
