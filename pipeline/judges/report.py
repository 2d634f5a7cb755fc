"""How a run's judges judged: whether order, length or their own family sways them, and what a settled pair costs.

Rates are shares of 0 to 1, null where nothing was counted; `_low` and `_high` are the ends of Wilson's 95 % interval. Its trials
count as independent, which verdicts on one prompt are not quite: the true intervals are wider.
"""

from collections.abc import Mapping

import polars as pl

from pipeline.statistics.intervals import wilson
from pipeline.tables import JudgeReport, frame

UNREADABLE = ("no_verdict", "off_scale", "contradiction", "cut_off")
_BY = ["judge", "criterion"]
_FAMILY = r"([a-z]+)"


def report(
    comparisons: pl.DataFrame, judgments: pl.DataFrame, responses: pl.DataFrame, candidates: pl.DataFrame,
    spent: Mapping[str, float] | None = None,
) -> pl.DataFrame:  # fmt: skip
    """Tables of Comparison, Judgment, Response and Candidate → one `JudgeReport` a judge and criterion, in order of their
    names. `spent`: judge to the price of its calls. Scores count as pairs: the higher of two is preferred."""
    calls = _calls(comparisons, judgments)
    pairs = _pairs(comparisons, judgments, responses)
    rates = [
        calls,
        _consistency(comparisons),
        _shares(_first(comparisons), "first"),
        _shares(_longer(pairs), "longer"),
        _shares(own := _own(pairs), "own"),
        _by_others(own, pairs),
    ]
    table = rates[0]
    for more in rates[1:]:
        table = table.join(more, on=_BY, how="left", validate="1:1")
    settled = _contributed(comparisons, judgments, candidates)
    cost = pl.col("judge").replace_strict(dict(spent or {}), default=None, return_dtype=pl.Float64)
    # a judge's cost is of all its criteria, so its calls per pair are too
    whole = pl.col("calls").sum().over("judge")
    counted = table.join(settled, on="judge", how="left", validate="m:1").with_columns(pl.col("settled").fill_null(0))
    some = pl.when(pl.col("settled") > 0)
    counted = counted.with_columns(
        calls_per_settled=some.then(whole / pl.col("settled")), cost_per_settled=some.then(cost / pl.col("settled"))
    )
    columns = JudgeReport.columns()
    return pl.concat(
        [frame([], JudgeReport), counted.select([pl.col(name).cast(dtype) for name, dtype in columns.items()])]
    ).sort(_BY)


def _calls(comparisons: pl.DataFrame, judgments: pl.DataFrame) -> pl.DataFrame:
    """judge, criterion, model, calls and rates. A call that gave several rows failed if all of them did."""
    columns = [*_BY, "model", "request_id", "error"]
    rows = pl.concat([comparisons.select(columns), judgments.select(columns)])
    calls = rows.group_by(*_BY, "model", "request_id").agg(
        pl.when(pl.col("error").is_not_null().all()).then(pl.col("error").drop_nulls().min()).alias("error")
    )
    error = pl.col("error")
    return calls.group_by(_BY).agg(
        pl.col("model").min(),
        pl.len().cast(pl.Int64).alias("calls"),
        (error == "judge_refused").fill_null(value=False).mean().alias("refusal_rate"),
        error.is_in(UNREADABLE).fill_null(value=False).mean().alias("unreadable_rate"),
        (error.is_not_null() & ~error.is_in([*UNREADABLE, "judge_refused"])).mean().alias("failure_rate"),
    )


def _contributed(comparisons: pl.DataFrame, judgments: pl.DataFrame, candidates: pl.DataFrame) -> pl.DataFrame:
    """judge, settled: the pairs both of whose responses it gave a verdict on."""
    read = comparisons.drop_nulls("strength")
    met = pl.concat([
        read.select("judge", response="a_id"), read.select("judge", response="b_id"),
        judgments.drop_nulls("score").select("judge", response="response_id"),
    ]).unique()  # fmt: skip
    both = candidates.select("a_id", "b_id").join(met, left_on="a_id", right_on="response").join(
        met, left_on=["b_id", "judge"], right_on=["response", "judge"], validate="m:1"
    )  # fmt: skip
    return both.group_by("judge").agg(settled=pl.len())


