"""`tetrad report`, and the report that every run ends with."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from tiny import Model, Place, settle_in, tetrad


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with Model() as serving:
        yield serving


@pytest.fixture
def place(tmp_path: Path, model: Model, monkeypatch: pytest.MonkeyPatch) -> Place:
    made = settle_in(tmp_path, model)
    monkeypatch.setenv("TETRAD_MODELS", str(made.folder / "models.toml"))
    return made


def report_of(place: Place, run: str = "tiny-tiny") -> Path:
    return place.workspace / "runs" / run / "report.html"


def test_a_run_ends_with_its_report(place: Place) -> None:
    done = place("run", place.recipe)
    assert str(report_of(place)) in done.err.replace("\n", "")
    html = report_of(place).read_text()
    assert f"<strong>{place.table('quadruples').height}</strong><span>quadruples</span>" in html
    assert f"<strong>{place.table('responses').height}</strong><span>responses</span>" in html
    assert report_of(place).stat().st_mode & 0o777 == 0o600


def test_a_run_that_stops_early_has_one_too(place: Place) -> None:
    place("run", place.recipe, "--until", "sample")
    html = report_of(place).read_text()
    assert "No quadruples yet" in html
    assert "<span>responses</span>" in html


def test_a_finished_run_keeps_its_report_as_it_is(place: Place) -> None:
    place("run", place.recipe)
    before = report_of(place).stat().st_mtime_ns
    place("run", place.recipe)
    assert report_of(place).stat().st_mtime_ns == before


def test_the_command_makes_the_same_report(place: Place) -> None:
    place("run", place.recipe)
    before = report_of(place).read_bytes()
    report_of(place).unlink()
    done = place("report", "tiny-tiny")
    assert "report.html" in done.err
    assert report_of(place).read_bytes() == before


def test_what_was_decided_is_in_the_next_report(place: Place) -> None:
    place("run", place.recipe)
    assert "Nobody has looked at these pairs" in report_of(place).read_text()
    pair = place.table("queue")["id"][0]
    votes = place.folder / "votes.jsonl"
    votes.write_text(f'{{"id":"v","candidate_id":"{pair}","reviewer":"ann","strength":2,"decided_at":"2026-11-22T00:00:00Z"}}\n')  # fmt: skip
    place("review", "tiny-tiny", "--take", votes)
    place("run", place.recipe)
    assert "<b>1</b> decisions of 1 reviewers on 1 pairs" in report_of(place).read_text()


def test_a_report_that_cannot_be_made_fails_no_run(place: Place) -> None:
    place("run", place.recipe, "--until", "sample")
    report_of(place).unlink()
    report_of(place).mkdir()
    place("run", place.recipe)
    assert place.table("quadruples").height
    assert "the run is whole" in (report_of(place).parent / "run.log").read_text()


def test_a_report_of_no_run_is_one_line(place: Place) -> None:
    done = tetrad("report", "nothing", "--workspace", place.workspace)
    assert done.code == 2
    assert "no such run: nothing" in done.err
    assert "Traceback" not in done.err


def test_a_table_of_another_version_is_one_line(place: Place) -> None:
    place("run", place.recipe)
    path = next(report_of(place).parent.glob("*_judgments.parquet"))
    pl.read_parquet(path).drop("label").write_parquet(path)
    done = tetrad("report", "tiny-tiny", "--workspace", place.workspace)
    assert done.code == 2
    assert "run the recipe again" in done.err
    assert "Traceback" not in done.err


def test_the_report_holds_no_key_and_no_path_of_this_machine(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TETRAD_TEST_KEY", "a-very-secret-key")
    place("run", place.recipe)
    html = report_of(place).read_text()
    assert "a-very-secret-key" not in html
    assert str(place.folder) not in html
    assert "127.0.0.1" not in html
