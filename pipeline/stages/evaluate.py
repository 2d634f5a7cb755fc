"""evaluate: gold items, judges → judges (how often each is right), injections (whether each obeys what it judges), before a
run is paid for."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar, get_origin, get_type_hints

import polars as pl

from pipeline.doors.generate import Generate
from pipeline.judges import Cells, gold
from pipeline.judges import injections as attempts
from pipeline.judges.gold import GoldReport
from pipeline.judges.injections import ALL, PLAIN, Hold
from pipeline.judges.panel import AnyJudge
from pipeline.requests import Reply, Request
from pipeline.tables import Comparison, Dropped, Judgment, Outcome, frame

V = TypeVar("V", Judgment, Comparison)


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
