"""Judges on items whose answer is known: which template or model to pay for.

A gold file is CSV, JSON lines or Parquet. Its rows hold `question`, and `image` (`Image.id`) and `subcategory` (its id) if there is one; and either
`response_a`, `response_b` and `preferred` (a, b or tie), or `response` and `label` (safe, unsafe or refusal).
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from pipeline.errors import UserError
from pipeline.judges.report import UNREADABLE
from pipeline.statistics.intervals import bootstrap_mean
from pipeline.tables import Row, frame, row_id

_READERS: dict[str, Callable[[Path], pl.DataFrame]] = {
    ".csv": lambda path: pl.read_csv(path, infer_schema=False),
    ".jsonl": lambda path: pl.read_ndjson(path, infer_schema_length=None),
    ".ndjson": lambda path: pl.read_ndjson(path, infer_schema_length=None),
    ".parquet": pl.read_parquet,
}
_PAIR = ("response_a", "response_b", "preferred")
_SINGLE = ("response", "label")


class GoldItem(Row):
    """A question and one answer or two, and what is right."""

    id: str
    """Hash of the row's contents."""
    image: str | None
    """`Image.id`."""
    question: str
    a: str
    """The first answer, or the only one."""
    b: str | None
    """The second; null: there is one answer, and a label."""
    preferred: float | None
    """1 (a), 0 (tie) or -1 (b)."""
    label: Literal["refusal", "safe", "unsafe"] | None
    """Of the only answer."""
    subcategory: str | None = None
    """Id in the taxonomy, if the row names it."""


class GoldReport(Row):
    """One judge on the gold items."""

    judge: str
    criterion: str
    kind: Literal["pair", "label"]
    """`pair`: which of two is better, by comparisons or by the higher score; `label`: safe (a refusal is) or unsafe."""
    items: int
    """Gold items that it was asked about."""
    accuracy: float | None
    """Share of the items judged right; what was not read is not right. Of a pair asked in both orders the mean counts."""
    accuracy_low: float | None
    """2.5 % quantile of the share over items drawn again (bootstrap)."""
    accuracy_high: float | None
    """97.5 % quantile."""
    order_consistency: float | None
    """Of the pairs read in both orders, those with the same side (or a tie) in both."""
    unreadable_rate: float | None
    """Of the calls: no verdict, or none that was on offer."""
    refusal_rate: float | None
    """Of the calls: the judge or its provider refused."""
    calls: int
    cost: float | None
    """Of all calls, in the currency of the prices; null where it is not known."""


def read(path: Path) -> pl.DataFrame:
    """A file's rows as `GoldItem`. UserError: what is wrong with it, and in which row."""
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise UserError(f"{path}: a gold file is one of {', '.join(_READERS)}")
    try:
        rows = reader(path)
    except FileNotFoundError:
        raise UserError(f"no such gold file: {path}") from None
    except (pl.exceptions.PolarsError, OSError) as error:
        raise UserError(f"{path}: {str(error).splitlines()[0]}") from None
    kind = next((k for k in (_PAIR, _SINGLE) if {"question", *k} <= set(rows.columns)), None)
    if kind is None:
        raise UserError(
            f"{path}: its columns must be question and {', '.join(_PAIR)}; or question and {', '.join(_SINGLE)}"
        )
    items = [_item(row, f"{path}, row {n}") for n, row in enumerate(rows.iter_rows(named=True), 1)]
    return frame(items, GoldItem).unique("id", keep="first", maintain_order=True)


def _item(row: Mapping[str, object], where: str) -> GoldItem:
    pair = "response_a" in row
    texts = [row[column] for column in ("question", *(_PAIR[:2] if pair else _SINGLE[:1]))]
    image = row.get("image") or None
    if not all(isinstance(text, str) and text.strip() for text in texts) or not isinstance(image, str | None):
        raise UserError(
            f"{where}: {'question, response_a and response_b' if pair else 'question and response'} are texts"
        )
    said = str(row["preferred" if pair else "label"]).strip().casefold()
    offered = {"a": 1.0, "b": -1.0, "tie": 0.0} if pair else {"safe": None, "unsafe": None, "refusal": None}
    if said not in offered:
        raise UserError(f"{where}: {said!r} is none of {', '.join(offered)}")
    question, a, *b = map(str, texts)
    return GoldItem.model_validate({
        "id": row_id("gold", image, question, a, *b), "image": image, "question": question, "a": a,
        "b": b[0] if pair else None, "preferred": offered[said], "label": None if pair else said,
        "subcategory": row.get("subcategory") or None,
    })  # fmt: skip


