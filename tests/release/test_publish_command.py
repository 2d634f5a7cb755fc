"""`tetrad publish`: how a release is to be built is said once, and holds."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from tiny import QUESTIONS, Model, Place, settle_in, tetrad

from pipeline.release.folder import Folder
from pipeline.release.splits import SHARES

RUN = "tiny-tiny"


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A place in which the recipe has run once. It is not to be changed."""
    with Model() as model, pytest.MonkeyPatch.context() as patch:
        place = settle_in(tmp_path_factory.mktemp("line"), model)
        patch.setenv("TETRAD_MODELS", str(place.folder / "models.toml"))
        place("run", place.recipe)
        yield place


@pytest.fixture
def place(ran: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A copy of it, to be changed."""
    monkeypatch.setenv("TETRAD_MODELS", str(ran.folder / "models.toml"))
    monkeypatch.setenv("COLUMNS", "300")
    shutil.copytree(ran.folder, tmp_path / "copy")
    return Place(tmp_path / "copy", ran.model)


def release(place: Place) -> Folder:
    return Folder(place.workspace / "releases" / RUN)


def kept(place: Place) -> Path:
    """A copy of the release, as somebody else has it."""
    folder = place.folder / "v1"
    shutil.copytree(release(place).path, folder)
    return folder


def test_a_version_builds_on_another_and_says_so_from_then_on(place: Place) -> None:
    base = kept(place)
    before = dict(release(place).rows("quadruples").select("id", "split").iter_rows())
    text = place.recipe.read_text()
    place.recipe.write_text(text.replace(QUESTIONS[0], "How can one tell a fake coin from a real one?"))
    done = place("publish", RUN, "--base", base)
    assert "(v1.0.1)" in done.err, "nothing has changed yet but the text"
    done = place("run", place.recipe)
    assert "(v2.0.0)" in done.err, "the run's end remembers the base"
    after = dict(release(place).rows("quadruples").select("id", "split").iter_rows())
    assert {row: split for row, split in after.items() if row in before}.items() <= before.items()
    assert set(release(place).removed()) == before.keys() - after.keys() != set()
    assert "release is there already" in place("publish", RUN).err
    assert tetrad("release", "diff", base, release(place).path).out.startswith("v1.0.0 → v2.0.0")
    steps = place("publish", RUN, "--repo", "org/name", "--dry-run").out
    assert "v2.0.0" in steps, "the tag is the version"


def test_each_option_holds_by_itself_until_it_is_said_anew_or_taken_back(place: Place) -> None:
    base, bench = kept(place), place.folder / "bench.txt"
    bench.write_text(QUESTIONS[1])
    place("publish", RUN, "--base", base)
    place("publish", RUN, "--avoid", bench)
    made = release(place)
    assert made.manifest["base"]["version"] == "1.0.0", "the base still holds"
    assert made.manifest["dropped"]["stands in bench"] > 0
    place("publish", RUN, "--personal", "drop")
    place("publish", RUN, "--avoid", "none")
    made = release(place)
    assert made.manifest["base"]["version"] == "1.0.0"
    assert "stands in bench" not in made.manifest["dropped"]
    assert made.manifest["inputs"]["personal"] == "drop"
    place("publish", RUN, "--base", "none", "--splits", "train=0.5,test=0.5")
    assert release(place).manifest["base"] is None
    assert release(place).manifest["splits"]["shares"] == {"train": 0.5, "test": 0.5}
    place("publish", RUN, "--splits", "none", "--personal", "mask")
    assert release(place).manifest["splits"]["shares"] == SHARES
    assert "release is there already" in place("publish", RUN).err


def test_a_base_that_is_the_folder_itself_or_none_is_one_line_for_the_user(place: Place) -> None:
    for base, why in ((release(place).path, "is the folder that is written"), (place.folder, "is no release")):
        done = tetrad("publish", RUN, "--base", base, "--workspace", place.workspace)
        assert done.code == 2
        assert why in done.err
        assert done.err.count("\n") == 1
    assert release(place).version == "1.0.0", "and the release is as it was"


def test_splits_and_benchmarks_are_options(place: Place) -> None:
    bench = place.folder / "bench.txt"
    bench.write_text(QUESTIONS[1])
    place("publish", RUN, "--splits", "train=0.4,validation=0.3,test=0.3", "--avoid", bench)
    made = release(place)
    assert set(made.manifest["configs"]["quadruples"]["splits"]) == {"train", "validation", "test"}
    assert QUESTIONS[1] not in set(made.rows("quadruples")["question"])
    assert made.manifest["dropped"]["stands in bench"] > 0
    shown = place("show", RUN, "dropped", "--where", "stage = 'release'").out
    assert "stands in bench" in shown
    gone = pl.read_parquet(place.workspace / "releases" / f"{RUN}.dropped.parquet")["id"][0]
    assert "published: not in v1.0.0: stands in bench" in place("trace", gone).out


def test_options_that_are_none_are_one_line_for_the_user(place: Place) -> None:
    for options in (("--splits", "train=2"), ("--personal", "keep"), ("--avoid", "/no/such/file")):
        done = tetrad("publish", RUN, *options, "--workspace", place.workspace)
        assert done.code == 2, done.err
        assert "Traceback" not in done.err


def test_a_published_row_is_traced_to_the_words_of_every_model(place: Place) -> None:
    for config in release(place).configs:
        row = release(place).rows(config).row(0, named=True)
        told = place("trace", row["id"]).out
        assert ("writer: tiny" if config == "listwise" else "said: ") in told, config
    row = release(place).rows("quadruples").row(0, named=True)
    assert f"published: in v1.0.0, split {row['split']}, since v1.0.0" in place("trace", row["id"]).out


def test_no_path_of_this_machine_is_in_a_release(place: Place) -> None:
    place("publish", RUN, "--base", kept(place))
    for path in release(place).path.rglob("*"):
        assert path.is_dir() or str(place.folder).encode() not in path.read_bytes(), path
    assert json.loads((place.workspace / "releases" / f"{RUN}.plan.json").read_text())["base"]


BUILT = """
import sys
from pathlib import Path
from small import Small
from pipeline.stages import publish

small = Small(Path(sys.argv[1]), 2)
folder = Path(sys.argv[1]) / "release"
if not folder.is_dir():
    small.release()
print(publish.holds(folder, small.made))
"""


@pytest.mark.parametrize("changed", ["licences.py", "release/card.md.jinja"])
def test_a_release_is_built_anew_when_what_decides_what_is_in_it_is_another(tmp_path: Path, changed: str) -> None:
    """In a copy of the package: its list of licences, its card."""
    tests = Path(__file__).parents[1]
    for name in ("pipeline", "prompts", "taxonomies"):
        shutil.copytree(tests.parent / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    paths = os.pathsep.join(map(str, (tmp_path, tests, tests / "release")))

    def holds() -> str:
        command = [sys.executable, "-c", BUILT, tmp_path / "made"]
        return subprocess.run(
            command, env=os.environ | {"PYTHONPATH": paths}, cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout.strip()

    (tmp_path / "made").mkdir()
    assert [holds(), holds()] == ["True", "True"]
    with (tmp_path / "pipeline" / changed).open("a") as file:
        file.write("\n")
    assert holds() == "False"
