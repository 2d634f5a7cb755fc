"""What all verdicts on a pair settle to, on examples reckoned by hand."""

import math
from typing import Any

import pytest
from rows import table

from pipeline.settling import labels as methods
from pipeline.stages import settle
from pipeline.statistics.bradley_terry import Assumed
from pipeline.tables import Candidate, Comparison, Decision, Judgment, Preference, QueueItem, Response

Cells = dict[str, Any]
PAIR = table(Candidate, {"id": "c", "prompt_id": "p", "a_id": "a", "b_id": "b"})


def score(response: str, value: float | None, ends: tuple[float, float] | None = (1.0, 5.0), judge: str = "j") -> Cells:
    low, high = ends or (None, None)
    return {
        "id": f"{judge}{response}",
        "response_id": response,
        "judge": judge,
        "score": value,
        "low": low,
        "high": high,
    }


def said(strength: float | None, judge: str = "k", first: str = "a", candidate: str = "c") -> Cells:
    name = f"{judge}{first}{candidate}"
    return {"id": name, "candidate_id": candidate, "judge": judge, "first": first, "strength": strength}


def decided(strength: float, reviewer: str = "ann", candidate: str = "c") -> Cells:
    return {"id": reviewer, "candidate_id": candidate, "reviewer": reviewer, "strength": strength}


def settled(judgments: list[Cells] = [], comparisons: list[Cells] = [], decisions: list[Cells] = []) -> Cells:  # noqa: B006
    made = settle.preferences(
        PAIR, table(Judgment, *judgments), table(Comparison, *comparisons), table(Decision, *decisions)
    )
    row = made.kept.row(0, named=True)
    assert made.kept["criterion"].to_list().count("overall") == 1
    assert (row["criterion"], row["candidate_id"], row["prompt_id"], row["a_id"], row["b_id"]) == (
        "overall",
        "c",
        "p",
        "a",
        "b",
    )
    return row


def test_scores_on_a_scale_with_ends_settle_to_three_times_their_share_of_it() -> None:
    """3 · (4 - 2) / (5 - 1)"""
    assert settled([score("a", 4), score("b", 2)])["strength"] == 1.5
    assert settled([score("a", 1), score("b", 5)])["strength"] == -3
    assert settled([score("a", -3, (-3, 3)), score("b", 0, (-3, 3))])["strength"] == -1.5


def test_scores_on_a_scale_without_ends_settle_by_the_hyperbolic_tangent() -> None:
    strength = settled([score("a", -1.25, None), score("b", -1.75, None)])["strength"]
    assert strength == pytest.approx(3 * math.tanh(0.5))
    assert settled([score("a", -90, None), score("b", -1, None)])["strength"] == pytest.approx(-3)


def test_equal_scores_are_a_tie() -> None:
    row = settled([score("a", 3), score("b", 3)])
    assert (row["strength"], row["confidence"], row["sources"]) == (0, 1, ["j"])


def test_a_judge_that_scored_only_one_side_gives_no_verdict() -> None:
    assert settled([score("a", 3)])["strength"] is None
    assert settled([score("a", 3), score("b", None)])["strength"] is None


def test_scores_are_compared_within_one_judge_and_criterion_only() -> None:
    assert settled([score("a", 5, judge="j"), score("b", 1, judge="k")])["strength"] is None
    mixed = [score("a", 5) | {"criterion": "honesty"}, score("b", 1) | {"criterion": "helpfulness"}]
    assert settled(mixed)["strength"] is None


def test_two_criteria_of_one_judge_are_two_verdicts() -> None:
    both = [score(r, v) | {"criterion": c} for c, r, v in [("x", "a", 5), ("x", "b", 1), ("y", "a", 2), ("y", "b", 3)]]
    row = settled(both)
    assert row["strength"] == (3 - 0.75) / 2
    assert row["confidence"] == 0.5
    assert row["sources"] == ["j"]


