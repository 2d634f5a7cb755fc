"""The push door against a Hub of our own, with the libraries as they are. They read the environment when they are imported:
so what pushes, and what loads, is a process of its own."""

import hashlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
from PIL import Image as Pillow

from pipeline.doors import push
from pipeline.doors.blobs import Blobs
from pipeline.stages import publish
from pipeline.tables import Quadruple
from pipeline.workspace import Made
from tests.hub import HANG_UP, Hub
from tests.rows import table

REPO = "org/tiny"
DATA = "data/train-00000-of-00001.parquet"
PUSH = """
import sys
from pathlib import Path
from pipeline.doors.push import push
from pipeline.errors import UserError

for to in sys.argv[2:]:
    try:
        for step in push(Path(sys.argv[1]), *to.split("@")):
            print(step)
    except UserError as error:
        print(f"tetrad: {error}", file=sys.stderr)
"""
"""Pushes a folder to each `repository@tag`."""
RACE = PUSH.replace("print(step)", "theirs(step)").replace(
    "for to", """
from huggingface_hub import HfApi

def theirs(step):
    if step.startswith("gate"):
        HfApi().upload_file(path_or_fileobj=b"x", path_in_repo="NOTES.md", repo_id="org/tiny", repo_type="dataset")

for to""",
)  # fmt: skip
"""The same, but somebody else commits meanwhile."""
LOAD = """
import json, sys
from datasets import load_dataset
from huggingface_hub import HfApi

for tag in HfApi().list_repo_refs(sys.argv[1], repo_type="dataset").tags:
    for streaming in (False, True):
        rows = load_dataset(sys.argv[1], "quadruples", revision=tag.name, split="train", streaming=streaming)
        print(json.dumps([{**row, "image": row["image"].getpixel((0, 0))} for row in rows]))
"""
Process = subprocess.CompletedProcess[str]
Python = Callable[..., Process]


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    (tmp_path / "xet").mkdir()
    with Hub(tmp_path / "xet") as server:
        yield server
    assert server.unknown == []


@pytest.fixture
def python(hub: Hub, tmp_path: Path) -> Python:
    """Runs Python code with the Hub's address and token; the token must be in nothing that it writes."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    ours = {
        "NO_PROXY": "127.0.0.1", "HF_ENDPOINT": hub.url, "HF_TOKEN": hub.token, "HF_HOME": str(tmp_path / "hf"),
        "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }  # fmt: skip

    def run(code: str, *arguments: object, **environment: str) -> Process:
        command = [sys.executable, "-c", code, *map(str, arguments)]
        done = subprocess.run(
            command, env=kept | ours | environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert "Traceback" not in done.stderr, done.stderr
        assert (environment.get("HF_TOKEN") or hub.token) not in done.stdout + done.stderr
        return done

    return run


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of two rows and one picture."""
    folder = tmp_path_factory.mktemp("release")
    picture = io.BytesIO()
    Pillow.new("RGB", (8, 8), (200, 30, 30)).save(picture, "PNG")
    images = Blobs(folder.with_name("images"))
    row = {"image": images.keep(picture.getvalue()), "licence": "CC0-1.0", "sources": ("a judge", "another")}
    quadruples = table(Quadruple, row | {"id": "1", "question": "Is it red? ☃"}, row | {"id": "2", "rejected": "No.\n"})
    publish.release({"quadruples": quadruples}, made=[], images=images, folder=folder, name="tiny")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def hashes(folder: Path) -> list[str]:
    return sorted(hashlib.sha256(content).hexdigest() for content in contents(folder).values())


def complaints(done: Process) -> list[str]:
    return [line for line in done.stderr.splitlines() if line.startswith("tetrad: ")]


def test_a_repository_is_private_and_gated_before_anything_is_there_and_tagged_last(
    python: Python, hub: Hub, release: Path
) -> None:
    done = python(PUSH, release, "org/tiny@v1")
    repo = hub.repos[REPO]
    create, gate, upload, tag = push.steps(release, REPO, "v1")
    assert done.stdout.splitlines() == [create, gate, f"{upload}: {repo.head}", tag]
    order = ["create", "settings", "store", "commit", "tag"]
    assert list(dict.fromkeys(call for call in hub.calls if call in order)) == order
    assert (repo.private, repo.gated, repo.tags) == (True, "manual", {"v1": repo.head})
    there = {path: file.content for path, file in repo.commits[repo.head].items() if path != ".gitattributes"}
    assert there == contents(release)


