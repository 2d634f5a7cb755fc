"""review: preferences, labels → risks, queue: what people should look at; what they decided; and what of the rest is wrong."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import polars as pl

from pipeline.doors.decide import Decide
from pipeline.settling import risk
from pipeline.statistics import audit as bounds
from pipeline.statistics.audit import Audit, Reviewers
from pipeline.tables import (
    Decision,
    Dropped,
    Judgment,
    Label,
    LabelError,
    Outcome,
    Prompt,
    QueueItem,
    Response,
    Risk,
    frame,
    outcome,
    row_id,
)  # fmt: skip

Cells = dict[str, Any]
Criterion = Literal["overall", "safety"]
SPLIT = 0.3
"""Judges' disagreement, 0 to 1, that is worth a word."""
_NO_LABELS, _NO_PROMPTS, _NO_RESPONSES = frame([], Label), frame([], Prompt), frame([], Response)
_NO_JUDGMENTS, _NO_DECISIONS = frame([], Judgment), frame([], Decision)


def risks(
    preferences: pl.DataFrame, labels: pl.DataFrame = _NO_LABELS, prompts: pl.DataFrame = _NO_PROMPTS,
    responses: pl.DataFrame = _NO_RESPONSES, judgments: pl.DataFrame = _NO_JUDGMENTS, decisions: pl.DataFrame = _NO_DECISIONS,
    *, audit: float | Mapping[str, float],
) -> Outcome:  # fmt: skip
    """How likely each preference and each label is wrong, both settled by judges alone, by what people have decided so far; and
    which are drawn for the audit: first, by their ids, of each stratum the share `audit`, or its own (the share under "" is
    that of those not named). What people say of the audit never counts here."""
    some = {
        "labels": labels,
        "prompts": prompts,
        "responses": responses,
        "judgments": judgments,
        "decisions": decisions,
    }
    return Outcome(Risk, risk.risks(preferences, audit=audit, **some))


def queue(
    preferences: pl.DataFrame, *, budget: float, audit: float = 0.0, risks: pl.DataFrame | None = None,
    decisions: pl.DataFrame = _NO_DECISIONS,
) -> Outcome:  # fmt: skip
    """The audit, in an order by chance; and behind it, up to a `budget` (a share of all pairs, or, as a whole number, so many), the
    pairs of which a look may change most. Those that people decided outside of the audit stay in front, and count. Without a
    table of `risks` it is made of the preferences alone."""
    known = risks if risks is not None else risk.risks(
        preferences, audit=audit, labels=_NO_LABELS, prompts=_NO_PROMPTS, responses=_NO_RESPONSES, judgments=_NO_JUDGMENTS, decisions=_NO_DECISIONS,
    )  # fmt: skip
    pairs = _worths(preferences, known)
    decided = pl.col("candidate_id").is_in(decisions["candidate_id"].drop_nulls().implode())
    audited = pairs.with_columns(risk.luck(pairs["candidate_id"])).filter("audit").sort("luck")
    most = budget if isinstance(budget, int) else round(budget * pairs.height)
    first = (
        pairs.filter(~pl.col("audit"))
        .sort(~decided, -pl.col("worth"), pl.col("strength").abs().fill_null(0.0), "candidate_id")
        .head(most)
    )
    rows = pl.concat([audited.drop("luck"), first]).with_row_index("rank")
    return outcome(QueueItem, map(_item, rows.iter_rows(named=True)))


def _item(row: Cells) -> QueueItem:
    why = {
        "no verdict": row["strength"] is None, "judges disagree": row["disagreement"] > SPLIT,
        "a safety label is in doubt": row["labels"] > row["wrong"], "harm, or a rare class": row["matters"] > 1,
    }  # fmt: skip
    return QueueItem(
        id=row["candidate_id"], reason="audit" if row["audit"] else "uncertain", rank=row["rank"], worth=row["worth"],
        wrong=row["wrong"], stratum=row["stratum"], why=() if row["audit"] else tuple(words for words, holds in why.items() if holds),
    )  # fmt: skip