def test_both_orders_of_a_judge_are_one_verdict_their_mean() -> None:
    row = settled(comparisons=[said(3), said(1, first="b"), said(-1, "l"), said(-1, "l", "b")])
    assert row["strength"] == (2 - 1) / 2
    assert row["disagreement"] == 1.5


def test_a_judge_that_follows_the_order_settles_to_a_tie() -> None:
    assert settled(comparisons=[said(2), said(-2, first="b")])["strength"] == 0


@pytest.mark.parametrize("first", ["a", "b"])
def test_a_judge_that_fails_in_one_order_gives_no_verdict(first: str) -> None:
    other = {"a": "b", "b": "a"}[first]
    assert settled(comparisons=[said(3, first=first), said(None, first=other)])["strength"] is None
    row = settled(comparisons=[said(3, first=first), said(None, first=other), said(-1, "l"), said(-1, "l", "b")])
    assert (row["strength"], row["sources"]) == (-1, ["l"])


def test_a_judge_asked_in_one_order_only_is_heard() -> None:
    assert settled(comparisons=[said(2, first="b")])["strength"] == 2


def test_scores_and_comparisons_count_alike() -> None:
    row = settled([score("a", 4), score("b", 2)], [said(-1), said(0, first="b")])
    assert row["strength"] == (1.5 - 0.5) / 2
    assert row["sources"] == ["j", "k"]


def test_confidence_is_the_share_of_verdicts_on_the_settled_side() -> None:
    three_to_one = [said(1, "w"), said(2, "x"), said(3, "y"), said(-1, "z")]
    row = settled(comparisons=three_to_one)
    assert (row["strength"], row["confidence"]) == (1.25, 0.75)
    assert row["disagreement"] == pytest.approx(math.sqrt((0.25**2 + 0.75**2 + 1.75**2 + 2.25**2) / 4))
    with_a_tie = settled(comparisons=[said(1, "x"), said(0, "y")])
    assert (with_a_tie["strength"], with_a_tie["confidence"]) == (0.5, 0.5)


def test_people_override_models() -> None:
    models = [said(3, "x"), said(3, "y"), said(3, "z")]
    row = settled([score("a", 5), score("b", 1)], models, [decided(-1)])
    assert (row["strength"], row["confidence"], row["disagreement"], row["reviewed"]) == (-1, 1, 0, True)
    assert row["sources"] == ["human/ann", "j", "x", "y", "z"]


def test_of_several_people_the_mean_counts() -> None:
    row = settled([], [said(-3)], [decided(2), decided(1, "bea"), decided(-1, "cem")])
    assert (row["strength"], row["confidence"]) == (pytest.approx(2 / 3), pytest.approx(2 / 3))


def test_a_person_may_decide_on_a_tie() -> None:
    row = settled([], [said(3)], [decided(0)])
    assert (row["strength"], row["reviewed"]) == (0, True)


def test_a_decision_on_one_pair_leaves_the_others_to_the_models() -> None:
    pairs = table(Candidate, *({"id": c, "prompt_id": "p", "a_id": "a", "b_id": "b"} for c in ("c", "d")))
    verdicts = table(Comparison, said(2), said(1, candidate="d"))
    made = settle.preferences(pairs, table(Judgment), verdicts, table(Decision, decided(-2)))
    assert made.kept.filter(criterion="overall").select("candidate_id", "strength", "reviewed").rows() == [
        ("c", -2.0, True),
        ("d", 1.0, False),
    ]


def test_a_decision_on_a_pair_that_is_gone_changes_nothing() -> None:
    row = settled([], [said(2)], [decided(-2, candidate="gone")])
    assert (row["strength"], row["reviewed"]) == (2, False)