def test_running_it_again_sends_no_file_twice(python: Python, hub: Hub, release: Path) -> None:
    done = python(PUSH, release, "org/tiny@v1", "org/tiny@v1")
    said = done.stdout.splitlines()
    assert said[:4] == said[4:]
    assert complaints(done) == []
    assert sorted(hub.received) == hashes(release)
    assert hub.calls.count("commit") == 1


def test_by_xet_a_refusal_is_told_and_no_file_is_sent_twice(python: Python, hub: Hub, release: Path) -> None:
    hub.failing["xet"] = [403]
    done = python(PUSH, release, *["org/tiny@v1"] * 3, HF_HUB_DISABLE_XET="0")
    [complaint] = complaints(done)
    assert "403 Forbidden" in complaint
    repo = hub.repos[REPO]
    assert repo.commits[repo.tags["v1"]][DATA].sha256 == hashlib.sha256((release / DATA).read_bytes()).hexdigest()
    assert any(path.is_file() for path in hub.xet.rglob("*"))
    assert (hub.calls.count("batch"), hub.calls.count("commit")) == (0, 1)


def test_what_was_pushed_is_loaded_by_its_tag_whole_or_as_a_stream(python: Python, hub: Hub, release: Path) -> None:
    python(PUSH, release, "org/tiny@v1")
    hub.repos[REPO].commit({})
    whole, stream = map(json.loads, python(LOAD, REPO).stdout.splitlines())
    assert whole == stream
    assert [row["id"] for row in whole] == ["1", "2"]
    assert [row["question"] for row in whole] == ["Is it red? ☃", "question"]
    assert [row["image"] for row in whole] == [[200, 30, 30]] * 2
    assert [row["sources"] for row in whole] == [["a judge", "another"]] * 2


FAILURES = [
    ("create", 403, "(as you wished, holder of Bearer <token>); this token may not write there"),
    ("settings", 500, "the Hub answered 500 (as you wished, holder of Bearer <token>); the Hub is out of order"),
    ("settings", HANG_UP, "Server disconnected without sending a response.; mend that (is the Hub there?)"),
    ("card", 400, "the Hub answered 400 (as you wished, holder of Bearer <token>); mend that, and run it again"),
    ("store", 403, "the Hub answered 403 (as you wished, holder of None); this token may not write there"),
    ("commit", 409, "somebody else is changing the repository: run the same command again"),
    ("commit", 503, "the Hub is out of order: run it again later; what is uploaded stays"),
    ("tag", 429, "that was too much at once: wait, and run the same command again"),
    ("tag", 500, "the Hub is out of order: run it again later; what is uploaded stays"),
]
"""In the order in which a push that is run again and again meets them."""


def test_whatever_fails_one_line_says_what_to_do_and_in_the_end_the_same_command_finishes(
    python: Python, hub: Hub, release: Path
) -> None:
    for kind, status, _ in FAILURES:
        hub.failing[kind].append(status)
    done = python(PUSH, release, *["org/tiny@v1"] * len(FAILURES), "org/tiny@v1")
    for complaint, (_, _, words) in zip(complaints(done), FAILURES, strict=True):
        assert complaint.startswith(f"tetrad: the push to {REPO} at {hub.url} stopped: ")
        assert words in complaint
    assert hub.repos[REPO].tags == {"v1": hub.repos[REPO].head}
    assert sorted(hub.received) == hashes(release)


def test_a_failure_that_passes_is_not_told(python: Python, hub: Hub, release: Path) -> None:
    hub.failing["preupload"] = [503]
    assert complaints(python(PUSH, release, "org/tiny@v1")) == []
    assert hub.repos[REPO].tags == {"v1": hub.repos[REPO].head}


def test_who_loses_a_race_is_told_and_nothing_of_the_winner_is_lost(python: Python, hub: Hub, release: Path) -> None:
    [complaint] = complaints(python(RACE, release, "org/tiny@v1", "org/tiny@v1"))
    assert "the Hub answered 412 (A commit has happened since" in complaint
    assert "somebody else changed the repository meanwhile" in complaint
    repo = hub.repos[REPO]
    initial, theirs, ours = repo.commits.values()
    assert set(theirs) - set(initial) == {"NOTES.md"}
    assert set(ours) - set(theirs) == set(contents(release))
    assert repo.tags == {"v1": repo.head}


