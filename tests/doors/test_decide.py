"""The decide door: what people decided is appended, never overwritten; a file is taken whole or not at all."""

import contextlib
import json
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.doors.decide import Decide
from pipeline.errors import UserError
from pipeline.tables import Decision

KNOWN = {"pair-1", "pair-2", "pair-3"}


def decision(pair: str, reviewer: str, strength: float) -> Decision:
    return Decision(
        id=f"{pair}-{reviewer}-{strength}", candidate_id=pair, reviewer=reviewer, strength=strength,
        decided_at="2026-11-21T12:00:00Z",
    )  # fmt: skip


def line(pair: str | None = "pair-1", reviewer: str = "heron", strength: object = 1.0, **more: object) -> bytes:
    return json.dumps(
        decision("pair-1", reviewer, 1.0).model_dump() | {"candidate_id": pair, "strength": strength} | more
    ).encode()


@pytest.fixture
def decide(tmp_path: Path) -> Iterator[Decide]:
    door = Decide(tmp_path / "run", write=True)
    yield door
    door.close()


def found(door: Decide) -> list[tuple[str, str, float]]:
    return list(door.decisions().select("candidate_id", "reviewer", "strength").iter_rows())


def test_before_the_first_decision_there_is_an_empty_table(decide: Decide, tmp_path: Path) -> None:
    nobody = Decide(tmp_path / "nowhere", write=False)
    for door in (decide, nobody):
        assert door.decisions().is_empty()
        assert dict(door.decisions().schema) == Decision.columns()


def test_the_last_decision_of_a_reviewer_on_a_pair_counts_and_the_log_holds_all(decide: Decide, tmp_path: Path) -> None:
    for pair, reviewer, strength in (
        ("pair-1", "heron", -3.0),
        ("pair-2", "heron", 2.0),
        ("pair-1", "otter", 1.0),
        ("pair-1", "heron", 0.0),
        ("pair-2", "otter", -0.5),
    ):
        decide.keep(decision(pair, reviewer, strength))
    reader = Decide(tmp_path / "run", write=False)
    for door in (decide, reader):
        assert found(door) == [
            ("pair-2", "heron", 2.0),
            ("pair-1", "otter", 1.0),
            ("pair-1", "heron", 0.0),
            ("pair-2", "otter", -0.5),
        ]
    reader.close()
    assert (tmp_path / "run" / "decisions.jsonl").read_bytes().count(b"\n") == 5


def test_the_fingerprint_changes_with_every_decision_and_with_nothing_else(decide: Decide, tmp_path: Path) -> None:
    prints = [decide.fingerprint()]
    for _ in range(3):
        decide.keep(decision("pair-1", "heron", 1.0))
        assert decide.fingerprint() == decide.fingerprint()
        prints.append(decide.fingerprint())
    assert len(set(prints)) == 4
    reader = Decide(tmp_path / "run", write=False)
    assert reader.fingerprint() == prints[-1]
    reader.close()


def test_decisions_can_be_read_by_several_threads_while_one_decides(decide: Decide) -> None:
    for n in range(500):
        decide.keep(decision(f"pair-{n}", "heron", 1.0))
    heights: list[int] = []
    readers = [threading.Thread(target=lambda: heights.append(decide.decisions().height)) for _ in range(4)]
    for reader in readers:
        reader.start()
    for n in range(500, 600):
        decide.keep(decision(f"pair-{n}", "heron", 1.0))
    for reader in readers:
        reader.join()
    assert len(heights) == 4
    assert all(500 <= height <= 600 for height in heights)


def test_a_file_is_taken_whole(decide: Decide, tmp_path: Path) -> None:
    path = tmp_path / "decisions.jsonl"
    path.write_bytes(
        line("pair-1", "heron", -3)
        + b"\r\n\n"
        + line("pair-2", "øystein", 2.5)
        + b"\n  \n"
        + line("pair-1", "heron", 3)
    )
    assert decide.take(path, KNOWN) == 3
    assert found(decide) == [("pair-2", "øystein", 2.5), ("pair-1", "heron", 3.0)]


def test_what_is_given_to_a_run_is_read_at_once(tmp_path: Path) -> None:
    for pair in ("first", "second"):
        with contextlib.closing(Decide(tmp_path, write=False, takes=True)) as door:
            door.give(decision(pair, "heron", 1.0))
            assert [name for name, *_ in found(door)][-1] == pair
    with contextlib.closing(Decide(tmp_path, write=False)) as door:
        door.give(decision("third", "heron", 1.0))
        assert [name for name, *_ in found(door)] == ["first", "second"], "it takes none"


