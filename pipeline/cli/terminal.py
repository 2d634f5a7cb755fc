"""What the commands print on, and how they print what models wrote."""

from rich.console import Console
from rich.text import Text

out, err = Console(), Console(stderr=True)


def harmless(value: object) -> Text:
    """A value as it is, but for what a terminal would obey: models wrote it."""
    return Text("".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in str(value)))
