"""How a model is reached: Request → Reply. To add a backend, write one module with one class that

- says what it can (`can`: the kinds of request) and whether it needs the machine for itself (`exclusive`);
- takes requests one by one from an iterator, as many at a time as serves it, and gives each reply as it comes;
- turns every failure of the world into a `Failure` (requests.py has the words);
and name it in `models.Model.backend` and in `reach` below.
"""

from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

from pipeline.doors.blobs import Blobs
from pipeline.models import Model
from pipeline.requests import Reply, Request


class Asked(NamedTuple):
    """A request under its id."""

    id: str
    request: Request


class Backend(Protocol):
    """A way to one model."""

    can: frozenset[str]
    exclusive: bool
    """Whether it holds memory of this machine that the next one needs: such backends take turns."""

    def replies(self, asked: Iterator[Asked]) -> AsyncGenerator[tuple[Asked, Reply], None]:
        """Ask, and give each reply as it comes, in any order. What it leaves out stays owed."""
        ...

    def close(self) -> None:
        """Give back what it holds."""
        ...


def seed(asked: Asked) -> int:
    """The seed of a request's sampling, drawn from its id: 0 to 2**31 - 1."""
    return int(asked.id[:8], 16) & 0x7FFFFFFF


def reach(model: Model, images: Blobs, logs: Path) -> Backend:
    """The backend that models.toml gives this model."""
    match model.backend:
        case "openai":
            from pipeline.backends.openai import OpenAI

            return OpenAI(model, images)
        case "lexicon":
            from pipeline.backends.lexicon import Lexicon

            return Lexicon()
        case "embedded":
            from pipeline.backends import embedded
            from pipeline.backends.child import Child

            return Child(embedded.Engine, embedded.CAN, model, images, logs)
        case "vllm":
            from pipeline.backends import vllm
            from pipeline.backends.child import Child

            return Child(vllm.Engine, vllm.CAN, model, images, logs)
