"""`tetrad review RUN`: the command serves, is killed, and what people decided is taken up by the next run."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from pipeline.doors.decide import Decide
from pipeline.doors.entries import Flagged, Undone
from tests.review.houses import RUN, pairs, write
from tests.tiny import Model, Place, settle_in, tetrad

COMMAND = "from pipeline.cli import main; main()"


@dataclass
class Served:
    """A process that serves, and the token it printed."""

    process: subprocess.Popen[str]
    url: str
    token: str


@contextlib.contextmanager
def serving(workspace: Path, run: str, *arguments: str) -> Iterator[Served]:
    """The command, on a free port; the lead's token, if it made one."""
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, "review", run, "--workspace", workspace, "--port", "0", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ | {"COLUMNS": "200"},
    )  # fmt: skip
    assert process.stdout
    said = ""
    while "wait at" not in said:
        line = process.stdout.readline()
        assert line, said
        said += line
    url = re.search(r"(http://\S+?)/ ", said)
    token = re.search(r"^[\w-]{43}$", said, re.MULTILINE)
    assert url
    try:
        yield Served(process, url[1], token[0] if token else "")
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()


def hidden(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found, page
    return found[1]


@contextlib.contextmanager
def come_in(url: str, token: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=url, timeout=20) as client:
        assert client.post("/login", data={"token": token}).status_code == 303
        yield client


def ballot(page: str, vote: str = "-2") -> dict[str, str]:
    return {n: hidden(page, n) for n in ("form_token", "item", "token")} | {"overall": vote}


def decide_all(client: httpx2.Client) -> int:
    """Prefer the left answer of every pair; returns how many."""
    number = 0
    while 'id="ballot"' in (page := client.get("/").text):
        assert client.post("/submit", data=ballot(page), headers={"Accept": "application/json"}).json() == {"next": "/"}
        number += 1
    return number


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    with Model() as model:
        place = settle_in(tmp_path, model)
        monkeypatch.chdir(place.folder)
        yield place


def test_the_hybrid_loop_closes(tiny: Place) -> None:
    tiny("run", tiny.recipe, "--until", "review")
    queued = tiny.table("queue").height
    assert queued > 2
    with serving(tiny.workspace, "tiny-tiny") as served, come_in(served.url, served.token) as lead:
        assert decide_all(lead) == queued
        assert lead.get("/lead").status_code == 200
        asked = len(tiny.model.asked)
        done = tiny("run", tiny.recipe)  # while people go on deciding
        assert len(tiny.model.asked) == asked
        assert "models were asked 0 times" in done.err
    decided = tiny.table("decisions")
    assert decided.height == queued
    assert set(decided["reviewer"]) == {"lead"}
    settled = tiny.table("preferences").filter(reviewed=True)
    assert settled.height == queued
    assert all("human/lead" in sources for sources in settled["sources"])
    quadruples = tiny.table("quadruples").filter(reviewed=True)
    assert 0 < quadruples.height <= queued  # an unsafe answer is never chosen
    log = (tiny.workspace / "runs" / "tiny-tiny" / "decisions.jsonl").read_text().splitlines()
    left = {e["candidate_id"]: e["left"] for e in map(json.loads, log) if e["kind"] == "submitted"}
    for row in settled.iter_rows(named=True):
        assert (row["strength"] > 0) == (left[row["candidate_id"]] == "a")
    assert f"{queued} of {queued} are decided" in tiny("review", "tiny-tiny", "--status").out
    assert (tiny.workspace / "releases" / "tiny-tiny").is_dir()


def test_nothing_is_released_while_an_image_is_flagged_as_illegal(tiny: Place) -> None:
    tiny("run", tiny.recipe, "--until", "pair")
    pair, image = tiny.table("queue")["id"][0], "f" * 64
    door = Decide(tiny.workspace / "runs" / "tiny-tiny", write=True)
    flag = Flagged(by="heron", candidate_id=pair, image=image, what="illegal")
    door.keep(flag)
    for command in (["run", tiny.recipe], ["publish", "tiny-tiny"]):
        done = tetrad(*command, "--workspace", tiny.workspace)  # type: ignore[misc]
        assert done.code == 2
        assert f"tetrad: the image {image} was flagged as illegal" in done.err
        assert not (tiny.workspace / "releases").exists()
    door.keep(Undone(by="lead", entry=flag.id))
    words = Flagged(by="heron", candidate_id=pair, image=None, what="illegal")
    door.keep(words)
    done = tetrad("publish", "tiny-tiny", "--workspace", tiny.workspace)
    assert (done.code, done.err.split(":")[1]) == (2, f" the words of the pair {pair} were flagged as illegal")
    door.keep(Undone(by="lead", entry=words.id))
    door.close()
    tiny("publish", "tiny-tiny")


def test_an_image_flagged_as_illegal_in_one_run_holds_up_the_releases_of_all(tiny: Place) -> None:
    tiny("run", tiny.recipe)
    with contextlib.closing(Decide(tiny.workspace / "runs" / "another", write=True)) as door:
        door.keep(Flagged(by="heron", candidate_id="elsewhere", image="f" * 64, what="illegal"))
    done = tetrad("publish", "tiny-tiny", "--workspace", tiny.workspace)
    assert done.err.startswith(f"tetrad: the image {'f' * 64} was flagged as illegal")


def test_while_it_is_served_nobody_else_writes_to_the_log(workspace: Path, tmp_path: Path) -> None:
    write(workspace, pairs(2))
    (tmp_path / "some.jsonl").write_text("")
    with serving(workspace, RUN):
        for arguments in (
            ["review", RUN],
            ["review", RUN, "--take", tmp_path / "some.jsonl"],
            ["review", RUN, "--add-reviewer", "lynx"],
            ["forget", "a" * 64],
        ):
            done = tetrad(*arguments, "--workspace", workspace)  # type: ignore[misc]
            assert done.code == 2
            assert re.fullmatch(
                r"tetrad: \S+ is in use by process \d+ on .*; wait for it to end, or stop it\n", done.err
            )
        assert tetrad("review", RUN, "--status", "--workspace", workspace).code == 0
        assert tetrad("review", RUN, "--export", tmp_path / "out.jsonl", "--workspace", workspace).code == 0
    assert tetrad("review", RUN, "--take", tmp_path / "some.jsonl", "--workspace", workspace).code == 0


def test_ctrl_c_ends_it_in_peace_and_what_was_shown_is_known(workspace: Path) -> None:
    write(workspace, pairs(2))
    with serving(workspace, RUN) as served, come_in(served.url, served.token) as lead:
        first = hidden(lead.get("/").text, "item")
        served.process.send_signal(signal.SIGINT)
        assert served.process.wait(20) == 0
    with serving(workspace, RUN) as served:
        assert served.token == ""  # the lead is there already
        log = (workspace / "runs" / RUN / "decisions.jsonl").read_text()
        assert [e["candidate_id"] for e in map(json.loads, log.splitlines()) if e["kind"] == "shown"] == [first]


@pytest.mark.slow
def test_killed_while_people_submit_it_loses_nothing_that_was_told_to_be_saved_and_doubles_nothing(
    workspace: Path,
) -> None:
    write(workspace, pairs(120))
    log = workspace / "runs" / RUN / "decisions.jsonl"
    tokens = [_joined(workspace, f"r{n}") for n in range(4)]
    told: list[str] = []
    unsure: list[tuple[int, dict[str, str]]] = []

    def work(n: int, url: str) -> None:
        with contextlib.suppress(httpx2.HTTPError), come_in(url, tokens[n]) as client:
            while 'id="ballot"' in (page := client.get("/").text):
                fields = ballot(page)
                unsure.append((n, fields))
                client.post("/submit", data=fields, headers={"Accept": "application/json"}).raise_for_status()
                told.append(fields["token"])

    for _ in range(3):
        with serving(workspace, RUN) as served:
            workers = [threading.Thread(target=work, args=(n, served.url)) for n in range(4)]
            for worker in workers:
                worker.start()
            enough = len(told) + 12
            while len(told) < enough:
                time.sleep(0.005)
            served.process.kill()
            for worker in workers:
                worker.join()
    with serving(workspace, RUN) as served:
        for n, fields in unsure[-8:]:  # what the browsers send again, whether it had arrived or not
            with come_in(served.url, tokens[n]) as client:
                again = fields | {"form_token": hidden(client.get("/").text, "form_token")}
                assert client.post("/submit", data=again, headers={"Accept": "application/json"}).status_code == 200
    kept = [e["token"] for e in map(json.loads, log.read_text().splitlines()) if e["kind"] == "submitted"]
    assert set(told) <= set(kept)
    assert len(kept) == len(set(kept))
    assert {fields["token"] for _, fields in unsure[-8:]} <= set(kept)


def _joined(workspace: Path, name: str) -> str:
    done = tetrad("review", RUN, "--add-reviewer", name, "--workspace", workspace)
    assert done.out.startswith(f"reviewer {name}, token")
    return done.out.splitlines()[-1]


def test_a_pseudonym_is_a_word_and_its_token_stands_nowhere(workspace: Path) -> None:
    write(workspace, pairs(1))
    for bad in ("", "a b", "x" * 40, "<b>", "a.b", "1st", "Anaé"):
        done = tetrad("review", RUN, "--add-reviewer", bad, "--workspace", workspace)
        assert done.code == 2
        assert "will not do as a pseudonym" in done.err or not bad
    token = _joined(workspace, "lynx")
    assert token not in (workspace / "runs" / RUN / "decisions.jsonl").read_text()


def test_a_port_that_is_taken_is_one_line(workspace: Path) -> None:
    write(workspace, pairs(1))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = tetrad("review", RUN, "--port", str(port), "--workspace", workspace)
    assert done.code == 2
    assert f"cannot listen on 127.0.0.1:{port}" in done.err
    assert done.err.count("\n") == 1


def test_without_the_extra_one_line_says_what_to_install(workspace: Path) -> None:
    write(workspace, pairs(1))
    script = "import sys; sys.modules['fastapi'] = None; from pipeline.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script, "review", RUN, "--workspace", workspace],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == "tetrad: review needs fastapi: pip install 'tetrad[review]'\n"


def test_known_answers_are_mixed_in_once_whatever_is_said_twice(workspace: Path, tmp_path: Path) -> None:
    write(workspace, pairs(1))
    gold = tmp_path / "gold.jsonl"
    gold.write_text('{"question": "q?", "image": null, "response_a": "x", "response_b": "y", "preferred": "a"}\n')
    for _ in range(2):
        with serving(workspace, RUN, "--gold", str(gold)):
            pass
    log = (workspace / "runs" / RUN / "decisions.jsonl").read_text()
    assert log.count('"kind":"gold"') == 1
    gold.write_text(
        '{"question": "q?", "image": "' + "a" * 64 + '", "response_a": "x", "response_b": "y", "preferred": "a"}\n'
    )
    done = tetrad("review", RUN, "--gold", gold, "--workspace", workspace)
    assert done.err == f"tetrad: {gold}: the workspace has no image {'a' * 64}\n"
