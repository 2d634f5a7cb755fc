"""The push door against a Hub of our own, with the libraries as they are. They read the environment when they are imported:
so what pushes, and what loads, is a process of its own."""

import contextlib
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from subprocess import PIPE
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image as Pillow

from pipeline.doors import push
from pipeline.doors.blobs import Blobs
from pipeline.doors.push import MANIFEST, Target
from pipeline.tables import Quadruple
from pipeline.workspace import Made
from tests.hub import DEAF, HANG_UP, File, Hub, Repo
from tests.rows import table

REPO = "org/tiny"
SHARDS = [f"data/train-{n:05}-of-00003.parquet" for n in range(3)]
TABLE, TOLD = "kto/train-00000-of-00001.parquet", "README.md"
CARD = """---
configs:
- config_name: default
  default: true
  data_files: [{split: train, path: data/train-*}]
- config_name: kto
  data_files: [{split: train, path: kto/train-*}]
dataset_info:
- config_name: default
  features: [{name: id, dtype: string}, {name: images, list: image}]
- config_name: kto
  features: [{name: id, dtype: string}, {name: label, dtype: bool}]
extra_gated_prompt: It shows harmful text.
extra_gated_fields: {Affiliation: text}
---
# Tiny ☃
"""
PUSH = """
import sys
from pathlib import Path
from pipeline.doors.push import Target, push
from pipeline.errors import UserError

for to in sys.argv[2:]:
    repo, tag, *more = to.split("@")
    try:
        for step in push(Path(sys.argv[1]), Target(repo, tag, *more[:1], public=len(more) > 1)):
            print(step, flush=True)
    except UserError as error:
        print(f"tetrad: {error}", file=sys.stderr)
"""
"""Pushes a folder to each `repository@tag`, and by `@gate` and `@public` if they are given."""
LOAD = """
import json, sys
from datasets import get_dataset_config_names, load_dataset

def plain(value):
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    if isinstance(value, list):
        return [plain(part) for part in value]
    return value.getpixel((0, 0)) if hasattr(value, "getpixel") else value

for config in get_dataset_config_names(sys.argv[1], revision=sys.argv[2]):
    for streaming in (False, True):
        splits = load_dataset(sys.argv[1], config, revision=sys.argv[2], streaming=streaming)
        print(json.dumps([config, [plain(row) for rows in splits.values() for row in rows]]))
"""
TETRAD = "from pipeline.cli import main; main()"
FETCH = """
import sys
from pathlib import Path
from pipeline.doors.push import fetch
from pipeline.errors import UserError

try:
    print(fetch(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
except UserError as error:
    print(f"tetrad: {error}", file=sys.stderr)
"""
WORKER = """
import contextlib, io, json, os, sys

for line in sys.stdin:
    token, code, arguments = json.loads(line)
    os.environ["HF_TOKEN"] = token
    sys.argv[1:] = arguments
    status = 0
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        try:
            exec(code, {"__name__": "pushed"})
        except SystemExit as ended:
            status = ended.code
    print(json.dumps([out.getvalue(), err.getvalue(), status]), flush=True)
"""
XET = {"HF_HUB_DISABLE_XET": "0"}
LFS: dict[str, str] = {}
"""The worker's own way."""
by_either = pytest.mark.parametrize("way", [LFS, XET], ids=["lfs", "xet"])


class Done(NamedTuple):
    """What some code wrote, and how it ended."""

    stdout: str
    stderr: str
    code: int


Python = Callable[..., Done]


@pytest.fixture(scope="module")
def serving() -> Iterator[Hub]:
    with Hub() as server:
        yield server


@pytest.fixture
def hub(serving: Hub) -> Iterator[Hub]:
    serving.forget()
    yield serving
    assert serving.unknown == []


