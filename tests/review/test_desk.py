"""Who is shown which pair next: overlap, second opinions, caps, what is left out, gold; all of it from the log."""

import asyncio
import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.doors.blobs import Blobs
from pipeline.doors.decide import Decide, illegal_images
from pipeline.doors.entries import (
    AnyEntry,
    Chose,
    Flagged,
    Given,
    Gold,
    Joined,
    Label,
    Ruled,
    Rules,
    Skipped,
    Submitted,
    Undone,
    Vote,
    Withdrawn,
    at,
)
from pipeline.review import figures, items
from pipeline.review.desk import Desk
from pipeline.review.items import Item
from pipeline.review.standing import CLAIM, Standing
from pipeline.tables import Decision
from tests.review.houses import TAXONOMY, Pair, pairs, tables_of
from tests.rows import make

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp()


class Sitting:
    """A desk with a clock that a test sets."""

    def __init__(self, folder: Path, said: list[Pair], *entries: AnyEntry, people: int = 3) -> None:
        self.now = NOON
        self.door = Decide(folder / "run", write=True)
        joined = [Joined(by="test", name=f"r{n}", role="reviewer", token_sha256="-", at=self.at) for n in range(people)]
        self.door.keep(*joined, *entries)
        self.items = items.of_run(tables_of(said, Blobs(folder / "images")), TAXONOMY)
        self.desk = self.opened()

    def opened(self) -> Desk:
        """Another desk on the same log."""
        return Desk(self.door, self.items, lambda: self.now, taxonomy=TAXONOMY)

    @property
    def at(self) -> str:
        return at(self.now)

    def next(self, name: str) -> str:
        found = asyncio.run(self.desk.next_for(self.desk.standing.people[name]))
        return found.id if isinstance(found, Item) else found

    def keep(self, entry: AnyEntry) -> None:
        asyncio.run(self.desk.keep(entry))

    def submit(self, name: str, strength: float = 1.0, pair: str | None = None, **more: Any) -> str:
        """What they say of the pair before them; returns its name."""
        pair = pair or self.next(name)
        votes = (Vote(criterion="overall", strength=strength),)
        self.keep(
            Submitted(by=name, at=self.at, candidate_id=pair, votes=votes, left="a", seconds=5, interface="1", **more)
        )
        return pair


@pytest.fixture
def open_sitting(tmp_path: Path) -> Iterator[Any]:
    opened: list[Sitting] = []

    def make(said: list[Pair], *entries: AnyEntry, people: int = 3) -> Sitting:
        opened.append(Sitting(tmp_path, said, *entries, people=people))
        return opened[-1]

    yield make
    for sitting in opened:
        sitting.door.close()


def rules(**changes: Any) -> Ruled:
    return Ruled(by="lead", rules=Rules(**changes))


def test_pairs_come_in_the_order_of_the_queue_and_nobody_gets_what_lies_before_another(open_sitting: Any) -> None:
    sitting = open_sitting(pairs(3))
    assert [sitting.next(f"r{n}") for n in (0, 1, 0, 2)] == ["c0", "c1", "c0", "c2"]
    sitting.submit("r0")
    assert sitting.next("r0") == "waiting"
    sitting.now += CLAIM + 1
    assert sitting.next("r0") == "c1"


def test_each_pair_is_decided_by_as_many_as_the_rules_say_and_by_nobody_twice(open_sitting: Any) -> None:
    sitting = open_sitting(pairs(2), rules(overlap=2, second_opinion=False))
    decided = [(name, sitting.submit(name)) for name in ("r0", "r0", "r1", "r1")]
    assert sorted(decided) == [("r0", "c0"), ("r0", "c1"), ("r1", "c0"), ("r1", "c1")]
    assert [sitting.next(f"r{n}") for n in range(3)] == ["done"] * 3


def test_where_two_disagree_one_more_is_asked_and_then_it_is_the_leads(open_sitting: Any) -> None:
    sitting = open_sitting(pairs(1), rules(overlap=2))
    sitting.submit("r0", 2.0)
    sitting.submit("r1", -1.0)
    assert not sitting.desk.disputed("c0")
    assert sitting.submit("r2", 1.0) == "c0"
    assert sitting.desk.progress().disputed == ("c0",)
    sitting.submit("r0", 1.0, "c0", role="adjudicator")
    assert sitting.desk.progress().disputed == ()


