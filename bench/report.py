"""The report of a large run: how long it takes, how much memory, and how both grow.

python bench/report.py
"""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from pipeline.doors.blobs import Blobs
from pipeline.models import SHIPPED, Catalogue
from pipeline.report.page import Head, page
from pipeline.tables import Candidate, Comparison, Judgment, Preference, Prompt, Quadruple, Response, Row
from pipeline.taxonomy import load
from pipeline.workspace import Made

PROMPTS = 100_000


def table(folder: Path, name: str, row: type[Row], rows: int, **columns: Any) -> None:
    """Write a table of which only some columns hold anything."""
    empty = [pl.lit(None, kind).alias(column) for column, kind in row.columns().items() if column not in columns]
    frame = pl.DataFrame(columns).with_columns(empty)
    assert frame.height == rows
    frame.select(pl.col(c).cast(kind) for c, kind in row.columns().items()).write_parquet(folder / f"{name}.parquet")


def tables(folder: Path, n: int) -> None:
    """Of n prompts: two answers each, three safety judges of every answer, two judges that compare in both orders."""
    luck = np.random.default_rng(0)
    leaves = list(load("spa_vl").leaves.items())
    leaf = [leaves[i] for i in luck.integers(0, len(leaves), n)]
    kind = luck.choice(["easy_question", "hard_question", "hard_statement"], n)
    p, a, b, c = ([f"{letter}{i:012x}" for i in range(n)] for letter in "pabc")
    words = ["word " * k for k in luck.integers(5, 120, 2 * n)]
    labels = luck.choice(["safe", "unsafe", "refusal"], 6 * n)
    table(
        folder,
        "prompts",
        Prompt,
        n,
        id=p,
        kind=kind,
        subcategory=[i for i, _ in leaf],
        category=[path[1].id for _, path in leaf],
        domain=[path[0].id for _, path in leaf],
    )
    table(
        folder,
        "responses",
        Response,
        2 * n,
        id=a + b,
        prompt_id=p + p,
        text=words,
        respondent=luck.choice([f"respondent-{i}" for i in range(13)], 2 * n),
    )
    table(
        folder,
        "judgments",
        Judgment,
        6 * n,
        response_id=(a + b) * 3,
        criterion=["safety"] * 6 * n,
        judge=np.repeat(["x", "y", "z"], 2 * n),
        score=luck.random(6 * n),
        label=labels,
    )
    table(folder, "candidates", Candidate, n, id=c, prompt_id=p, a_id=a, b_id=b)
    table(
        folder,
        "comparisons",
        Comparison,
        4 * n,
        candidate_id=c * 4,
        criterion=["overall"] * 4 * n,
        judge=np.repeat(["v", "w"], 2 * n),
        strength=luck.integers(-3, 4, 4 * n),
    )
    table(folder, "preferences", Preference, n, id=c, candidate_id=c)
    table(
        folder,
        "quadruples",
        Quadruple,
        n,
        id=c,
        prompt_id=p,
        kind=kind,
        chosen=words[:n],
        rejected=words[n:],
        strength=luck.random(n) * 3,
        confidence=luck.random(n),
        question=words[:n],
        chosen_id=a,
        rejected_id=b,
        preference_id=c,
        reviewed=[False] * n,
        sources=[["x"]] * n,
        chosen_respondent=["x"] * n,
        rejected_respondent=["x"] * n,
    )


def reported(folder: Path) -> None:
    """Print how long the report of these tables takes, and the peak memory of this process."""
    of = {p.stem: pl.scan_parquet(p) for p in sorted(folder.glob("*.parquet"))}
    made = [Made(i, name, "pair", "", "", name, 1, 1, {}, {}, 0, 0.0) for i, name in enumerate(of, 1)]
    head = Head("run", "recipe", "pool", private=False, version="0", at="")
    started = time.monotonic()
    page(head, of, made, Blobs(folder), Catalogue(SHIPPED))
    print(time.monotonic() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def measured(n: int) -> tuple[float, float]:
    """Seconds and peak MB of one report, in a process that has not made the tables."""
    with tempfile.TemporaryDirectory() as folder:
        tables(Path(folder), n)
        done = subprocess.run([sys.executable, __file__, folder], capture_output=True, text=True, check=True)
    seconds, megabytes = map(float, done.stdout.split())
    return seconds, megabytes


if __name__ == "__main__":
    if len(sys.argv) > 1:
        reported(Path(sys.argv[1]))
    else:
        small, large = measured(PROMPTS // 10), measured(PROMPTS)
        print(f"figure report_100k_vs_10k {large[0] / small[0]:.2f} times")
        print(f"figure report_rss_100k_vs_10k {large[1] / small[1]:.2f} times")
        print(f"figure report_100k {large[0]:.1f} s")
        print(f"figure report_rss {large[1]:.0f} MB")
