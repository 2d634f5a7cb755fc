"""The benchmarks run, and print figures that can be read; what they measure is for people to judge."""

import json
import math
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

BENCH = Path(__file__).parents[1] / "bench"
FIGURE = re.compile(r"figure ([a-z][a-z0-9_]*) (\S+) ([A-Za-z][A-Za-z/]*)")


def run(script: str, *arguments: object) -> list[str]:
    """Its lines."""
    command = [sys.executable, str(BENCH / script), *map(str, arguments)]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()


def figures(lines: list[str]) -> dict[str, float]:
    """Name to value; every line must be a figure, and every value a number."""
    found = {}
    for line in lines:
        match = FIGURE.fullmatch(line)
        assert match, line
        assert match[1] not in found
        found[match[1]] = float(match[2])
        assert math.isfinite(found[match[1]])
    return found


@pytest.fixture(autouse=True)
def bench(monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder on the path, as it is for a script that lies in it."""
    monkeypatch.syspath_prepend(BENCH)


@pytest.fixture
def server() -> Iterator[object]:
    from server import Server

    with Server() as running:
        yield running


def test_the_server_answers_each_request_by_its_number_and_counts_it(server) -> None:
    from server import text

    def ask(number: int) -> str:
        picture = "A" * 100_000
        body = json.dumps({"messages": [{"role": "user", "content": f"{picture} question #{number}?"}]}).encode()
        connection = HTTPConnection(urlsplit(server.url).netloc)
        connection.request("POST", "/v1/chat/completions", body)
        answer = json.load(connection.getresponse())["choices"][0]["message"]["content"]
        connection.close()
        return answer

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(ask, range(20))) == [text(number) for number in range(20)]
    report = server.report()
    assert sorted(report.arrivals) == list(range(20))
    assert report.answered == 20
    assert 1 <= report.most_under_way <= 8
    assert server.report().arrivals == []


def test_the_same_job_asks_the_same_of_every_side(tmp_path: Path) -> None:
    import door
    from job import Job, draw

    job = Job("http://127.0.0.1:1/v1", 3, 1, draw(tmp_path, 3))
    shown = [body["messages"][0]["content"] for _, body in job.bodies()]
    asked = [door.ask(cells).messages[0] for cells in door.rows(job).iter_rows(named=True)]
    assert [content[1]["text"] for content in shown] == [message.text for message in asked]
    assert len({content[0]["image_url"]["url"] for content in shown}) == 3
    assert len({message.images for message in asked}) == 3


@pytest.mark.slow
def test_the_door_is_measured_beside_the_clients() -> None:
    pytest.importorskip("openai")
    found = figures(run("generate.py", "--quick", "--requests", 60))
    assert list(found)[2].startswith("throughput_vs_openai_aiohttp_")
    assert found["rss_240_vs_60"] > 0
    assert found["cpu_ms_text"] > 0


def test_a_killed_door_loses_nothing_and_asks_twice_only_what_was_under_way() -> None:
    found = figures(run("resume.py", "--requests", 200, "--kills", 2))
    assert found["replies_lost"] == found["kept_asked_again"] == found["answers_differing"] == 0
    assert found["sent_twice_max"] <= 64
    assert found["kills"] == 2


def test_tetrad_is_measured_as_its_peers_are(tmp_path: Path) -> None:
    lines = run("peers.py", tmp_path, "--tools", "--requests", 60, "--resume", 200)
    end = lines.index("")
    found = figures(lines[:end])
    assert found["peer_tetrad_resume_ends"] == 1
    assert found["peer_tetrad_sent_twice"] <= 64
    assert lines[end + 3].startswith("| tetrad |")


def test_the_rules_are_measured_on_sentences_that_were_frozen_before_them() -> None:
    found = figures(run("gates.py", "--quick"))
    assert found["gate_catch_rate"] >= 0.95
    assert found["gate_pass_rate"] >= 0.98


@pytest.mark.slow
def test_listings_are_measured_beside_all_at_once() -> None:
    found = figures(run("listing.py", "--quick"))
    assert found["listing_rows_per_s"] > 0
    assert found["listing_rss_200k"] > 0


@pytest.mark.slow
def test_near_duplicates_are_measured_beside_a_plain_hash() -> None:
    found = figures(run("near_duplicates.py", "--quick"))
    assert found["false_merges"] == 0
    assert found["near_duplicate_recall"] > 0.9


def test_settling_is_measured_at_two_sizes() -> None:
    found = figures(run("settle.py", "--quick"))
    assert found["quadruples_12k"] > found["quadruples_1k"] > 0
    assert found["settle_12k"] > 0


@pytest.mark.slow
def test_a_release_is_measured_beside_pyarrow_and_datasets() -> None:
    found = figures(run("release.py", "--quick"))
    assert list(found)[:4] == [
        "release_vs_pyarrow", "release_vs_datasets", "release_rss_10k_vs_2k", "chunks_unchanged_after_1pct",
    ]  # fmt: skip
    assert found["chunks_unchanged_after_1pct"] >= 0.95


@pytest.mark.slow
def test_bounds_are_measured_beside_the_truth() -> None:
    found = figures(run("audit.py", "--quick"))
    assert found["bound_coverage"] >= 0.7
    assert all(value > 0.9 for name, value in found.items() if name.startswith("tightness"))


@pytest.mark.slow
def test_a_routed_review_is_measured_beside_looks_at_random() -> None:
    found = figures(run("routing.py", "--quick"))
    assert found["bound_coverage_routed"] >= 0.6
    assert found["found_vs_random"] > 1
