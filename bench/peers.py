"""Tetrad beside datatrove, Data Designer and distilabel: same server, same requests, one after the other.

    python bench/peers.py FOLDER [--tools datatrove data_designer distilabel] [--requests 1000] [--resume 3000] [--keep]

Each tool gets an environment of its own under FOLDER (400 to 650 MB, removed again without --keep), installed by pip in
the version named below. Each asks 1,000 text requests and 1,000 with a 100 kB image, 64 at once, 50 ms each, and keeps
what comes in the way it has; then 3,000 text requests, killed with `kill -9` when half have come, and the same again in
the same folder: what the server got twice is counted. CPU is that of the tool's whole process tree, its imports
included; throughput is that of the job without them; memory is that of its largest process.

Prints figures, then a table in Markdown.
"""

import argparse
import datetime
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from job import Job, draw
from server import Server

CONCURRENCY = 64
STALLED = 90.0
"""Seconds without a request, or an end: then it hangs."""
DRIVERS = Path(__file__).with_name("drivers.py")
REQUIREMENTS: dict[str, list[str]] = {
    "tetrad": [],
    # its extra `inference` would bring vLLM and SGLang: 8.5 GB that an endpoint does not need
    "datatrove": ["datatrove[io]==0.10.1", "aiofiles", "aiosqlite", "xxhash", "orjson", "httpx"],
    "data_designer": ["data-designer==0.9.6"],
    "distilabel": ["distilabel[openai]==1.5.3", "requests"],  # it imports requests, and does not say so
}


@dataclass
class Ran:
    """What a run took, and what the server saw of it."""

    ended: bool = False
    """By itself, and well."""
    seconds: float = float("nan")
    cpu: float = float("nan")
    """Seconds, user and system, of the whole process tree."""
    memory: float = float("nan")
    """MB, at most resident at once in one process."""
    arrivals: Counter[int] = field(default_factory=Counter)
    """A request's number to how often it came."""


def install(tool: str, folder: Path) -> str:
    """The Python of the tool's environment, made where it is not there."""
    if tool == "tetrad":
        return sys.executable
    python = folder / tool / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder / tool)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *REQUIREMENTS[tool]], check=True)
    return str(python)


def run(tool: str, python: str, job: Job, folder: Path, server: Server, *, kill_at: int | None = None) -> Ran:
    """Do the job in a process tree of its own; killed when so many requests have come, or when it hangs."""
    server.report()
    process = started(tool, python, job, folder)
    ran, last = Ran(), time.monotonic()
    while True:
        time.sleep(0.02)
        if came := server.report().arrivals:
            ran.arrivals.update(came)
            last = time.monotonic()
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if not pid and (ran.arrivals.total() >= (kill_at or sys.maxsize) or time.monotonic() - last > STALLED):
            os.killpg(process.pid, signal.SIGKILL)
            pid, status, usage = os.wait4(process.pid, 0)
        if pid:
            break
    process.returncode = os.waitstatus_to_exitcode(status)
    ran.arrivals.update(server.report().arrivals)
    ran.cpu, ran.memory = usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1e3
    if process.returncode == 0:
        ran.ended, ran.seconds = True, float((folder / "seconds").read_text())
    elif kill_at is None:
        print(f"{tool} ended with {process.returncode}; its last words:", file=sys.stderr)
        print((folder / "log").read_text(errors="replace")[-1500:], file=sys.stderr)
    return ran


def started(tool: str, python: str, job: Job, folder: Path) -> "subprocess.Popen[bytes]":
    """A process tree of its own, whose words go to a log; its home is the folder, so that nothing is left elsewhere."""
    clean = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    paths = {"PYTHONPATH": str(Path(__file__).parents[1]), "HOME": str(folder)}
    quiet = {"HF_HUB_OFFLINE": "1", "NEMO_TELEMETRY_ENABLED": "false"}
    command = [python, str(DRIVERS), tool, str(folder), json.dumps(asdict(job))]
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=clean | paths | quiet,
        )