@pytest.mark.parametrize("ratings", [None, Assumed()])
def test_a_judge_that_gave_no_verdict_does_not_vote_for_a_tie(ratings: Assumed | None) -> None:
    """k prefers a; l was asked in vain, and gave a verdict on two other answers only."""
    asked = [said(3), said(None, "l"), said(None, "l", "b")]
    rows = [row | {"prompt_id": "p", "a_id": "a", "b_id": "b"} for row in asked]
    rows.append(said(-3, "l", candidate="other") | {"prompt_id": "p", "a_id": "c", "b_id": "d"})
    made = settle.preferences(PAIR, table(Judgment), table(Comparison, *rows), ratings=ratings).kept
    for row in made.iter_rows(named=True):
        assert (row["confidence"], row["disagreement"], row["sources"]) == (1, 0, ["k"])
        assert row["strength"] > 1
    nobody = settle.preferences(PAIR, table(Judgment), table(Comparison, *rows[1:]), ratings=ratings).kept
    assert nobody["strength"].to_list() == [None]


def test_where_nobody_gave_a_verdict_the_strength_is_null() -> None:
    row = settled([score("a", None), score("b", 2)], [said(None)])
    assert (row["strength"], row["confidence"], row["disagreement"]) == (None, None, None)
    assert (row["sources"], row["reviewed"]) == ([], False)


def test_it_settles_without_comparisons_and_decisions() -> None:
    made = settle.preferences(PAIR, table(Judgment, score("a", 4), score("b", 2)))
    assert made.row is Preference
    assert made.kept.select("criterion", "strength").rows() == [("overall", 1.5), ("criterion", 1.5)]


def test_no_candidates_settle_to_nothing() -> None:
    assert settle.preferences(PAIR.head(0), table(Judgment)).considered == 0


def test_the_order_of_its_tables_changes_no_digit() -> None:
    """Nor does chance: a sum of fractions depends on the order in which they come."""
    names = [f"c{n:03}" for n in range(120)]
    pairs = table(Candidate, *({"id": c, "prompt_id": "p", "a_id": f"a{c}", "b_id": f"b{c}"} for c in names))
    comparisons = table(
        Comparison,
        *(said((n * 7 + j * 5 + (first == "a")) % 7 - 3, f"k{j}", first, c)
          for n, c in enumerate(names) for j in range(5) for first in "ab"),
    )  # fmt: skip
    scores = table(
        Judgment,
        *(score(f"{side}{c}", math.sin(n * j + (side == "a")), None, f"j{j}")
          for n, c in enumerate(names) for j in range(5) for side in "ab"),
    )  # fmt: skip
    found = {
        settle.preferences(
            pairs,
            scores.sample(fraction=1, shuffle=True, seed=seed),
            comparisons.sample(fraction=1, shuffle=True, seed=seed),
        ).kept.write_ndjson()
        for seed in range(4)
    }
    assert len(found) == 1


def apart(**strengths: float) -> list[Cells]:
    """One judge's comparisons by several criteria."""
    return [said(strength) | {"criterion": criterion} for criterion, strength in strengths.items()]


def test_each_criterion_keeps_its_own_preference() -> None:
    made = settle.preferences(PAIR, table(Judgment), table(Comparison, *apart(helpfulness=-2, harmlessness=3))).kept
    assert made.select("criterion", "strength").rows() == [
        ("overall", 0.5), ("harmlessness", 3.0), ("helpfulness", -2.0),
    ]  # fmt: skip
    assert made["id"].n_unique() == 3
    assert made["candidate_id"].unique().to_list() == ["c"]


@pytest.mark.parametrize(
    ("strengths", "expected"),
    [
        ({"harmlessness": 3, "helpfulness": -2}, 3),
        ({"harmlessness": -1, "helpfulness": 2}, -1),
        ({"harmlessness": 0.5, "helpfulness": -2}, -2),
        ({"helpfulness": -2}, -2),
        ({"harmlessness": 0.5}, 0.5),
        ({"harmlessness": 0.5, "helpfulness": 0, "overall": 3}, 0),
        ({"overall": 3}, None),
    ],
)
def test_the_first_criterion_that_is_clear_decides(strengths: dict[str, float], expected: float | None) -> None:
    made = settle.preferences(PAIR, table(Judgment), table(Comparison, *apart(**strengths)), rule=settle.First())
    assert made.kept.filter(criterion="overall")["strength"].to_list() == [expected]


