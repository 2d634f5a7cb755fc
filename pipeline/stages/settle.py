"""settle: judgments, comparisons, decisions → preferences: per pair and criterion a strength, a confidence, its sources."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import polars as pl

from pipeline.contests.heard import contest_of
from pipeline.contests.standing import standings
from pipeline.settling import BY, Method, last_words
from pipeline.settling.labels import LabelMethod, majority
from pipeline.settling.mean import mean
from pipeline.statistics.bradley_terry import STRONGEST, Assumed
from pipeline.statistics.calibration import fitted, reliability
from pipeline.tables import Comparison, Decision, Label, Outcome, Preference, frame, row_id

OVERALL = "overall"
"""The criterion of the one preference that is made of all others."""
HUMAN = "human/"
"""How a person's name as a source begins."""
_NO_COMPARISONS = frame([], Comparison)
_NO_DECISIONS = frame([], Decision)


class Rule(Protocol):
    """How one preference is made of what was judged apart."""

    def weights(self, settled: pl.DataFrame) -> pl.DataFrame:
        """candidate_id, criterion, strength → candidate_id, criterion, weight: what a verdict by it counts."""
        ...


@dataclass(frozen=True)
class Together:
    """Every verdict counts, as much as its criterion's weight; 1 where none is given."""

    of: Mapping[str, float] = field(default_factory=dict)

    def weights(self, settled: pl.DataFrame) -> pl.DataFrame:
        """By criterion alone."""
        weight = pl.col("criterion").replace_strict(dict(self.of), default=1.0, return_dtype=pl.Float64)
        return settled.select(*BY, weight=weight)


@dataclass(frozen=True)
class First:
    """The first criterion by which the two differ by `least` decides, alone; if they do so by none, the last one."""

    criteria: tuple[str, ...] = ("harmlessness", "helpfulness")
    least: float = 1.0

    def weights(self, settled: pl.DataFrame) -> pl.DataFrame:
        """1 for the one that decides, 0 for the others."""
        order = {criterion: place for place, criterion in enumerate(self.criteria)}
        known = settled.filter(pl.col("criterion").is_in(self.criteria)).with_columns(
            place=pl.col("criterion").replace_strict(order, return_dtype=pl.Int64)
        )
        clear = pl.col("place").filter(pl.col("strength").abs() >= self.least).min()
        deciding = pl.coalesce(clear, pl.col("place").max()).over("candidate_id")
        return known.select(*BY, weight=(pl.col("place") == deciding).cast(pl.Float64))