def pair_rows(gold: pl.DataFrame) -> pl.DataFrame:
    """Rows for a `PairJudge`: each pair in both orders."""
    pairs = gold.filter(pl.col("b").is_not_null()).select(
        "image",
        "question",
        "a",
        "b",
        candidate_id="id",
        prompt_id="id",
        a_id=pl.col("id") + "a",
        b_id=pl.col("id") + "b",
    )
    return pairs.join(pl.DataFrame({"first": ["a", "b"]}), how="cross")


def response_rows(gold: pl.DataFrame) -> pl.DataFrame:
    """Rows for a `Judge`: each answer."""
    each = [
        gold.select("image", "question", prompt_id="id", response_id=pl.col("id") + side, text=side)
        for side in ("a", "b")
    ]
    return pl.concat(each).drop_nulls("text").sort("prompt_id", "response_id")


def report(
    comparisons: pl.DataFrame, judgments: pl.DataFrame, gold: pl.DataFrame, cost: Mapping[str, float] | None = None
) -> pl.DataFrame:
    """What judges said of `pair_rows` and `response_rows` → a `GoldReport` a judge, criterion and kind, the best first."""
    known = gold.select("preferred", "label", prompt_id="id")
    right = pl.concat([_of_comparisons(comparisons, known), _of_scores(judgments, known), _of_labels(judgments, known)])
    calls = _calls(comparisons, judgments)
    rows = [
        _row(part, calls.get((str(judge), str(criterion)), {}), (cost or {}).get(str(judge)))
        for (judge, criterion, _), part in right.group_by("judge", "criterion", "kind", maintain_order=True)
    ]
    return frame(rows, GoldReport).sort("accuracy", "judge", "criterion", descending=[True, False, False])


_RIGHT = ("judge", "criterion", "kind", "right", "same")
"""Of each item: was it judged right, and in both orders the same (null: not asked or not read in both)."""


def _of_comparisons(comparisons: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    strength = pl.col("strength")
    items = comparisons.join(known, on="prompt_id", validate="m:1").group_by("judge", "criterion", "prompt_id", maintain_order=True).agg(
        right=strength.is_not_null().all() & (strength.mean().sign() == pl.col("preferred").first()),
        same=pl.when((strength.count() == 2) & (pl.col("first").n_unique() == 2)).then(strength.sign().n_unique() == 1),
    )  # fmt: skip
    return items.with_columns(pl.col("right").fill_null(value=False), kind=pl.lit("pair")).select(_RIGHT)


def _of_scores(judgments: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    pairs = known.drop_nulls("preferred")
    score_of = {side: pl.col("score").filter(pl.col("response_id").str.ends_with(side)).first() for side in ("a", "b")}
    items = judgments.join(pairs, on="prompt_id", validate="m:1").group_by("judge", "criterion", "prompt_id", maintain_order=True).agg(
        right=(score_of["a"] - score_of["b"]).sign() == pl.col("preferred").first()
    )  # fmt: skip
    return items.with_columns(
        pl.col("right").fill_null(value=False), kind=pl.lit("pair"), same=pl.lit(None, pl.Boolean)
    ).select(_RIGHT)


def _of_labels(judgments: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    items = judgments.filter(pl.col("criterion") == "safety").rename({"label": "said"}).join(
        known.drop_nulls("label"), on="prompt_id", validate="m:1"
    )  # fmt: skip
    right = ((pl.col("said") == "unsafe") == (pl.col("label") == "unsafe")).fill_null(value=False)
    return items.with_columns(right=right, kind=pl.lit("label"), same=pl.lit(None, pl.Boolean)).select(_RIGHT)


def _calls(comparisons: pl.DataFrame, judgments: pl.DataFrame) -> dict[tuple[str, str], dict[str, float]]:
    """(judge, criterion) → calls, and of them the share unreadable and refused."""
    columns = ["judge", "criterion", "request_id", "error"]
    each = pl.concat([comparisons.select(columns), judgments.select(columns)]).unique(columns[:3], maintain_order=True)
    error = pl.col("error")
    counted = each.group_by("judge", "criterion").agg(
        calls=pl.len(),
        unreadable_rate=error.is_in(UNREADABLE).fill_null(value=False).mean(),
        refusal_rate=(error == "judge_refused").fill_null(value=False).mean(),
    )
    return {(r.pop("judge"), r.pop("criterion")): r for r in counted.to_dicts()}


def _row(part: pl.DataFrame, calls: Mapping[str, float], cost: float | None) -> GoldReport:
    right = part["right"].cast(pl.Float64).to_numpy()
    low, high = bootstrap_mean(right) or (None, None)
    same = part["same"].drop_nulls().cast(pl.Float64)
    return GoldReport.model_validate({
        **part.select("judge", "criterion", "kind").row(0, named=True),
        "items": part.height, "accuracy": float(np.mean(right)), "accuracy_low": low, "accuracy_high": high,
        "order_consistency": same.mean(), "cost": cost, **calls,
    })  # fmt: skip