def test_criteria_may_weigh_differently() -> None:
    rule = settle.Together({"harmlessness": 3.0, "overall": 0.0})
    verdicts = table(Comparison, *apart(harmlessness=2, helpfulness=-2, overall=-3))
    row = settle.preferences(PAIR, table(Judgment), verdicts, rule=rule).kept.row(0, named=True)
    assert (row["strength"], row["confidence"]) == (1.0, 0.75)


def test_people_decide_the_whole_and_leave_each_criterion_to_the_judges() -> None:
    made = settle.preferences(
        PAIR, table(Judgment), table(Comparison, *apart(helpfulness=2)), table(Decision, decided(-3))
    ).kept
    assert made.select("criterion", "strength", "reviewed").rows() == [
        ("overall", -3.0, True), ("helpfulness", 2.0, False),
    ]  # fmt: skip
    assert made["sources"][0].to_list() == ["human/ann", "k"]


def test_people_decide_by_each_criterion_and_the_rule_takes_their_word() -> None:
    """Judges find a the more helpful and b the less harmful; a person says of harm alone that a is the better."""
    judges = [said(2, "k") | {"criterion": "helpfulness"}, said(-2, "l") | {"criterion": "harmlessness"}]
    person = decided(3) | {"criterion": "harmlessness"}
    made = settle.preferences(
        PAIR, table(Judgment), table(Comparison, *judges), table(Decision, person), rule=settle.First(least=1)
    ).kept  # fmt: skip
    rows = {row["criterion"]: row for row in made.iter_rows(named=True)}
    assert {name: (row["strength"], row["reviewed"]) for name, row in rows.items()} == {
        "overall": (3.0, True), "harmlessness": (3.0, True), "helpfulness": (2.0, False),
    }  # fmt: skip
    assert rows["harmlessness"]["sources"] == ["human/ann"]
    assert rows["overall"]["sources"] == ["human/ann", "l"]


def test_an_adjudicator_outranks_the_reviewers() -> None:
    votes = [decided(3), decided(2, "bea"), decided(-1, "cleo") | {"role": "adjudicator"}]
    assert settled(decisions=votes)["strength"] == -1
    assert settled(decisions=votes)["sources"] == ["human/cleo"]
    assert settled(decisions=votes[:2])["strength"] == 2.5


RESPONSES = table(Response, *({"id": f"r{n}", "prompt_id": "p"} for n in range(4)))


def label(response: str, word: str | None, judge: str) -> Cells:
    return {"id": f"{judge}{response}", "response_id": response, "judge": judge, "criterion": "safety", "label": word}


def person(response: str, word: str, name: str = "ann", **more: object) -> Cells:
    return {
        "id": name + response,
        "response_id": response,
        "reviewer": name,
        "criterion": "safety",
        "label": word,
        **more,
    }


def test_a_response_is_what_most_judges_say_and_unsafe_where_as_many_say_so_as_not() -> None:
    said = [label("r0", "unsafe", "j"), label("r0", "safe", "k"), label("r1", "refusal", "j"), label("r1", "safe", "k"),
            label("r1", "unsafe", "l"), label("r2", None, "j")]  # fmt: skip
    made = settle.labels(RESPONSES, table(Judgment, *said)).kept
    assert made.select("response_id", "label", "unsafe", "disagreement").rows() == [
        ("r0", "unsafe", 0.5, 0.5), ("r1", "refusal", pytest.approx(1 / 3), pytest.approx(1 / 3)),
    ]  # fmt: skip
    assert made["confidence"].to_list() == pytest.approx([0.5, 2 / 3])
    assert made["sources"].to_list() == [["j", "k"], ["j", "k", "l"]]
    assert not made["reviewed"].any()


