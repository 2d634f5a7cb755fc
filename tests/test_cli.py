"""What a user can get wrong ends in one line that says what, where and what to do: exit code 2, and no traceback."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tiny import Done, Model, Place, settle_in, tetrad

from pipeline import __version__
from pipeline.doors.log import Lock

PROGRAM = Path(sys.executable).with_name("tetrad")
Case = tuple[Callable[[Place], list[str | Path]], str]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A place with a run in it, and everything that the cases below get wrong."""
    with Model() as model, pytest.MonkeyPatch.context() as patch:
        place = settle_in(tmp_path_factory.mktemp("cli"), model)
        patch.setenv("TETRAD_MODELS", str(place.folder / "models.toml"))
        patch.setenv("TETRAD_WORKSPACE", str(place.workspace))
        patch.delenv("TETRAD_TEST_KEY", raising=False)
        patch.chdir(place.folder)
        place("run", place.recipe)
        place("run", place.recipe, "--name", "begun", "--until", "sample")
        prepare(place.folder)
        (place.workspace / "runs" / "begun" / "1_given.parquet").unlink()
        yield place


def prepare(folder: Path) -> None:
    """Files to stumble over."""
    (folder / "a file").write_text("no folder")
    (folder / "no pictures").mkdir()
    (folder / "builds nothing.py").write_text("POOLS = {}\n")
    taxonomy = (
        "{id: t, name: T, version: '1', source: here, licence: CC0-1.0, levels: [domain, category, subcategory], nodes: ["
        "{id: a, name: A, definition: D, children: [{id: b, name: B, definition: D, children: [{id: a, name: C, definition: D}]}]}]}"
    )
    (folder / "twice.yaml").write_text(taxonomy)
    (folder / "doubled.py").write_text(
        f"from pipeline import taxonomy\nPOOLS = {{}}\nT = taxonomy.load({str(folder / 'twice.yaml')!r})\ndef build(run): ...\n"
    )
    (folder / "mine.md").write_text("Answer {{ qestion }}")
    (folder / "holes.py").write_text(
        "from pipeline import templates\nPOOLS = {'p': ()}\n"
        f"def build(run):\n    templates.load({str(folder / 'mine')!r}, 'question')\n"
    )
    (folder / "broken.jsonl").write_text('{"id": "x"\n')


