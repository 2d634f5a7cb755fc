"""The columns of every table, printed from the rows' docstrings: `python -m pipeline.release.columns > docs/columns.md`."""

import sys

from pipeline import tables
from pipeline.release import rows

TABLES = (
    tables.Listed, tables.Wanted, tables.Image, tables.Description, tables.Prompt, tables.Shortfall, tables.Response,
    tables.Judgment, tables.SafeRate, tables.Candidate, tables.Comparison, tables.JudgeReport, tables.Preference, tables.Label, tables.Risk, tables.QueueItem, tables.Decision, tables.LabelError,
    tables.Quadruple, tables.Dropped, rows.Published, rows.Responded,
)  # fmt: skip


def markdown() -> str:
    """One section a row type: what it is, then column, type and meaning."""
    parts = ["# Columns of the tables", "Printed from the docstrings in `pipeline/tables.py`."]
    for row in TABLES:
        lines = [
            f"## {row.__name__}",
            "",
            str(row.__doc__).strip(),
            "",
            "| column | type | meaning |",
            "| --- | --- | --- |",
        ]
        lines += [
            f"| {name} | {kind} | {' '.join((row.model_fields[name].description or '').split())} |"
            for name, kind in row.columns().items()
        ]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    sys.stdout.write(markdown())