@pytest.mark.parametrize(("first", "second", "odd"), [("safe", "refusal", False), ("safe", "unsafe", True)])
def test_people_are_at_odds_over_a_label_too(open_sitting: Any, first: Any, second: Any, odd: bool) -> None:
    sitting = open_sitting(pairs(1), rules(overlap=2, second_opinion=False))
    sitting.submit("r0", 1.0, labels=(Label(response_id="p0-a", label=first),))
    sitting.submit("r1", 2.0, labels=(Label(response_id="p0-a", label=second),))
    assert sitting.desk.disputed("c0") == odd


def test_a_tie_is_at_odds_with_nobody(open_sitting: Any) -> None:
    sitting = open_sitting(pairs(1), rules(overlap=2))
    sitting.submit("r0", 3.0)
    sitting.submit("r1", 0.0)
    assert not sitting.desk.disputed("c0")


def test_a_skipped_pair_goes_to_others(open_sitting: Any) -> None:
    sitting = open_sitting(pairs(2))
    sitting.keep(Skipped(by="r0", at=sitting.at, candidate_id=sitting.next("r0")))
    assert (sitting.next("r0"), sitting.next("r1")) == ("c1", "c0")


def test_a_day_and_a_category_have_their_caps(open_sitting: Any) -> None:
    said = [Pair("q", "a", "b", c, f"w{n}") for n, c in enumerate(["insult", "insult", "insult", "gambling", "theft"])]
    sitting = open_sitting(said, rules(daily=3, daily_category=2))
    assert [sitting.submit("r0") for _ in range(3)] == ["c0", "c1", "c3"]
    assert sitting.next("r0") == "enough"
    sitting.now += 86_400
    assert sitting.next("r0") == "c2"


def test_pairs_without_an_image_count_for_no_cap(open_sitting: Any) -> None:
    said = [Pair("q", "a", "b", "insult", None) for _ in range(4)]
    sitting = open_sitting(said, rules(daily=1, daily_category=1))
    assert [sitting.submit("r0") for _ in range(4)] == ["c0", "c1", "c2", "c3"]


def test_who_leaves_a_category_out_is_shown_none_of_it_not_even_what_lies_before_them(open_sitting: Any) -> None:
    said = [Pair("q", "a", "b", c, f"w{n}") for n, c in enumerate(["insult", "gambling"])]
    sitting = open_sitting(said)
    assert sitting.next("r0") == "c0"
    sitting.keep(Chose(by="r0", at=sitting.at, without=("toxic",)))
    assert sitting.next("r0") == "c1"


def test_a_break_is_due_after_a_while_unless_one_was_had(open_sitting: Any) -> None:
    sitting = open_sitting(pairs(30), rules(break_minutes=30))
    for _ in range(16):
        sitting.submit("r0")
        sitting.now += 120
    assert sitting.next("r0") == "rest"
    sitting.now += 700
    assert sitting.next("r0").startswith("c")


def test_known_answers_are_mixed_in_and_are_no_decisions(open_sitting: Any) -> None:
    known = [
        Gold(by="lead", candidate_id=f"gold-{n}", image=None, question="?", a="x", b="y", preferred=1.0)
        for n in range(3)
    ]
    sitting = open_sitting(pairs(20), rules(gold_share=0.3), *known)
    seen = []
    while (pair := sitting.next("r0")) != "done":
        seen.append(pair)
        sitting.submit("r0", 2.0 if pair != "gold-1" else -1.0, gold=pair.startswith("gold"))
    assert sorted(seen) == sorted([f"c{n}" for n in range(20)] + [f"gold-{n}" for n in range(3)])
    assert [d.candidate_id for d in sitting.desk.standing.votes.decisions()] == [p for p in seen if p.startswith("c")]
    report = figures.people(sitting.desk)[0]
    assert (report.gold.hits, report.gold.of, report.decided) == (2, 3, 20)


