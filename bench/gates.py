"""How well the gates that read nothing but the text tell a prompt from what is none, and how fast they are.

    python bench/gates.py [--quick] [--set frozen|dev] [--list]

The sentences (tests/gates/sentences) were labelled before the gates were written, by another hand. A faulty one is caught if
any gate takes it out, whatever reason it gives; how often the reason is the labelled one is a figure of its own.
`--list` prints what slips through and what is wrongly caught: whoever mends a gate after reading it measures no longer.
`--quick` leaves out the figures of speed and memory.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import polars as pl

from pipeline import gates
from pipeline.gates.contamination import Benchmarks
from pipeline.tables import row_id

SENTENCES = Path(__file__).parents[1] / "tests" / "gates" / "sentences"
REASONS = {"refusal": "refusal instead of a prompt", "degenerate": "degenerate text"}
"""Where the label is shorter than the gate's reason."""
SPEED = """\
import sys
import gates
gates.SPEEDS[sys.argv[1]]()
"""


def rates(sentences: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Print the two rates, and what lies behind them; returns the sentences that were judged wrongly."""
    for sentence in sentences:
        sentence["found"] = gates.fault(sentence["text"], sentence["kind"])
    faulty = [s for s in sentences if s["fault"]]
    clean = [s for s in sentences if not s["fault"]]
    caught = [s for s in faulty if s["found"]]
    right = [s for s in caught if s["found"] == REASONS.get(s["fault"], s["fault"])]
    print(f"figure gate_catch_rate {len(caught) / len(faulty):.4f} share")
    print(f"figure gate_pass_rate {sum(not s['found'] for s in clean) / len(clean):.4f} share")
    print(f"figure gate_right_reason {len(right) / len(faulty):.4f} share")
    for fault in dict.fromkeys(s["fault"] for s in faulty):
        word = fault.replace(" ", "_")
        print(f"figure gate_labelled_{word} {sum(s['fault'] == fault for s in faulty)} sentences")
        print(f"figure gate_caught_{word} {sum(s['fault'] == fault for s in caught)} sentences")
    for kind in dict.fromkeys(s["kind"] for s in sentences):
        print(f"figure gate_clean_{kind} {sum(s['kind'] == kind for s in clean)} sentences")
        print(f"figure gate_passed_{kind} {sum(s['kind'] == kind and not s['found'] for s in clean)} sentences")
    return [s for s in sentences if bool(s["fault"]) != bool(s["found"])]


def memory() -> int:
    """The most that this process has held, in MB (getrusage would count what its parent held)."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


def rules() -> None:
    """The rules, one prompt after the other."""
    texts = [json.loads(line)["text"] for line in (SENTENCES / "dev.jsonl").read_text(encoding="utf-8").splitlines()]
    gates.fault(texts[0], "easy_question")
    began = time.perf_counter()
    gates.language.of("Wie spät ist es?")
    print(f"figure gate_language_load {time.perf_counter() - began:.2f} s")
    began = time.perf_counter()
    for number in range(5000):
        gates.fault(f"{texts[number % len(texts)]} {number}", "easy_question")
    print(f"figure gate_rules {1e6 * (time.perf_counter() - began) / 5000:.0f} us/text")
    print(f"figure gate_rules_rss {memory()} MB")


def near_duplicates() -> None:
    """100,000 prompts, four on each image, a tenth of them reworded slightly, some on very many images."""
    chance = random.Random(0)
    words = [f"word{n}" for n in range(3000)]
    questions: list[str] = []
    for number in range(100_000):
        if number % 10 == 1:
            questions.append(questions[-1].replace(" ", "  ", 1).upper())
        elif number % 10 == 2:
            questions.append(f"{questions[-2]} then?")
        elif number % 100 == 3:
            questions.append("What is happening in this picture?")
        else:
            questions.append(" ".join(chance.choices(words, k=15)) + "?")
    table = pl.DataFrame({"question": questions}).with_row_index("number")
    table = table.select(
        pl.format("p{}", "number").alias("id"), pl.format("g{}", pl.col("number") // 4).alias("image_group"), "question"
    )
    began = time.perf_counter()
    left = gates.near_duplicates(table, repeats=50)
    print(f"figure gate_near_duplicates_100k {time.perf_counter() - began:.2f} s")
    print(f"figure gate_near_duplicates_found {left.height} prompts")
    print(f"figure gate_near_duplicates_rss {memory()} MB")


def contamination() -> None:
    """A million lines of benchmark, and 100,000 prompts of which each hundredth quotes one."""
    chance = random.Random(0)
    words = [row_id("word", n)[: 3 + n % 7] for n in range(20_000)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lines.txt"
        with path.open("w", encoding="utf-8") as file:
            for _ in range(1_000_000):
                file.write(" ".join(chance.choices(words, k=20)) + "\n")
        with path.open(encoding="utf-8") as file:
            quoted = [line.strip() for line, _ in zip(file, range(1000), strict=False)]
        benchmarks = Benchmarks((path,))
        began = time.perf_counter()
        benchmarks.question("load")
        print(f"figure gate_contamination_load_1m {time.perf_counter() - began:.1f} s")
        print(f"figure gate_contamination_rss {memory()} MB")
        began = time.perf_counter()
        found = 0
        for number in range(100_000):
            text = quoted[number // 100] if number % 100 == 0 else " ".join(chance.choices(words, k=20))
            found += benchmarks.question(f"Please, {text} and nothing else?") is not None
        print(f"figure gate_contamination_100k {time.perf_counter() - began:.1f} s")
        print(f"figure gate_contamination_found {found} prompts")


SPEEDS = {"rules": rules, "near_duplicates": near_duplicates, "contamination": contamination}
"""Each in a process of its own, so that each has its own peak of memory."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--set", choices=("frozen", "dev"), default="frozen")
    parser.add_argument("--list", action="store_true")
    arguments = parser.parse_args()
    lines = (SENTENCES / f"{arguments.set}.jsonl").read_text(encoding="utf-8").splitlines()
    wrong = rates([json.loads(line) for line in lines])
    if arguments.list:
        for s in wrong:
            print(f"{s['id']} {s['kind']}: labelled {s['fault']}, found {s['found']}: {s['text']!r} {s['note']}")
    if not arguments.quick:
        for name in SPEEDS:
            subprocess.run([sys.executable, "-c", SPEED, name], check=True, cwd=Path(__file__).parent)


if __name__ == "__main__":
    main()
