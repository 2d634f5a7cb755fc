"""A run of 1.2 million replies that has finished: how long the same command takes to find that out.

    python bench/finished.py [--rows 1200000] [--quick]

The run asks the word lists (backend `lexicon`, in the same process), so that what is measured is the door, the store and
the tables. Prints figures: finished_run in seconds, its peak memory, and what making it took.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RECIPE = '''
"""As many rows as told, each classified by the word lists."""

import polars as pl

from pipeline.requests import Classify, Failure
from pipeline.tables import Judgment

POOLS = {"words": ()}
ROWS = %d


def judgments(rows, *, generate):
    def ask(row):
        text = f"Answer number {row['id']}: " + "a sentence like many others, of some length. " * 2
        return Classify(model="lexicon", context="", text=text)

    def read(row, request_id, reply):
        failed = isinstance(reply.result, Failure)
        yield Judgment(
            id=row["id"], prompt_id=row["id"], response_id=row["id"], judge="words", model="lexicon", criterion="safety",
            score=None if failed else reply.result.labels["unsafe"], low=0.0, high=1.0, label=None, request_id=request_id,
            error=reply.result.error if failed else None,
        )

    return generate(rows, ask, read, Judgment)


def build(run):
    rows = pl.DataFrame({"id": pl.int_range(ROWS, eager=True).cast(pl.String)})
    run(judgments, rows=rows, generate=run.generate)
'''


def tetrad(recipe: Path, workspace: Path) -> tuple[float, float]:
    """Run the command; returns seconds and peak memory in MB."""
    started = time.monotonic()
    command = [Path(sys.executable).with_name("tetrad"), "run", recipe, "--workspace", workspace]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert process.stderr
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    # without a table of quadruples there is no release, and the command says so with 2: the tables are what counts here
    assert os.waitstatus_to_exitcode(status) in (0, 2), said
    return time.monotonic() - started, usage.ru_maxrss / 1024


def main(rows: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        recipe, workspace = Path(folder) / "finished.py", Path(folder) / "workspace"
        recipe.write_text(RECIPE % rows)
        made, made_rss = tetrad(recipe, workspace)
        found, found_rss = tetrad(recipe, workspace)
        (page,) = (workspace / "runs" / "finished-words").glob("1_*.json")
        assert json.loads(page.read_text())["kept"] == rows
    print(f"figure finished_run {found:.1f} s")
    print(f"figure finished_run_rss {found_rss:.0f} MB")
    print(f"figure made_run {made:.1f} s")
    print(f"figure made_run_rss {made_rss:.0f} MB")
    print(f"figure made_run_cpu_per_reply {resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime / rows * 1e3:.3f} ms")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_200_000)
    parser.add_argument("--quick", action="store_true", help="20,000 rows")
    arguments = parser.parse_args()
    main(20_000 if arguments.quick else arguments.rows)