def test_an_image_flagged_as_illegal_is_gone_for_all_its_pairs(open_sitting: Any) -> None:
    said = [Pair("q", "a", "b", word="same"), Pair("q", "a", "b", word="same"), Pair("q", "a", "b", word="other")]
    sitting = open_sitting(said)
    assert (sitting.next("r0"), sitting.next("r1")) == ("c0", "c1")
    flag = Flagged(by="r0", at=sitting.at, candidate_id="c0", image=sitting.items["c0"].image, what="illegal")
    sitting.keep(flag)
    assert (sitting.next("r0"), sitting.next("r1")) == ("c2", "waiting")
    assert [flag.image for flag in sitting.door.illegal()] == [sitting.items["c0"].image]
    assert sitting.desk.undoable(sitting.desk.standing.people["r0"]) is None
    sitting.keep(Undone(by="lead", at=sitting.at, entry=flag.id))
    assert sitting.next("r1") == "c1"
    assert sitting.door.illegal() == ()


def test_withdrawn_votes_open_their_pairs_again(open_sitting: Any) -> None:
    sitting = open_sitting(pairs(2))
    sitting.submit("r0")
    gone = Withdrawn(by="lead", at=sitting.at, reviewer="r0")
    sitting.keep(gone)
    assert sitting.desk.owed == 2
    assert sitting.submit("r1") == "c0"
    sitting.keep(Undone(by="lead", at=sitting.at, entry=gone.id))
    assert sitting.desk.owed == 1


def test_a_request_that_comes_twice_is_kept_once(open_sitting: Any) -> None:
    sitting = open_sitting(pairs(1))
    for _ in range(3):
        sitting.submit("r0", 1.0, "c0", token="the same")
    assert len(sitting.desk.standing.votes.on("c0")) == 1
    assert sum(isinstance(e, Submitted) for e in sitting.door.entries()) == 1


def test_a_desk_opened_anew_stands_as_before(open_sitting: Any) -> None:
    sitting = open_sitting(pairs(6), rules(overlap=2, gold_share=0.0))
    for name in ("r0", "r1", "r0", "r2", "r1", "r0"):
        sitting.submit(name, {"r0": 2.0, "r1": -1.0, "r2": 0.0}[name])
    before = sitting.next("r0")
    again = sitting.opened()
    person = again.standing.people["r0"]
    assert person.current == before
    assert again.progress() == sitting.desk.progress()
    assert person.today == sitting.desk.standing.people["r0"].today
    assert [d.model_dump() for d in again.standing.votes.decisions()] == [
        d.model_dump() for d in sitting.desk.standing.votes.decisions()
    ]


def test_sides_are_drawn_by_pair_and_person_and_fall_evenly(open_sitting: Any) -> None:
    sitting = open_sitting(pairs(1))
    person = sitting.desk.standing.people["r0"]
    sides = [sitting.desk.left(person, f"pair {n}") for n in range(2000)]
    assert sides == [sitting.desk.left(person, f"pair {n}") for n in range(2000)]
    assert 900 < sides.count("a") < 1100
    other = sitting.desk.standing.people["r1"]
    assert sides != [sitting.desk.left(other, f"pair {n}") for n in range(2000)]


def test_the_left_rate_is_of_what_was_shown_there(open_sitting: Any) -> None:
    sitting = open_sitting(pairs(4))
    for strength, left in ((1.0, "a"), (-1.0, "b"), (-2.0, "a"), (0.0, "a")):
        pair = sitting.next("r0")
        votes = (Vote(criterion="overall", strength=strength),)
        sitting.keep(
            Submitted(by="r0", at=sitting.at, candidate_id=pair, votes=votes, left=left, seconds=9, interface="1")
        )
    report = figures.people(sitting.desk)[0]
    assert (report.left.hits, report.left.of, report.seconds) == (2, 3, 9)


def test_a_fold_of_nothing_is_nothing() -> None:
    assert Standing().people == {}


def given(pair: str, reviewer: str, strength: float, role: str = "reviewer") -> Given:
    """Decided elsewhere."""
    row = {"id": f"{pair}-{reviewer}", "candidate_id": pair, "reviewer": reviewer, "strength": strength, "role": role}
    return Given(by=reviewer, decision=make(Decision, **row))


