"""What a run tells of its tables."""

import io

from rich.console import Console

from pipeline.progress import Lines
from pipeline.workspace import Made


def test_a_table_is_one_line_and_each_note_another() -> None:
    said = io.StringIO()
    made = Made(
        4,
        "spread",
        "sample",
        "SafeRate",
        "key",
        "sha",
        9,
        9,
        {},
        {},
        0,
        0.5,
        notes=["fraud: too narrow", "x: no answers"],
    )
    Lines(Console(file=said, width=40)).table(made, fresh=False)
    first, *notes = said.getvalue().splitlines()
    assert first.split() == ["4", "spread", "9", "in,", "9", "kept", "[0.5", "s]"]
    assert notes == ["    fraud: too narrow", "    x: no answers"]
