"""models.toml: from a model's name to how it is reached. The one look-up of the project."""

import os
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from pipeline import PACKAGE
from pipeline.errors import UserError
from pipeline.requests import Record

SHIPPED = PACKAGE / "models.toml"


class Model(Record):
    """How one model is reached on this machine."""

    name: str
    backend: Literal["embedded", "lexicon", "openai", "vllm"]
    served_as: str
    """The name the server knows, a repository on the Hub, or a folder."""
    revision: str
    quantisation: str | None = None
    licence: str | None = None
    """SPDX id of the weights' licence."""
    base_url: str | None = None
    key: str | None = None
    """The environment variable that holds the API key."""
    concurrency: int = 8
    """Requests under way at once."""
    timeout: float = 120.0
    """Seconds a request may take."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Arguments of the engine."""

    @property
    def identity(self) -> str:
        """What a reply depends on besides the request: never the route."""
        return f"{self.name} {self.revision} {self.quantisation or ''}".strip()

    def secret(self) -> str:
        """The API key, from the environment."""
        return os.environ.get(self.key, "") if self.key else "none"


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

    def identities(self) -> str:
        """What every model is, one a line: tables made with other models are stale."""
        return "\n".join(m.identity for m in self._models.values())

    def check(self, names: set[str]) -> None:
        """Find what is missing before anything is asked: unknown models, keys that are not set."""
        for name in sorted(names):
            model = self[name]
            if model.key and not model.secret():
                raise UserError(f"the model {name} needs an API key: set the environment variable {model.key}")


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
    try:
        return Model(name=name, **entry)
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"{path}: {name}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def catalogue() -> Catalogue:
    """The shipped models, with this machine's own over them ($TETRAD_MODELS, or ./models.toml)."""
    own = Path(os.environ.get("TETRAD_MODELS", "models.toml"))
    return Catalogue(SHIPPED, own) if "TETRAD_MODELS" in os.environ or own.is_file() else Catalogue(SHIPPED)
