"""The card: README.md of a release, printed from the run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import polars as pl
import yaml

from pipeline.release.about import metadata
from pipeline.release.rows import Published
from pipeline.workspace import Made

_TEMPLATE = Path(__file__).with_name("card.md.jinja")


def card(
    name: str, quadruples: pl.DataFrame, tables: Mapping[str, pl.DataFrame], made: list[Made], *, manifest: Mapping[str, Any]
) -> str:  # fmt: skip
    """Markdown with the Hub's metadata: counts, how each stage went, what was dropped, who reviewed, what is known of limits."""
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701 -- Markdown
    )
    reviewed = int(quadruples["reviewed"].sum())
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8")).render(
        name=name,
        rows=quadruples.height,
        size=_size(quadruples.height),
        reviewed=reviewed,
        made=made,
        columns=[(n, " ".join((f.description or "").split())) for n, f in Published.model_fields.items()],
        classes=_counts(quadruples, "domain", "category", "subcategory"),
        kinds=_counts(quadruples, "kind"),
        models=_counts(quadruples, "chosen_respondent", "rejected_respondent"),
        licences=_counts(quadruples, "licence"),
        safety=_counts(quadruples, "chosen_safety", "rejected_safety"),
        judges=judges(tables),
        metadata=yaml.safe_dump(
            metadata(manifest["configs"]), sort_keys=False, allow_unicode=True, width=10_000
        ).rstrip(),
        manifest=manifest,
    )


def _size(rows: int) -> str:
    """The Hub's word for it."""
    for limit, word in ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M")):
        if rows < limit:
            return word
    return "1M<n<10M"


def _counts(table: pl.DataFrame, *columns: str) -> list[tuple[str, ...]]:
    counted = (
        table.group_by(columns).len().sort("len", *columns, descending=[True, *[False] * len(columns)], nulls_last=True)
    )
    return [tuple("—" if cell is None else str(cell) for cell in row) for row in counted.iter_rows()]


def judges(tables: Mapping[str, pl.DataFrame]) -> list[tuple[str, str, str]]:
    """Of each judge that compares: judge, and share of verdicts (ties aside) for what was shown first, and share of pairs on which its two
    orders agree."""
    if "comparisons" not in tables or tables["comparisons"].is_empty():
        return []
    stated = tables["comparisons"].filter(pl.col("strength").is_not_null())
    shown = pl.when(pl.col("first") == "a").then(pl.col("strength")).otherwise(-pl.col("strength"))
    first = (
        stated.filter(pl.col("strength") != 0)
        .group_by("judge")
        .agg((shown > 0).mean().alias("share"), pl.len().alias("n"))
    )
    both = stated.group_by("judge", "candidate_id").agg(
        pl.len().alias("orders"), (pl.col("strength").sign().n_unique() == 1).alias("agree")
    )
    agree = (
        both.filter(pl.col("orders") == 2)
        .group_by("judge")
        .agg(pl.col("agree").mean().alias("agreed"), pl.len().alias("pairs"))
    )
    joined = first.join(agree, on="judge", how="full", coalesce=True).sort("judge")
    return [
        (r["judge"], _share(r["share"], r["n"]), _share(r["agreed"], r["pairs"])) for r in joined.iter_rows(named=True)
    ]


def _share(share: float | None, of: int | None) -> str:
    return "—" if share is None else f"{100 * share:.0f} % of {of}"