@pytest.mark.parametrize("token", ["", "hf_\N{HORIZONTAL ELLIPSIS}"])
def test_without_a_token_nothing_is_sent(python: Python, hub: Hub, release: Path, token: str) -> None:
    [complaint] = complaints(python(PUSH, release, "org/tiny@v1", HF_TOKEN=token))
    assert complaint.endswith("no token for the Hub: set the environment variable HF_TOKEN to one that may write")
    assert hub.calls == []


def test_a_token_that_the_hub_does_not_know_is_the_users_to_mend(python: Python, hub: Hub, release: Path) -> None:
    [complaint] = complaints(python(PUSH, release, "org/tiny@v1", HF_TOKEN=hub.token[::-1]))
    assert "the Hub answered 401 (Invalid credentials in Authorization header)" in complaint
    assert "set HF_TOKEN to one that may write there" in complaint


def test_a_hub_that_is_not_there_is_named(python: Python, tmp_path: Path, release: Path) -> None:
    with Hub(tmp_path) as gone:
        pass
    [complaint] = complaints(python(PUSH, release, "org/tiny@v1", HF_ENDPOINT=gone.url))
    assert f"at {gone.url} stopped: [Errno 111] Connection refused; mend that" in complaint
    [complaint] = complaints(python(PUSH, release, "org/tiny@v1", HF_HUB_OFFLINE="1"))
    assert "unset the `HF_HUB_OFFLINE` environment variable" in complaint


def test_a_name_that_no_repository_can_have_is_told(python: Python, hub: Hub, release: Path) -> None:
    told = complaints(python(PUSH, release, "tiny@v1", "org/tiny/@v1", "org/-@v1"))
    for complaint, words in zip(told, ("is named org/name", "is named org/name", "Repo id must"), strict=True):
        assert words in complaint
    assert hub.repos == {}


def test_a_tag_stays_with_its_release(python: Python, hub: Hub, release: Path, tmp_path: Path) -> None:
    python(PUSH, release, "org/tiny@v1")
    first = hub.repos[REPO].head
    (tmp_path / "next").mkdir()
    (tmp_path / "next" / "README.md").write_text("A correction.")
    [complaint] = complaints(python(PUSH, tmp_path / "next", "org/tiny@v1", "org/tiny@v2"))
    assert "its tag v1 marks another release: give this one another --tag" in complaint
    assert hub.repos[REPO].tags == {"v1": first, "v2": hub.repos[REPO].head}


def test_no_shard_of_an_older_release_is_left_in_a_newer_one(python: Python, hub: Hub, tmp_path: Path) -> None:
    for release, shards in (("v1", 3), ("v2", 1)):
        (tmp_path / release / "data").mkdir(parents=True)
        for number in range(shards):
            (tmp_path / release / "data" / f"train-0000{number}-of-0000{shards}.parquet").write_bytes(bytes([number]))
        python(PUSH, tmp_path / release, f"org/tiny@{release}")
    repo = hub.repos[REPO]
    assert len(repo.commits[repo.tags["v1"]]) == 1 + 3
    assert set(repo.commits[repo.tags["v2"]]) == {".gitattributes", DATA}


def test_a_dry_run_sends_nothing(python: Python, hub: Hub, tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    run = workspace / "runs" / "tiny"
    run.mkdir(parents=True)
    (run / "run.json").write_text("{}")
    table(Quadruple, {"id": "1"}).write_parquet(run / "1_quadruples.parquet")
    made = Made(
        number=1, name="quadruples", stage="pair", row="Quadruple", key="", sha256="", considered=1, kept=1, dropped={},
        errors={}, owed=0, seconds=0,
    )  # fmt: skip
    (run / "1_quadruples.json").write_text(json.dumps(asdict(made)))
    tetrad = "from pipeline.cli import main; main()"
    done = python(tetrad, "publish", "tiny", "--workspace", workspace, "--repo", REPO, "--dry-run")
    steps = push.steps(workspace / "releases" / "tiny", REPO, "v1.0.0")
    assert done.stdout.splitlines() == [f"would {step}" for step in steps]
    assert hub.calls == []
    done = python(tetrad, "publish", "tiny", "--workspace", workspace, "--repo", REPO, HF_TOKEN="")
    assert (done.returncode, len(complaints(done))) == (2, 1)
