"""What people should look at next, and what they have decided."""

import re
from collections.abc import Container, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from rows import make, reasons, table

from pipeline.doors.decide import Decide
from pipeline.doors.entries import Flagged, Gold, Skipped, Submitted, Undone, Vote
from pipeline.stages import review
from pipeline.statistics.audit import Audit, most_wrong
from pipeline.tables import Decision, Label, LabelError, Preference, Prompt, QueueItem, Response, row_id


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


PROMPTS = table(
    Prompt,
    *({"id": f"p{n}", "category": "rare" if n % 20 == 0 else "common", "kind": "given", "harm": "harmful" if n % 7 == 0 else "benign"}
      for n in range(400)),
)  # fmt: skip


def settled(number: int = 400) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Pairs, one a prompt; the labels of their responses, of which every tenth is unsafe; and the responses, of which the unsafe
    ones say so."""
    pairs = table(
        Preference,
        *({"id": f"f{n}", "candidate_id": f"c{n}", "criterion": "overall", "prompt_id": f"p{n}", "a_id": f"a{n}", "b_id": f"b{n}",
           "strength": 1.0, "confidence": 0.6 + 0.4 * (n % 5) / 5, "disagreement": 0.5} for n in range(number)),
    )  # fmt: skip
    labels = table(
        Label,
        *({"id": f"l{side}{n}", "response_id": f"{side}{n}", "prompt_id": f"p{n}", "label": "safe", "unsafe": 0.2, "disagreement": 0.2}
          for n in range(number) for side in "ab"),
    )  # fmt: skip
    responses = table(
        Response,
        *({"id": f"{side}{n}", "prompt_id": f"p{n}", "text": f"{'Sure, here' if n % 10 == 3 else 'No, that'} is what {n} says",
           "respondent": side} for n in range(number) for side in "ab"),
    )  # fmt: skip
    return pairs, labels, responses


def people(pairs: list[int], *, wrong: set[int], reviewer: str = "ann") -> list[dict[str, object]]:
    """What a reviewer says of pairs and of both responses: every tenth is unsafe; the preference is wrong where it is."""
    rows: list[dict[str, object]] = []
    for n in pairs:
        rows.append({"id": f"{reviewer}{n}", "candidate_id": f"c{n}", "criterion": "overall", "reviewer": reviewer,
                     "strength": -1.0 if n in wrong else 1.0, "role": "reviewer"})  # fmt: skip
        rows += [
            {"id": f"{reviewer}{side}{n}", "response_id": f"{side}{n}", "candidate_id": None, "criterion": "safety", "reviewer": reviewer,
             "label": "unsafe" if n % 10 == 3 else "safe", "strength": None, "role": "reviewer"} for side in "ab"
        ]  # fmt: skip
    return rows


def known(decided: list[dict[str, object]] = [], **settings: object) -> pl.DataFrame:  # noqa: B006
    pairs, labels, responses = settled()
    said = table(Decision, *decided)
    return review.risks(pairs, labels, PROMPTS, responses, decisions=said, **{"audit": 0.2} | settings).kept  # type: ignore[arg-type]


def numbers(names: pl.Series) -> list[int]:
    return [int(name[1:]) for name in names]


def test_every_preference_and_every_label_has_a_chance_of_being_wrong() -> None:
    made = known()
    assert made.height == 3 * 400
    of_pairs, of_labels = made.drop_nulls("candidate_id"), made.drop_nulls("response_id")
    assert (of_pairs.height, of_labels.height) == (400, 800)
    assert of_pairs["wrong"].to_list()[:5] == pytest.approx([0.4, 0.32, 0.24, 0.16, 0.08])
    assert set(of_labels["wrong"]) == {0.2}
    rare = of_pairs.filter(stratum="rare/given")
    assert rare["matters"].min() > 1
    matters = dict(zip(of_pairs["candidate_id"], of_pairs["matters"], strict=True))
    assert matters["c7"] == 2 * matters["c8"] == 2, "harm counts twice"


def test_what_people_decided_teaches_which_labels_are_wrong_elsewhere() -> None:
    pairs = known()
    seen = numbers(pairs.drop_nulls("candidate_id").filter(~pl.col("audit"))["candidate_id"])[:150]
    after = known(people(seen, wrong=set())).drop_nulls("response_id")
    rest = after.filter(~pl.col("response_id").str.slice(1).is_in([str(n) for n in seen]))
    bad = rest["response_id"].str.slice(-1) == "3"
    assert rest.filter(bad)["wrong"].mean() > 5 * rest.filter(~bad)["wrong"].mean()  # type: ignore[operator]


def test_where_an_adjudicator_spoke_reviewers_teach_nothing() -> None:
    """Of pairs and of labels: two reviewers are overruled by the lead."""
    seen = numbers(known().drop_nulls("candidate_id").filter(~pl.col("audit"))["candidate_id"])[:60]
    lead = [row | {"role": "adjudicator"} for row in people(seen, wrong=set(), reviewer="lead")]
    overruled = [row | {"label": row.get("label") and "unsafe"} for row in people(seen, wrong=set(seen))]
    assert known(overruled + lead).equals(known(lead))
    assert not known(overruled).equals(known(lead))


def test_the_audit_teaches_nothing() -> None:
    before = known()
    audited = numbers(before.drop_nulls("candidate_id").filter("audit")["candidate_id"])
    assert 50 < len(audited) < 110
    assert known(people(audited, wrong=set(audited))).equals(before)


def test_the_audit_of_a_stratum_may_have_a_share_of_its_own() -> None:
    made = known(audit={"rare/given": 1.0, "": 0.1}).drop_nulls("candidate_id")
    assert made.filter(stratum="rare/given")["audit"].all()
    assert 20 < made.filter(stratum="common/given")["audit"].sum() < 60
    assert dict(made.select("stratum", "share").unique().iter_rows()) == {"rare/given": 1.0, "common/given": 0.1}


def test_a_look_is_worth_what_it_may_change_of_the_preference_and_both_labels() -> None:
    pairs, *_ = settled()
    risks = known(audit=0.0)
    made = review.queue(pairs, risks=risks, budget=400).kept
    worth = dict(made.select("id", "worth").iter_rows())
    assert worth["c1"] == pytest.approx(0.32 + 2 * 0.2)
    assert worth["c7"] == pytest.approx(2 * (0.24 + 2 * 0.2)), "harmful"
    assert made["worth"].is_sorted(descending=True)
    assert "harm, or a rare class" in dict(made.select("id", "why").iter_rows())["c7"]
    assert made.filter(pl.col("id").is_in(["c20", "c40"]))["rank"].max() < 40, "a rare class"


def test_a_budget_may_be_a_number_and_what_was_decided_counts() -> None:
    pairs, *_ = settled()
    risks = known()
    sat = review.queue(pairs, risks=risks, budget=30).kept
    assert queued(sat, "uncertain") == sat.filter(reason="uncertain").sort("rank")["id"].to_list()
    first = numbers(pl.Series(queued(sat, "uncertain")[:10]))
    said = people(first, wrong={first[0]})
    decisions = table(Decision, *said)
    again = review.queue(pairs, risks=known(said), decisions=decisions, budget=30).kept
    assert set(queued(again, "uncertain")[:10]) == {f"c{n}" for n in first}
    assert len(queued(again, "uncertain")) == 30
    assert queued(again, "audit") == queued(sat, "audit")
    assert queued(again, "uncertain")[10:] != queued(sat, "uncertain")[10:], "the rest is in another order"


def errors(decided: list[dict[str, object]], decide: Decide | None = None) -> pl.DataFrame:
    pairs, labels, _ = settled()
    return review.label_errors(pairs, labels, known(), table(Decision, *decided), decide=decide).kept


def sentence(made: pl.DataFrame, criterion: str) -> str:
    (said,) = LabelError.sentences(made.filter(criterion=criterion))
    return said


def test_where_nobody_reviewed_it_says_so() -> None:
    made = errors([])
    assert set(made["method"]) == {"none"}
    assert sentence(made, "overall") == "Of 400 preferences, nobody has reviewed one: how many are wrong is not known."


def test_the_rest_is_bounded_by_the_audit_and_counts_add_up() -> None:
    audited = numbers(known().drop_nulls("candidate_id").filter("audit")["candidate_id"])
    made = errors(people(audited, wrong={audited[0], audited[1]}))
    (row,) = made.filter(criterion="overall").filter(pl.col("stratum").is_null()).rows(named=True)
    assert (row["population"], row["reviewed"], row["rest"]) == (400, len(audited), 400 - len(audited))
    assert (row["audited"], row["method"], row["error"]) == (len(audited), "fixed size", None)
    wrong = most_wrong(Audit(row["found"], len(audited), 400))
    assert row["bound"] == pytest.approx((wrong - row["found"]) / row["rest"])
    assert row["estimate"] == pytest.approx(2 / len(audited))
    of_strata = made.filter(criterion="overall").filter(pl.col("stratum").is_not_null())
    for column in ("population", "reviewed", "rest", "audited", "found"):
        assert of_strata[column].sum() == row[column]
    assert re.fullmatch(
        r"Of 400 preferences, \d+ reviewed; in the rest an estimated \d\.\d % are wrong \(95 % bound \d+\.\d %, reviewers taken at their word\)\.",
        sentence(made, "overall"),
    )
    (labels,) = made.filter(criterion="safety").filter(pl.col("stratum").is_null()).rows(named=True)
    assert labels["found"] == sum(n % 10 == 3 for n in audited), "both labels of every tenth pair are wrong"


def test_an_audit_half_decided_is_watched_as_it_grows() -> None:
    audited = review.queue(settled()[0], risks=known(), budget=0).kept["id"]
    some = numbers(audited)[: len(audited) // 2]
    (row,) = (
        errors(people(some, wrong=set()))
        .filter(criterion="overall")
        .filter(pl.col("stratum").is_null())
        .rows(named=True)
    )
    assert row["method"] == "as it grows"
    assert row["bound"] > errors(people(numbers(audited), wrong=set()))["bound"].drop_nulls().min()  # type: ignore[operator]


def test_what_people_would_have_looked_at_anyway_does_not_speak_for_the_rest() -> None:
    """The doubtful half is reviewed, and wrong; in the audit too. The sure half is right."""
    pairs, *_ = settled()
    queue = review.queue(pairs, risks=known(), budget=400).kept
    doubtful = set(numbers(queue.filter(pl.col("worth") > queue["worth"].median())["id"]))  # type: ignore[operator]
    audited = numbers(pl.Series(queued(queue, "audit")))
    looked = sorted(doubtful - set(audited)) + audited
    (row,) = (
        errors(people(looked, wrong=doubtful))
        .filter(criterion="overall")
        .filter(pl.col("stratum").is_null())
        .rows(named=True)
    )
    assert row["found"] == 0
    assert 0 < row["audited"] < len(audited)
    assert row["bound"] < 0.15


def test_what_people_passed_over_in_the_audit_counts_as_wrong_in_the_bound_alone(decide: Decide) -> None:
    *decided, flagged, skipped = numbers(review.queue(settled()[0], risks=known(), budget=0).kept["id"])
    audited = [*decided, flagged, skipped]

    def of_all(criterion: str = "overall") -> dict[str, Any]:
        made = errors(people(decided, wrong=set()), decide)
        return made.filter(criterion=criterion).filter(pl.col("stratum").is_null()).row(0, named=True)

    begun = of_all()
    assert (begun["passed"], begun["method"]) == (0, "as it grows")
    skip = Skipped(by="ann", candidate_id=f"c{skipped}")
    decide.keep(skip, Flagged(by="ann", candidate_id=f"c{flagged}", image=None, what="broken"))
    whole = of_all()
    assert (whole["audited"], whole["passed"], whole["found"], whole["estimate"]) == (len(decided), 2, 0, 0)
    assert whole["method"] == "fixed size"
    assert whole["bound"] == pytest.approx(most_wrong(Audit(2, len(audited), 400)) / whole["rest"])
    assert whole["rest"] == 400 - len(decided), "what was passed over is among the rest"
    assert ", 2 passed over counted as wrong)" in sentence(errors(people(decided, wrong=set()), decide), "overall")
    decide.keep(Undone(by="ann", entry=skip.id))
    assert of_all()["passed"] == 1


def test_a_pair_of_the_audit_whose_labels_were_left_out_was_passed_over_for_safety() -> None:
    audited = numbers(known().drop_nulls("candidate_id").filter("audit")["candidate_id"])
    bare = {f"c{n}" for n in audited[:3]}
    said = people(audited[3:], wrong=set()) + [
        row for row in people(audited[:3], wrong=set()) if row["candidate_id"] in bare
    ]
    made = errors(said).filter(pl.col("stratum").is_null())
    assert dict(made.select("criterion", "passed").iter_rows()) == {"overall": 0, "safety": 3}


def test_two_reviewers_who_differ_tell_how_often_reviewers_err() -> None:
    audited = numbers(known().drop_nulls("candidate_id").filter("audit")["candidate_id"])
    both = people(audited, wrong=set()) + people(audited, wrong=set(audited[:4]), reviewer="bea")
    (row,) = errors(both).filter(criterion="overall").filter(pl.col("stratum").is_null()).rows(named=True)
    assert 0.02 < row["error"] < 0.05
    assert row["found"] == 4, "a tie of the two is not what was settled"


def test_pairs_whose_answer_is_known_tell_how_often_reviewers_err(decide: Decide) -> None:
    audited = numbers(known().drop_nulls("candidate_id").filter("audit")["candidate_id"])
    said = people(audited, wrong=set())
    plain = errors(said, decide).row(0, named=True)
    assert plain["error"] is None
    votes = (Vote(criterion="overall", strength=2.0),)
    for n in range(40):
        decide.keep(
            Gold(
                by="lead",
                candidate_id=f"g{n}",
                image=None,
                question="Why?",
                a="a",
                b="b",
                preferred=-1.0 if n < 4 else 1.0,
            )
        )
        decide.keep(
            Submitted(by="ann", candidate_id=f"g{n}", gold=True, votes=votes, left="a", seconds=1, interface="1")
        )
    assert decide.gold() == (4, 40)
    row = errors(said, decide).row(0, named=True)
    assert row["error"] == pytest.approx(0.1, abs=1e-6)
    assert row["bound"] != plain["bound"]


class Sample:
    """Pairs of two categories, all as doubtful as each other; which are wrong; and which chance drew for the audit, in its order."""

    def __init__(
        self, seed: int, vile: float, decent: float, *, audit: float | dict[str, float], confidence: float = 0.9
    ) -> None:
        luck, number = np.random.default_rng(seed), 1000
        of_vile = np.arange(number) < 500
        self.ids = [row_id(seed, n) for n in range(number)]
        self.vile = set(self.ids[:500])
        self.wrong = {
            i for i, bad in zip(self.ids, luck.random(number) < np.where(of_vile, vile, decent), strict=True) if bad
        }
        prompts = table(
            Prompt,
            *({"id": f"p{i}", "category": "vile" if i in self.vile else "decent", "kind": "given"} for i in self.ids),
        )
        self.pairs = table(
            Preference,
            *({"id": i, "candidate_id": i, "criterion": "overall", "prompt_id": f"p{i}", "a_id": f"{i}a", "b_id": f"{i}b", "strength": 2.0,
               "confidence": confidence if i in self.vile else 0.9, "disagreement": 0.3} for i in self.ids),
        )  # fmt: skip
        self.risks = review.risks(self.pairs, table(Label), prompts, audit=audit).kept
        self.audit = queued(review.queue(self.pairs, risks=self.risks, budget=0).kept, "audit")

    def said(
        self, ids: Iterable[str], by: str = "ann", err: Container[str] = (), at: str = "2026"
    ) -> list[dict[str, object]]:
        """What a reviewer says, who errs on some."""
        return [
            {"id": f"{by}{i}", "candidate_id": i, "criterion": "overall", "reviewer": by, "role": "reviewer", "decided_at": at,
             "strength": -1.0 if (i in self.wrong) != (i in err) else 1.0} for i in ids
        ]  # fmt: skip

    def error(
        self, said: list[dict[str, object]], decide: Decide | None = None, stratum: str | None = None
    ) -> LabelError:
        made = review.label_errors(self.pairs, table(Label), self.risks, table(Decision, *said), decide=decide).kept
        of = pl.col("stratum").eq_missing(pl.lit(stratum, pl.String)) & (pl.col("criterion") == "overall")
        return LabelError(**made.filter(of).row(0, named=True))

    def holds(self, said: list[dict[str, object]]) -> bool:
        rest = {*self.ids} - {str(one["candidate_id"]) for one in said}
        return (self.error(said).bound or 0) >= len(rest & self.wrong) / len(rest)


def test_a_category_that_people_leave_out_is_not_bounded_by_the_others() -> None:
    held = 0
    for seed in range(10):
        some = Sample(seed, vile=0.3, decent=0.01, audit=0.2)
        held += some.holds(some.said(i for i in some.audit if i not in some.vile))
    assert held == 10


def test_of_the_audit_what_lies_before_the_last_decided_was_passed_over_and_what_follows_not_drawn() -> None:
    some = Sample(1, vile=0, decent=0, audit=0.2)
    done = some.error(some.said(some.audit[:60]))
    assert (done.audited, done.passed, done.method) == (60, 0, "as it grows")
    gaps = some.error(some.said([*some.audit[:50], *some.audit[53:60]]))
    assert (gaps.audited, gaps.passed, gaps.estimate) == (57, 3, 0)
    assert gaps.bound is not None
    assert done.bound is not None
    assert gaps.bound > done.bound
    whole = some.error(some.said(some.audit[3:]))
    assert (whole.passed, whole.method) == (3, "fixed size")
    left_out = some.error(some.said(i for i in some.audit if i not in some.vile), stratum="vile/given")
    assert (left_out.bound, left_out.method) == (None, "none")


def test_of_a_share_of_which_nothing_is_decided_all_may_be_wrong() -> None:
    some = Sample(2, vile=0.3, decent=0.01, audit={"": 0.2, "vile/given": 0.1})
    made = some.error(some.said(i for i in some.audit if i not in some.vile))
    assert made.bound is not None
    assert made.rest * made.bound >= len(some.vile)
    assert made.estimate is not None
    assert made.estimate < 0.05, "it is told by the others"


def test_what_nothing_speaks_for_any_more_may_all_be_wrong_and_is_said_to_be_passed_over(decide: Decide) -> None:
    """The doubtful are all looked at but those of the audit, which are skipped."""
    some = Sample(3, vile=0.5, decent=0.0, audit=0.2, confidence=0.55)
    skipped = [i for i in some.audit if i in some.vile]
    said = some.said(i for i in some.ids if (i in some.vile) != (i in some.audit))
    open_ = some.error(said, decide)
    decide.keep(*(Skipped(by="ann", candidate_id=i) for i in skipped))
    made = some.error(said, decide)
    assert (open_.passed, made.passed) == (0, len(skipped))
    assert made.rest == 1000 - len(said)
    audited = [i for i in some.audit if i not in some.vile]
    of_others = most_wrong(Audit(0, len(audited), 500))
    assert made.bound == open_.bound == pytest.approx((of_others + len(skipped)) / made.rest)


def test_the_audit_speaks_for_all_of_its_like_decided_or_not_and_what_was_found_is_taken_off() -> None:
    held = 0
    for seed in range(10):
        some = Sample(seed, vile=0.0, decent=0.15, audit=0.1)
        held += some.holds(some.said({*some.audit, *some.vile}))
    assert held >= 9, "what is right was decided elsewhere, and its like in the audit says nothing of the rest"
    other = Sample(11, vile=0.1, decent=0.1, audit=0.1)
    found = len({*other.audit, *other.vile} & other.wrong)
    made = other.error(other.said({*other.audit, *other.vile}))
    wrong = most_wrong(Audit(made.found, made.audited, 1000))
    assert found > made.found
    assert made.bound == pytest.approx((wrong - found) / made.rest)
    assert made.estimate == pytest.approx((1000 * made.found / made.audited - found) / made.rest)


def test_reviewers_who_differ_on_doubtful_pairs_take_nothing_off_what_the_audit_found() -> None:
    some = Sample(4, vile=0.5, decent=0.1, audit=0.1, confidence=0.55)
    others = [i for i in some.ids if i in some.vile and i not in some.audit]
    once = some.said([*others, *some.audit])
    plain, doubted = some.error(once), some.error(once + some.said(others, "bea", err=others[::3]))
    assert (plain.error, doubted.error) == (None, pytest.approx(0.21, abs=0.02))
    assert plain.bound is not None
    assert doubted.bound is not None
    assert doubted.bound > plain.bound
    assert doubted.estimate == plain.estimate
    decent = [i for i in some.audit if i not in some.vile]
    twice = some.error(once + some.said(decent, "bea", err=decent[::5]))
    assert twice.estimate is not None
    assert twice.estimate < twice.found / twice.audited, "what they call wrong falsely in the audit is taken off"


def test_a_third_opinion_where_two_differ_hides_nothing() -> None:
    some = Sample(5, vile=0.1, decent=0.1, audit=0.2)
    apart = some.audit[::10]
    said = some.said(some.audit, "cid", at="2026-01") + some.said(some.audit, "bea", err=apart, at="2026-02")
    assert some.error(said + some.said(apart, "ann", err=apart, at="2026-03")).error == some.error(said).error != 0


def test_the_estimate_weighs_each_share_by_what_is_left_of_it() -> None:
    some = Sample(6, vile=0.4, decent=0.01, audit={"": 0.1, "vile/given": 0.5})
    made = some.error(some.said(some.audit))
    rest = {*some.ids} - {*some.audit}
    of = {kind: [i for i in some.audit if (i in some.vile) == kind] for kind in (True, False)}
    rate = {kind: len(some.wrong & {*ids}) / len(ids) for kind, ids in of.items()}
    assert made.estimate == pytest.approx(sum(rate[i in some.vile] for i in rest) / len(rest))
    assert made.estimate < 0.8 * made.found / made.audited
