"""models.toml: from a model's name to how it is reached. The one look-up of the project."""

import json
import os
import tomllib
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from pydantic import Field, ValidationError

from pipeline import PACKAGE
from pipeline.errors import UserError
from pipeline.requests import Record

SHIPPED = PACKAGE / "models.toml"


class Price(Record):
    """US dollars for a million tokens, as somebody read it somewhere on some day."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    batch: float = Field(1.0, gt=0, le=1)
    """Factor on both, through the batch API."""
    source: str
    date: date

    def of(self, tokens_in: int, tokens_out: int, *, batch: bool) -> float:
        """US dollars."""
        return (tokens_in * self.input + tokens_out * self.output) / 1e6 * (self.batch if batch else 1.0)


class Terms(Record):
    """What a provider's terms say of the model's outputs, as somebody read them somewhere on some day."""

    publish: bool
    """Whether its outputs may be published."""
    train: bool
    """Whether they may be trained on, by anybody and for any model."""
    not_sent: tuple[str, ...] = ()
    """Ids of a taxonomy's nodes, of any level: nothing of them may be sent to it."""
    note: str | None = None
    source: str
    date: date


class Pictures(Record):
    """What a model takes in as an image; what is larger is made smaller."""

    max_side: int | None = Field(None, ge=16)
    """Pixels."""
    max_bytes: int | None = Field(None, ge=1024)
    formats: tuple[Literal["jpeg", "png", "webp"], ...] = ("jpeg", "png", "webp")
    max_count: int | None = Field(None, ge=0)
    """Images in one request."""


class Model(Record):
    """How one model is reached on this machine."""

    name: str
    backend: Literal["anthropic", "embedded", "lexicon", "ocr", "openai", "ray", "transformers", "vllm"]
    served_as: str
    """The name the server knows, a repository on the Hub, or a folder."""
    revision: str
    quantisation: str | None = None
    licence: str | None = None
    """SPDX id of the weights' licence."""
    parameters: dict[str, Any] = Field(default_factory=dict)
    """Sent along with every request, such as `reasoning_effort`: part of every request's id."""
    pictures: Pictures = Pictures()
    """Part of every request's id, where it is not the default."""
    context: int | None = None
    """Tokens of question and answer together."""
    price: Price | None = None
    terms: Terms | None = None
    """None: whatever the licence of the weights allows."""
    base_url: str | tuple[str, ...] | None = None
    """Address of the server, or of each of several that serve the same model."""
    key: str | None = Field(None, pattern=r"^[A-Z][A-Z0-9_]*$")
    """The environment variable that holds the API key; never the key."""
    batch: bool = False
    """Ask through the provider's batch API: cheaper, and within a day."""
    concurrency: int = Field(32, ge=1)
    """Requests under way at once, at most, per address."""
    requests_per_minute: float | None = Field(None, gt=0)
    tokens_per_minute: float | None = Field(None, gt=0)
    """Limits of the provider, over all addresses."""
    timeout: float = Field(300.0, gt=0)
    """Seconds a request may take, to its last byte."""
    omit: tuple[str, ...] = ()
    """Parameters that the server refuses, such as `seed` or `temperature`."""
    rename: dict[str, str] = Field(default_factory=dict)
    """Parameters that the server calls otherwise, such as `max_tokens = "max_completion_tokens"`."""
    replicas: int = Field(1, ge=1)
    """Engines on a Ray cluster."""
    gpus: float = Field(1.0, ge=0)
    """GPUs of each replica on a Ray cluster."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Arguments of the engine; of a batch, its limits (`backends/batch/limits.py`)."""

    @property
    def identity(self) -> str:
        """What a reply depends on besides the request: never the route."""
        parts = [self.name, self.revision, self.quantisation or ""]
        if self.parameters:
            parts.append(json.dumps(self.parameters, sort_keys=True))
        if self.pictures != Pictures():
            parts.append(self.pictures.model_dump_json(exclude_defaults=True))
        return " ".join(part for part in parts if part)

    @property
    def addresses(self) -> tuple[str, ...]:
        """Of the servers."""
        return (self.base_url,) if isinstance(self.base_url, str) else self.base_url or ()

    @property
    def paid(self) -> bool:
        """Whether somebody may send a bill."""
        return self.backend in ("anthropic", "openai")

    def secret(self) -> str:
        """The API key, from the environment."""
        return os.environ.get(self.key, "").strip() if self.key else "none"


class Catalogue:
    """All models this machine knows."""

    def __init__(self, *paths: Path) -> None:
        self._paths = paths
        self._models: dict[str, Model] = {}
        for path in paths:
            self._models |= _read(path)

    def __getitem__(self, name: str) -> Model:
        if name not in self._models:
            known = ", ".join(sorted(self._models))
            raise UserError(f"unknown model {name!r}; {' and '.join(map(str, self._paths))} know {known}")
        return self._models[name]

    def get(self, name: str) -> Model | None:
        """The model, if it is known."""
        return self._models.get(name)

    def check(self, names: set[str]) -> None:
        """Find what is missing before anything is asked: unknown models, keys that are not set or cannot be keys."""
        for name in sorted(names):
            model = self[name]
            if model.key and not model.secret():
                raise UserError(f"the model {name} needs an API key: set the environment variable {model.key}")
            if not model.secret().isprintable():
                raise UserError(f"the API key in {model.key} holds a line break or another character that no key has")

    def secrets(self) -> set[str]:
        """Every key that is set: whatever is written or said must hold none of them."""
        return {secret for m in self._models.values() if m.key and (secret := m.secret())}

    def releasable(self, names: set[str]) -> None:
        """Find a model whose terms forbid that a release holds its outputs, or rests on them. A name that the catalogue does not
        know came with answers that were given: their licence speaks for them."""
        for name in sorted(names & self._models.keys()):
            terms = self[name].terms
            if terms and not (terms.publish and terms.train):
                what = "published" if not terms.publish else "trained on"
                raise UserError(
                    f"the outputs of {name} may not be {what} ({terms.source}, read {terms.date}): leave it out of the "
                    "pool, or run with --private, and nothing of it is released"
                )


def hidden(text: str, secrets: Iterable[str]) -> str:
    """The text, with *** for each secret, also where it is percent-encoded. What has fewer than 8 characters is no secret:
    it may be a word."""
    for secret in secrets:
        if len(secret) >= 8:
            for form in {secret, quote(secret), quote(secret, safe="")}:
                text = text.replace(form, "***")
    return text


def _read(path: Path) -> dict[str, Model]:
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not TOML: {error}") from None
    return {name: _model(path, name, entry) for name, entry in entries.items()}


def _model(path: Path, name: str, entry: object) -> Model:
    if not isinstance(entry, dict) or "name" in entry:
        raise UserError(f"{path}: {name}: every entry must be a [table], and its name is the table's")
    if entry.get("backend") == "openai" and not entry.get("base_url"):
        raise UserError(f"{path}: {name}: the backend openai needs base_url, the address of the server")
    if entry.get("batch") and entry.get("backend") != "openai":
        raise UserError(f"{path}: {name}: batch is for the backend openai only")
    try:
        return Model(name=name, **entry)
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"{path}: {name}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def catalogue() -> Catalogue:
    """The shipped models, with this machine's own over them ($TETRAD_MODELS, or ./models.toml)."""
    own = Path(os.environ.get("TETRAD_MODELS", "models.toml"))
    return Catalogue(SHIPPED, own) if "TETRAD_MODELS" in os.environ or own.is_file() else Catalogue(SHIPPED)
