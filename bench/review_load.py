"""Twenty reviewers at once, by real HTTP clients in another process than the server's: how long a page takes when each decides
a pair a second, and when none of them ever pauses; and whether a decision is lost or doubled when the server is killed, five
times, while they submit.

`python bench/review_load.py [SECONDS]`
"""

import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import numpy as np

from pipeline.doors.decide import Decide
from pipeline.doors.entries import Joined, Ruled, Rules
from pipeline.review.access import hashed
from tests.review.houses import RUN, Pair, write

PEOPLE = 20
PAIRS = 4000
WORDS = " ".join(f"word{n}" for n in range(150))
"""About a thousand characters an answer."""
HEADERS = {"Accept": "application/json"}


@dataclass
class Seen:
    """What the clients measured."""

    pages: list[float] = field(default_factory=list)
    images: list[float] = field(default_factory=list)
    submits: list[float] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    """Tokens of submissions that were answered."""
    again: int = 0
    """Submissions that were sent again, because no answer had come."""


def serve(workspace: Path, port: int) -> tuple[subprocess.Popen[str], str]:
    """The command, once it listens."""
    process = subprocess.Popen(
        [sys.executable, "-c", "from pipeline.cli import main; main()", "review", RUN, "--workspace", workspace, "--port", str(port)],
        stdout=subprocess.PIPE, text=True, env=os.environ | {"COLUMNS": "200"},
    )  # fmt: skip
    assert process.stdout
    while not (found := re.search(r"(http://\S+?)/ ", line := process.stdout.readline())):
        assert line or process.poll() is None, "it does not serve"
    return process, found[1]


async def reviewer(url: str, name: str, until: float, pause: float, seen: Seen) -> None:
    """One of them: page, image, decision, after a pause, and the next one."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as client:
        await client.post(f"{url}/login", data={"token": f"token of {name}"})
        while time.monotonic() < until:
            try:
                started = time.perf_counter()
                async with client.get(f"{url}/") as answer:
                    page = await answer.text()
                seen.pages.append(time.perf_counter() - started)
                if 'id="ballot"' not in page:
                    return
                fields = {
                    n: re.search(rf'name="{n}" value="([^"]*)"', page)[1] for n in ("form_token", "item", "token")
                }  # type: ignore[index]
                started = time.perf_counter()
                async with client.get(f"{url}/image/{fields['item']}") as answer:
                    await answer.read()
                seen.images.append(time.perf_counter() - started)
            except aiohttp.ClientError:
                await asyncio.sleep(0.1)
                continue
            await asyncio.sleep(pause)
            await submit(client, url, fields | {"overall": "1", "label_left": "safe", "note": name}, seen)


async def submit(client: aiohttp.ClientSession, url: str, fields: dict[str, str], seen: Seen) -> None:
    """Send it until an answer comes, as the page's script does."""
    while True:
        try:
            started = time.perf_counter()
            async with client.post(f"{url}/submit", data=fields, headers=HEADERS) as answer:
                said = await answer.json()
                assert answer.status == 200, said
            seen.submits.append(time.perf_counter() - started)
            seen.told.append(fields["token"])
            return
        except aiohttp.ClientError:
            seen.again += 1
            await asyncio.sleep(0.1)


async def together(url: str, seconds: float, pause: float, seen: Seen) -> None:
    """All of them, one after another through the door."""
    until = time.monotonic() + seconds

    async def one(n: int) -> None:
        await asyncio.sleep(pause * n / PEOPLE)
        await reviewer(url, f"r{n}", until, pause, seen)

    await asyncio.gather(*map(one, range(PEOPLE)))


def cpu(process: subprocess.Popen[str]) -> float:
    """Seconds that it has worked."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def killed(
    workspace: Path, url: str, process: subprocess.Popen[str], seconds: float, seen: Seen
) -> subprocess.Popen[str]:
    """The same, while the server is killed five times and started again on its port."""
    work = asyncio.create_task(together(url, seconds, 0.0, seen))
    port = int(url.rpartition(":")[2])
    for _ in range(5):
        before = len(seen.told)
        while len(seen.told) < before + 15 and not work.done():  # noqa: ASYNC110 -- a bench may poll
            await asyncio.sleep(0.002)
        process.kill()
        process.wait()
        process, _ = await asyncio.to_thread(serve, workspace, port)
    await work
    return process


def kept(workspace: Path) -> Counter[str]:
    """How often each token stands in the log."""
    lines = (workspace / "runs" / RUN / "decisions.jsonl").read_text().splitlines()
    return Counter(entry["token"] for entry in map(json.loads, lines) if entry["kind"] == "submitted")


def figure(name: str, value: float, unit: str) -> None:
    print(f"figure {name} {value:.4g} {unit}")


def main(seconds: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder) / "workspace"
        write(
            workspace,
            [Pair(f"Question {n}?", f"{n} {WORDS}", f"**{n}** {WORDS}", word=f"{n % 40}") for n in range(PAIRS)],
        )
        door = Decide(workspace / "runs" / RUN, write=True)
        door.keep(
            *(
                Joined(by="bench", name=f"r{n}", role="reviewer", token_sha256=hashed(f"token of r{n}"))
                for n in range(PEOPLE)
            )
        )
        door.keep(Ruled(by="bench", rules=Rules(daily=10**6, daily_category=10**6, break_minutes=10**6)))
        door.close()
        process, url = serve(workspace, 0)
        try:
            calm, hasty, stormy = Seen(), Seen(), Seen()
            before = cpu(process)
            asyncio.run(together(url, seconds, 1.0, calm))
            worked = cpu(process) - before
            asyncio.run(together(url, seconds, 0.0, hasty))
            process = asyncio.run(killed(workspace, url, process, 2 * seconds, stormy))
        finally:
            process.kill()
            process.wait()
        log = kept(workspace)
    told = calm.told + hasty.told + stormy.told
    figure("decisions_lost", len([t for t in told if not log[t]]), "decisions")
    figure("decisions_doubled", sum(n > 1 for n in log.values()), "decisions")
    for suffix, seen in (("", calm), ("_without_pause", hasty)):
        for name, times in (("page", seen.pages), ("submit", seen.submits), ("image", seen.images)):
            figure(f"{name}_median{suffix}", 1000 * float(np.median(times)), "ms")
            figure(f"{name}_p99{suffix}", 1000 * float(np.quantile(times, 0.99)), "ms")
        figure(f"decisions_a_second{suffix}", len(seen.told) / seconds, "1/s")
    figure("cpu_per_decision", 1000 * worked / len(calm.told), "ms")
    figure("decisions_told", len(told), "decisions")
    figure("sent_again", stormy.again, "requests")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 10.0)