NAMED: dict[str, Case] = {
    "unknown recipe": (lambda _: ["run", "nosuch"], "no such recipe: nosuch; there are msts, spa_vl, ultrafeedback"),
    "unknown pool": (lambda p: ["run", p.recipe, "--pool", "gold"], "has no pool 'gold'; it has tiny, unknown"),
    "missing image folder": (
        lambda p: ["run", p.folder / "pictures.py", "--source", "nowhere"],
        "--source nowhere is neither a source of the recipe nor a folder or file that is there",
    ),
    "empty folder": (
        lambda p: ["run", p.folder / "pictures.py", "--source", "no pictures"],
        "the source no-pictures holds no images",
    ),
    "unknown run": (lambda _: ["status", "nosuch"], "no such run: nosuch; there are begun,"),
    "unknown table": (lambda _: ["show", "tiny-tiny", "image"], "has no table image; it has given, responses"),
    "condition on no column": (
        lambda _: ["show", "tiny-tiny", "responses", "--where", "colour = 'red'"],
        "--where \"colour = 'red'\"",
    ),
    "unknown stage": (
        lambda p: ["run", p.recipe, "--until", "responses"],
        "no such stage: responses; the line is collect, question",
    ),
    "workspace below a file": (
        lambda p: ["run", p.recipe, "--workspace", "a file/below"],
        "cannot make the folder a file/below: ",
    ),
    "recipe without build": (
        lambda _: ["run", "builds nothing.py"],
        "builds nothing.py is no recipe: it needs POOLS and build(run)",
    ),
    "taxonomy with a node twice": (lambda _: ["run", "doubled.py"], "twice.yaml:1: the node a stands in it twice"),
    "template with an unknown hole": (
        lambda _: ["run", "holes.py"],
        "mine.md: unknown hole qestion; this template may use question",
    ),
    "unknown model": (lambda p: ["run", p.recipe, "--pool", "unknown"], "unknown model 'no-such-model'; "),
    "missing key": (
        lambda p: ["run", p.recipe, "--pool", "locked"],
        "the model locked needs an API key: set the environment variable TETRAD_TEST_KEY",
    ),
    "run of another recipe": (
        lambda _: ["run", "holes.py", "--name", "tiny-tiny"],
        "the run tiny-tiny was made with format 1 recipe tiny pool tiny; give this one another name with --name",
    ),
    "retry of no such error": (
        lambda _: ["retry", "tiny-tiny", "--error", "timeout"],
        "keeps no failures of the kind timeout; it keeps bad_request",
    ),
}
OTHERS: dict[str, Case] = {
    "recipe that is not there": (lambda _: ["run", "gone.py"], "no such recipe: gone.py"),
    "recipe with a path for a name": (lambda _: ["run", "../spa_vl"], "no such recipe: ../spa_vl"),
    "recipe of the shelf itself": (lambda _: ["run", "__init__"], "no such recipe: __init__"),
    "run's name with a slash": (lambda p: ["run", p.recipe, "--name", "a/b"], "'a/b' will not do as a run's name"),
    "run's name that hides": (lambda p: ["run", p.recipe, "--name", ".x"], "'.x' will not do as a run's name"),
    "workspace that is a file": (lambda p: ["run", p.recipe, "--workspace", "a file"], "cannot make the folder a file"),
    "status below a file": (lambda _: ["status", "x", "--workspace", "a file/below"], "holds no runs yet"),
    "show of no run": (lambda _: ["show", "nosuch", "images"], "no such run: nosuch"),
    "review of no run": (lambda _: ["review", "nosuch"], "no such run: nosuch"),
    "publish of no run": (lambda _: ["publish", "nosuch"], "no such run: nosuch"),
    "retry of no run": (lambda _: ["retry", "nosuch", "--error", "x"], "no such run: nosuch"),
    "trace in no run": (lambda _: ["trace", "0123", "--run", "nosuch"], "no such run: nosuch"),
    "trace of no row": (lambda _: ["trace", "zzzz", "--run", "tiny-tiny"], "no row zzzz in tiny-tiny"),
    "publish before the end": (lambda _: ["publish", "begun"], "the run begun has no quadruples yet"),
    "review before the queue": (lambda _: ["review", "begun"], "the run begun has no review queue yet"),
    "show of a table that was deleted": (lambda _: ["show", "begun", "given"], "is gone: run the recipe again"),
    "trace over a table that was deleted": (
        lambda _: ["trace", "0123", "--run", "begun"],
        "is gone: run the recipe again",
    ),
    "retry over a table that was deleted": (
        lambda _: ["retry", "begun", "--error", "x"],
        "is gone: run the recipe again",
    ),
    "decisions that are not there": (lambda _: ["review", "tiny-tiny", "--take", "gone.jsonl"], "cannot read gone.jsonl"),
    "decisions that are broken": (
        lambda _: ["review", "tiny-tiny", "--take", "broken.jsonl"],
        "broken.jsonl, line 1: ",
    ),
} | {
    f"condition {where!r}": (lambda _, where=where: ["show", "tiny-tiny", "responses", "--where", where], "--where ")
    for where in ("respondent =", "1 +", "respondent", "tokens + 1", "SELECT * FROM x", "nosuch(text) = 1", "text > 5 5",
                  "'", ";", "tokens = 'many'")
}  # fmt: skip


def program(*arguments: str | Path) -> Done:
    """The command line, as a program of its own."""
    done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, check=False, timeout=60)
    return Done(done.returncode, done.stdout, done.stderr)


def assert_one_line(done: Done, words: str) -> None:
    assert done.code == 2, done.err
    assert "Traceback" not in done.out + done.err
    (line,) = done.err.splitlines()
    assert line.startswith("tetrad: ")
    assert words in line


@pytest.mark.parametrize("case", NAMED)
def test_a_mistake_is_one_line_of_the_program(case: str, place: Place) -> None:
    arguments, words = NAMED[case]
    assert_one_line(program(*arguments(place)), words)


@pytest.mark.parametrize("case", OTHERS)
def test_a_mistake_is_one_line(case: str, place: Place) -> None:
    arguments, words = OTHERS[case]
    assert_one_line(tetrad(*arguments(place)), words)


