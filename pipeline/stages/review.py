"""review: preferences, labels → risks, queue: what people should look at; what they decided; and what of the rest is wrong."""

from collections.abc import Mapping
from typing import Any, Literal

import polars as pl

from pipeline.doors.decide import Decide
from pipeline.settling import last_words, risk
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
    heard = last_words(decisions)
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
    """Whether two reviewers differ, of what two saw: the first two who decided, since a third may be asked because those differ."""
    seen = (
        decisions.filter(role="reviewer").sort("decided_at", "reviewer").group_by(of).agg(verdict.head(2).alias("said"))
    )
    return seen.filter(pl.col("said").list.len() == 2).select(of, differ=pl.col("said").list.n_unique() > 1)


def _error(criterion: Criterion, stratum: str | None, pairs: pl.DataFrame, gold: tuple[int, int]) -> LabelError:
    undecided = pairs.filter(~pl.col("decided"))
    left = undecided.filter(~pl.col("audit"))
    alike = pl.col("worth") <= pl.lit((left if left.height else undecided)["worth"].max(), pl.Float64)
    groups = list(_groups(pairs.filter(alike)).iter_rows(named=True))
    audited, seen, drawn, found, alone = (
        sum(g[of] for g in groups) for of in ("audited", "seen", "drawn", "found", "alone")
    )
    beyond = undecided.filter("audit", ~alike)  # nothing speaks for these: their like was looked at
    twice, here = (some["differ"].drop_nulls() for some in (pairs, pairs.filter("audit", alike)))
    by = bounds.reviewers(int(twice.sum()), len(twice), *gold)
    rest = undecided.height
    made = LabelError(
        criterion=criterion, stratum=stratum, population=pairs.height, reviewed=pairs.height - rest, rest=rest, audited=audited,
        found=found, passed=seen - audited + int(beyond["passed"].sum()), error=by.error if by else None,
        estimate=None, bound=None, level=bounds.LEVEL, method="none",
    )  # fmt: skip
    if not audited or not rest:
        return made
    own = (
        bounds.reviewers(int(here.sum()), len(here)) or bounds.KNOWN
    )  # oftener on the doubtful: not to be taken off here
    single = alone / audited  # what several saw is called wrong falsely more seldom
    known = Reviewers(min(by.error, own.error), own.low * single, by.high, by.level) if by else bounds.KNOWN
    told = [g for g in groups if g["seen"]]
    draws = [Audit(g["found"] + g["seen"] - g["audited"], g["seen"], g["size"]) for g in told]
    worst = bounds.most_wrong_of_all(draws, known) if seen == drawn else _growing(draws, known)
    mended = 0 if made.error else sum(g["wrong"] for g in told)  # found, and wrong indeed
    untold = rest - sum(g["size"] - g["decided"] for g in told)
    return made.model_copy(update={
        "estimate": _estimate(told, known), "bound": min((max(worst - mended, seen - audited) + untold) / rest, 1.0),
        "method": "fixed size" if seen == drawn else "as it grows",
    })  # fmt: skip


def _groups(pairs: pl.DataFrame) -> pl.DataFrame:
    """Of each share, which is a draw of its own, how many there are, decided, and wrong by that; drawn, and seen, for the audit;
    and of that decided (`audited`), wrong by that, and by one reviewer alone. The audit has an order by chance: all of it up to
    the last that people decided or passed over is seen, for what they left out on their way was not left out by chance."""
    decided, audit = pl.col("decided"), pl.col("audit")
    wrong, heard = decided & pl.col("otherwise"), audit & (decided | pl.col("passed"))
    seen = audit & (heard.cum_sum(reverse=True).over("share") > 0)
    return pairs.sort("luck").with_columns(seen=seen).group_by("share", maintain_order=True).agg(
        size=pl.len(), decided=decided.sum(), wrong=wrong.sum(), drawn=audit.sum(), seen=pl.col("seen").sum(),
        audited=(audit & decided).sum(), found=(audit & wrong).sum(), alone=(audit & decided & pl.col("alone")).sum(),
    )  # fmt: skip


def _estimate(groups: list[Cells], by: Reviewers) -> float | None:
    """The share of what is undecided that is wrong: in each group as many as its audit tells, less those that were found."""
    wrong, undecided = 0.0, 0
    for g in groups:
        rate, known = (
            bounds.corrected(g[of], g[many], by) for of, many in (("found", "audited"), ("wrong", "decided"))
        )
        if rate is not None and known is not None:
            left = g["size"] - g["decided"]
            wrong += min(max(rate * g["size"] - known * g["decided"], 0.0), left)
            undecided += left
    return wrong / undecided if undecided else None


def _growing(groups: list[Audit], by: Reviewers) -> int:
    """Each may fail with its part of the chance."""
    level = by.level - (by.level - bounds.LEVEL) / len(groups)
    return sum(bounds.most_wrong_so_far(group, by, level) for group in groups)