def _consistency(comparisons: pl.DataFrame) -> pl.DataFrame:
    read = comparisons.drop_nulls("strength")
    sides = read.group_by(*_BY, "candidate_id").agg(
        pl.col("first").n_unique().alias("orders"), pl.col("strength").sign().n_unique().alias("sides")
    )
    both = sides.filter(pl.col("orders") == 2)
    return both.group_by(_BY).agg((pl.col("sides") == 1).mean().alias("order_consistency"))


def _first(comparisons: pl.DataFrame) -> pl.DataFrame:
    """judge, criterion, hit: of every comparison that prefers one."""
    read = comparisons.filter(pl.col("strength").is_not_null() & (pl.col("strength") != 0))
    return read.select(*_BY, hit=(pl.col("strength") > 0) == (pl.col("first") == "a"))


def _pairs(comparisons: pl.DataFrame, judgments: pl.DataFrame, responses: pl.DataFrame) -> pl.DataFrame:
    """judge, criterion, family, a_id, b_id, side (the sign, never 0) and of each response its length and family: every pair of
    which the judge prefers one, whatever it was asked."""
    columns = [*_BY, "model", "a_id", "b_id", "side"]
    compared = comparisons.group_by(*_BY, "model", "a_id", "b_id").agg(side=pl.col("strength").mean().sign())
    scored = judgments.drop_nulls("score").select(*_BY, "model", "prompt_id", "response_id", "score")
    other = scored.select(*_BY, "prompt_id", b_id="response_id", other="score")
    from_scores = (
        scored.rename({"response_id": "a_id"})
        .join(other, on=[*_BY, "prompt_id"])
        .filter(pl.col("a_id") < pl.col("b_id"))
        .with_columns(side=(pl.col("score") - pl.col("other")).sign())
    )
    # a judge that gives scores and comparisons has said each pair twice
    both = pl.concat([compared.select(columns), from_scores.select(columns)]).unique([*_BY, "a_id", "b_id"], keep="first", maintain_order=True)  # fmt: skip
    known = responses.select(
        "id", length=pl.col("text").str.len_chars(), of=pl.col("model").str.to_lowercase().str.extract(_FAMILY)
    )
    return (
        both.filter(pl.col("side").is_not_null() & (pl.col("side") != 0))
        .with_columns(family=pl.col("model").str.to_lowercase().str.extract(_FAMILY))
        .join(known.select(pl.all().name.prefix("a_")), on="a_id", validate="m:1")
        .join(known.select(pl.all().name.prefix("b_")), on="b_id", validate="m:1")
    )


def _longer(pairs: pl.DataFrame) -> pl.DataFrame:
    unequal = pairs.filter(pl.col("a_length") != pl.col("b_length"))
    return unequal.select(*_BY, hit=(pl.col("side") > 0) == (pl.col("a_length") > pl.col("b_length")))


def _own(pairs: pl.DataFrame) -> pl.DataFrame:
    """judge, criterion, family, a_id, b_id, own_is_a, hit: pairs with exactly one response of the judge's family."""
    own_is_a = pl.col("a_of") == pl.col("family")
    return pairs.filter(own_is_a != (pl.col("b_of") == pl.col("family"))).select(
        *_BY, "family", "a_id", "b_id", own_is_a=own_is_a, hit=(pl.col("side") > 0) == own_is_a
    )


def _by_others(own: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    """judge, criterion, own_rate_by_others: verdicts by the same criterion."""
    others = pairs.select("criterion", "a_id", "b_id", other="family", side="side")
    met = own.join(others, on=["criterion", "a_id", "b_id"]).filter(pl.col("other") != pl.col("family"))
    hit = (pl.col("side") > 0) == pl.col("own_is_a")
    return met.group_by(_BY).agg(hit.mean().alias("own_rate_by_others"))


def _shares(hits: pl.DataFrame, name: str) -> pl.DataFrame:
    """judge, criterion, and of its hits the rate and the interval."""
    counted = hits.group_by(_BY).agg(pl.col("hit").sum(), pl.len().alias("of"))
    ends = [wilson(hit, of) or (None, None) for hit, of in counted.select("hit", "of").iter_rows()]
    return counted.select(*_BY, (pl.col("hit") / pl.col("of")).alias(f"{name}_rate")).with_columns(
        pl.Series(f"{name}_low", [low for low, _ in ends], dtype=pl.Float64),
        pl.Series(f"{name}_high", [high for _, high in ends], dtype=pl.Float64),
    )
