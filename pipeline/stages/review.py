"""review: preferences → what people should look at, and what they decided."""

import polars as pl

from pipeline.doors.decide import Decide
from pipeline.tables import Decision, Dropped, Outcome, QueueItem, chance, frame, outcome


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


def decisions(pairs: pl.DataFrame, responses: pl.DataFrame, *, decide: Decide) -> Outcome:
    """What people have decided so far on these pairs and responses (tables with their ids), queued or not; nobody need have."""
    decided = decide.decisions()
    known = pl.coalesce("candidate_id", "response_id").is_in([*pairs["id"], *responses["id"]])
    others = [
        Dropped(
            stage="decisions", id=d["id"], detail=d["candidate_id"] or d["response_id"],
            reason="a pair that the run no longer has" if d["candidate_id"] else "a response that the run no longer has",
        )
        for d in decided.filter(~known).iter_rows(named=True)
    ]  # fmt: skip
    return Outcome(Decision, decided.filter(known), frame(others, Dropped))