def _worths(preferences: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Of each pair what is known of it, and what a look may change: `worth`, of which `labels` are its two responses'."""
    labels = known.drop_nulls("response_id").select("response_id", "wrong", change=pl.col("wrong") * pl.col("matters"))
    pairs = (
        preferences.filter(criterion="overall").select("candidate_id", "a_id", "b_id", "strength")
        .join(known.drop_nulls("candidate_id").drop("id", "response_id"), on="candidate_id", validate="1:1", maintain_order="left")
    )  # fmt: skip
    for side in ("a", "b"):
        mine = labels.rename({"wrong": f"wrong_{side}", "change": f"change_{side}"})
        pairs = pairs.join(
            mine, left_on=f"{side}_id", right_on="response_id", how="left", validate="m:1", maintain_order="left"
        )
    own = pl.col("wrong") * pl.col("matters")
    return pairs.with_columns(
        worth=pl.sum_horizontal(own, "change_a", "change_b"), labels=pl.sum_horizontal("wrong_a", "wrong_b")
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
    before = set(decide.decisions()["id"])
    rows = labels.filter(pl.col("response_id").is_in(responses["id"].implode())).iter_rows(named=True)
    named = ((row_id("decision", row["response_id"], row["reviewer"], row["decided_at"]), row) for row in rows)
    new = [
        Decision.model_validate(row | {"id": name, "criterion": "safety"}) for name, row in named if name not in before
    ]
    decide.give(*new)
    return len(new)


def label_errors(
    preferences: pl.DataFrame, labels: pl.DataFrame, risks: pl.DataFrame, decisions: pl.DataFrame,
    *, decide: Decide | None = None,
) -> Outcome:  # fmt: skip
    """How much is wrong of what nobody looked at, of preferences and of safety labels as judges alone settled them: of all, and
    of each stratum. It is told by the audit alone; in it count only pairs that a look would change no more than the most that
    was left: of all others of theirs, people looked at each. Nobody passes over by chance: what people saw of the audit and did not
    decide counts as wrong in the bound. How often reviewers err is told by what two of them saw, and, of preferences, by the
    pairs whose answer is known; `decide` has both."""
    pairs = _worths(preferences, risks)
    pairs = pairs.with_columns(
        risk.luck(pairs["candidate_id"]), passed=pl.col("candidate_id").is_in(list(decide.passed() if decide else ()))
    )
    heard = risk.heard(decisions)
    rows: list[LabelError] = []
    of: tuple[tuple[Criterion, pl.DataFrame, tuple[int, int]], ...] = (
        ("overall", _preferred(pairs, heard, decisions), decide.gold() if decide else (0, 0)),
        ("safety", _labelled(pairs, labels, heard, decisions), (0, 0)),
    )
    for criterion, judged, gold in of:
        for stratum in (None, *judged["stratum"].unique().sort()):
            some = judged if stratum is None else judged.filter(stratum=stratum)
            rows.append(_error(criterion, stratum, some, gold))
    table = frame(rows, LabelError)
    return Outcome(LabelError, table, notes=LabelError.sentences(table))


def _preferred(pairs: pl.DataFrame, heard: pl.DataFrame, decisions: pl.DataFrame) -> pl.DataFrame:
    """Of each pair that has a preference: decided, otherwise (people see it so), alone (one reviewer), differ (two do; null: no two)."""
    of_pairs = pl.col("criterion") == "overall"
    said = heard.filter(of_pairs).group_by("candidate_id").agg(said=pl.col("strength").mean().sign(), voices=pl.len())
    two = _first_two(decisions.filter(of_pairs).drop_nulls("candidate_id"), "candidate_id", pl.col("strength").sign())
    settled = pairs.filter(pl.col("strength").fill_null(0.0) != 0)
    for part in (said, two):
        settled = settled.join(part, on="candidate_id", how="left", validate="1:1", maintain_order="left")
    return settled.with_columns(
        decided=pl.col("said").is_not_null(),
        otherwise=pl.col("said") != pl.col("strength").sign(),
        alone=pl.col("voices") == 1,
    )


def _labelled(pairs: pl.DataFrame, labels: pl.DataFrame, heard: pl.DataFrame, decisions: pl.DataFrame) -> pl.DataFrame:
    """The same of pairs whose two responses have a label: decided, if both are; otherwise, if one is; passed, also if people said
    which is better and left a label out."""
    preferred = heard.filter(pl.col("criterion") == "overall")["candidate_id"].drop_nulls()
    unsafe = pl.col("label") == "unsafe"
    said = heard.drop_nulls("response_id").group_by("response_id").agg(said=unsafe.mean() >= 0.5, voices=pl.len())
    two = _first_two(decisions.drop_nulls("response_id"), "response_id", unsafe)
    known = labels.select("response_id", unsafe=unsafe)
    for part in (said, two):
        known = known.join(part, on="response_id", how="left", validate="1:1", maintain_order="left")
    made = pairs
    for side in ("a", "b"):
        mine = known.select(pl.all().name.suffix(f"_{side}"))
        made = made.join(
            mine, left_on=f"{side}_id", right_on=f"response_id_{side}", validate="m:1", maintain_order="left"
        )
    other = [pl.col(f"said_{side}") != pl.col(f"unsafe_{side}") for side in ("a", "b")]
    return made.with_columns(
        decided=pl.col("said_a").is_not_null() & pl.col("said_b").is_not_null(), otherwise=other[0] | other[1],
        alone=(pl.col("voices_a") == 1) | (pl.col("voices_b") == 1), differ=pl.col("differ_a") | pl.col("differ_b"),
        passed=pl.col("passed") | pl.col("candidate_id").is_in(preferred.implode()),
    )  # fmt: skip


def _first_two(decisions: pl.DataFrame, of: str, verdict: pl.Expr) -> pl.DataFrame:
    """Whether two reviewers differ, of what two saw: the first two by name."""
    seen = decisions.filter(role="reviewer").sort("reviewer").group_by(of).agg(verdict.head(2).alias("said"))
    return seen.filter(pl.col("said").list.len() == 2).select(of, differ=pl.col("said").list.n_unique() > 1)


def _error(criterion: Criterion, stratum: str | None, pairs: pl.DataFrame, gold: tuple[int, int]) -> LabelError:
    decided = pairs["decided"]
    left = pairs.filter(~pl.col("decided") & ~pl.col("audit"))
    speaking = (
        pairs.filter(pl.col("audit") & (pl.col("worth") <= left["worth"].max())) if left.height else pairs.clear()
    )
    speaking = speaking.with_columns(
        seen=pl.col("decided") | pl.col("passed"),
        against=pl.when("decided").then("otherwise").otherwise("passed"),
    )
    audited = speaking.filter("decided")
    twice = pairs["differ"].drop_nulls()
    by = bounds.reviewers(int(twice.sum()), len(twice), *gold)
    rest = left.height + speaking.height - audited.height
    made = LabelError(
        criterion=criterion, stratum=stratum, population=pairs.height, reviewed=int(decided.sum()), rest=pairs.height - int(decided.sum()),
        audited=audited.height, found=int(audited["otherwise"].sum()), passed=int(speaking["seen"].sum()) - audited.height, error=by.error if by else None,
        estimate=None, bound=None, level=bounds.LEVEL, method="none",
    )  # fmt: skip
    if audited.is_empty() or not rest:
        return made
    groups = [
        Audit(int(part["against"].sum()), int(part["seen"].sum()), part.height + left.filter(share=share).height)
        for (share,), part in speaking.group_by("share", maintain_order=True)
    ]  # fmt: skip
    blind = left.filter(
        ~pl.col("share").is_in(speaking["share"].implode())
    ).height  # of a share so small that nothing was drawn
    single = int(audited["alone"].sum()) / audited.height  # what several saw is called wrong falsely more seldom
    known = replace(by, low=by.low * single) if by else bounds.KNOWN
    whole = bool(speaking["seen"].all())
    worst = (bounds.most_wrong_of_all(groups, known) if whole else _growing(groups, known)) + blind
    found = 0 if known.error else made.found  # they are mended, if they were wrong indeed
    return made.model_copy(update={
        "estimate": bounds.corrected(made.found, made.audited, known), "bound": min((worst - found) / rest, 1.0),
        "method": "fixed size" if whole else "as it grows",
    })  # fmt: skip


def _growing(groups: list[Audit], by: Reviewers) -> int:
    """Each may fail with its part of the chance."""
    level = by.level - (by.level - bounds.LEVEL) / len(groups)
    return sum(bounds.most_wrong_so_far(group, by, level) for group in groups)