def test_a_second_run_while_one_is_under_way_is_told_who_runs(place: Place) -> None:
    lock = Lock(place.workspace)
    try:
        done = program("run", place.recipe)
    finally:
        lock.release()
    assert_one_line(done, f"{place.workspace} is in use by process {os.getpid()} on ")
    assert tetrad("run", place.recipe).code == 0, "afterwards it runs"


def test_reading_is_possible_while_a_run_is_under_way(place: Place) -> None:
    lock = Lock(place.workspace)
    try:
        for arguments in (["status", "tiny-tiny"], ["show", "tiny-tiny", "given"], ["review", "tiny-tiny", "--status"]):
            assert tetrad(*arguments).code == 0
    finally:
        lock.release()


def test_a_broken_models_file_is_one_line(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TETRAD_MODELS", "a file")
    assert_one_line(tetrad("run", place.recipe), "a file: not TOML")
    monkeypatch.setenv("TETRAD_MODELS", "gone.toml")
    assert_one_line(tetrad("run", place.recipe), "cannot read gone.toml")


def last_line(done: Done) -> str:
    assert done.code == 2
    assert "Traceback" not in done.err
    return done.err.splitlines()[-1]


def test_a_model_that_cannot_what_is_asked_of_it_is_found_before_the_first_question(place: Place) -> None:
    before = len(place.model.asked)
    done = tetrad("run", place.recipe, "--pool", "dumb")
    assert last_line(done) == "tetrad: the model lexicon cannot chat: lexicon can classify"
    assert len(place.model.asked) == before


def test_a_judge_whose_model_cannot_do_what_it_asks_is_found_before_the_first_question(place: Place) -> None:
    before = len(place.model.asked)
    assert (
        last_line(tetrad("run", place.recipe, "--pool", "unscored"))
        == "tetrad: the model tiny cannot score: openai can chat"
    )
    assert len(place.model.asked) == before


def test_a_preview_of_a_later_stage_says_what_comes_first(place: Place) -> None:
    line = last_line(tetrad("preview", place.recipe, "judge", "--name", "new", "--workspace", place.folder / "new"))
    assert line == "tetrad: sample comes first, and its replies are owed: run it with --until sample, or preview it"


@pytest.mark.parametrize(
    ("decision", "words"),
    [
        ("{}", "line 2: id: Field required; nothing was taken"),
        ("[]", "line 2: the line: Input should be an object"),
        ('{"id": "x", "candidate_id": "gone", "reviewer": "r", "strength": 1, "decided_at": "t"}', "has no pair gone"),
    ],
)
def test_decisions_are_taken_all_or_none(decision: str, words: str, place: Place) -> None:
    pair = place.table("candidates")["id"][0]
    good = f'{{"id": "d", "candidate_id": "{pair}", "reviewer": "r", "strength": 1, "decided_at": "t"}}'
    (place.folder / "some.jsonl").write_text(f"{good}\n{decision}\n")
    assert_one_line(tetrad("review", "tiny-tiny", "--take", "some.jsonl"), words)
    assert "0 of 7 are decided" in tetrad("review", "tiny-tiny", "--status").out


def test_a_strength_off_the_scale_is_no_decision(place: Place) -> None:
    pair = place.table("candidates")["id"][0]
    for strength in ("3.5", "-4", "1e9", '"far"'):
        row = f'{{"id": "d", "candidate_id": "{pair}", "reviewer": "r", "strength": {strength}, "decided_at": "t"}}'
        (place.folder / "some.jsonl").write_text(row)
        assert_one_line(tetrad("review", "tiny-tiny", "--take", "some.jsonl"), "strength")


def test_a_recipe_shadows_no_module_whatever_its_file_is_called(place: Place) -> None:
    """`datasets` is imported late, when the release is built."""
    recipe = place.folder / "datasets.py"
    recipe.write_text(place.recipe.read_text())
    done = tetrad("run", recipe)
    assert done.code == 0, done.err
    assert "release built" in done.err


def test_the_program_says_its_version_and_its_commands() -> None:
    assert program("--version").out == f"{__version__}\n"
    words = program("--help").out
    for command in ("run", "status", "show", "preview", "plan", "trace", "review", "publish", "retry"):
        assert command in words
