"""The log's entries: which votes count after undos, withdrawals and second thoughts."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.doors.entries import (
    AnyEntry,
    Flagged,
    Given,
    Label,
    Skipped,
    Submitted,
    Undone,
    Vote,
    Votes,
    Withdrawn,
    read,
)
from pipeline.tables import Decision

PEOPLE, PAIRS = ("heron", "otter"), ("c0", "c1")


def submitted(by: str = "heron", pair: str = "c0", strength: float = 1.0, **more: Any) -> Submitted:
    votes = (Vote(criterion="overall", strength=strength), *more.pop("votes", ()))
    return Submitted(by=by, candidate_id=pair, votes=votes, left="a", seconds=1, interface="1", **more)


def counted(*entries: AnyEntry) -> list[tuple[str, str, float | None]]:
    return [(d.reviewer, d.candidate_id or d.response_id or "", d.strength) for d in Votes(entries).decisions()]


def test_a_submission_is_a_row_for_each_vote_and_each_label() -> None:
    said = submitted(
        votes=(Vote(criterion="helpfulness", strength=-2),), reasons=("harmful",), note="Why.",
        labels=(Label(response_id="r", label="unsafe", category="insult", severity="severe"),),
    )  # fmt: skip
    rows = list(said.decisions())
    assert [(r.criterion, r.candidate_id, r.response_id, r.strength, r.label) for r in rows] == [
        ("overall", "c0", None, 1, None), ("helpfulness", "c0", None, -2, None), ("safety", None, "r", None, "unsafe"),
    ]  # fmt: skip
    assert [(r.reasons, r.note) for r in rows] == [(("harmful",), "Why."), ((), None), ((), None)]
    assert len({r.id for r in rows}) == 3
    assert (rows[2].category, rows[2].severity) == ("insult", "severe")


def test_a_second_thought_replaces_the_first_whole() -> None:
    first = submitted(votes=(Vote(criterion="helpfulness", strength=3),))
    assert counted(first, submitted(strength=-1)) == [("heron", "c0", -1)]


def test_an_undone_second_thought_lets_the_first_count_again() -> None:
    first, second = submitted(), submitted(strength=-1)
    assert counted(first, second, Undone(by="heron", entry=second.id)) == [("heron", "c0", 1)]
    assert counted(first, second, Undone(by="heron", entry=first.id)) == [("heron", "c0", -1)]


def test_what_is_submitted_after_a_withdrawal_counts() -> None:
    gone = Withdrawn(by="lead", reviewer="heron")
    assert counted(submitted(), gone) == []
    assert counted(submitted(), gone, submitted(strength=2)) == [("heron", "c0", 2)]
    assert counted(submitted(), submitted("otter"), gone) == [("otter", "c0", 1)]
    assert counted(submitted(), gone, Undone(by="lead", entry=gone.id)) == [("heron", "c0", 1)]


def test_decisions_from_elsewhere_are_withdrawn_with_their_reviewer() -> None:
    given_one = Given(
        by="x", decision=Decision(id="d", candidate_id="c0", reviewer="heron", strength=1, decided_at="t")
    )
    assert counted(given_one) == [("heron", "c0", 1)]
    assert counted(given_one, Withdrawn(by="lead", reviewer="heron")) == []


def test_an_adjudicator_keeps_what_they_said_as_a_reviewer() -> None:
    votes = Votes([submitted(), submitted(strength=-2, role="adjudicator")])
    assert [(v.role, v.strength()) for v in votes.on("c0")] == [("reviewer", 1), ("adjudicator", -2)]
    assert [(d.role, d.strength) for d in votes.decisions()] == [("adjudicator", -2)]


def test_what_is_undone_twice_or_was_forgotten_hurts_nobody() -> None:
    one = submitted()
    undone = Undone(by="heron", entry=one.id)
    assert counted(one, undone, undone, Undone(by="heron", entry="gone"), Skipped(by="heron", candidate_id="c0")) == []


@pytest.mark.parametrize(
    "entry",
    [submitted(), Flagged(by="x", candidate_id="c", image=None, what="illegal"), Withdrawn(by="x", reviewer="y")],
)
def test_a_line_is_read_as_it_was_written(entry: AnyEntry) -> None:
    assert read(entry.model_dump_json().encode()) == entry


moves = st.lists(
    st.tuples(st.booleans(), st.sampled_from(PEOPLE), st.sampled_from(PAIRS), st.integers(-3, 3)), max_size=30
)


@given(moves, st.sampled_from(PEOPLE))
def test_the_last_that_was_not_undone_counts_and_a_withdrawal_taken_back_was_never_there(
    steps: list[tuple[bool, str, str, int]], withdrawn: str
) -> None:
    entries: list[AnyEntry] = []
    stacks: dict[tuple[str, str], list[Submitted]] = {(who, pair): [] for who in PEOPLE for pair in PAIRS}
    for undo, who, pair, strength in steps:
        gone = Withdrawn(by="lead", reviewer=withdrawn)
        entries += [gone, Undone(by="lead", entry=gone.id)]
        if not undo:
            stacks[who, pair].append(submitted(who, pair, strength))
            entries.append(stacks[who, pair][-1])
        elif stacks[who, pair]:
            entries.append(Undone(by=who, entry=stacks[who, pair].pop().id))
    expected = {(*key, left[-1].strength()) for key, left in stacks.items() if left}
    assert set(counted(*entries)) == expected
    others = {row for row in expected if row[0] != withdrawn}
    assert set(counted(*entries, Withdrawn(by="lead", reviewer=withdrawn))) == others