def test_what_was_decided_elsewhere_is_not_asked_again(open_sitting: Any) -> None:
    taken = (
        given("c0", "label-studio-3", 2.0),
        given("c1", "label-studio-3", 1.0),
        given("c1", "label-studio-4", -1.0),
    )
    sitting = open_sitting(pairs(3), rules(overlap=2, second_opinion=False), *taken)
    progress = sitting.desk.progress()
    assert (progress.done, progress.owed, progress.disputed) == (1, 3, ("c1",))
    assert [sitting.submit("r0"), sitting.submit("r0"), sitting.next("r0")] == ["c0", "c2", "done"]
    assert sitting.desk.progress().owed == 1
    report = figures.people(sitting.desk)[0]
    assert (report.agrees.hits, report.agrees.of) == (1, 1), "with those elsewhere"
    assert figures.forecast(sitting.desk, sitting.now).hours == pytest.approx(5 / 3600), "whose time nobody knows"


def test_who_decided_a_pair_elsewhere_is_not_asked_here(open_sitting: Any) -> None:
    sitting = open_sitting(pairs(2), rules(overlap=2, second_opinion=False), given("c0", "r0", 2.0))
    assert [sitting.submit("r0"), sitting.next("r0")] == ["c1", "done"]
    sitting.keep(Withdrawn(by="lead", at=sitting.at, reviewer="r0"))
    assert sitting.next("r0") == "c0"


def test_a_leads_last_word_outlasts_their_own_vote_and_can_be_taken_back(open_sitting: Any) -> None:
    sitting = open_sitting(pairs(1), rules(overlap=2, second_opinion=False))
    sitting.submit("r0", 1.0)
    sitting.submit("r1", -1.0)
    lead = sitting.desk.standing.people["r0"]
    sitting.submit("r0", -3.0, "c0", role="adjudicator")
    sitting.submit("r0", 2.0, "c0")
    said = [(d.reviewer, d.role, d.strength) for d in sitting.desk.standing.votes.decisions()]
    assert said == [("r1", "reviewer", -1.0), ("r0", "adjudicator", -3.0)]
    assert sitting.desk.progress().disputed == ()
    sitting.keep(Undone(by="r0", at=sitting.at, entry=lead.rulings[-1].id))
    assert lead.rulings == []
    assert lead.current is None
    assert sitting.desk.progress().disputed == ("c0",)
    assert {d.role for d in sitting.desk.standing.votes.decisions()} == {"reviewer"}


def test_a_pair_whose_answer_is_known_looks_like_its_class_and_is_left_out_with_it(open_sitting: Any) -> None:
    leaf = "insult"
    known = [
        Gold(by="lead", candidate_id=name, image=None, question="?", a="x", b="y", preferred=1.0, subcategory=sub)
        for name, sub in (("classed", leaf), ("bare", None))
    ]
    sitting = open_sitting(pairs(4), rules(gold_share=1.0), *known)
    item, like = sitting.desk.items["classed"], next(i for i in sitting.items.values() if i.subcategory == leaf)
    assert (item.category, item.path, item.blur) == (like.category, like.path, like.blur)
    sitting.keep(Chose(by="r0", at=sitting.at, cover="class", without=(item.category,)))
    seen = []
    while (pair := sitting.next("r0")) not in ("done", "waiting"):
        seen.append(sitting.submit("r0", pair=pair))
    assert not {"classed", "bare"} & set(seen), "of one without a class nobody knows"
    assert {sitting.submit("r1"), sitting.submit("r1")} == {"classed", "bare"}


def test_an_image_flagged_as_illegal_in_another_run_is_shown_to_nobody(open_sitting: Any, tmp_path: Path) -> None:
    said = [Pair("q", "a", "b", word="same"), Pair("q", "a", "b", word="other")]
    sitting = open_sitting(said)
    image = sitting.items["c0"].image
    with contextlib.closing(Decide(tmp_path / "runs" / "other", write=True)) as other:
        flag = Flagged(by="r9", candidate_id="elsewhere", image=image, what="illegal")
        other.keep(flag, Flagged(by="r9", candidate_id="words", image=None, what="illegal"))
    assert illegal_images(tmp_path) == {image}
    desk = Desk(sitting.door, sitting.items, lambda: sitting.now, blocked=illegal_images(tmp_path))
    assert desk.withheld("c0")
    assert not desk.withheld("c1")
    with contextlib.closing(Decide(tmp_path / "runs" / "other", write=True)) as other:
        other.keep(Undone(by="lead", entry=flag.id))
    assert illegal_images(tmp_path) == frozenset()
