"""Sampling and adaptive judging on a pool that a real vLLM server serves: each reply belongs to its own picture, and a
run killed within a round of a contest goes on where it was."""

import contextlib
import functools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "tiny_vlm"))
pytestmark = pytest.mark.engine

from pictures import draw  # noqa: E402 -- beside the script that trains on them
from serving_recipe import ASKED, POOLS, ROUNDS, TINY, verdict  # noqa: E402
from vllm_server import Server, serving  # noqa: E402

from pipeline.doors.replies import Replies  # noqa: E402
from pipeline.requests import Answer, Chat  # noqa: E402

PICTURES, RESPONDENTS, CONCURRENCY = 12, len(POOLS["tiny"].respondents), 4
SAMPLED = (RESPONDENTS - 1) * PICTURES + 1
"""Requests: who is blind asks the same of every picture."""


@functools.cache
def caption(key: str) -> str:
    """What a picture shows, by its file's name."""
    return draw(int(Path(key).stem))[1]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(TINY, tmp_path_factory.mktemp("server") / "log") as found:
        yield found


@dataclass(frozen=True)
class Place:
    """A workspace; beside it pictures, questions and models.toml."""

    workspace: Path

    def start(self, until: str) -> subprocess.Popen[str]:
        """The command that `make sample` and `make judge` give."""
        beside = self.workspace.parent
        command = ["run", HERE / "serving_recipe.py", "--pool", "tiny", "--until", until, "--workspace", self.workspace]
        given = ["--source", beside / "pictures", "--questions", beside / "questions.jsonl"]
        return subprocess.Popen(
            [sys.executable, "-c", "from pipeline.cli import main; main()", *map(str, command + given)],
            cwd=HERE.parents[1], env=os.environ | {"TETRAD_MODELS": str(beside / "models.toml")},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip

    def run(self, until: str) -> tuple[int, list[int]]:
        """To the end: how often models were asked, and how much was owed whenever asking began."""
        process = self.start(until)
        _, err = process.communicate()
        assert process.returncode == 0, err
        owed = [int(n) for n in re.findall(rf"asking {TINY} 0/(\d+)", err)]
        return int(err.split("models were asked ")[1].split()[0]), owed

    def killed(self, until: str, kept: int) -> None:
        """Killed when so many replies are kept."""
        process = self.start(until)
        while self.kept.count(b"\n") < kept and process.poll() is None:
            time.sleep(0.005)
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL, "it had ended before"

    @property
    def kept(self) -> bytes:
        """The log of replies, without a torn last line."""
        log = b"".join(path.read_bytes() for path in sorted(self.workspace.glob("replies/*.jsonl")))
        return log[: log.rfind(b"\n") + 1]

    @property
    def tables(self) -> dict[str, bytes]:
        """Every table's file; also of what was dropped."""
        return {path.name: path.read_bytes() for path in self.workspace.glob("runs/*/*.parquet")}

    def table(self, name: str) -> pl.DataFrame:
        (path,) = self.workspace.glob(f"runs/*/*_{name}.parquet")
        return pl.read_parquet(path)

    def asked(self, table: str) -> Iterator[tuple[dict[str, Any], Chat, str, str, str]]:
        """Each row, the request that it rests on, what the model said; the image of its prompt, and what that shows."""
        images = dict(self.table("given").select("id", "image").iter_rows())
        keys = dict(self.table("images").select("id", "key").iter_rows())
        with contextlib.closing(Replies(self.workspace, write=False)) as replies:
            for row in self.table(table).iter_rows(named=True):
                kept, image = replies.kept(row["request_id"]), images[row["prompt_id"]]
                assert kept
                assert kept.reply
                assert isinstance(kept.request, Chat)
                assert isinstance(kept.reply.result, Answer)
                yield row, kept.request, kept.reply.result.text.strip(), image, caption(keys[image])


@dataclass(frozen=True)
class Undisturbed:
    """A run up to `settle`, in three sittings."""

    place: Place
    sampled: Path
    """Its workspace as it was after `sample`."""
    asked: dict[str, int]
    """Stage to how often models were asked in its sitting."""
    tables: dict[str, set[str]]
    """Stage to the tables that were there behind it."""
    rounds: list[int]
    """Requests in each round of the contests."""


@pytest.fixture(scope="module")
def whole(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    folder = tmp_path_factory.mktemp("serving")
    keys = [f"insult/{seed:02}.png" for seed in range(PICTURES)]
    (folder / "pictures" / "insult").mkdir(parents=True)
    for seed, key in enumerate(keys):
        draw(seed, side=256)[0].save(folder / "pictures" / key)
    (folder / "questions.jsonl").write_text("\n".join(json.dumps({"question": ASKED, "image": key}) for key in keys))
    (folder / "models.toml").write_text(
        f'[{TINY}]\nbackend = "openai"\nserved_as = "{TINY}"\nrevision = "1"\n'
        f'base_url = "{server.url}/v1"\nconcurrency = {CONCURRENCY}\n'
    )
    place, sampled = Place(folder / "whole"), folder / "sampled"
    asked, tables, owed = dict[str, int](), dict[str, set[str]](), dict[str, list[int]]()
    for stage in ("sample", "judge", "settle"):
        asked[stage], owed[stage] = place.run(stage)
        tables[stage] = {name.partition("_")[2].removesuffix(".parquet") for name in place.tables}
        if stage == "sample":
            shutil.copytree(place.workspace, sampled)
    return Undisturbed(place, sampled, asked, tables, owed["judge"])


def test_sampling_and_judging_are_stages_of_their_own(whole: Undisturbed) -> None:
    sampled = {"wanted", "images", "given", "responses"}
    judged = sampled | {"judgments", "contests", "finals", "judge_report"}
    assert whole.tables == {"sample": sampled, "judge": judged, "settle": judged | {"preferences"}}
    contests = whole.place.table("contests")
    assert whole.asked == {"sample": SAMPLED, "judge": contests.height, "settle": 0}
    assert len(whole.rounds) == ROUNDS
    assert sum(whole.rounds) == contests.height == contests["request_id"].n_unique()
    assert contests.height < PICTURES * RESPONDENTS * (RESPONDENTS - 1), "each was compared with each, in both orders"
    assert whole.place.table("judge_report")["calls"].to_list() == [contests.height]
    assert whole.place.run("judge") == (0, [])


def test_every_reply_belongs_to_the_picture_of_its_prompt(whole: Undisturbed) -> None:
    responses = whole.place.table("responses")
    assert responses.height == RESPONDENTS * PICTURES
    for row, request, said, image, shown in whole.place.asked("responses"):
        assert request.messages[-1].images == (() if row["respondent"] == "blind" else (image,))
        assert row["text"] == said
        assert row["respondent"] != "greedy" or said == shown
        assert row["respondent"] != "brief" or said.split() == shown.split()[:6]
    texts = dict(responses.select("id", "text").iter_rows())
    for row, request, said, image, shown in whole.place.asked("contests"):
        assert request.messages[-1].images == (image,)
        assert said == shown
        assert row["strength"] == verdict(texts[row["a_id"]], texts[row["b_id"]], shown)


def test_whole_captions_are_preferred_to_what_was_cut_or_blind(whole: Undisturbed) -> None:
    texts = dict(whole.place.table("responses").select("id", "text").iter_rows())
    finals = whole.place.table("finals").rename({"id": "candidate_id"}).drop("prompt_id")
    shown = {row["prompt_id"]: shown for row, _, _, _, shown in whole.place.asked("contests")}
    preferences = whole.place.table("preferences").join(finals, on="candidate_id")
    assert set(preferences["prompt_id"]) == set(shown)
    for row in preferences.iter_rows(named=True):
        chosen, rejected = ("a_id", "b_id") if row["strength"] > 0 else ("b_id", "a_id")
        assert texts[row[chosen]] == shown[row["prompt_id"]] != texts[row[rejected]]


def test_killed_within_two_rounds_a_run_goes_on_where_it_was(whole: Undisturbed, server: Server) -> None:
    """Its tables are gone, too: what was sampled is made anew of the kept replies."""
    place, rounds = Place(whole.place.workspace.with_name("killed")), whole.rounds
    shutil.copytree(whole.sampled, place.workspace)
    shutil.rmtree(place.workspace / "runs")
    served, logs = [server.served()], [place.kept]
    for number in (1, 2):
        begun = SAMPLED + sum(rounds[:number])
        place.killed("judge", begun + rounds[number] // 2)
        served.append(server.served())
        logs.append(place.kept)
        assert begun < logs[-1].count(b"\n") < begun + rounds[number], "it was not within the round"
    asked, _ = place.run("judge")
    served.append(server.served())
    assert asked == served[-1] - served[-2] == SAMPLED + sum(rounds) - logs[-1].count(b"\n")
    assert sum(rounds) <= served[-1] - served[0] <= sum(rounds) + 2 * CONCURRENCY
    assert place.run("settle") == (0, [])
    logs.append(place.kept)
    assert all(later.startswith(earlier) for earlier, later in pairwise(logs)), "something kept was lost"
    names = [json.loads(line)["id"] for line in logs[-1].splitlines()]
    assert len(set(names)) == len(names) == SAMPLED + sum(rounds)
    assert place.tables == whole.place.tables
