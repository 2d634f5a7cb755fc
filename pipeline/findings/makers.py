"""Who made a run's rows: models by what they did, and the templates by which they were asked."""

from dataclasses import dataclass

import polars as pl

from pipeline import PROMPTS, templates
from pipeline.findings import Tables

ROLES = (
    ("looks at images", "descriptions", "model"), ("writes prompts", "drafts", "writer"), ("writes prompts", "prompts", "writer"),
    ("says what a prompt asks for", "prompts", "harm_by"), ("answers", "responses", "model"), ("judges", "judgments", "model"),
    ("compares", "comparisons", "model"), ("compares", "contests", "model"),
)  # fmt: skip
"""What is done, where it shows, and the column that names who did it."""
_NOBODY = ("fallback", "hand", "kind")


@dataclass(frozen=True)
class Asked:
    """A template, or why there is none to be named."""

    whom: str
    template: str
    """Name and hash."""
    rows: int


def models(tables: Tables) -> dict[str, list[str]]:
    """Model to what it did, in the order of the line."""
    found: dict[str, list[str]] = {}
    for role, table, column in ROLES:
        if table in tables:
            rows = tables[table]
            if "request_id" in rows.collect_schema().names():
                rows = rows.filter(pl.col("request_id").is_not_null())
            for name in sorted(rows.select(column).unique().collect()[column].drop_nulls()):
                if name not in _NOBODY and role not in found.setdefault(name, []):
                    found[name].append(role)
    return found


def requests(tables: Tables) -> dict[str, str]:
    """Model to one request that it was sent, the lowest of the last table in which it did something."""
    found: dict[str, str] = {}
    for _, table, column in ROLES:
        if table in tables and "request_id" in tables[table].collect_schema().names() and column != "harm_by":
            sent = tables[table].drop_nulls(["request_id", column]).group_by(column).agg(pl.col("request_id").min())
            found |= dict(sent.sort(column).collect().iter_rows())
    return {model: request for model, request in found.items() if model not in _NOBODY}


def asked(tables: Tables) -> list[Asked]:
    """Templates of prompts and of respondents' system prompts, as their rows say; of judges, as their names say, in the words
    that are here now."""
    found = []
    if "prompts" in tables:
        for whom, template, rows in _counted(tables["prompts"], "writer", "template"):
            found.append(Asked(f"{whom} (writes)", template or "hand-written" if whom in _NOBODY else template or "given", rows))  # fmt: skip
    if "responses" in tables:
        found += [Asked(f"{whom} (answers)", t or "no system prompt", n) for whom, t, n in _counted(tables["responses"], "respondent", "system")]  # fmt: skip
    for table in ("judgments", "comparisons", "contests"):
        if table in tables:
            by = tables[table].group_by("judge", "model", "criterion").len().sort("judge", "criterion").collect()
            found += [
                Asked(f"{judge} (judges {criterion})", " ".join(_of_judge(judge, model, criterion, compares=table != "judgments")) or "none: it is no chat", n)
                for judge, model, criterion, n in by.iter_rows()
            ]  # fmt: skip
    return found


def _counted(table: pl.LazyFrame, *columns: str) -> list[tuple[str, str | None, int]]:
    counted = table.group_by(columns).len().sort(*columns, nulls_last=True).collect()
    return [(whom, template, n) for whom, template, n in counted.iter_rows()]


def _of_judge(judge: str, model: str, criterion: str, *, compares: bool) -> list[str]:
    """A judge's name is its model's and its way's: "Qwen3-VL-8B/pairwise/harmlessness"."""
    if not judge.startswith(f"{model}/"):
        return []
    ways = judge.removeprefix(f"{model}/").split("/")
    critique = "_critique" if "critique" in ways else ""
    if compares:
        names = [f"judge/{ways[0]}", f"judge/prefer/{criterion}"]
    elif ways[0] == "listwise":
        names = [f"judge/listwise{critique}", f"judge/rubrics/{criterion}"]
    elif ways[0] == "safety":
        names = [f"judge/safety{critique}"]
    elif (PROMPTS / "judge" / "guard" / f"{ways[0]}.md").is_file():
        names = [f"judge/guard/{ways[0]}"]
    else:
        names = [f"judge/rubric{critique}", f"judge/rubrics/{criterion}"]
    return [templates.version(name) for name in names if (PROMPTS / f"{name}.md").is_file()]
