"""pair: preferences, responses → quadruples; quadruples → balanced."""

from collections import Counter
from collections.abc import Mapping

import numpy as np
import polars as pl

from pipeline.doors.decide import Decide
from pipeline.rules import labelled
from pipeline.statistics.aggregation import roc_auc
from pipeline.tables import Dropped, Outcome, Quadruple, chance, frame, row_id
from pipeline.taxonomy import Taxonomy

FLAGGED = {
    "illegal": "flagged as illegal", "personal": "flagged: a private person", "broken": "flagged: broken",
    "bad_question": "flagged: a bad question", "off_topic": "flagged: off topic",
}  # fmt: skip
"""What people flag a pair as, in words."""
ALIKE = 0.97
"""Share of their words that two texts have in common from which on they are the same text, twice."""


def quadruples(
    prompts: pl.DataFrame, responses: pl.DataFrame, judgments: pl.DataFrame, preferences: pl.DataFrame,
    images: pl.DataFrame | None = None, labels: pl.DataFrame | None = None,
    *, taxonomy: Taxonomy | None = None, minimum_strength: float, unsafe_chosen: bool = False, safe_rejected: bool = True,
    criterion: str = "overall", decide: Decide | None = None,
) -> Outcome:  # fmt: skip
    """A quadruple of each preference by this criterion, of at least `minimum_strength`. A tie makes none; two alike texts make
    none; an unsafe chosen response makes none unless the recipe says so; nor, where it says so, a rejected one that is not
    unsafe. What a response is, its settled label says; without `labels`, most of its judges. A pair that
    people flagged makes none either; `decide` knows it."""
    settled = preferences.filter(pl.col("criterion") == criterion)
    prefers_a = pl.col("strength").fill_null(0) > 0
    sided = settled.with_columns(
        chosen_id=pl.when(prefers_a).then("a_id").otherwise("b_id"),
        rejected_id=pl.when(prefers_a).then("b_id").otherwise("a_id"),
    )
    known = _known(responses, judgments, labels)
    for side in ("chosen", "rejected"):
        theirs = known.rename({column: f"{side}{column}" for column in known.columns})
        sided = sided.join(theirs, on=f"{side}_id", how="left", validate="m:1", maintain_order="left")
    rows = _asked(sided, prompts, images, taxonomy).with_columns(
        fault=_fault(sided, minimum_strength, unsafe_chosen=unsafe_chosen, safe_rejected=safe_rejected, flagged=decide.flagged() if decide else {}),
        preference_id="id",
        strength=pl.col("strength").abs(),
        rejected_is=pl.when(pl.col("rejected_safety") == "unsafe").then(pl.lit("unsafe"))
        .when(pl.col("rejected_safety").is_not_null()).then(pl.lit("worse")),
    )  # fmt: skip
    names = [row_id("quadruple", *ids) for ids in rows.select("prompt_id", "chosen_id", "rejected_id").iter_rows()]
    gone = rows.filter(pl.col("fault").is_not_null()).select(
        stage=pl.lit("quadruples"), id="preference_id", reason="fault", detail=pl.lit(None, pl.String), subcategory="leaf"
    )  # fmt: skip
    kept = rows.with_columns(id=pl.Series(names, dtype=pl.String)).filter(pl.col("fault").is_null())
    columns = [pl.col(name).cast(dtype) for name, dtype in Quadruple.columns().items()]
    return Outcome(
        Quadruple,
        kept.select(columns),
        gone.select(pl.col(name).cast(dtype) for name, dtype in Dropped.columns().items()),
        settled.height,
        notes=_of_length(kept),
    )


def _of_length(rows: pl.DataFrame) -> tuple[str, ...]:
    """How much the lengths of two answers tell of which is chosen."""
    chosen, rejected = (rows[side].str.len_chars().cast(pl.Int64).to_numpy() for side in ("chosen", "rejected"))
    area = roc_auc(np.concatenate([chosen, rejected]), np.repeat([True, False], len(chosen)))
    longer = float((chosen > rejected).mean()) if len(chosen) else 0.0
    return () if area is None else (
        f"the longer answer is chosen in {100 * longer:.0f} % of them; length tells the chosen with an AUC of {area:.2f} (0.5: not at all)",
    )  # fmt: skip


def _known(responses: pl.DataFrame, judgments: pl.DataFrame, settled: pl.DataFrame | None) -> pl.DataFrame:
    """Of each response _id, "" (its text), _respondent, _model, _safety and _score (0 to 1: the mean over all scales that have ends)."""
    labels = (labelled(judgments) if settled is None else settled.select("response_id", "label")).rename(
        {"label": "_safety"}
    )
    share = (pl.col("score") - pl.col("low")) / (pl.col("high") - pl.col("low"))
    scores = judgments.sort("judge", "criterion").group_by("response_id").agg(_score=share.mean())
    return (
        responses.select("text", _id="id", _respondent="respondent", _model="model")
        .rename({"text": ""})
        .join(labels, left_on="_id", right_on="response_id", how="left", validate="1:1")
        .join(scores, left_on="_id", right_on="response_id", how="left", validate="1:1")
    )


