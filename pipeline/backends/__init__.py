"""How a model is reached: Request → Reply. To add a backend, write one module with one class that

- says what it can (`can`: the kinds of request) and whether it needs the machine for itself (`exclusive`);
- takes requests one by one from an iterator, as many at a time as serves it, and gives each reply as it comes;
- turns every failure of the world into a `Failure` (requests.py has the words);
and name it in `models.Model.backend` and in `reach` below.
"""

import importlib.util
import logging
import re
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

from pipeline.doors.blobs import Blobs
from pipeline.errors import UserError
from pipeline.models import Model
from pipeline.requests import AnyRequest, Reply

LOG = logging.getLogger("tetrad")
"""What a backend has to say while it works: the run's log file and the terminal hear it. Never a key."""
NEEDS = {
    "embedded": "xllamacpp",
    "ocr": "rapidocr",
    "ray": "ray",
    "transformers": "transformers",
    "vllm": "vllm",
}
"""Backend to the package it cannot do without."""


class Asked(NamedTuple):
    """A request under its id."""

    id: str
    request: AnyRequest


class Backend(Protocol):
    """A way to one model."""

    can: frozenset[str]
    exclusive: bool
    """Whether it holds memory of this machine that the next one needs: such backends take turns."""

    def replies(self, asked: Iterator[Asked]) -> AsyncGenerator[tuple[Asked, Reply], None]:
        """Ask, and give each reply as it comes, in any order. What it leaves out stays owed. `asked` may have nothing for a
        while. When it ends for good, which a person may bring about (then it has `over`), what is under way is finished, what
        waits to be asked again is not (a batch goes on at the provider: it is left there); when cancelled, all ends at once."""
        ...

    def close(self) -> None:
        """Give back what it holds."""
        ...


def seed(asked: Asked) -> int:
    """The seed of a request's sampling, drawn from its id: 0 to 2**31 - 1."""
    return int(asked.id[:8], 16) & 0x7FFFFFFF


_THOUGHT = re.compile(r"\s*<think>(.*?)(?:</think>\s*|\Z)", re.DOTALL)
"""How open models think aloud before they answer; cut off, it has no end."""


def reasoning_apart(text: str) -> tuple[str | None, str]:
    """The block of reasoning that an answer begins with, or None, and the rest: the answer itself."""
    thought = _THOUGHT.match(text)
    return (thought[1].strip(), text[thought.end() :]) if thought else (None, text)


def check(model: Model) -> None:
    """Find a package that is not installed before anything is asked."""
    needed = NEEDS.get(model.backend)
    if needed and not importlib.util.find_spec(needed):
        extra = "demo" if model.backend == "embedded" else model.backend
        raise UserError(f"the model {model.name} needs the package {needed}: pip install 'tetrad[{extra}]'")


def reach(model: Model, images: Blobs, folder: Path) -> Backend:
    """The backend that models.toml gives this model. What it must remember lies in `folder`, its logs in `folder/logs`."""
    from pipeline.backends.engines.child import Child

    logs = folder / "logs"
    match model.backend:
        case "anthropic" | "openai":
            return _api(model, images, folder)
        case "lexicon":
            from pipeline.backends.lexicon import Lexicon

            return Lexicon()
        case "embedded":
            from pipeline.backends import embedded

            return Child(embedded.Engine, embedded.CAN, model, images, logs)
        case "ocr":
            from pipeline.backends import ocr

            return Child(ocr.Engine, ocr.CAN, model, images, logs)
        case "vllm":
            from pipeline.backends import vllm

            return Child(vllm.Engine, vllm.CAN, model, images, logs)
        case "transformers":
            from pipeline.backends import transformers

            return Child(transformers.Engine, transformers.CAN, model, images, logs)
        case "ray":
            from pipeline.backends import vllm
            from pipeline.backends.ray import Ray

            return Ray(vllm.Engine, vllm.CAN, model, images, logs)


def _api(model: Model, images: Blobs, folder: Path) -> Backend:
    if model.backend == "anthropic":
        from pipeline.backends.anthropic import Anthropic

        return Anthropic(model, images)
    if model.batch:
        from pipeline.backends.openai_batch import OpenAIBatch

        return OpenAIBatch(model, images, folder)
    from pipeline.backends.openai import OpenAI

    return OpenAI(model, images)