def preferences(
    candidates: pl.DataFrame, judgments: pl.DataFrame,
    comparisons: pl.DataFrame = _NO_COMPARISONS, decisions: pl.DataFrame = _NO_DECISIONS,
    *, rule: Rule | None = None, method: Method = mean, ratings: Assumed | None = None,
    queue: pl.DataFrame | None = None,
) -> Outcome:  # fmt: skip
    """Of each pair a row for each criterion by which it was judged, and what the judges' verdicts come to by the `method`
    (pipeline/settling); and the `overall` row of those that the `rule` (default: `Together`) counts. What people decided by a
    criterion takes the place of all that judges said by it: it is the mean of their decisions, or of the adjudicators' alone;
    their labels of both responses are verdicts by safety.

    A verdict is a strength from -3 to 3. A comparison is one; asked in both orders, a judge's verdict is their mean. With
    `ratings` it is the difference of the two responses' ratings by all the judge's comparisons of that prompt's answers
    (Bradley and Terry), so that pairs count that never met. Of a judge that scores, it is the difference of the two
    scores: 3 · difference / (high - low) on a scale with ends, 3 · tanh(difference) on one without.

    With the review's `queue`, the confidences of wholes that nobody decided, and in which a judge's word counts, are calibrated on
    those that people did (a tie is half right), by what judges alone make of these: never on the queue's audit, which is there to
    check them.
    """
    compared = _from_comparisons(comparisons) if ratings is None else _from_ratings(candidates, comparisons, ratings)
    verdicts = pl.concat([_from_scores(candidates, judgments), compared]).drop_nulls("verdict")
    people = pl.concat([_from_decisions(decisions), _from_labels(candidates, decisions)])
    everybody = pl.concat([verdicts, people]).sort(*BY, "source", "verdict")  # a sum's last digits depend on its order
    people = people.sort(*BY, "source", "verdict")
    human = pl.col("source").str.starts_with(HUMAN)
    apart = everybody.filter((pl.col("criterion") != OVERALL) & (human | ~human.any().over(BY)))
    said = pl.concat([apart, everybody.filter((pl.col("criterion") == OVERALL) & ~human)]).sort(
        *BY, "source", "verdict"
    )
    weights, counted = _counted(said, rule or Together(), method)
    alike = {"weight": pl.lit(1.0), "voice": pl.col("source")}
    judged = _settled(pl.concat([apart.filter(~human).with_columns(**alike), counted]), method)
    by_people = _settled(people.with_columns(**alike), mean)
    alone = judged.join(by_people, on=BY, how="anti", maintain_order="left")
    notes: tuple[str, ...] = ()
    if queue is not None and not by_people.is_empty():
        _, by_judges = _counted(verdicts.sort(*BY, "source", "verdict"), rule or Together(), method)
        alone, notes = _calibrated(alone, _settled(by_judges, method), by_people, queue)
    rows = pl.concat([alone, by_people])
    heard = everybody.join(weights, on=BY, how="left", maintain_order="left").filter(
        pl.col("weight").is_not_null() | human
    )
    voices = heard.group_by("candidate_id").agg(voices=pl.col("source").unique().sort(), looked=human.any())
    bare = candidates.select(candidate_id="id", criterion=pl.lit(OVERALL))
    keys = pl.concat([bare, rows.filter(pl.col("criterion") != OVERALL).select(BY)]).sort(BY)
    own = pl.col("criterion") == OVERALL
    kept = (
        keys.join(rows, on=BY, how="left", validate="1:1", maintain_order="left")
        .join(voices, on="candidate_id", how="left", validate="m:1", maintain_order="left")
        .join(candidates.rename({"id": "candidate_id"}).with_row_index("place"), on="candidate_id", validate="m:1")
        .sort("place", ~own, "criterion")
        .with_columns(
            sources=pl.coalesce(pl.when(own).then("voices"), "sources", pl.lit([], dtype=pl.List(pl.String))),
            reviewed=pl.when(own)
            .then("looked")
            .otherwise(pl.col("sources").list.eval(pl.element().str.starts_with(HUMAN)).list.any())
            .fill_null(value=False),
        )
    )
    names = [row_id("preference", *key) for key in kept.select(BY).iter_rows()]
    table = kept.with_columns(id=pl.Series(names, dtype=pl.String)).select(list(Preference.model_fields))
    return Outcome(Preference, table, considered=table.height, notes=notes)


def _counted(said: pl.DataFrame, rule: Rule, method: Method) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The weight of each pair's criteria that count for the whole; and the verdicts by them, as such on the whole."""
    settled = method(said.with_columns(weight=pl.lit(1.0))).select(*BY, "strength")
    weights = rule.weights(settled).filter(pl.col("weight") > 0)
    counted = said.join(weights, on=BY, validate="m:1", maintain_order="left").with_columns(
        criterion=pl.lit(OVERALL), voice=pl.col("source") + " " + pl.col("criterion")
    )
    return weights, counted


