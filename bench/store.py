"""Fill a store with replies of about 1 kB, then open it in a fresh process, ask it and read from it.

    python bench/store.py [--quick] [--folder FOLDER]

1.2 million replies (`--quick`: 60,000) come in through `Replies.keep`, in the order in which a run asks. A thread seals
meanwhile, and an event loop beside it notes by how much it wakes late. Figures: seconds to open, resident memory when
open, seconds to ask for all ids, to read 4,096 replies that lie together and 4,096 that lie anywhere, replies sealed a
second, bytes on the disk a reply (and of the JSON lines they were), the longest stall of the event loop.
"""

import argparse
import asyncio
import hashlib
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from pipeline.doors.replies import Replies
from pipeline.requests import Answer, Chat, Message, Reply

SYLLABLES = [a + b for a in "bcdfghjklmnprstvw" for b in ("a", "e", "i", "o", "u", "an", "er", "in", "or", "ul")]
QUESTIONS = ("What is shown here, and what should one do next?", "How would you describe this to a friend?")


def words(chance: random.Random) -> list[str]:
    """A vocabulary of made-up words."""
    return ["".join(chance.choices(SYLLABLES, k=chance.randint(1, 3))) for _ in range(20_000)]


def name(number: int) -> str:
    """The id of a request."""
    return hashlib.sha256(str(number).encode()).hexdigest()[:32]


class Maker:
    """Makes replies of about 1 kB, in words as frequent as in a language."""

    def __init__(self) -> None:
        self._words = words(random.Random(0))
        ranks = np.cumsum(1 / np.arange(1, len(self._words) + 1))
        self._shares = ranks / ranks[-1]
        self._chance = np.random.default_rng(0)
        self._drawn: list[list[int]] = []

    def reply(self) -> Reply:
        """One reply."""
        if not self._drawn:
            self._drawn = np.searchsorted(self._shares, self._chance.random((32, 170))).tolist()
        text = " ".join([self._words[i] for i in self._drawn.pop()])
        return Reply(
            result=Answer(text=text), answered_by="m-0613", tokens_in=900, tokens_out=200, seconds=len(text) / 1000
        )

    def request(self, number: int) -> Chat:
        """Its request."""
        image = hashlib.sha256(str(number // 4).encode()).hexdigest()
        text = f"{QUESTIONS[number % 2]} {self._words[number % len(self._words)]}"
        return Chat(model="m", messages=(Message(role="user", text=text, images=(image,)),), number=number % 4)


async def fill(replies: Replies, total: int) -> tuple[float, float]:
    """Keep so many replies; returns the longest stall of the loop before the first segment was full, and later."""
    stalls, number, ended = [0.0, 0.0], 0, False

    async def watch() -> None:
        while not ended:
            began = time.perf_counter()
            await asyncio.sleep(0)
            stalls[number > 30_000] = max(stalls[number > 30_000], time.perf_counter() - began)

    watcher, maker = asyncio.create_task(watch()), Maker()
    for number in range(total):
        one, request = maker.reply(), maker.request(number)
        replies.keep(name(number), "m 1 bf16", request, one, run="bench", cost=0.001)
        await asyncio.sleep(0)
    ended = True
    await watcher
    return stalls[0], stalls[1]


def timed(label: str, work: Callable[[], object]) -> float:
    """Do it, and say how many seconds it took."""
    began = time.perf_counter()
    work()
    seconds = time.perf_counter() - began
    print(f"figure {label} {seconds:.2f} s", flush=True)
    return seconds


def opened(folder: Path, total: int) -> None:
    """In a fresh process: open, ask, read."""
    size = f"{total // 1000}k"
    began = time.perf_counter()
    replies = Replies(folder, write=False)
    print(f"figure store_open_{size} {time.perf_counter() - began:.2f} s", flush=True)
    print(f"figure store_open_rss {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
    assert len(replies) == total
    ids = [name(n) for n in range(total)]
    asked = pl.Series("id", ids)
    timed("store_missing_all", lambda: replies.missing(asked).any())
    timed("store_many_4096_together", lambda: replies.many(ids[total // 2 : total // 2 + 4096]))
    anywhere = random.Random(1).sample(ids, 4096)
    timed("store_many_4096_anywhere", lambda: replies.many(anywhere))
    print(f"figure store_read_rss {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
    timed("store_spent", lambda: replies.spent("bench"))
    replies.close()


def made(folder: Path, total: int) -> None:
    """Fill the store, and say how it went."""
    replies = Replies(folder, write=True)
    began = time.perf_counter()
    quiet, sealing = asyncio.run(fill(replies, total))
    print(f"figure store_kept_rate {total / (time.perf_counter() - began):.0f} replies/s", flush=True)
    print(f"figure store_stall_sealing {1000 * sealing:.0f} ms")
    print(f"figure store_stall_otherwise {1000 * quiet:.0f} ms")
    began = time.perf_counter()
    number = replies.seal()
    print(f"figure store_seal_rate {number / (time.perf_counter() - began):.0f} replies/s")
    plain = int(replies.stats()["bytes"].sum())
    replies.close()
    size = sum(p.stat().st_size for p in (folder / "replies").iterdir())
    print(f"figure store_compression {plain / size:.2f} ratio")
    print(f"figure store_disk_bytes {size / total:.0f} bytes/reply")
    print(f"figure store_plain_bytes {plain / total:.0f} bytes/reply", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--folder", type=Path, help="A store that was filled before is only opened.")
    parser.add_argument("--open", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    total = 60_000 if arguments.quick else 1_200_000
    if arguments.open:
        opened(arguments.folder, arguments.open)
        return
    with tempfile.TemporaryDirectory() as own:
        folder = arguments.folder or Path(own)
        if not (folder / "replies").exists():
            made(folder, total)
        subprocess.run([sys.executable, __file__, "--open", str(total), "--folder", str(folder)], check=True)


if __name__ == "__main__":
    main()
