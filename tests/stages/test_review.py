"""What people should look at next, and what they have decided."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from rows import make, reasons, table

from pipeline.doors.decide import Decide
from pipeline.stages import review
from pipeline.tables import Decision, Preference, QueueItem, Response


def preferences(number: int) -> pl.DataFrame:
    """Confidence rises with the number; every tenth pair has no verdict."""
    return table(
        Preference,
        *({"candidate_id": f"c{n:03}", "criterion": "overall", "strength": n / 100 if n % 10 else None,
           "confidence": n / number if n % 10 else None}
          for n in range(number)),
    )  # fmt: skip


def queued(made: pl.DataFrame, reason: str) -> list[str]:
    return made.filter(pl.col("reason") == reason)["id"].to_list()


def test_the_least_certain_pairs_come_first() -> None:
    rows = [("sure", 0.1, 1.0), ("split", 2.0, 0.5), ("weak", 0.2, 0.6), ("strong", -2.5, 0.6), ("nobody", None, None)]
    some = table(
        Preference,
        *({"id": i, "candidate_id": i, "criterion": "overall", "strength": s, "confidence": c} for i, s, c in rows),
    )
    made = review.queue(some, budget=1.0, audit=0.0).kept
    assert made["id"].to_list() == ["nobody", "split", "weak", "strong", "sure"]
    assert made["rank"].to_list() == [0, 1, 2, 3, 4]


def test_the_budget_is_a_share_of_all_pairs() -> None:
    made = review.queue(preferences(100), budget=0.1, audit=0.0).kept
    assert queued(made, "uncertain") == [f"c{n:03}" for n in range(0, 100, 10)]
    assert review.queue(preferences(100), budget=0.0, audit=0.0).kept.is_empty()


def test_the_audit_is_drawn_first_whatever_the_judges_said() -> None:
    some = preferences(300)
    made = review.queue(some, budget=0.05, audit=0.2).kept
    drawn = queued(made, "audit")
    assert 30 < len(drawn) < 90
    assert len(queued(made, "uncertain")) == 15
    assert made["id"].n_unique() == made.height
    assert made["rank"].to_list() == list(range(made.height))
    other_verdicts = some.with_columns(strength=pl.lit(3.0), confidence=pl.lit(1.0))
    assert queued(review.queue(other_verdicts, budget=0.05, audit=0.2).kept, "audit") == drawn


def test_one_more_pair_redraws_nobody_of_the_audit() -> None:
    fewer = set(queued(review.queue(preferences(150), budget=0, audit=0.2).kept, "audit"))
    more = set(queued(review.queue(preferences(300), budget=0, audit=0.2).kept, "audit"))
    assert fewer == {i for i in more if i < "c150"}
    wider = set(queued(review.queue(preferences(300), budget=0, audit=0.4).kept, "audit"))
    assert more < wider, "a wider audit goes on with the narrower one"


def test_an_audit_of_all_leaves_nothing_uncertain() -> None:
    made = review.queue(preferences(20), budget=0.5, audit=1.0).kept
    assert queued(made, "uncertain") == []
    assert made.height == 20


@pytest.fixture
def decide(tmp_path: Path) -> Iterator[Decide]:
    door = Decide(tmp_path, write=True)
    yield door
    door.close()


def decision(name: str, candidate: str, strength: float, reviewer: str = "ann") -> Decision:
    return make(Decision, id=name, candidate_id=candidate, strength=strength, reviewer=reviewer)


PAIRS = table(QueueItem, {"id": "c"}, {"id": "d"})
RESPONSES = table(Response, {"id": "r"})


def test_nobody_need_have_decided_anything(decide: Decide) -> None:
    assert review.decisions(PAIRS, RESPONSES, decide=decide).considered == 0


def test_the_last_decision_of_each_reviewer_counts(decide: Decide) -> None:
    for one in (decision("1", "c", 1), decision("2", "c", -2, "bea"), decision("3", "d", 3), decision("4", "c", -1)):
        decide.keep(one)
    made = review.decisions(PAIRS, RESPONSES, decide=decide)
    assert sorted(made.kept.select("candidate_id", "reviewer", "strength").iter_rows()) == [
        ("c", "ann", -1.0), ("c", "bea", -2.0), ("d", "ann", 3.0),
    ]  # fmt: skip


def test_a_decision_on_a_pair_that_the_run_no_longer_has_is_dropped_and_said_to_be(decide: Decide) -> None:
    decide.keep(decision("1", "c", 1))
    decide.keep(decision("2", "elsewhere", 2))
    made = review.decisions(PAIRS, RESPONSES, decide=decide)
    assert made.kept["id"].to_list() == ["1"]
    assert reasons(made) == {"a pair that the run no longer has": 1}
    assert made.dropped.select("id", "detail").rows() == [("2", "elsewhere")]


def test_a_label_of_a_response_is_a_decision_of_its_own(decide: Decide) -> None:
    for name, response, label in (("1", "r", "unsafe"), ("2", "r", "safe"), ("3", "elsewhere", "safe")):
        decide.keep(
            Decision(id=name, response_id=response, reviewer="ann", criterion="safety", label=label, decided_at="2026")
        )
    decide.keep(decision("4", "c", 2))
    made = review.decisions(PAIRS, RESPONSES, decide=decide)
    assert made.kept.select("id", "response_id", "label").rows() == [("2", "r", "safe"), ("4", None, None)]
    assert reasons(made) == {"a response that the run no longer has": 1}