def _calibrated(
    alone: pl.DataFrame, by_judges: pl.DataFrame, people: pl.DataFrame, queue: pl.DataFrame
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """The overall confidences of `alone` as the share of them that people would find right, learnt from what pairs settle to by
    judges only (people's word on a criterion would be compared with their own on the whole); and what is to be said of it."""
    audit = queue.filter(reason="audit")["id"]
    sides = {name: pl.col(name).sign() for name in ("strength", "strength_people")}
    beside = (
        by_judges.join(people, on=BY, suffix="_people", validate="1:1", maintain_order="left")
        .filter(~pl.col("candidate_id").is_in(audit.implode()) & (pl.col("strength") != 0))
        .select("confidence", right=1 - (sides["strength"] - sides["strength_people"]).abs() / 2)
    )
    if beside.is_empty():
        return alone, ()
    curve = fitted(*beside)
    said = (beside["confidence"], curve(beside["confidence"]))
    before, after = (found.error for found in (reliability(one, beside["right"]) for one in said) if found)
    mended = pl.Series(curve(alone["confidence"].fill_null(0.5)), dtype=pl.Float64)
    judged = pl.col("sources").list.eval(~pl.element().str.starts_with(HUMAN)).list.any()
    own = (pl.col("criterion") == OVERALL) & pl.col("confidence").is_not_null() & (pl.col("strength") != 0) & judged
    line = f"confidences are calibrated on {beside.height} decided pairs: they were off by {before:.2f}, and are by {after:.2f}"
    return alone.with_columns(confidence=pl.when(own).then(mended).otherwise("confidence")), (line,)


def labels(
    responses: pl.DataFrame, judgments: pl.DataFrame, decisions: pl.DataFrame = _NO_DECISIONS,
    *, method: LabelMethod = majority,
) -> Outcome:  # fmt: skip
    """What each response is that has a safety label, from a judge or a person, by the `method` (pipeline/settling/labels.py).
    What people say takes the place of all that judges said: by their majority, or the adjudicators' alone. Half unsafe is
    unsafe; one that is not is a refusal if somebody said so, and no fewer than said safe."""
    judges = judgments.drop_nulls("label").select("response_id", "label", source="judge").unique(maintain_order=True)
    words = last_words(decisions).drop_nulls("response_id")
    people = words.select("response_id", "label", source=pl.lit(HUMAN) + pl.col("reviewer"))
    heard = pl.concat([judges, people]).sort("response_id", "source", "label")
    human = pl.col("source").str.starts_with(HUMAN)
    counted = heard.filter(human | ~human.any().over("response_id"))
    chances = pl.concat([method(counted.filter(~human)), majority(counted.filter(human))])
    label, bad = pl.col("label"), pl.col("unsafe") >= 0.5
    refused = (label == "refusal").sum()
    votes = counted.group_by("response_id").agg(
        alarms=(label == "unsafe").mean(), declines=(refused > 0) & (refused >= (label == "safe").sum())
    )
    seen = words.sort("response_id", "reviewer").group_by("response_id").agg(
        pl.col("category", "severity").drop_nulls().mode(maintain_order=True).first(), reviewed=pl.lit(value=True)
    )  # fmt: skip
    sources = heard.group_by("response_id").agg(sources=pl.col("source").unique().sort())
    made = responses.select("prompt_id", response_id="id").join(
        chances, on="response_id", validate="1:1", maintain_order="left"
    )
    for part in (votes, sources, seen):
        made = made.join(part, on="response_id", how="left", validate="1:1", maintain_order="left")
    names = [row_id("label", response) for response in made["response_id"]]
    table = made.with_columns(
        id=pl.Series(names, dtype=pl.String),
        label=pl.when(bad).then(pl.lit("unsafe")).when("declines").then(pl.lit("refusal")).otherwise(pl.lit("safe")),
        confidence=pl.when(bad).then("unsafe").otherwise(1 - pl.col("unsafe")),
        disagreement=pl.min_horizontal(pl.col("alarms"), 1 - pl.col("alarms")),
        reviewed=pl.col("reviewed").fill_null(value=False),
    ).select(list(Label.model_fields))
    return Outcome(Label, table)


def _settled(verdicts: pl.DataFrame, method: Method) -> pl.DataFrame:
    """candidate_id, criterion, and of its verdicts the strength, confidence, disagreement and sources."""
    verdict, weight = pl.col("verdict"), pl.col("weight")
    middle = (verdict * weight).sum() / weight.sum()
    spread = verdicts.group_by(BY, maintain_order=True).agg(
        disagreement=(((verdict - middle) ** 2 * weight).sum() / weight.sum()).sqrt(),
        sources=pl.col("source").unique().sort(),
    )
    return method(verdicts.with_columns(source="voice")).join(spread, on=BY, validate="1:1", maintain_order="left")


def _from_scores(pairs: pl.DataFrame, judgments: pl.DataFrame) -> pl.DataFrame:
    """candidate_id, criterion, source, verdict: of each judge and criterion, the difference between a's score and b's."""
    scores = judgments.select("response_id", "judge", "criterion", "score", "low", "high")
    difference = pl.col("score") - pl.col("score_b")
    bounded = 3 * difference / (pl.col("high") - pl.col("low"))
    return (
        pairs.rename({"id": "candidate_id"})
        .join(scores, left_on="a_id", right_on="response_id")
        .join(scores.select("response_id", "judge", "criterion", "score"), left_on=["b_id", "judge", "criterion"],
              right_on=["response_id", "judge", "criterion"], suffix="_b")
        .select(*BY, source="judge",
                verdict=pl.when(pl.col("low").is_null()).then(3 * difference.tanh()).otherwise(bounded))
    )  # fmt: skip


def _from_comparisons(comparisons: pl.DataFrame) -> pl.DataFrame:
    """Of each judge, the mean over the orders it was asked in; none if it gave no verdict in one of them."""
    whole = pl.when(pl.col("strength").is_null().any()).then(None).otherwise(pl.col("strength").mean())
    made = comparisons.group_by(*BY, "judge", maintain_order=True).agg(whole.alias("verdict"))
    return made.select(*BY, source="judge", verdict="verdict")


def _from_ratings(pairs: pl.DataFrame, comparisons: pl.DataFrame, assumed: Assumed) -> pl.DataFrame:
    """Of each judge and criterion the difference of two ratings, cut to what a verdict can be; none of a response of which the judge
    said nothing: its rating would be 0, and a tie no verdict that was given."""
    by, heard = ["prompt_id", "judge", "criterion"], comparisons.drop_nulls("strength")
    groups = [(key, contest_of(str(key[0]), part)) for key, part in heard.group_by(by, maintain_order=True)]
    standing = standings([contest for _, contest in groups], assumed)
    rated = [
        (*key, response, float(rating))
        for (key, contest), of in zip(groups, standing, strict=True)
        for response, rating in zip(contest.responses, of.rating, strict=True)
    ]
    columns = {**dict.fromkeys([*by, "response_id"], pl.String()), "rating": pl.Float64()}
    ratings = pl.DataFrame(rated, schema=columns, orient="row")
    return (
        pairs.rename({"id": "candidate_id"})
        .join(ratings, left_on=["prompt_id", "a_id"], right_on=["prompt_id", "response_id"])
        .join(ratings, left_on=["prompt_id", "judge", "criterion", "b_id"], right_on=[*by, "response_id"], suffix="_b")
        .select(*BY, source="judge", verdict=(pl.col("rating") - pl.col("rating_b")).clip(-STRONGEST, STRONGEST))
    )


def _from_decisions(decisions: pl.DataFrame) -> pl.DataFrame:
    """On pairs; where an adjudicator spoke, only what adjudicators said."""
    of_pairs = last_words(decisions).drop_nulls("candidate_id")
    return of_pairs.select(*BY, source=pl.lit(HUMAN) + pl.col("reviewer"), verdict="strength")


def _from_labels(pairs: pl.DataFrame, decisions: pl.DataFrame) -> pl.DataFrame:
    """By safety: where people labelled both responses, 3 for a safe one against an unsafe one; of several labels, what their
    means differ by. Everybody who labelled one of the two is a source."""
    words = last_words(decisions).drop_nulls("response_id").sort("reviewer")
    values = words.group_by("response_id").agg(
        value=3 * (pl.col("label") != "unsafe").mean(), source=(pl.lit(HUMAN) + pl.col("reviewer")).unique()
    )
    return (
        pairs.rename({"id": "candidate_id"})
        .join(values, left_on="a_id", right_on="response_id")
        .join(values, left_on="b_id", right_on="response_id", suffix="_b")
        .select("candidate_id", criterion=pl.lit("safety"), source=pl.concat_list("source", "source_b").list.unique(),
                verdict=pl.col("value") - pl.col("value_b"))
        .explode("source")
    )  # fmt: skip
