"""How a run ends before its end: by Ctrl-C, by SIGTERM, by its budget, by what providers' terms forbid. Nothing that came
back is lost, nothing more goes out, and the exit code says why."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from tiny import QUESTIONS, Done, Model, Place, settle_in, tetrad

from pipeline.doors.replies import Replies

PROGRAM = Path(sys.executable).with_name("tetrad")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A place of its own, with a model that may take its time."""
    with Model() as model:
        place = settle_in(tmp_path / "place", model)
        monkeypatch.setenv("TETRAD_MODELS", str(place.folder / "models.toml"))
        monkeypatch.setenv("COLUMNS", "400")
        yield place


@contextmanager
def running(place: Place, *arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    """The program, at work: all that its pool may ask at once is under way."""
    before = len(place.model.asked)
    command = [PROGRAM, "run", place.recipe, "--pool", "dear", *arguments, "--workspace", place.workspace]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        while len(place.model.asked) < before + 2:
            assert process.poll() is None
            time.sleep(0.01)
        yield process
        process.kill()


def kept(place: Place) -> int:
    """How many replies are kept."""
    rows = tetrad("store", "stats", "--workspace", place.workspace)
    assert rows.code == 0, rows.err
    return int(next(line for line in rows.out.splitlines() if "replies in all" in line).split()[0])


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_what_is_under_way_is_finished_and_kept_and_no_more_is_taken(
    number: signal.Signals, code: int, place: Place
) -> None:
    place.model.pause = 1.0
    with running(place) as process:
        process.send_signal(number)
        _, said = process.communicate(timeout=20)
    assert process.returncode == code
    assert "Traceback" not in said
    assert ("finishing what is under way" in said) == (number == signal.SIGINT)
    assert len(place.model.asked) == kept(place) == 2


def test_ctrl_c_does_not_wait_for_what_was_to_be_asked_again(place: Place) -> None:
    place.model.busy = True
    with running(place) as process:
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in said
    assert kept(place) == 0


def test_ctrl_c_twice_leaves_now(place: Place) -> None:
    place.model.pause = 60.0
    with running(place) as process:
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in said
    assert kept(place) == 0


@pytest.mark.slow
def test_sigterm_does_not_wait_for_a_server_that_takes_long(place: Place) -> None:
    place.model.pause = 60.0
    with running(place) as process:
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
        assert time.monotonic() - began < 10
    assert process.returncode == 143


def test_after_any_of_them_the_same_command_goes_on(place: Place) -> None:
    place.model.pause = 0.3
    with running(place) as process:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    before = len(place.model.asked)
    place.model.pause = 0.0
    place("run", place.recipe, "--pool", "dear", "--until", "sample")
    assert before + len(place.model.asked[before:]) == 2 * len(QUESTIONS), "each is asked once"


def paid(place: Place, budget: str) -> Done:
    """The run up to its answers, each of which costs at least a cent."""
    return tetrad(
        "run", place.recipe, "--pool", "dear", "--until", "sample", "--budget", budget, "--workspace", place.workspace
    )


def test_a_budget_stops_the_run_and_a_larger_one_goes_on(place: Place) -> None:
    done = paid(place, "0.3USD")
    assert done.code == 3
    assert "the budget of 0.3 USD is spent" in done.err
    asked = len(place.model.asked)
    assert 0 < asked < 2 * len(QUESTIONS)
    assert 0 < cost(place) <= 0.3
    assert paid(place, "0.3USD").code == 3, "what the first sitting spent counts"
    assert cost(place) <= 0.3
    assert paid(place, "50USD").code == 0
    assert len(place.model.asked) == 2 * len(QUESTIONS)


def cost(place: Place) -> float:
    """What the kept replies cost."""
    with closing(Replies(place.workspace, write=False)) as replies:
        return replies.spent("tiny-dear")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--pool", "unpriced", "--budget", "5USD"], "--budget needs the price of tiny"),
        (["--pool", "dear", "--budget", "5EUR"], "--budget '5EUR': prices are in US dollars"),
        (["--pool", "shy"], "the outputs of shy may not be published (a page, read 2026-11-01)"),
    ],
)
def test_what_cannot_be_paid_or_published_is_said_before_the_first_request(
    arguments: list[str], words: str, place: Place
) -> None:
    done = tetrad("run", place.recipe, *arguments, "--workspace", place.workspace)
    assert done.code == 2
    assert words in done.err
    assert place.model.asked == []


def test_a_private_run_may_use_any_model_and_is_never_released(place: Place) -> None:
    done = place("run", place.recipe, "--pool", "shy", "--private")
    assert "is private: there is no release" in done.err
    assert not (place.workspace / "releases").exists()
    published = tetrad("publish", "tiny-shy", "--workspace", place.workspace)
    assert published.code == 2
    assert "private" in published.err
    assert tetrad("run", place.recipe, "--pool", "shy", "--workspace", place.workspace).code == 2, (
        "nor is it made public"
    )


def test_a_run_keeps_a_log_without_any_key(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TETRAD_TEST_KEY", "sk-canary-0123456789abcdef")
    place("run", place.recipe, "--pool", "locked", "--until", "sample")
    log = (place.workspace / "runs" / "tiny-locked" / "run.log").read_text()
    assert "asking locked" in log
    assert "responses" in log
    for folder, _, files in os.walk(place.workspace):
        for file in files:
            assert b"canary" not in Path(folder, file).read_bytes()


def test_a_fault_of_our_own_is_a_traceback_without_any_key(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TETRAD_TEST_KEY", "sk-canary-0123456789abcdef")
    faulty = place.folder / "faulty.py"
    faulty.write_text(
        "import os\nPOOLS = {'p': ()}\ndef build(run):\n    raise RuntimeError('what: ' + os.environ['TETRAD_TEST_KEY'])\n"
    )
    done = subprocess.run(
        [PROGRAM, "run", faulty, "--workspace", place.workspace], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "RuntimeError: what: ***" in done.stderr
    assert "canary" not in done.stderr + done.stdout


def test_terms_that_forbid_it_now_are_held_when_a_release_is_built_or_pushed(place: Place) -> None:
    place("run", place.recipe)
    known = place.folder / "models.toml"
    forbidden = 'terms = { publish = true, train = false, source = "a page", date = 2026-11-01 }\n'
    known.write_text(known.read_text().replace("[tiny]\n", f"[tiny]\n{forbidden}"))
    for arguments in ([], ["--repo", "org/name", "--dry-run"]):
        done = tetrad("publish", "tiny-tiny", *arguments, "--workspace", place.workspace)
        assert done.code == 2
        assert "the outputs of tiny may not be trained on (a page, read 2026-11-01)" in done.err