def test_what_people_say_of_a_response_takes_the_place_of_what_judges_said() -> None:
    said = [label(r, "unsafe", judge) for r in ("r0", "r1") for judge in "jkl"]
    people = [person("r0", "safe"), person("r1", "safe"), person("r1", "safe", "bea"),
              person("r1", "unsafe", "cleo", role="adjudicator", category="theft", severity="minor"),
              person("r3", "refusal")]  # fmt: skip
    made = settle.labels(RESPONSES, table(Judgment, *said), table(Decision, *people)).kept
    assert made.select("response_id", "label", "reviewed", "category", "severity").rows() == [
        ("r0", "safe", True, None, None), ("r1", "unsafe", True, "theft", "minor"), ("r3", "refusal", True, None, None),
    ]  # fmt: skip
    assert made["sources"].to_list() == [["human/ann", "j", "k", "l"], ["human/cleo", "j", "k", "l"], ["human/ann"]]


@pytest.mark.parametrize("method", [methods.dawid_skene, methods.threes])
def test_a_judge_that_alarms_at_random_is_outvoted_by_those_that_know(method: methods.LabelMethod) -> None:
    many = table(Response, *({"id": f"r{n:03}", "prompt_id": "p"} for n in range(400)))
    said = []
    for n, name in enumerate(many["id"]):
        true = n % 10 == 0
        words = {"j": true, "k": true ^ (n % 37 == 5), "l": true ^ (n % 41 == 7), "wild": n % 3 == 0}
        said += [label(name, "unsafe" if word else "safe", judge) for judge, word in words.items()]
    made = settle.labels(many, table(Judgment, *said), method=method).kept
    assert [n for n, word in enumerate(made["label"]) if word == "unsafe"] == list(range(0, 400, 10))


def of_judges(many: int, **words: str) -> list[Cells]:
    """Each judge's labels of r0, r1 and so on: u unsafe, s safe, and of a blank none."""
    names = {"u": "unsafe", "s": "safe"}
    return [label(f"r{n}", names[word], judge) for judge, said in words.items()
            for n, word in enumerate((said * many)[:many]) if word != " "]  # fmt: skip


ALL = [methods.majority, methods.dawid_skene, methods.threes]


@pytest.mark.parametrize("method", ALL)
def test_a_lone_alarm_that_is_not_believed_is_no_refusal(method: methods.LabelMethod) -> None:
    """Of r0 only a judge that alarms at random says anything: unsafe. Where it is not believed, nobody spoke of a refusal."""
    many = table(Response, *({"id": f"r{n}", "prompt_id": "p"} for n in range(300)))
    sure = " " + "s" * 19 + ("u" + "s" * 19) * 14
    said = of_judges(300, j=sure, k=sure, l=sure, wild="uuss")
    made = settle.labels(many, table(Judgment, *said), method=method).kept
    first = made.row(0, named=True)
    assert first["sources"] == ["wild"]
    assert first["label"] == ("unsafe" if method is methods.majority else "safe")
    assert "refusal" not in set(made["label"])


@pytest.mark.parametrize("method", ALL)
def test_people_alone_may_have_labelled(method: methods.LabelMethod) -> None:
    made = settle.labels(RESPONSES, table(Judgment), table(Decision, person("r0", "refusal")), method=method).kept
    assert made.select("response_id", "label", "reviewed").rows() == [("r0", "refusal", True)]
    assert settle.labels(RESPONSES, table(Judgment), method=method).kept.is_empty()


@pytest.mark.parametrize("judges", ["j", "jk"])
def test_of_too_few_judges_for_three_the_majority_counts(judges: str) -> None:
    said = of_judges(4, **dict.fromkeys(judges, "sssu"))
    made = settle.labels(RESPONSES, table(Judgment, *said), method=methods.threes).kept
    assert made["label"].to_list() == ["safe"] * 3 + ["unsafe"]
    assert made["unsafe"].to_list() == [0, 0, 0, 1]


def test_so_it_does_where_nobody_else_labelled_with_a_judge() -> None:
    many = table(Response, *({"id": f"r{n}", "prompt_id": "p"} for n in range(42)))
    three = ("u" + "s" * 9) * 4 + "  "
    said = of_judges(42, j=three, k=three, l=three, far=" " * 40 + "us")
    made = settle.labels(many, table(Judgment, *said), method=methods.threes).kept
    assert [n for n, word in enumerate(made["label"]) if word == "unsafe"] == [0, 10, 20, 30, 40]


