"""Kill the generate door with `kill -9` while it asks, again and again, and count at the server what was asked twice.

    python bench/resume.py [--quick] [--requests 3000] [--kills 20]

One run of so many requests, 64 at once, each answered after 50 ms. It is killed at random moments, and the same command
goes on, until it ends. Prints figures: replies_lost (kept before a kill, and not after what followed), kept_asked_again
and answers_differing must be 0; sent_twice is how many requests of one kill had gone out and were not kept, and so go
out again: at most those under way (64) may be.
"""

import argparse
import hashlib
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import door
from job import Job, output
from server import Server

CONCURRENCY = 64


def sitting(folder: Path, job: Job) -> None:
    """Do the job, or go on with it, in this process; prints the hash of its answers."""
    answers = json.dumps(door.answers(folder, job).to_list())
    print(json.dumps(hashlib.sha256(answers.encode()).hexdigest()))


def killed(folder: Path, job: Job, server: Server, after: int, delay: float) -> list[int]:
    """A sitting, killed so many seconds after so many requests came; returns the numbers of those that came."""
    process = job.apart(sys.executable, __file__, "--sitting", folder, "--job")
    came = server.report().arrivals
    while len(came) < after and process.poll() is None:
        time.sleep(0.005)
        came += server.report().arrivals
    time.sleep(delay)
    process.kill()
    process.communicate()
    time.sleep(0.02)  # what the dead process had sent is read by the server
    return came + server.report().arrivals


def undisturbed(folder: Path, job: Job) -> str:
    """The hash of the answers of a sitting that nobody kills."""
    return str(output(job.apart(sys.executable, __file__, "--sitting", folder, "--job")))


def figures(requests: int, kills: int) -> Iterator[tuple[str, float, str]]:
    """Name, value and unit."""
    chance, kept = random.Random(0), set[int]()
    lost = again = 0
    twice: list[int] = []
    with Server() as server, tempfile.TemporaryDirectory() as place:
        job, whole, torn = Job(server.url, requests, CONCURRENCY), Path(place) / "whole", Path(place) / "torn"
        whole.mkdir()
        torn.mkdir()
        wanted = undisturbed(whole, job)
        server.report()
        for _ in range(kills):
            after = chance.randrange(2 * requests // (kills + 1))  # so that on average the kills end with the run
            came = killed(torn, job, server, after, chance.uniform(0, 0.05))
            before, kept = kept, door.kept(torn, job)
            lost += len(before - kept)
            again += len(before.intersection(came))
            twice.append(len(set(came) - kept))
        answers = undisturbed(torn, job)
        again += len(kept.intersection(server.report().arrivals))
        lost += len(kept - door.kept(torn, job))
    yield "replies_lost", lost, "count"
    yield "kept_asked_again", again, "count"
    yield "answers_differing", answers != wanted, "count"
    yield "sent_twice_max", max(twice), "count"
    yield "sent_twice_mean", sum(twice) / kills, "count"
    yield "kills", kills, "count"
    yield "kept_at_last_kill", len(kept), "count"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="600 requests, 4 kills: under a minute")
    parser.add_argument("--requests", type=int)
    parser.add_argument("--kills", type=int)
    parser.add_argument("--sitting", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--job", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.sitting:
        sitting(given.sitting, Job(**json.loads(given.job)))
        return
    requests, kills = given.requests or (600 if given.quick else 3000), given.kills or (4 if given.quick else 20)
    for name, value, unit in figures(requests, kills):
        print(f"figure {name} {float(value):g} {unit}")
    print(f"figure load_average {os.getloadavg()[1]:.2f} processes")


if __name__ == "__main__":
    main()