def test_an_empty_file_holds_no_decisions(decide: Decide, tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_bytes(b"\n\n")
    assert decide.take(tmp_path / "empty.jsonl", KNOWN) == 0


def test_taking_a_file_twice_changes_nothing(decide: Decide, tmp_path: Path) -> None:
    path = tmp_path / "decisions.jsonl"
    path.write_bytes(line("pair-1") + b"\n" + line("pair-2"))
    decide.take(path, KNOWN)
    before = found(decide)
    decide.take(path, KNOWN)
    assert found(decide) == before


BAD = {
    "not JSON": (b"strength: 3", "the line: Invalid JSON"),
    "torn": (line()[:-4], "the line: Invalid JSON"),
    "not UTF-8": (line(reviewer="MARK").replace(b"MARK", b"caf\xe9"), "reviewer|the line"),
    "no object": (b"[1, 2]", "the line: .*object"),
    "unknown pair": (line("pair-9"), "this run has no pair pair-9"),
    "too strong": (line(strength=3.01), "the line: .*strength lies outside -3 to 3"),
    "too weak": (line(strength=-4), "the line: .*strength lies outside -3 to 3"),
    "infinite": (line(strength=float("inf")), "the line: .*strength"),
    "no number": (line(strength=float("nan")), "the line: .*strength"),
    "strength in words": (line(strength="much"), "strength: Input should be a valid number"),
    "no strength": (line(strength=None), "the line: .*of a pair it needs a strength"),
    "missing field": (b'{"id": "x", "candidate_id": "pair-1", "strength": 1}', "reviewer: Field required"),
    "field nobody declared": (line(mood="good"), "mood: Extra inputs are not permitted"),
}

BAD |= {
    "of nothing": (line(None), "the line: .*names a candidate_id or a response_id"),
    "of two things": (line(response_id="r"), "the line: .*not both"),
    "a response without a label": (line(None, response_id="r", criterion="safety"), "the line: .*needs a label"),
    "unknown response": (line(None, response_id="r", criterion="safety", label="safe"), "this run has no response r"),
}


@pytest.mark.parametrize(("bad", "why"), BAD.values(), ids=BAD)
@pytest.mark.parametrize("before", [b"", line("pair-2") + b"\n", b"\n" + line("pair-2") + b"\n\n"])
def test_one_bad_line_is_named_by_its_number_and_nothing_is_taken(
    decide: Decide, tmp_path: Path, before: bytes, bad: bytes, why: str
) -> None:
    path = tmp_path / "decisions.jsonl"
    path.write_bytes(before + bad + b"\n" + line("pair-3") + b"\n")
    number = before.count(b"\n") + 1
    with pytest.raises(UserError, match=f", line {number}: (?:{why}).*; nothing was taken$") as error:
        decide.take(path, KNOWN)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)
    assert decide.decisions().is_empty()


def test_a_file_that_is_not_there_is_one_line_for_the_user(decide: Decide, tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere.jsonl", tmp_path):
        with pytest.raises(UserError, match=f"cannot read {path}: "):
            decide.take(path, KNOWN)


def test_a_disk_that_fills_up_while_a_file_is_taken_takes_nothing(small_disk: Path, tmp_path: Path) -> None:
    decide = Decide(small_disk / "run", write=True)
    path = tmp_path / "decisions.jsonl"
    path.write_bytes(b"\n".join(line("pair-1", f"reviewer-{n}") for n in range(1000)))
    with pytest.raises(UserError, match="is full"):
        decide.take(path, KNOWN)
    assert decide.decisions().is_empty()
    subprocess.run(["mount", "-o", "remount,size=1m", small_disk], check=True)
    assert decide.take(path, KNOWN) == 1000
    assert decide.decisions().height == 1000
    decide.close()


def test_labels_of_responses_are_taken_beside_verdicts_on_pairs(decide: Decide, tmp_path: Path) -> None:
    path = tmp_path / "both.jsonl"
    labelled = line(None, response_id="r", criterion="safety", label="unsafe", strength=None)
    path.write_bytes(line("pair-1") + b"\n" + line("pair-1", criterion="helpfulness", strength=-1) + b"\n" + labelled)
    assert decide.take(path, KNOWN, {"r"}) == 3
    assert decide.decisions().select("candidate_id", "criterion", "label").rows() == [
        ("pair-1", "overall", None), ("pair-1", "helpfulness", None), (None, "safety", "unsafe"),
    ]  # fmt: skip