PAIRS = table(Candidate, *({"id": f"c{n:02}", "prompt_id": "p", "a_id": f"a{n}", "b_id": f"b{n}"} for n in range(60)))


def calibrated(audit: tuple[str, ...] = ()) -> Cells:
    """The preference of the last pair, of sixty on which three judges of four prefer a; people decided the others, and found b the
    better in every third."""
    votes = [said(3 if judge != "m" else -3, judge, candidate=name) for name in PAIRS["id"] for judge in "jklm"]
    people = [decided(-3 if n % 3 == 0 else 3, candidate=f"c{n:02}") for n in range(59)]
    queue = table(QueueItem, *({"id": name, "reason": "audit"} for name in audit))
    made = settle.preferences(PAIRS, table(Judgment), table(Comparison, *votes), table(Decision, *people), queue=queue)
    assert len(made.notes) == (len(audit) < 59)
    return made.kept.row(-1, named=True)


def test_confidences_are_calibrated_on_what_people_decided() -> None:
    assert calibrated()["confidence"] == pytest.approx(2 / 3, abs=0.02)
    assert calibrated()["strength"] == 1.5
    votes = [said(3 if judge != "m" else -3, judge, candidate="c59") for judge in "jklm"]
    assert settled_of(votes) == 0.75


def settled_of(votes: list[Cells]) -> float:
    made = settle.preferences(PAIRS.tail(1), table(Judgment), table(Comparison, *votes)).kept
    return float(made["confidence"][0])


def test_nothing_is_learnt_from_the_audit() -> None:
    assert calibrated(audit=tuple(PAIRS["id"]))["confidence"] == 0.75


def test_people_are_not_compared_with_themselves() -> None:
    """By two criteria judges agree, and are wrong in two of five; people decide both criteria and the whole of all pairs but the
    last two, and both criteria of the last but one."""
    criteria = ("harmlessness", "helpfulness")
    votes = [said(3, judge, candidate=name) | {"criterion": criterion}
             for name in PAIRS["id"] for criterion in criteria for judge in "jkl"]  # fmt: skip
    people = [
        decided(-3 if n % 5 < 2 else 3, candidate=f"c{n:02}") | {"criterion": criterion, "id": f"{n}{criterion}"}
        for n in range(59) for criterion in (*criteria, "overall")[: 2 if n == 58 else 3]
    ]  # fmt: skip
    made = settle.preferences(
        PAIRS, table(Judgment), table(Comparison, *votes), table(Decision, *people), queue=table(QueueItem)
    )
    whole = made.kept.filter(criterion="overall").sort("candidate_id")
    assert made.notes[0].startswith("confidences are calibrated on 58 decided pairs: they were off by 0.41")
    assert whole["confidence"][-1] == pytest.approx(0.6, abs=0.1), "of what judges alone said"
    assert whole["confidence"][-2] == 1, "people decided all of which it is made"
    assert whole["reviewed"].to_list() == [True] * 59 + [False]


def test_where_people_decided_one_criterion_the_judges_of_the_others_are_believed_as_they_deserve() -> None:
    votes = [said(3, "k", candidate=name) | {"criterion": "helpfulness"} for name in PAIRS["id"]]
    people = [decided(-3 if n % 5 < 2 else 3, candidate=f"c{n:02}") for n in range(58)]
    people.append(decided(3, candidate="c58") | {"criterion": "harmlessness"})
    made = settle.preferences(
        PAIRS, table(Judgment), table(Comparison, *votes), table(Decision, *people), queue=table(QueueItem)
    )
    whole = made.kept.filter(criterion="overall").sort("candidate_id")
    assert whole["confidence"].to_list()[-2:] == pytest.approx([0.6, 0.6], abs=0.1)