def study(tool: str, python: str, requests: int, resume: int) -> Iterator[tuple[str, float, str]]:
    """All figures of one tool; NaN, where it did not end well."""
    with Server() as server, tempfile.TemporaryDirectory() as place:
        images = draw(Path(place) / "images", requests)
        for kind, folder in (("text", None), ("image", images)):
            job, mine = Job(server.url, requests, CONCURRENCY, folder), Path(place) / kind
            mine.mkdir()
            ran = run(tool, python, job, mine, server)
            asked = len(ran.arrivals.keys() - {-1})
            ended = ran.ended and asked == requests
            yield f"{kind}_throughput", requests / ran.seconds if ended else float("nan"), "requests/s"
            yield f"{kind}_cpu_ms", ran.cpu / requests * 1e3 if ended else float("nan"), "ms/request"
            yield f"{kind}_memory", ran.memory, "MB"
        job, mine = Job(server.url, resume, CONCURRENCY), Path(place) / "resume"
        mine.mkdir()
        first = run(tool, python, job, mine, server, kill_at=resume // 2)
        second = run(tool, python, job, mine, server)
        came = first.arrivals + second.arrivals
        del came[-1]
        whole = second.ended and len(came) == resume
        yield "resume_ends", whole, "count"
        yield "sent_twice", came.total() - len(came) if whole else float("nan"), "count"


def table(found: dict[str, dict[str, float]], requests: int, resume: int) -> str:
    """In Markdown."""
    heads = ["text_throughput", "text_cpu_ms", "image_throughput", "image_cpu_ms", "image_memory", "sent_twice"]
    lines = [
        "| tool | text, requests/s | CPU ms | image, requests/s | CPU ms | MB | sent twice after a kill |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for tool, values in found.items():
        version = REQUIREMENTS[tool][0].partition("==")[2] if REQUIREMENTS[tool] else ""
        cells = [cell(values[h]) for h in heads]
        lines.append(f"| {' '.join([tool, version]).strip()} | {' | '.join(cells)} |")
    day = datetime.datetime.now(datetime.UTC).date()
    return "\n".join([*lines, "", f"{requests} requests, {resume} for the kill; `python bench/peers.py`, {day}."])


def cell(value: float) -> str:
    """Three digits."""
    return "does not end" if math.isnan(value) else f"{value:.3g}" if value < 100 else f"{value:,.0f}"


def figures(found: dict[str, dict[str, float]]) -> Iterator[tuple[str, float, str]]:
    """The ratios first: more than 1, and Tetrad is the faster or the cheaper."""
    for tool, values in found.items():
        for kind in ("text", "image") if tool != "tetrad" and "tetrad" in found else ():
            mine = found["tetrad"]
            yield f"throughput_vs_{tool}_{kind}", mine[f"{kind}_throughput"] / values[f"{kind}_throughput"], "ratio"
            yield f"cpu_of_{tool}_{kind}", values[f"{kind}_cpu_ms"] / mine[f"{kind}_cpu_ms"], "ratio"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tools", nargs="*", choices=REQUIREMENTS, default=list(REQUIREMENTS), help="beside Tetrad")
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--resume", type=int, default=3000)
    parser.add_argument("--keep", action="store_true", help="keep the environments")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    found: dict[str, dict[str, float]] = {}
    lines: list[tuple[str, float, str]] = []
    for tool in dict.fromkeys(["tetrad", *given.tools]):
        python = install(tool, given.folder.absolute())
        measured = list(study(tool, python, given.requests, given.resume))
        found[tool] = {name: value for name, value, _ in measured}
        lines += [(f"peer_{tool}_{name}", value, unit) for name, value, unit in measured]
        if not given.keep:
            shutil.rmtree(given.folder / tool, ignore_errors=True)
    for name, value, unit in [*figures(found), *lines]:
        if not math.isnan(value):
            print(f"figure {name} {value:.4g} {unit}")
    print(f"figure load_average {os.getloadavg()[1]:.2f} processes")
    print("\n" + table(found, given.requests, given.resume))


if __name__ == "__main__":
    main()