def _asked(
    rows: pl.DataFrame, prompts: pl.DataFrame, images: pl.DataFrame | None, taxonomy: Taxonomy | None
) -> pl.DataFrame:
    """With what is known of the prompt, its class, by name, and its image."""
    leaves = taxonomy.leaves if taxonomy else {}
    paths = [(leaf, *(node.name for node in path)) for leaf, path in leaves.items()]
    names = pl.DataFrame(
        paths, schema=dict.fromkeys(("leaf", "domain", "category", "subcategory"), pl.String()), orient="row"
    )
    asked = prompts.select("image", "question", "kind", "language", "harm", prompt_id="id", leaf="subcategory")
    shown = pl.DataFrame(schema=dict.fromkeys(("image", "licence", "attribution", "image_url", "group"), pl.String()))
    if images is not None:
        shown = images.select("licence", "attribution", "group", image="id", image_url="url")
    return (
        rows.join(asked, on="prompt_id", how="left", validate="m:1", maintain_order="left")
        .join(names, on="leaf", how="left", validate="m:1", maintain_order="left")
        .join(shown, on="image", how="left", validate="m:1", maintain_order="left")
    )


def _fault(
    rows: pl.DataFrame, minimum: float, *, unsafe_chosen: bool, safe_rejected: bool, flagged: Mapping[str, str]
) -> pl.Series:
    """Why a preference makes no quadruple, or null."""
    strength, unsafe = pl.col("strength"), (pl.col("chosen_safety") == "unsafe", pl.col("rejected_safety") == "unsafe")
    same = [_same(a or "", b or "") for a, b in rows.select("chosen", "rejected").iter_rows()]
    fault = (
        pl.when(pl.col("candidate_id").is_in(list(flagged)))
        .then(pl.col("candidate_id").replace_strict(flagged, default="", return_dtype=pl.String).replace(FLAGGED))
        .when(strength.is_null()).then(pl.lit("no verdict"))
        .when((strength == 0) | (strength.abs() < minimum)).then(pl.lit("tie"))
        .when(pl.Series(same, dtype=pl.Boolean)).then(pl.lit("the same text twice"))
        .when(unsafe[0] & (not unsafe_chosen)).then(pl.lit("unsafe chosen"))
        .when(~unsafe[1].fill_null(value=False) & (not safe_rejected)).then(pl.lit("rejected is not unsafe"))
    )  # fmt: skip
    return rows.select(fault=fault)["fault"]


def _same(one: str, other: str) -> bool:
    """Whether two texts have nearly all words in common, however often each stands there (Dice's coefficient)."""
    a, b = _words(one), _words(other)
    if min(len(a), len(b)) < ALIKE / (2 - ALIKE) * max(len(a), len(b)):
        return False
    return a == b or 2 * (Counter(a) & Counter(b)).total() >= ALIKE * (len(a) + len(b))


def _words(text: str) -> list[str]:
    return "".join(c if c.isalnum() else " " for c in text.casefold()).split()


def balanced(
    quadruples: pl.DataFrame, *, per_prompt: int | None = None, by: tuple[str, ...] = (), most: int | None = None,
    even_lengths: bool = False,
) -> Outcome:  # fmt: skip
    """At most so many quadruples of a prompt, the strongest first; of each combination of the columns `by` (subcategory, kind,
    chosen_model, ...) at most `most`, drawn by their ids; and, with `even_lengths`, of those whose chosen text is the longer
    as many as of those whose rejected text is (drawn likewise), so that length tells nothing."""
    draw = pl.Series([chance("balanced", name).random() for name in quadruples["id"]], dtype=pl.Float64)
    rows = quadruples.with_columns(draw=draw, fault=pl.lit(None, pl.String))
    if per_prompt is not None:
        place = pl.struct(-pl.col("strength"), "draw").rank("ordinal").over("prompt_id")
        rows = _marked(rows, place > per_prompt, "over its prompt's share")
    if by and most is not None:
        rows = _marked(rows, _rank(list(by)) > most, "over its share")
    if even_lengths:
        lead = (
            pl.col("chosen").str.len_chars().cast(pl.Int64) - pl.col("rejected").str.len_chars().cast(pl.Int64)
        ).sign()
        rows = rows.with_columns(lead=lead)
        counts = Counter(rows.filter(pl.col("fault").is_null())["lead"].to_list())
        fewer = min(counts[1], counts[-1])
        rows = _marked(rows, (pl.col("lead") != 0) & (_rank(["lead"]) > fewer), "balances lengths")
    gone = rows.drop_nulls("fault")
    dropped = [
        Dropped(stage="balanced", id=row["id"], reason=row["fault"], detail=None) for row in gone.iter_rows(named=True)
    ]
    kept = rows.filter(pl.col("fault").is_null()).select(quadruples.columns)
    return Outcome(Quadruple, kept, frame(dropped, Dropped), quadruples.height)


def _rank(by: list[str]) -> pl.Expr:
    """Place of a row among those still there of its kind, from 1."""
    there = pl.when(pl.col("fault").is_null()).then("draw")
    return there.rank("ordinal").over(by)


def _marked(rows: pl.DataFrame, over: pl.Expr, reason: str) -> pl.DataFrame:
    return rows.with_columns(fault=pl.when(pl.col("fault").is_null() & over).then(pl.lit(reason)).otherwise("fault"))
