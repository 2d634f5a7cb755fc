"""What people decided goes out as files and comes in again: our own JSON lines, and Label Studio's."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import polars as pl
import pytest

from pipeline.doors.decide import Decide
from pipeline.doors.entries import Flagged, Label, Submitted, Vote
from pipeline.review.items import Item
from pipeline.review.label_studio import config, decisions
from tests.review.houses import RUN, pairs, write
from tests.tiny import tetrad


def submitted(by: str, pair: int, **votes: float) -> Submitted:
    return Submitted(
        by=by, candidate_id=f"c{pair}", votes=tuple(Vote(criterion=c, strength=s) for c, s in votes.items()),
        labels=(Label(response_id=f"p{pair}-a", label="unsafe", category="insult", severity="minor"),), left="b", seconds=3,
        interface="1", reasons=("harmful",), note="Why.", better="A kinder one.",
    )  # fmt: skip


@pytest.fixture
def reviewed(workspace: Path) -> Path:
    """A workspace in which people decided two of four pairs, and flagged one."""
    write(workspace, pairs(4))
    door = Decide(workspace / "runs" / RUN, write=True)
    door.keep(
        submitted("heron", 0, overall=2, helpfulness=-1), submitted("otter", 0, overall=-1), submitted("heron", 1, overall=0),
        Flagged(by="otter", candidate_id="c3", image="f" * 64, what="illegal"),
    )  # fmt: skip
    door.close()
    return workspace


def held(workspace: Path) -> list[dict[str, Any]]:
    door = Decide(workspace / "runs" / RUN, write=False)
    found = door.decisions().sort("id").to_dicts()
    door.close()
    return found


def test_what_goes_out_comes_in_elsewhere_as_it_was(reviewed: Path, tmp_path: Path) -> None:
    file, other = tmp_path / "all.jsonl", tmp_path / "other"
    done = tetrad("review", RUN, "--export", file, "--workspace", reviewed)
    assert done.out.startswith("3 pairs in ")
    pages = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(page["candidate_id"], len(page["decisions"])) for page in pages] == [("c0", 5), ("c1", 2), ("c2", 0)]
    assert pages[0]["better"] == ["A kinder one."] * 2
    assert "secret-model" not in file.read_text()
    write(other, pairs(4))
    assert tetrad("review", RUN, "--take", file, "--workspace", other).out.startswith("7 decisions taken")
    assert held(other) == held(reviewed)
    assert tetrad("review", RUN, "--take", file, "--workspace", other).code == 0
    assert held(other) == held(reviewed)


def test_a_flagged_pair_and_its_image_are_copied_nowhere(reviewed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "label studio"
    assert tetrad("review", RUN, "--label-studio", folder, "--workspace", reviewed).out.startswith("3 tasks in ")
    tasks = json.loads((folder / "tasks.json").read_text())
    assert [task["data"]["candidate_id"] for task in tasks] == ["c0", "c1", "c2"]
    assert len(list((folder / "images").iterdir())) == 3
    for task in tasks:
        data = task["data"]
        assert (folder / data["image"].partition("?d=")[2]).read_bytes()[:4] == b"\x89PNG"
        assert {data["answer1"].startswith("It shows"), data["answer2"].startswith("It shows")} == {True, False}
        assert data["answer1"].startswith("It shows") == (data["left"] == "a")


def test_the_configuration_is_xml_and_names_what_the_tasks_hold() -> None:
    tree = ElementTree.fromstring(config())  # noqa: S314 -- our own
    values = {e.get("value", "")[1:] for e in tree.iter() if e.get("value", "").startswith("$")}
    assert values == {"image", "question", "answer1", "answer2"}
    names = [e.get("name") for e in tree.iter() if e.get("name")]
    assert len(names) == len(set(names))
    assert {e.get("toName") for e in tree.iter() if e.get("toName")} <= set(names)


ITEMS = {"c0": Item("c0", "q", None, "ra", "rb", "a", "b")}


def exported(left: str = "a", result: list[dict[str, Any]] | None = None, **more: Any) -> list[dict[str, Any]]:
    """As Label Studio 1.23 exports it, with what we do not read."""
    chosen = {"overall": "-2", "helpfulness": "1", "safety1": "safe", "safety2": "unsafe"}
    result = result or [
        {
            "id": n,
            "from_name": n,
            "to_name": "question",
            "type": "choices",
            "origin": "manual",
            "value": {"choices": [c]},
        }
        for n, c in chosen.items()
    ] + [
        {"id": "n", "from_name": "note", "to_name": "question", "type": "textarea", "value": {"text": ["One.", "Two."]}}
    ]
    annotation = {"id": 7, "completed_by": 3, "result": result, "was_cancelled": False, "lead_time": 12.5,
                  "created_at": "2026-11-22T09:00:00Z", "updated_at": "2026-11-22T09:01:00Z"} | more  # fmt: skip
    return [
        {
            "id": 1,
            "data": {"candidate_id": "c0", "left": left, "question": "q"},
            "annotations": [annotation],
            "project": 1,
        }
    ]


def read(tmp_path: Path, tasks: object) -> Any:
    path = tmp_path / "export.json"
    path.write_text(json.dumps(tasks))
    return decisions(path, ITEMS)


@pytest.mark.parametrize(("left", "turn"), [("a", 1), ("b", -1)])
def test_annotations_come_back_as_decisions_whichever_side_was_which(tmp_path: Path, left: str, turn: int) -> None:
    found = read(tmp_path, exported(left, completed_by={"id": 3, "email": "secret@example.org"}))
    pairs_of = {d.criterion: d.strength for d in found if d.candidate_id}
    labels = {d.response_id: d.label for d in found if d.response_id}
    assert pairs_of == {"overall": 2 * turn, "helpfulness": -turn}
    assert labels == ({"ra": "safe", "rb": "unsafe"} if left == "a" else {"rb": "safe", "ra": "unsafe"})
    assert {d.reviewer for d in found} == {"label-studio-3"}
    assert found[0].note == "One.\nTwo."


def test_a_cancelled_annotation_is_no_decision(tmp_path: Path) -> None:
    assert read(tmp_path, exported(was_cancelled=True)) == []


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ({"tasks": []}, "is no JSON export of Label Studio: it: "),
        ([{"data": {"text": "x"}}], "is no JSON export of Label Studio: 0.data.candidate_id: "),
        ([{"data": {"candidate_id": "gone", "left": "a"}, "annotations": []}], "this run has no pair gone"),
        (exported(result=[{"from_name": "overall", "value": {"choices": ["9"]}}]), "a choice that is none of ours"),
        (exported(result=[{"from_name": "overall", "value": {"choices": ["left"]}}]), "a choice that is none of ours"),
        (exported(result=[{"from_name": "safety1", "value": {"choices": ["evil"]}}]), "a choice that is none of ours"),
    ],
)
def test_what_is_no_export_of_this_run_is_one_line_and_nothing_is_taken(
    workspace: Path, tmp_path: Path, bad: object, why: str
) -> None:
    write(workspace, pairs(1))
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(bad if isinstance(bad, list) else [bad]))
    done = tetrad("review", RUN, "--take", path, "--workspace", workspace)
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert why.replace("it: ", "0.data: ") in done.err
    assert done.err.endswith("nothing was taken\n")
    assert held(workspace) == []


def test_annotations_of_a_pair_that_left_the_queue_meanwhile_are_taken(workspace: Path, tmp_path: Path) -> None:
    write(workspace, pairs(2))
    page = next((workspace / "runs" / RUN).glob("*_queue.parquet"))
    pl.read_parquet(page).filter(pl.col("id") != "c0").write_parquet(page)
    path = tmp_path / "export.json"
    path.write_text(json.dumps(exported()))
    done = tetrad("review", RUN, "--take", path, "--workspace", workspace)
    assert (done.code, done.out.splitlines()[0].split(";")[0]) == (0, "4 decisions taken")


def test_a_file_that_cannot_be_written_is_one_line(workspace: Path, tmp_path: Path) -> None:
    write(workspace, pairs(1))
    (tmp_path / "file").write_text("")
    for option, where in (
        ("--export", "."),
        ("--export", tmp_path / "file" / "x"),
        ("--label-studio", tmp_path / "file"),
    ):
        done = tetrad("review", RUN, option, where, "--workspace", workspace)
        assert (done.code, done.err.count("\n")) == (2, 1), done.err
        assert done.err.startswith("tetrad: cannot ")
