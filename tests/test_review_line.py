"""A run with risks, an audit and an estimate of what is wrong, from the command line: people decide, and it takes that up."""

import json
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from tiny import Model, Place, settle_in

OLD = """    run(review.queue, first, budget=0.5, audit=0.5)
    decisions = run(review.decisions, candidates, responses, decide=run.decide)
    preferences = run(settle.preferences, candidates, judgments, comparisons, decisions)
"""
NEW = """    labels = run(settle.labels, responses, judgments)
    decisions = run(review.decisions, candidates, responses, decide=run.decide)
    risks = run(review.risks, first, labels, prompts, responses, judgments, decisions, audit=0.5)
    queue = run(review.queue, first, risks=risks, decisions=decisions, budget=2)
    run(review.label_errors, first, labels, risks, decisions, decide=run.decide)
    preferences = run(settle.preferences, candidates, judgments, comparisons, decisions, queue=queue)
"""


@pytest.fixture
def model() -> Iterator[Model]:
    with Model() as running:
        yield running


@pytest.fixture
def place(model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    made = settle_in(tmp_path / "line", model)
    monkeypatch.setenv("TETRAD_MODELS", str(made.folder / "models.toml"))
    monkeypatch.setenv("COLUMNS", "400")
    text = made.recipe.read_text()
    assert OLD in text
    made.recipe.write_text(text.replace(OLD, NEW))
    return made


def test_people_look_at_the_audit_and_the_run_says_how_much_of_the_rest_is_wrong(place: Place) -> None:
    words = place("run", place.recipe).err
    assert "nobody has reviewed one: how many are wrong is not known." in words
    queue = place.table("queue")
    audit, rest = (queue.filter(reason=reason) for reason in ("audit", "uncertain"))
    assert audit.height > 0
    assert rest.height == 2
    risks = place.table("risks")
    assert risks.drop_nulls("candidate_id").filter("audit")["candidate_id"].sort().equals(audit["id"].sort())
    path = place.folder / "decided.jsonl"
    said = [
        {"id": f"d{n}", "reviewer": "ann", "decided_at": "2026-01-02T03:04:05Z", "candidate_id": name, "strength": 2}
        for n, name in enumerate([*audit["id"], rest["id"][0]])
    ]
    path.write_text("".join(json.dumps(one) + "\n" for one in said))
    place("review", "tiny-tiny", "--take", path)
    words = place("run", place.recipe).err
    assert f"{len(said)} reviewed; in the rest an estimated" in words
    after = place.table("queue")
    assert after.filter(reason="audit")["id"].equals(audit["id"]), "the audit stays as it was"
    assert after.filter(reason="uncertain")["id"][0] == rest["id"][0], "what was decided stays in front"
    (row,) = (
        place.table("label_errors")
        .filter(pl.col("stratum").is_null() & (pl.col("criterion") == "overall"))
        .rows(named=True)
    )
    assert row["audited"] <= audit.height
    assert row["population"] == row["reviewed"] + row["rest"]
    assert row["bound"] >= row["estimate"]
    before = place.bytes_of()
    place("run", place.recipe)
    assert place.bytes_of() == before
