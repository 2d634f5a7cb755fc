"""From judgments to quadruples: how long it takes to settle and pair, and how memory grows.

    python bench/settle.py [--quick]

100,000 prompts with twelve scored responses each, 1.2 million judgments: what each response is, is settled; the best of each prompt meets the worst
(`rules.best_vs_worst`), both are compared in both orders, the pair is settled and becomes a quadruple. The same with a
tenth. Each size runs in a process of its own; seconds count from tables in memory to the table of quadruples.
"""

import argparse
import random
import resource
import subprocess
import sys
import time

import polars as pl

from pipeline.rules.best_vs_worst import best_vs_worst
from pipeline.stages import judge, pair, settle
from pipeline.tables import Comparison, Judgment, Prompt, Response, row_id

RESPONSES = 12
WORDS = [a + b for a in "bdfglmnprst" for b in ("ab", "en", "or", "il", "um")]


def figure(name: str, value: float, unit: str) -> None:
    print(f"figure {name} {round(value, 3):g} {unit}", flush=True)


def tables(prompts: int) -> dict[str, pl.DataFrame]:
    """Prompts, responses and judgments: ids, texts of forty words, scores."""
    chance = random.Random(0)
    names = [row_id("prompt", n) for n in range(prompts)]
    owners = [name for name in names for _ in range(RESPONSES)]
    ids = [row_id("response", n) for n in range(len(owners))]
    texts = [" ".join(chance.choices(WORDS, k=40)) for _ in ids]
    asked = pl.DataFrame({"id": names, "question": "Why?", "kind": "given", "language": "en", "subcategory": "scams"})
    answered = pl.DataFrame({"id": ids, "prompt_id": owners, "respondent": "r", "model": "m", "text": texts})
    judged = pl.DataFrame({
        "id": ids, "prompt_id": owners, "response_id": ids, "judge": "j", "criterion": "safety",
        "score": [chance.uniform(-3, 3) for _ in ids], "low": -3.0, "high": 3.0,
        "label": [chance.choice(("safe", "unsafe", "refusal")) for _ in ids],
    })  # fmt: skip
    return {
        "prompts": whole(asked, Prompt),
        "responses": whole(answered, Response),
        "judgments": whole(judged, Judgment),
    }


def whole(rows: pl.DataFrame, row: type[Prompt] | type[Response] | type[Judgment] | type[Comparison]) -> pl.DataFrame:
    """With all columns of the row type; those that nothing is said of are null."""
    return rows.select(
        (pl.col(name) if name in rows.columns else pl.lit(None)).cast(kind).alias(name)
        for name, kind in row.columns().items()
    )


def compared(candidates: pl.DataFrame) -> pl.DataFrame:
    """Every candidate in both orders."""
    rows = candidates.rename({"id": "candidate_id"}).join(pl.DataFrame({"first": ["a", "b"]}), how="cross")
    strength = (pl.col("a_id").hash() % 7).cast(pl.Float64) - 3
    rows = rows.with_columns(
        id=pl.col("candidate_id") + pl.col("first"), judge=pl.lit("k"), criterion=pl.lit("overall"), strength=strength
    )
    return whole(rows, Comparison)


def measured(prompts: int) -> None:
    """In a fresh process."""
    made = tables(prompts)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    began = time.perf_counter()
    labels = settle.labels(made["responses"], made["judgments"]).kept
    candidates = judge.candidates(made["responses"], made["judgments"], labels, rule=best_vs_worst).kept
    comparisons = compared(candidates)
    preferences = settle.preferences(candidates, made["judgments"], comparisons).kept
    found = pair.quadruples(
        made["prompts"], made["responses"], made["judgments"], preferences, None, labels,
        minimum_strength=0.5, unsafe_chosen=True,
    )  # fmt: skip
    seconds = time.perf_counter() - began
    size = f"{prompts * RESPONSES // 1000}k"
    figure(f"settle_{size}", seconds, "s")
    figure(
        "settle_rss" if size == "1200k" else f"settle_rss_{size}",
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "MB",
    )
    figure(f"settle_input_rss_{size}", before, "MB")
    figure(f"quadruples_{size}", found.kept.height, "rows")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="1,000 prompts and 100")
    parser.add_argument("--prompts", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.prompts:
        measured(arguments.prompts)
        return
    for prompts in (1_000, 100) if arguments.quick else (100_000, 10_000):
        subprocess.run([sys.executable, __file__, "--prompts", str(prompts)], check=True)


if __name__ == "__main__":
    main()
