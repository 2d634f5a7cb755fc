"""Where images and questions come from. To add a source, write one module with one class that

- has a `name`, and a `revision()` that changes whenever its listing or its bytes would;
- lists what it offers (`listing()`: rows of `Listed`, in the order a `--limit` takes them);
- reads one of them (`read(key)`: the bytes as they are; OSError when there are none);
and import it in the recipe that uses it.
"""

from collections.abc import Iterator
from typing import Protocol

from pipeline.tables import Listed


class Source(Protocol):
    """A place that images come from."""

    @property
    def name(self) -> str: ...

    def revision(self) -> str:
        """Changes when the listing or the bytes would."""
        ...

    def listing(self) -> Iterator[Listed]:
        """What it offers."""
        ...

    def read(self, key: str) -> bytes:
        """The bytes of one listed image."""
        ...