class Worker:
    """A process that does as it is told, so that the libraries are loaded once. It dies when it is killed."""

    def __init__(self, hub: Hub, home: Path, **environment: str) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
        ours = {
            "NO_PROXY": "127.0.0.1", "HF_ENDPOINT": hub.url, "HF_HOME": str(home), "PYTHONUNBUFFERED": "1",
        }  # fmt: skip
        self.process = subprocess.Popen(
            [sys.executable, "-c", WORKER],
            env=kept | ours | environment,
            stdin=PIPE,
            stdout=PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def __call__(self, token: str, code: str, *arguments: object) -> Done:
        assert self.process.stdin
        assert self.process.stdout
        patience = threading.Timer(180, self.process.kill)
        patience.start()
        try:
            self.process.stdin.write(json.dumps([token, code, [*map(str, arguments)]]) + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        finally:
            patience.cancel()
        if not answer:
            self.end()
        done = Done(*json.loads(answer)) if answer else Done("", "", self.process.returncode)
        assert "Traceback" not in done.stderr, done.stderr
        assert "Warning" not in done.stderr, done.stderr
        assert not token or token not in done.stdout + done.stderr
        return done

    def end(self) -> None:
        self.process.kill()
        for pipe in filter(None, (self.process.stdin, self.process.stdout)):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
        self.process.wait(60)


@pytest.fixture(scope="module")
def workers() -> Iterator[list[Worker]]:
    """Those that are shared: the last of them, if it lives."""
    found: list[Worker] = []
    yield found
    for worker in found:
        worker.end()


@pytest.fixture
def python(hub: Hub, workers: list[Worker], tmp_path: Path) -> Iterator[Python]:
    """Runs Python code that knows the Hub's address and token; the token must be in nothing that it writes. Without Xet, in a
    process that all tests share; with other environment variables, in one of the test's own. With `kill`, it is killed
    just before the nth call of that kind is answered."""
    own: dict[str, Worker] = {}

    def run(
        code: str, *arguments: object, kill: tuple[str, int] | None = None, token: str | None = None, **environment: str
    ) -> Done:
        if environment:
            worker = own.get(str(environment))
            if worker is None or worker.process.poll() is not None:
                worker = own[str(environment)] = Worker(hub, tmp_path / "hf", **environment)
        else:
            if not workers or workers[-1].process.poll() is not None:
                workers.append(Worker(hub, tmp_path / "hf", HF_HUB_DISABLE_XET="1"))
            worker = workers[-1]
        if kill:
            at_call(hub, *kill, worker.process.kill)
        return worker(hub.token if token is None else token, code, *arguments)

    yield run
    for worker in own.values():
        worker.end()


def at_call(hub: Hub, kind: str, number: int, act: Callable[[], object]) -> None:
    """Do something before the nth call of a kind, from 0, is answered."""
    hub.before[kind] = act if number == 0 else lambda: at_call(hub, kind, number - 1, act)


def picture(red: int) -> bytes:
    """A PNG of one colour."""
    buffer = io.BytesIO()
    Pillow.new("RGB", (8, 8), (red, 30, 30)).save(buffer, "PNG")
    return buffer.getvalue()


def written(folder: Path, files: dict[str, str | pa.Table], **manifest: object) -> Path:
    """A release's folder: these files, and their manifest."""
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            (folder / path).write_text(content, encoding="utf-8")
        else:
            pq.write_table(content, folder / path)
    sha256 = {path: hashlib.sha256(content).hexdigest() for path, content in contents(folder).items()}
    (folder / MANIFEST).write_text(json.dumps({"name": "tiny", "configs": CONFIGS, "files": sha256} | manifest))
    return folder


IMAGE = pa.struct({"bytes": pa.binary(), "path": pa.string()})
SCHEMA = pa.schema({"id": pa.string(), "images": pa.list_(IMAGE)})


def shard(*ids: int) -> pa.Table:
    """Rows with a picture each."""
    rows = [{"id": str(n), "images": [{"bytes": picture(n), "path": f"{n}.png"}]} for n in ids]
    return pa.Table.from_pylist(rows, SCHEMA)


CONFIGS = {"default": {"splits": {"train": 6}}, "kto": {"splits": {"train": 2}}}
LABELS = pa.table({"id": ["0", "1"], "label": [True, False]})
FILES = {TOLD: CARD, TABLE: LABELS} | {path: shard(n, n + 100) for n, path in enumerate(SHARDS)}


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of two configs, one of them in three shards."""
    return written(tmp_path_factory.mktemp("release"), FILES)


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def hashes(folder: Path) -> list[str]:
    return sorted(hashlib.sha256(content).hexdigest() for content in contents(folder).values())


def there(repo: Repo, revision: str = "main") -> dict[str, bytes]:
    tree = repo.commits[repo.at(revision)]
    return {path: file.content for path, file in tree.items() if path != ".gitattributes"}


def complaints(done: Done) -> list[str]:
    return [line for line in done.stderr.splitlines() if line.startswith("tetrad: ")]


def complaint(done: Done) -> str:
    [only] = complaints(done)
    return only


def taken(hub: Hub, private: bool = True, **files: bytes) -> Repo:
    """A repository that was there before."""
    hub.repos[REPO] = Repo(private=private)
    hub.repos[REPO].commit({path.replace("_", "."): File(content) for path, content in files.items()})
    return hub.repos[REPO]


@by_either
def test_a_release_is_private_gated_and_verified_before_it_is_tagged(
    python: Python, hub: Hub, release: Path, way: dict[str, str]
) -> None:
    done = python(PUSH, release, "org/tiny@v1", **way)
    repo = hub.repos[REPO]
    create, upload, *after = push.steps(release, Target(REPO, "v1"))
    assert done.stdout.splitlines() == [create, f"{upload}: {repo.head}", *after]
    order = ["create", "commit", "settings", "resolve", "tag"]
    assert [call for call in dict.fromkeys(hub.calls) if call in order] == order
    assert (repo.private, repo.gated, repo.tags) == (True, "manual", {"v1": repo.head})
    assert there(repo) == contents(release)
    assert ("put_xorb" in hub.calls, "store" in hub.calls) == ((way == XET), (way == LFS))


def test_running_it_again_sends_nothing_and_says_the_same(python: Python, hub: Hub, release: Path) -> None:
    done = python(PUSH, release, "org/tiny@v1", "org/tiny@v1")
    said = done.stdout.splitlines()
    assert said[:6] == said[6:]
    assert complaints(done) == []
    assert len(hub.received) == len(set(hub.received))
    assert hub.calls.count("commit") == 1


@by_either
def test_what_was_pushed_is_loaded_by_its_tag_whole_or_as_a_stream(
    python: Python, hub: Hub, release: Path, way: dict[str, str]
) -> None:
    python(PUSH, release, "org/tiny@v1", **way)
    hub.repos[REPO].commit({})
    done = python(LOAD, REPO, "v1", **way)
    configs = [json.loads(line) for line in done.stdout.splitlines()]
    assert [config for config, _ in configs] == ["default", "default", "kto", "kto"]
    ids = [n for first in range(3) for n in (first, first + 100)]
    assert configs[0][1] == [{"id": str(n), "images": [[n, 30, 30]]} for n in ids]
    assert configs[1] == configs[0]
    assert configs[2][1] == [{"id": "0", "label": True}, {"id": "1", "label": False}]
    assert configs[3] == configs[2]


DEATHS = [
    *((LFS, *at) for at in [("create", 0), ("store", 0), ("store", 2), ("commit", 0), ("resolve", 3), ("tag", 0)]),
    *((XET, call, 0) for call in ["put_xorb", "shard", "commit"]),
]


@pytest.mark.parametrize(("way", "call", "number"), DEATHS, ids=str)
def test_killed_anywhere_and_run_again_it_sends_nothing_twice(
    python: Python, hub: Hub, release: Path, way: dict[str, str], call: str, number: int
) -> None:
    assert python(PUSH, release, "org/tiny@v1", kill=(call, number), **way).code == -signal.SIGKILL
    done = python(PUSH, release, "org/tiny@v1", **way)
    assert complaints(done) == []
    repo = hub.repos[REPO]
    assert repo.tags == {"v1": repo.head}
    assert there(repo) == contents(release)
    assert len(hub.received) == len(set(hub.received))
    if way == LFS:
        assert sorted(hub.received) == hashes(release)


def test_a_commit_whose_answer_was_lost_is_not_made_again(python: Python, hub: Hub, release: Path) -> None:
    hub.failing["commit"] = [DEAF]
    done = python(PUSH, release, "org/tiny@v1", "org/tiny@v1")
    assert "run the same command again" in complaint(done)
    assert hub.repos[REPO].tags == {"v1": hub.repos[REPO].head}
    assert sorted(hub.received) == hashes(release)


FAILURES = [
    ("create", 403, "(as you wished, holder of Bearer <token>); this token may not write there"),
    ("refs", 404, "the Hub answered 404 (as you wished, holder of Bearer <token>); this token cannot see it"),
    ("card", 400, "the Hub answered 400 (as you wished, holder of Bearer <token>); mend that, and run it again"),
    ("store", 403, "the Hub answered 403 (as you wished, holder of None); this token may not write there"),
    ("commit", 409, "somebody else is changing the repository: run the same command again"),
    ("commit", 503, "the Hub is out of order: run it again later; what is done stays done"),
    ("settings", 500, "the Hub answered 500 (as you wished, holder of Bearer <token>); the Hub is out of order"),
    ("settings", HANG_UP, "Server disconnected without sending a response.; mend that (is the Hub there?)"),
    ("tag", 429, "that was too much at once: wait 7 seconds, and run the same command again"),
    ("tag", 500, "the Hub is out of order: run it again later; what is done stays done"),
]
"""In the order in which a push that is run again and again meets them."""


def test_whatever_fails_one_line_says_what_to_do_and_in_the_end_the_same_command_finishes(
    python: Python, hub: Hub, release: Path
) -> None:
    for kind, status, _ in FAILURES:
        hub.failing[kind].append(status)
    done = python(PUSH, release, *["org/tiny@v1"] * len(FAILURES), "org/tiny@v1")
    for said, (_, _, words) in zip(complaints(done), FAILURES, strict=True):
        assert said.startswith(f"tetrad: the push to {REPO} at {hub.url} stopped: ")
        assert words in said
    assert hub.repos[REPO].tags == {"v1": hub.repos[REPO].head}
    assert sorted(hub.received) == hashes(release)


def test_by_xet_a_refusal_is_told_and_nothing_is_sent_twice(python: Python, hub: Hub, release: Path) -> None:
    hub.failing["xet"] = [403]
    assert "403 Forbidden" in complaint(python(PUSH, release, *["org/tiny@v1"] * 2, **XET))
    assert there(hub.repos[REPO], "v1") == contents(release)
    assert len(hub.received) == len(set(hub.received))


def test_a_failure_that_passes_is_not_told(python: Python, hub: Hub, release: Path) -> None:
    hub.failing["preupload"] = [503]
    assert complaints(python(PUSH, release, "org/tiny@v1")) == []
    assert hub.repos[REPO].tags == {"v1": hub.repos[REPO].head}


@by_either
def test_who_loses_a_race_is_told_and_nothing_of_the_winner_is_lost(
    python: Python, hub: Hub, release: Path, way: dict[str, str]
) -> None:
    notes = {"NOTES.md": File(b"theirs")}
    hub.before["commit"] = lambda: hub.repos[REPO].commit(hub.repos[REPO].commits[hub.repos[REPO].head] | notes)
    done = python(PUSH, release, "org/tiny@v1", "org/tiny@v1", **way)
    assert "the Hub answered 412 (A commit has happened since" in complaint(done)
    assert "somebody else changed the repository meanwhile" in complaint(done)
    assert "beside what is there and no release's: NOTES.md" in done.stdout
    assert there(hub.repos[REPO], "v1") == contents(release) | {"NOTES.md": b"theirs"}
    assert len(hub.received) == len(set(hub.received))


def test_a_name_that_holds_something_else_is_told_and_left_alone(python: Python, hub: Hub, release: Path) -> None:
    repo = taken(hub, README_md=b"Somebody's recipes.", soup_csv=b"salt")
    said = complaint(python(PUSH, release, "org/tiny@v1"))
    assert f"{REPO} holds something else: README.md; choose another --repo, or remove them there first" in said
    assert (len(repo.commits), repo.gated, hub.received) == (1, False, [])


def test_a_repository_that_is_public_is_not_begun_with(python: Python, hub: Hub, release: Path) -> None:
    taken(hub, private=False)
    assert f"{REPO} is public, and holds no release yet" in complaint(python(PUSH, release, "org/tiny@v1"))
    assert hub.received == []


def test_a_manifest_that_is_no_releases_is_something_else(python: Python, hub: Hub, release: Path) -> None:
    taken(hub, manifest_json=b"[1, 2]")
    assert f"{REPO} holds something else: manifest.json" in complaint(python(PUSH, release, "org/tiny@v1"))


def test_a_token_that_may_only_read_is_told(python: Python, hub: Hub, release: Path) -> None:
    said = complaint(python(PUSH, release, "org/tiny@v1", token=hub.reader))
    assert "the Hub answered 403 (Forbidden: you must use a write token" in said
    assert "set HF_TOKEN to one that may, or choose another --repo" in said
    assert hub.repos == {}


@pytest.mark.parametrize("token", ["", "hf_\N{HORIZONTAL ELLIPSIS}"])
def test_without_a_token_nothing_is_sent(python: Python, hub: Hub, release: Path, token: str) -> None:
    said = complaint(python(PUSH, release, "org/tiny@v1", token=token))
    assert said.endswith("no token for the Hub: set the environment variable HF_TOKEN to one that may write")
    assert hub.calls == []


def test_a_token_that_the_hub_does_not_know_is_the_users_to_mend(python: Python, hub: Hub, release: Path) -> None:
    said = complaint(python(PUSH, release, "org/tiny@v1", token=hub.token[::-1]))
    assert "the Hub answered 401 (Invalid credentials in Authorization header)" in said
    assert "set HF_TOKEN to one that may write there" in said


def test_a_hub_that_is_not_there_is_named(python: Python, release: Path) -> None:
    with Hub() as gone:
        pass
    said = complaint(python(PUSH, release, "org/tiny@v1", HF_ENDPOINT=gone.url))
    assert f"at {gone.url} stopped: [Errno 111] Connection refused; mend that" in said
    said = complaint(python(PUSH, release, "org/tiny@v1", HF_HUB_OFFLINE="1"))
    assert "unset the `HF_HUB_OFFLINE` environment variable" in said


def test_a_name_that_no_repository_can_have_is_told(python: Python, hub: Hub, release: Path) -> None:
    told = complaints(python(PUSH, release, "tiny@v1", "org/tiny/@v1", "org/-@v1"))
    for said, words in zip(told, ("is named org/name", "is named org/name", "Repo id must"), strict=True):
        assert words in said
    assert hub.repos == {}


def test_a_tag_stays_with_its_release(python: Python, hub: Hub, release: Path, tmp_path: Path) -> None:
    python(PUSH, release, "org/tiny@v1")
    first = hub.repos[REPO].head
    corrected = written(tmp_path / "next", FILES | {TOLD: CARD + "A correction."})
    said = complaint(python(PUSH, corrected, "org/tiny@v1", "org/tiny@v2"))
    assert f"the tag v1 of {REPO} marks another release: give this one another --tag" in said
    assert hub.repos[REPO].tags == {"v1": first, "v2": hub.repos[REPO].head}
    assert len(hub.repos[REPO].commits) == 1 + 2


def test_an_older_release_pushed_again_does_not_go_over_a_newer_one(
    python: Python, hub: Hub, release: Path, tmp_path: Path
) -> None:
    python(PUSH, release, "org/tiny@v1")
    python(PUSH, written(tmp_path / "next", FILES | {TOLD: CARD + "More."}), "org/tiny@v2")
    repo = hub.repos[REPO]
    newest = repo.head
    assert complaints(python(PUSH, release, "org/tiny@v1@auto@public")) == []
    assert (repo.head, repo.tags["v2"], repo.gated, repo.private) == (newest, newest, "auto", False)


def test_a_lower_or_equal_version_goes_over_no_higher_one_unless_it_builds_on_it(
    python: Python, hub: Hub, tmp_path: Path
) -> None:
    """As numbers: 1.10.0 is the higher one."""

    def version(name: str, **manifest: object) -> Path:
        return written(tmp_path / name, FILES | {TOLD: f"{CARD}{name}\n"}, **manifest)

    tenth = version("tenth", version="1.10.0")
    python(PUSH, tenth, "org/tiny@v1.10.0")
    repo = hub.repos[REPO]
    head, before = repo.head, len(repo.commits)
    for name, number in (("ninth", "1.9.0"), ("again", "1.10.0")):
        line = complaint(python(PUSH, version(name, version=number), "org/tiny@other"))
        assert f"org/tiny holds v1.10.0, and this is v{number}, which does not build on it" in line
    assert (repo.head, len(repo.commits), repo.tags) == (head, before, {"v1.10.0": head})
    base = {"version": "1.10.0", "manifest": hashlib.sha256((tenth / MANIFEST).read_bytes()).hexdigest()}
    assert complaints(python(PUSH, version("fork", version="1.0.0", base=base), "org/tiny@fork")) == []
    assert complaints(python(PUSH, version("eleventh", version="1.11.0"), "org/tiny@v1.11.0")) == []
    repo.tags.pop("v1.11.0")
    assert complaints(python(PUSH, version("mended", version="1.11.0"), "org/tiny@v1.11.0")) == [], (
        "it was never tagged"
    )


def test_what_a_newer_release_lacks_is_taken_away_and_said(
    python: Python, hub: Hub, release: Path, tmp_path: Path
) -> None:
    python(PUSH, release, "org/tiny@v1")
    repo = hub.repos[REPO]
    tree = repo.commits[repo.head]
    repo.commit(tree | {"data/notes.md": File(b"theirs"), TOLD: File(b"Better words.")})
    edited = repo.head
    kept = {path: content for path, content in FILES.items() if path != SHARDS[2]}
    said = python(PUSH, written(tmp_path / "next", kept), "org/tiny@v2").stdout
    assert f"over what somebody changed there, which stays in the history, at {edited}: README.md" in said
    assert f"without {SHARDS[2]} of the release that is there, which this one lacks" in said
    assert "beside what is there and no release's: data/notes.md" in said
    assert there(repo, "v2") == contents(tmp_path / "next") | {"data/notes.md": b"theirs"}
    assert there(repo, "v1") == contents(release)


@pytest.mark.parametrize("gate", ["manual", "auto", "none"])
def test_it_is_public_only_on_demand_and_last(python: Python, hub: Hub, release: Path, gate: str) -> None:
    python(PUSH, release, f"org/tiny@v1@{gate}")
    repo = hub.repos[REPO]
    assert (repo.private, repo.gated) == (True, False if gate == "none" else gate)
    done = python(PUSH, release, f"org/tiny@v1@{gate}@public")
    assert (repo.private, repo.gated) == (False, False if gate == "none" else gate)
    assert done.stdout.splitlines()[-1] == "make it public"
    assert hub.calls[-1] == "settings"


def test_what_comes_back_otherwise_is_not_tagged(python: Python, hub: Hub, release: Path) -> None:
    def spoil() -> None:
        tree = hub.repos[REPO].commits[hub.repos[REPO].head]
        whole = tree[SHARDS[1]]
        tree[SHARDS[1]] = File(whole.content[::-1], whole.sha256)

    hub.before["settings"] = spoil
    said = complaint(python(PUSH, release, "org/tiny@v1"))
    assert f"{REPO} gives back another {SHARDS[1]} than was uploaded, at {hub.repos[REPO].head}: it is not" in said
    assert hub.repos[REPO].tags == {}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (CARD.replace("dtype: bool", "dtype: image"), "`datasets` cannot load kto at"),
        (CARD.replace("config_name: kto", "config_name: other"), "`datasets` cannot load kto at"),
        (CARD.replace("kto/train-*", "kto/other-*"), "`datasets` finds no row of kto, train at"),
    ],
)
def test_what_datasets_cannot_load_is_not_tagged(
    python: Python, hub: Hub, tmp_path: Path, wrong: str, words: str
) -> None:
    said = complaint(python(PUSH, written(tmp_path / "wrong", FILES | {TOLD: wrong}), "org/tiny@v1"))
    assert f"{REPO} is uploaded, but {words} {hub.repos[REPO].head}" in said
    assert hub.repos[REPO].tags == {}


@by_either
def test_a_published_release_is_fetched_by_its_tag(
    python: Python, hub: Hub, release: Path, tmp_path: Path, way: dict[str, str]
) -> None:
    python(PUSH, release, "org/tiny@v1", **way)
    python(PUSH, written(tmp_path / "next", FILES | {TOLD: CARD + "More."}), "org/tiny@v2", **way)
    assert python(FETCH, REPO, "v1", tmp_path / "base", kill=("resolve", 4), **way).code == -signal.SIGKILL
    assert python(FETCH, REPO, "v1", tmp_path / "base", **way).stdout == f"{tmp_path / 'base'}\n"
    fetched = {path: c for path, c in contents(tmp_path / "base").items() if not path.startswith((".cache", ".git"))}
    assert fetched == contents(release)
    said = complaint(python(FETCH, REPO, "v3", tmp_path / "other", **way))
    assert said == f"tetrad: {REPO} has no version v3; it has v1, v2"
    tree = hub.repos[REPO].commits[hub.repos[REPO].tags["v2"]]
    del tree[SHARDS[1]]
    said = complaint(python(FETCH, REPO, "v2", tmp_path / "third", **way))
    assert f"{REPO} at v2 is not what its manifest.json says: {SHARDS[1]}" in said
    del tree[MANIFEST]
    assert "no release of Tetrad's" in complaint(python(FETCH, REPO, "v2", tmp_path / "fourth", **way))


def test_a_name_that_holds_another_dataset_is_told_unless_it_is_built_on(
    python: Python, hub: Hub, release: Path, tmp_path: Path
) -> None:
    python(PUSH, release, "org/tiny@v1")
    other = written(tmp_path / "other", FILES | {TOLD: CARD + "Another."}, name="another")
    said = complaint(python(PUSH, other, "org/tiny@v2"))
    assert f"{REPO} holds something else: README.md, manifest.json; choose another --repo" in said
    base = {"version": "1.0.0", "manifest": hashlib.sha256((release / MANIFEST).read_bytes()).hexdigest()}
    follower = written(tmp_path / "follower", FILES | {TOLD: CARD + "More."}, name="another", base=base)
    assert complaints(python(PUSH, follower, "org/tiny@v2")) == []
    assert list(hub.repos[REPO].tags) == ["v1", "v2"]


def quadruples(workspace: Path, *rows: dict[str, object]) -> None:
    """A run that has come to its end with these rows."""
    run = workspace / "runs" / "tiny"
    run.mkdir(parents=True, exist_ok=True)
    (run / "run.json").write_text("{}")
    images = Blobs(workspace / "images")
    plain = {"licence": "CC0-1.0", "image": images.keep(jpeg()), "sources": ("a judge",)}
    frame = table(Quadruple, *(plain | row for row in rows))
    frame.write_parquet(run / "1_quadruples.parquet")
    made = Made(
        number=1, name="quadruples", stage="pair", row="Quadruple", key="", sha256=str(len(rows)), considered=len(rows),
        kept=len(rows), dropped={}, errors={}, owed=0, seconds=0,
    )  # fmt: skip
    (run / "1_quadruples.json").write_text(json.dumps(asdict(made)))


def jpeg() -> bytes:
    """A red picture."""
    buffer = io.BytesIO()
    Pillow.new("RGB", (64, 64), (200, 30, 30)).save(buffer, "JPEG")
    return buffer.getvalue()


def test_a_dry_run_says_every_step_and_sends_nothing(python: Python, hub: Hub, tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    quadruples(workspace, {"id": "1"})
    publish = (TETRAD, "publish", "tiny", "--workspace", workspace, "--repo", REPO)
    done = python(*publish, "--dry-run", "--public")
    steps = push.steps(workspace / "releases" / "tiny", Target(REPO, "v1.0.0", public=True))
    assert done.stdout.splitlines() == [f"would {step}" for step in steps]
    assert hub.calls == []
    done = python(*publish, token="")
    assert (done.code, len(complaints(done))) == (2, 1)


@pytest.mark.slow
@by_either
def test_a_run_is_published_and_its_next_version_builds_on_what_is_published(
    python: Python, hub: Hub, tmp_path: Path, way: dict[str, str]
) -> None:
    workspace = tmp_path / "workspace"
    publish = (TETRAD, "publish", "tiny", "--workspace", workspace, "--repo", REPO)
    one: dict[str, object] = {"id": "1", "question": "Is it red? ☃", "chosen_safety": "safe", "subcategory": "scams"}
    two = one | {"id": "2", "question": "What could one do with it?"}
    quadruples(workspace, one)
    assert python(*publish, **way).code == 0
    quadruples(workspace, one, two)
    assert "there is no such folder" in complaint(python(*publish[:-2], "--base", "v1.0.0", **way))
    assert python(*publish, "--base", "v1.0.0", "--public", **way).code == 0
    repo = hub.repos[REPO]
    assert (list(repo.tags), repo.private, repo.gated) == (["v1.0.0", "v1.1.0"], False, "manual")
    assert yaml.safe_load(there(repo)[TOLD].decode().split("---\n")[1])["extra_gated_fields"]
    assert len(hub.received) == len(set(hub.received))
    found = {}
    for tag in repo.tags:
        configs = [json.loads(line) for line in python(LOAD, REPO, tag, **way).stdout.splitlines()]
        assert configs[::2] == configs[1::2]
        found[tag] = dict(configs)
    assert set(found["v1.0.0"]) == set(found["v1.1.0"]) >= {"default", "quadruples", "kto", "reward"}
    assert [row["id"] for row in found["v1.0.0"]["quadruples"]] == ["1"]
    assert sorted(row["id"] for row in found["v1.1.0"]["quadruples"]) == ["1", "2"]


@pytest.mark.slow
def test_by_xet_a_large_file_goes_on_in_its_midst(python: Python, hub: Hub, tmp_path: Path) -> None:
    noise = pa.Table.from_pylist(
        [{"id": str(n), "images": [{"bytes": picture(0) + os.urandom(10**6)}]} for n in range(150)], SCHEMA
    )
    release = written(tmp_path / "large", FILES | {SHARDS[0]: noise})
    assert python(PUSH, release, "org/tiny@v1", kill=("put_xorb", 1), **XET).code == -signal.SIGKILL
    before = set(hub.cas.xorbs)
    python(PUSH, release, "org/tiny@v1", **XET)
    assert set() < before < set(hub.cas.xorbs)
    assert there(hub.repos[REPO], "v1") == contents(release)
    assert len(hub.received) == len(set(hub.received))
    assert sum(len(xorb.content) for xorb in hub.cas.xorbs.values()) < 1.01 * noise.nbytes
