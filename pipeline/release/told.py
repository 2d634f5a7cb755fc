"""What a card says that no table holds."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Model:
    """A model that took part."""

    identity: str
    """Name, revision and quantisation, as it was asked."""
    licence: str | None = None
    """SPDX id of the weights' licence."""
    terms: str | None = None
    """Where its provider's terms were read, and when."""


@dataclass(frozen=True)
class Told:
    """Of a run's release."""

    models: Mapping[str, Model] = field(default_factory=dict)
    """By their names in models.toml."""
    contact: str | None = None
    """An address or page at which somebody answers who asks that a row be taken down."""

    def inputs(self) -> dict[str, str]:
        """All of it that changes the release."""
        said = {f"model {name}": f"{m.identity} {m.licence} {m.terms}" for name, m in sorted(self.models.items())}
        return said | ({"contact": self.contact} if self.contact else {})
