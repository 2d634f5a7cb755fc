"""What the generate door costs, with keeping on, beside clients that keep nothing: on one server that takes 50 ms.

    python bench/generate.py [--quick] [--requests 5000] [--rounds 3]

The sides take turns, each time in a new process: a raw aiohttp loop, `openai.AsyncOpenAI` as it comes and on its aiohttp
transport, and Tetrad's door, which plans, asks, keeps every reply in the log and reads them into a table. Text requests
at 64 and 256 at once, and requests with a 100 kB image each at 64. The best round of each side counts.

Prints figures, ratios first: throughput (more than 1: Tetrad answered more requests a second), CPU (user and system,
without the imports), and the peak memory of a long run against that of a short one.
"""

import argparse
import asyncio
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from job import Job, draw, output
from server import Server, text

Answers = Iterable[str | None]
"""In the order of the questions."""
Figure = tuple[str, float, str]
"""Name, value and unit."""
CASES = {"text_c64": 64, "text_c256": 256, "image_c64": 64}
"""Case to requests under way at once."""


@dataclass(frozen=True)
class Cost:
    """What a job took."""

    seconds: float
    cpu: float
    """Seconds, user and system, without the imports."""
    imports: float
    """Seconds of CPU before the job began."""
    memory: float
    """MB, at most resident at once."""


async def loop(job: Job, ask: Callable[[dict[str, Any]], Awaitable[str | None]]) -> Answers:
    """As many workers as may be under way at once, over one iterator."""
    answers: list[str | None] = [None] * job.requests
    bodies = job.bodies()

    async def work() -> None:
        for number, body in bodies:
            answers[number] = await ask(body)

    await asyncio.gather(*(work() for _ in range(job.concurrency)))
    return answers


def with_aiohttp() -> Callable[[Job], Answers]:
    """The floor: one session, orjson out and in."""
    import aiohttp
    import orjson

    async def main(job: Job) -> Answers:
        address, kind = f"{job.url}/chat/completions", {"Content-Type": "application/json"}
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

            async def ask(body: dict[str, Any]) -> str:
                async with session.post(address, data=orjson.dumps(body), headers=kind) as answer:
                    return str(orjson.loads(await answer.read())["choices"][0]["message"]["content"])

            return await loop(job, ask)

    return lambda job: asyncio.run(main(job))


def with_openai(*, aiohttp: bool = False) -> Callable[[Job], Answers]:
    """OpenAI's client, as its own page shows it."""
    import openai

    async def main(job: Job) -> Answers:
        transport = openai.DefaultAioHttpClient() if aiohttp else None
        async with openai.AsyncOpenAI(base_url=job.url, api_key="none", http_client=transport) as client:

            async def ask(body: dict[str, Any]) -> str | None:
                completion = await client.chat.completions.create(**body)
                return str(completion.choices[0].message.content)

            return await loop(job, ask)

    return lambda job: asyncio.run(main(job))


def with_tetrad() -> Callable[[Job], Answers]:
    """The generate door over a new workspace."""
    import door

    def main(job: Job) -> Answers:
        with tempfile.TemporaryDirectory() as folder:
            return door.answers(Path(folder), job)

    return main


SIDES: dict[str, Callable[[], Callable[[Job], Answers]]] = {
    "tetrad": with_tetrad,
    "aiohttp": with_aiohttp,
    "openai_aiohttp": lambda: with_openai(aiohttp=True),
    "openai": with_openai,
}
"""Side to what imports all it needs, and returns what does the job."""


def measured(side: str, job: Job) -> Cost:
    """Do the job in this process; every answer must be the right one."""
    work = SIDES[side]()
    imports, started = time.process_time(), time.monotonic()
    answers = work(job)
    cost = Cost(time.monotonic() - started, time.process_time() - imports, imports, memory())
    if list(answers) != [text(number) for number in range(job.requests)]:
        sys.exit(f"{side} lost or mistook an answer")
    return cost


def memory() -> float:
    """MB that this process had resident at most. (`ru_maxrss` would count the process that started it too.)"""
    status = Path("/proc/self/status")
    if not status.is_file():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")) / 1e3


def apart(side: str, job: Job) -> Cost:
    """The same in a process of its own."""
    return Cost(**output(job.apart(sys.executable, __file__, "--side", side, "--job")))


def best(costs: list[Cost]) -> Cost:
    """The least of each: whatever else the machine does only adds."""
    return Cost(**{name: min(asdict(cost)[name] for cost in costs) for name in asdict(costs[0])})


def compare(requests: int, rounds: int) -> dict[tuple[str, str], Cost]:
    """(side, case) to what it took, the sides by turns."""
    costs: dict[tuple[str, str], list[Cost]] = {}
    with Server() as server, tempfile.TemporaryDirectory() as folder:
        images = draw(Path(folder), requests)
        for number in range(rounds):
            for case, concurrency in CASES.items():
                job = Job(server.url, requests, concurrency, images if case.startswith("image") else None)
                for side in SIDES if number % 2 else reversed(SIDES):
                    costs.setdefault((side, case), []).append(apart(side, job))
    return {which: best(some) for which, some in costs.items()}


def figures(costs: dict[tuple[str, str], Cost], requests: int) -> Iterator[Figure]:
    """The ratios first."""

    def faster(than: str, case: str) -> float:
        return costs[than, case].seconds / costs["tetrad", case].seconds

    for case in CASES:
        yield f"throughput_vs_openai_aiohttp_{case}", faster("openai_aiohttp", case), "ratio"
    yield "throughput_vs_aiohttp_text_c256", faster("aiohttp", "text_c256"), "ratio"
    for kind in ("text", "image"):
        mine, floor = costs["tetrad", f"{kind}_c64"], costs["aiohttp", f"{kind}_c64"]
        yield f"cpu_vs_aiohttp_{kind}", mine.cpu / floor.cpu, "ratio"
    for kind in ("text", "image"):
        yield f"cpu_ms_{kind}", costs["tetrad", f"{kind}_c64"].cpu / requests * 1e3, "ms/request"
    for case in CASES:
        for side in SIDES:
            cost = costs[side, case]
            yield f"{side}_{case}_throughput", requests / cost.seconds, "requests/s"
            yield f"{side}_{case}_cpu_ms", cost.cpu / requests * 1e3, "ms/request"
            yield f"{side}_{case}_memory", cost.memory, "MB"
    for side in SIDES:
        yield f"{side}_imports", costs[side, "text_c64"].imports, "s"


def growth(few: int, many: int) -> Iterator[Figure]:
    """Peak memory of a long run against that of a short one."""
    with Server() as server:
        short, long = (apart("tetrad", Job(server.url, count, 256)).memory for count in (few, many))
    few_name, many_name = (f"{n // 1000}k" if n % 1000 == 0 else str(n) for n in (few, many))
    yield f"rss_{many_name}_vs_{few_name}", long / short, "ratio"
    yield f"rss_{many_name}", long, "MB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="300 requests, one round: under a minute")
    parser.add_argument("--requests", type=int)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--job", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.side:
        print(json.dumps(asdict(measured(given.side, Job(**json.loads(given.job))))))
        return
    requests, rounds = given.requests or (300 if given.quick else 5000), given.rounds or (1 if given.quick else 3)
    sizes = (requests, 4 * requests) if given.quick else (2000, 50_000)
    for name, value, unit in (*growth(*sizes), *figures(compare(requests, rounds), requests)):
        print(f"figure {name} {value:.4g} {unit}")
    print(f"figure load_average {os.getloadavg()[1]:.2f} processes")


if __name__ == "__main__":
    main()
