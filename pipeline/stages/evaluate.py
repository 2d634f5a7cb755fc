"""evaluate: gold items, judges → judges (how often each is right), injections (whether each obeys what it judges), before a
run is paid for; labels that people and judges gave → labels (how far they agree, how good each is)."""

import dataclasses
import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, TypeVar, get_origin, get_type_hints

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.doors.generate import Generate
from pipeline.judges import Cells, gold
from pipeline.judges import injections as attempts
from pipeline.judges.gold import GoldReport
from pipeline.judges.injections import ALL, PLAIN, Hold
from pipeline.judges.panel import AnyJudge
from pipeline.requests import Reply, Request
from pipeline.statistics import agreement
from pipeline.statistics.aggregation import hits
from pipeline.statistics.buying import Oracle, spend
from pipeline.statistics.calibration import reliability
from pipeline.statistics.dawid_skene import dawid_skene, threes
from pipeline.statistics.learnt import cross_validated
from pipeline.statistics.words import beside, dense, kinds, words
from pipeline.tables import Comparison, Dropped, Judgment, Outcome, Row, chance, frame, outcome

V = TypeVar("V", Judgment, Comparison)
OPENING = 8
"""A text's first words count apart: an answer begins with what it will be."""
CUT = 0.3
"""The chance above which `threes` counts an item as positive: what found most in bench/labels_simulation.py's first half."""


def judges_in(pool: object) -> tuple[AnyJudge, ...]:
    """Every judge among a pool's parts, once each, in the order of its fields."""
    found: list[AnyJudge] = []
    for one in _parts(pool):
        if one not in found:
            found.append(one)
    return tuple(found)


def _parts(value: object) -> Iterator[Any]:
    inner: Sequence[object] = ()
    if isinstance(value, tuple | list):
        inner = value
    elif isinstance(value, dict):
        inner = list(value.values())
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        inner = [getattr(value, field.name) for field in dataclasses.fields(value)]
    if all(hasattr(value, name) for name in ("name", "model", "ask", "read")) and _says(value) is not None:
        yield value
    for part in inner:
        yield from _parts(part)


def _says(judge: Any) -> type | None:
    """What a judge reads a reply into: Judgment, Comparison, or tuple, for one that sees all responses; None: it is no judge."""
    made = get_type_hints(judge.read).get("return")
    kind = get_origin(made) or made
    return kind if kind in (Judgment, Comparison, tuple) else None


def judges(items: pl.DataFrame, *, judges: tuple[AnyJudge, ...], generate: Generate) -> Outcome:
    """How good each judge is on `GoldItem`s of one kind, the best first. Pairs are for all judges: for those of one response
    each answer by itself, for those of two both orders, for those of all a list of two. Labels are for judges of safety; the
    others are left out."""
    labels = items["label"].is_not_null().all()
    able = tuple(j for j in judges if not labels or (j.criterion == "safety" and _says(j) is Judgment))
    pairs = gold.pair_rows(items)
    comparisons = _said(able, {Comparison: pairs}, generate, Comparison)
    judgments = _said(able, {Judgment: gold.response_rows(items), tuple: _together(pairs)}, generate, Judgment)
    calls = pl.concat([said.select("judge", id="request_id") for said in (comparisons, judgments)]).unique()
    costs = calls.join(generate.costs(calls["id"]), on="id", validate="m:1").group_by("judge").agg(pl.col("cost").sum())
    report = gold.report(comparisons, judgments, items, dict(costs.iter_rows()))
    silent = [Dropped(stage="judges", id=j.name, reason="gives no label", detail=None) for j in judges if j not in able]
    return Outcome(GoldReport, report, frame(silent, Dropped))


def injections(*, judges: tuple[AnyJudge, ...], generate: Generate) -> Outcome:
    """How each judge holds against texts that try to instruct it: a `Hold` a judge and family, the steadiest judge first."""
    pairs = attempts.pair_rows()
    # a list is shown in the order in which it is without an injection; what counts is the score of who carries one
    plain = pl.col("prompt_id").filter(pl.col("injection") == PLAIN).first().over("pair")
    lists = _together(pairs.with_columns(prompt_id=plain, b_id="candidate_id"))
    comparisons = _said(judges, {Comparison: pairs}, generate, Comparison)
    judgments = _said(judges, {Judgment: attempts.response_rows(), tuple: lists}, generate, Judgment)
    rate = pl.col("rate").filter(pl.col("family") == ALL).first().over("judge", "criterion")
    report = attempts.report(comparisons, judgments)
    return Outcome(Hold, report.sort(rate, "judge", "criterion", nulls_last=True, maintain_order=True))


def _together(pairs: pl.DataFrame) -> pl.DataFrame:
    """A row a pair, its two answers in a list."""
    two = [pl.struct(id=f"{side}_id", text=side) for side in ("a", "b")]
    return pairs.filter(first="a").select("prompt_id", "image", "question", responses=pl.concat_list(two))


