"""What people looked at, and what is known of how many labels are wrong."""

from dataclasses import dataclass

import polars as pl

from pipeline.findings import Tables, counts, number
from pipeline.tables import Decision, LabelError, frame


@dataclass(frozen=True)
class Review:
    """What people did for a run."""

    queued: dict[str, int]
    """Pairs to be looked at, by reason."""
    decisions: int
    reviewers: int
    pairs: int
    """That have a decision."""
    responses: int
    """That people labelled."""
    rows: int
    """Quadruples."""
    reviewed: int
    """Quadruples on whose pair a person decided."""


def review(tables: Tables) -> Review:
    """All are 0 where nobody has decided anything."""
    decided = (
        tables["decisions"] if "decisions" in tables else frame([], Decision).lazy()
    ).select("reviewer", "candidate_id", "response_id").collect()  # fmt: skip
    reviewed = tables["quadruples"].select(pl.col("reviewed").sum()).collect().item() if "quadruples" in tables else 0
    return Review(
        {reason: n for (reason,), n in counts(tables["queue"], "reason")} if "queue" in tables else {},
        decided.height,
        decided["reviewer"].n_unique(),
        decided["candidate_id"].drop_nulls().n_unique(),
        decided["response_id"].drop_nulls().n_unique(),
        number(tables, "quadruples") or 0,
        int(reviewed or 0),
    )


def errors(tables: Tables) -> list[LabelError]:
    """How much of what nobody looked at is wrong: of all, by criterion; then of each stratum of which that is estimated."""
    if "label_errors" not in tables:
        return []
    rows = [LabelError(**row) for row in tables["label_errors"].collect().iter_rows(named=True)]
    apart = [row for row in rows if row.stratum and row.estimate is not None]
    return [row for row in rows if row.stratum is None] + apart


def sentences(tables: Tables) -> list[str]:
    """The same of all, in words; nothing where the recipe does not ask."""
    return [row.sentence for row in errors(tables) if row.stratum is None]
