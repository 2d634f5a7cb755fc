"""review: preferences → what people should look at, and what they decided."""

import polars as pl

from pipeline.doors.decide import Decide
from pipeline.tables import Decision, Dropped, Outcome, QueueItem, chance, frame, outcome, row_id


def queue(preferences: pl.DataFrame, *, budget: float, audit: float) -> Outcome:
    """Two queues in one: a random audit of `audit` of the pairs, drawn first and by their ids, whatever the judges
    said; and of the others the least certain, up to `budget` of all (both are shares, 0 to 1)."""
    pairs = preferences.filter(pl.col("criterion") == "overall")
    drawn = {i for i in pairs["candidate_id"] if chance("audit", i).random() < audit}
    uncertain = (
        pairs.filter(~pl.col("candidate_id").is_in(drawn))
        .sort(pl.col("confidence").fill_null(0.0), pl.col("strength").abs().fill_null(0.0), "candidate_id")
        .head(round(budget * pairs.height))["candidate_id"]
        .to_list()
    )
    order = [(i, "audit") for i in sorted(drawn)] + [(i, "uncertain") for i in uncertain]
    return outcome(
        QueueItem, [QueueItem.model_validate({"id": i, "reason": why, "rank": n}) for n, (i, why) in enumerate(order)]
    )


def decisions(*tables: pl.DataFrame, decide: Decide) -> Outcome:
    """What people have decided so far on these pairs and responses (tables with their ids), queued or not; nobody need have."""
    decided = decide.decisions()
    known = pl.coalesce("candidate_id", "response_id").is_in([name for table in tables for name in table["id"]])
    others = [
        Dropped(
            stage="decisions", id=d["id"], detail=d["candidate_id"] or d["response_id"],
            reason="a pair that the run no longer has" if d["candidate_id"] else "a response that the run no longer has",
        )
        for d in decided.filter(~known).iter_rows(named=True)
    ]  # fmt: skip
    return Outcome(Decision, decided.filter(known), frame(others, Dropped))


def given(responses: pl.DataFrame, *, labels: pl.DataFrame, decide: Decide) -> int:
    """Keep what people said of responses elsewhere, as if they had just decided: a table of response_id, reviewer, role, label,
    reasons, note and decided_at. What is kept already, or is on no response of the run, is left. Returns how many are new."""
    if not decide.writable:
        return 0
    before = set(decide.decisions()["id"])
    rows = labels.filter(pl.col("response_id").is_in(responses["id"].implode())).iter_rows(named=True)
    named = ((row_id("decision", row["response_id"], row["reviewer"], row["decided_at"]), row) for row in rows)
    new = [
        Decision.model_validate(row | {"id": name, "criterion": "safety"}) for name, row in named if name not in before
    ]
    if new:
        decide.keep(*new)
    return len(new)