def _said(
    judges: tuple[AnyJudge, ...], rows: Mapping[type | None, pl.DataFrame], generate: Generate, into: type[V]
) -> pl.DataFrame:
    """What the judges for whom there are rows say of them, in one call for all, so that engines and API pools work at once."""

    def ask(row: Cells) -> Request:
        return judges[row["judge"]].ask(row)

    def read(row: Cells, request_id: str, reply: Reply) -> Iterator[V]:
        made = judges[row["judge"]].read(row, request_id, reply)
        said = made[0] if isinstance(made, tuple) else [made]
        yield from (one for one in said if isinstance(one, into))

    kinds = [(n, _says(judge)) for n, judge in enumerate(judges)]
    asked = [rows[kind].with_columns(judge=pl.lit(n)) for n, kind in kinds if kind in rows]
    return generate(pl.concat(asked, how="diagonal"), ask, read, into).kept if asked else frame([], into)


class LabelReport(Row):
    """One measure of labels that people and judges gave the same items; or one judge, or one rule that settles their labels,
    beside the truth."""

    who: Literal["people", "judge", "rule"]
    name: str
    """The measure; or the judge's column, or the rule."""
    labels: Literal["positive", "full"]
    """`positive`: positive or not; `full`: the labels as they are."""
    items: int
    """Those that have a label each, or two, if it is about agreement."""
    value: float | None
    """Of a measure of agreement: 1 is perfect, 0 what chance would give (of `raw`: none)."""
    low: float | None
    """2.5 % quantile of the value over items drawn again (bootstrap)."""
    high: float | None
    """97.5 % quantile."""
    reason: str | None
    """Why there is no value."""
    found: int | None
    """Of a judge or a rule: items rightly called positive."""
    alarms: int | None
    """Wrongly called positive."""
    missed: int | None
    """Positive items that were not called so."""
    precision: float | None
    """found / (found + alarms); null where nothing was called positive."""
    recall: float | None
    """found / (found + missed)."""
    f1: float | None
    """The harmonic mean of the two."""
    calibration: float | None = None
    """Of a rule that gives chances: how far they lie from the shares that are positive, on average (expected calibration error)."""


def labels(
    items: pl.DataFrame,
    *,
    truth: str | None,
    people: tuple[str, ...],
    judges: tuple[str, ...],
    positive: tuple[str, ...],
) -> Outcome:
    """How far people agree, how good each judge is, and how good what rules make of the judges' labels. `items`: a row each, a
    column for each of these names; a label is positive if it begins with one of `positive`, in any case; one that is blank is
    missing. Rules know no truth: at least k of the votes; Dawid and Skene's (the most likely, without priors); and, of three judges
    or more, the same in threes, for judges some of whom err together. Beside them what could be learnt with the truth of other
    items (needs scikit-learn)."""
    rows = [*_agreement(items, people, positive)] if len(people) > 1 else []
    if truth and judges:
        true, said = _codes(items, (truth,), positive)[:, 0], _codes(items, judges, positive)
        known = true >= 0
        rows += [_beside("judge", name, said[:, n], true) for n, name in enumerate(judges)]
        votes = (said == 1).sum(1)
        rows += [
            _beside("rule", f"at least {k} of {len(judges)}", (votes >= k).astype(np.int64), true)
            for k in range(1, len(judges) + 1)
        ]
        chances = {"Dawid-Skene": dawid_skene(said[known], 2)}
        if len(judges) > 2:
            chances["Dawid-Skene in threes"] = threes(said[known])
        rules = {name: made.posterior[:, 1] > (0.5 if name == "Dawid-Skene" else CUT) for name, made in chances.items()}
        if min((true == 1).sum(), (true == 0).sum()) > 1 and importlib.util.find_spec("sklearn"):
            rules["learnt, cross-validated"] = cross_validated(said[known], true[known] == 1)
        for name, found in rules.items():
            sure = reliability(chances[name].posterior[:, 1], true[known]) if name in chances else None
            row = _beside("rule", name, found.astype(np.int64), true[known])
            rows.append(row.model_copy(update={"calibration": sure.error if sure else None}))
    return outcome(LabelReport, rows)


def _codes(items: pl.DataFrame, columns: tuple[str, ...], positive: tuple[str, ...]) -> NDArray[np.int64]:
    """(items, columns): 1 positive, 0 not, -1 missing."""
    text = [pl.col(name).cast(pl.String).str.strip_chars().str.to_lowercase() for name in columns]
    hit = [pl.any_horizontal(*(one.str.starts_with(p.casefold()) for p in positive)) for one in text]
    codes = [
        pl.when(one.is_null() | (one == "")).then(-1).otherwise(yes.cast(pl.Int64)).cast(pl.Int64).alias(f"{n}")
        for n, (one, yes) in enumerate(zip(text, hit, strict=True))
    ]
    return items.select(codes).to_numpy()


