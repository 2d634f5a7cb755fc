"""Kill the demo's sampling with `kill -9` at a random moment, resume it, and compare with a run nobody disturbed.

    python bench/kill.py [--runs 20] [--limit 2]

Prints figures: replies_lost and tables_differing must be 0; asked_again is how many requests the resumed runs sent
that had a kept reply (must be 0). What was under way at the kill, at most the engine's window, is sent again.
"""

import argparse
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TETRAD = Path(sys.executable).with_name("tetrad")
NAME = "spa_vl-demo"


def command(workspace: Path, until: str, limit: int) -> list[str]:
    return [
        str(TETRAD),
        "run",
        "spa_vl",
        "--pool",
        "demo",
        "--until",
        until,
        "--limit",
        str(limit),
        "--workspace",
        str(workspace),
    ]


def run(workspace: Path, until: str, limit: int) -> int:
    """Run to the end; returns how often models were asked."""
    done = subprocess.run(command(workspace, until, limit), capture_output=True, text=True, check=True)
    return int(done.stderr.split("models were asked ")[1].split()[0])


def ids(workspace: Path) -> list[str]:
    """Ids of the kept replies, oldest first; a torn last line is not kept."""
    logs = sorted((workspace / "replies").glob("*.jsonl"))
    return [line[7:39].decode() for log in logs for line in log.read_bytes().split(b"\n")[:-1]]


def killed(workspace: Path, limit: int, after: float) -> bool:
    """Start sampling, kill the whole group after so many seconds; whether it was still at work."""
    process = subprocess.Popen(
        command(workspace, "sample", limit),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    time.sleep(after)
    alive = process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    return alive


def main(runs: int, limit: int) -> dict[str, int]:
    figures = dict.fromkeys(("runs_killed", "replies_lost", "tables_differing", "asked_again"), 0)
    with tempfile.TemporaryDirectory() as folder:
        start, whole = Path(folder) / "start", Path(folder) / "whole"
        run(start, "question", limit)
        shutil.copytree(start, whole)
        began = time.monotonic()
        total = run(whole, "sample", limit)
        length = time.monotonic() - began
        (found,) = whole.glob(f"runs/{NAME}/*_responses.parquet")
        table = found.relative_to(whole)
        chance = random.Random(0)
        for number in range(runs):
            workspace = Path(folder) / f"run{number}"
            shutil.copytree(start, workspace)
            figures["runs_killed"] += killed(workspace, limit, chance.uniform(0.1, length))
            before = ids(workspace)
            asked = run(workspace, "sample", limit)
            after = ids(workspace)
            kept = len(before) - len(ids(start))
            figures["replies_lost"] += len(set(before) - set(after))
            figures["asked_again"] += asked - (total - kept)
            figures["tables_differing"] += (workspace / table).read_bytes() != (whole / table).read_bytes()
            shutil.rmtree(workspace)
    return figures


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--limit", type=int, default=2)
    arguments = parser.parse_args()
    for name, value in main(arguments.runs, arguments.limit).items():
        print(f"figure {name} {value} count")