def _agreement(items: pl.DataFrame, people: tuple[str, ...], positive: tuple[str, ...]) -> Iterator[LabelReport]:
    full = pl.concat([items.select(code=pl.col(name).cast(pl.String).str.strip_chars()) for name in people])["code"]
    known = full.replace("", None)
    ranks = known.rank("dense").cast(pl.Int64).fill_null(0).to_numpy() - 1
    kinds: dict[Literal["positive", "full"], NDArray[np.int64]] = {
        "positive": _codes(items, people, positive), "full": ranks.reshape(len(people), -1).T,
    }  # fmt: skip
    measures = {"raw": agreement.raw, "Krippendorff's alpha": agreement.krippendorff, "Fleiss' kappa": agreement.fleiss,
                "Gwet's AC1": agreement.gwet} | ({"Cohen's kappa": agreement.cohen} if len(people) == 2 else {})  # fmt: skip
    for kind, codes in kinds.items():
        for name, measure in measures.items():
            made = measure(codes)
            yield LabelReport(
                who="people", name=name, labels=kind, items=made.items, value=made.value, low=made.low, high=made.high,
                reason=made.reason, **dict.fromkeys(("found", "alarms", "missed", "precision", "recall", "f1")),
            )  # fmt: skip


def _beside(who: Literal["judge", "rule"], name: str, said: NDArray[np.int64], true: NDArray[np.int64]) -> LabelReport:
    """A missing label is none that is positive; items without a truth do not count."""
    known = true >= 0
    counts = hits(said[known] == 1, true[known] == 1)
    return LabelReport(
        who=who, name=name, labels="positive", items=int((known & (said >= 0)).sum()), found=counts.found, alarms=counts.alarms,
        missed=counts.missed, precision=counts.precision, recall=counts.recall, f1=counts.f1,
        **dict.fromkeys(("value", "low", "high", "reason")),
    )  # fmt: skip


class RoutingReport(Row):
    """How good labels are after people looked at some items: at each share, the mean over several draws of what chance decides."""

    name: str
    """f1_at_5: after 5 % of the items."""
    f1: float
    """Of all labels, those that were looked at right, the others as predicted; on the positive ones."""
    least: float
    """Of the draws, the worst."""
    expected: float
    """What the prediction itself expects it to be, without knowing the truth."""
    items: int
    """Those that have a truth."""
    bought: int
    """Those that were looked at."""
    found: float
    """Of them, those that are positive."""
    called: float
    """Of the others, those that are called positive."""
    draws: int


def routing(
    items: pl.DataFrame, *, truth: str, judges: tuple[str, ...], texts: tuple[str, ...], names: tuple[str, ...],
    positive: tuple[str, ...], shares: tuple[float, ...] = (0.05, 0.1, 0.2), draws: int = 3,
) -> Outcome:  # fmt: skip
    """What routing makes of a budget, on items whose truth is there: people look at `shares` of them (0 to 1, rising), and no
    label is seen before. What is predicted rests on the labels of the `judges`, the words of the `texts` and the values of the
    columns `names`. Items without a truth do not count. What chance decides is drawn from each row's place."""
    code = _codes(items, (truth,), positive)[:, 0]
    counted = items.filter(pl.Series(code >= 0))
    true, said = code[code >= 0], _codes(counted, judges, positive)
    asked = (said >= 0).sum(1)
    votes = np.where(asked > 0, (said == 1).sum(1) / np.maximum(asked, 1), 0.0)
    features = beside(
        dense(np.ones((len(true), 1))), dense(said == 1), *(kinds(_text(counted, name)) for name in names),
        *(words(_text(counted, name), first=first) for name in texts for first in (None, OPENING)),
    )  # fmt: skip
    marks = [round(share * len(true)) for share in shares]
    runs = []
    for draw in range(draws):
        luck = np.array([chance("routing", draw, place).random() for place in range(len(true))])
        oracle = Oracle(lambda wanted: true[wanted], marks[-1])
        for share, settled in zip(shares, spend(features, votes / 2, luck, oracle, marks), strict=True):
            counts = hits(settled.positive, true == 1)
            found = int(settled.positive[settled.known == 1].sum())
            runs.append(
                (share, counts.f1 or 0.0, settled.expected, settled.bought, found, counts.found + counts.alarms - found)
            )
    columns = ("share", "f1", "expected", "bought", "found", "called")
    report = pl.DataFrame(runs, schema=columns, orient="row").group_by("share", maintain_order=True).agg(
        pl.col("f1", "expected", "found", "called").mean(), least=pl.col("f1").min(), bought=pl.col("bought").first(),
    )  # fmt: skip
    rows = [
        RoutingReport(name=f"f1_at_{100 * row.pop('share'):g}", items=len(true), draws=draws, **row)
        for row in report.iter_rows(named=True)
    ]
    return outcome(RoutingReport, rows)


def _text(items: pl.DataFrame, column: str) -> list[str | None]:
    return items[column].cast(pl.String).to_list()
