"""All responses in one call: shuffled, scored, ranked with ties, and undone by id."""

import json
import re
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rows import saying

from pipeline.judges import Cells
from pipeline.judges.listwise import Listwise, ranking, strength, verdict
from pipeline.requests import Answer, Reply, failed
from pipeline.tables import row_id

JUDGE = Listwise("m", "helpfulness")
TEXTS = {name: f"Text of {name}." for name in ("r1", "r2", "r3", "r4")}


def row(prompt: str = "p", names: tuple[str, ...] = tuple(TEXTS)) -> Cells:
    return {
        "prompt_id": prompt,
        "image": None,
        "question": "Why?",
        "responses": [{"id": n, "text": TEXTS[n]} for n in names],
    }


def order(cells: Cells) -> list[str]:
    """The ids in the order in which they are shown."""
    text = JUDGE.ask(cells).messages[0].text
    places = {name: text.index(TEXTS[name]) for name in TEXTS}
    return sorted(places, key=lambda name: places[name])


def judged(scores: dict[str, int], levels: str, cells: Cells | None = None) -> str:
    """A reply that ranks ids (`r1>r2=r3>r4`), said in the numbers that they were shown under."""
    shown = order(cells or row())
    said = levels
    for name in TEXTS:
        said = said.replace(name, str(shown.index(name) + 1))
    return json.dumps({"scores": {str(n): scores[name] for n, name in enumerate(shown, 1)}, "ranking": said})


def test_scores_and_ranks_go_back_to_the_responses_that_they_were_meant_for() -> None:
    scores = {"r1": 5, "r2": 3, "r3": 3, "r4": 1}
    judgments, comparisons = JUDGE.read(row(), "0" * 32, saying(judged(scores, "r1>r2=r3>r4")))
    assert {j.response_id: j.score for j in judgments} == scores
    assert {(j.criterion, j.judge, j.low, j.high) for j in judgments} == {("helpfulness", JUDGE.name, 1.0, 5.0)}
    assert {(c.a_id, c.b_id): c.strength for c in comparisons} == {
        ("r1", "r2"): 2.0, ("r1", "r3"): 2.0, ("r1", "r4"): 3.0, ("r2", "r3"): 0.0, ("r2", "r4"): 2.0, ("r3", "r4"): 2.0,
    }  # fmt: skip
    assert {c.criterion for c in comparisons} == {"helpfulness"}


def test_a_list_of_scores_is_in_the_order_of_the_numbers() -> None:
    listed = verdict('{"scores": [4, 2], "ranking": "1>2"}', 2, (1, 5))
    assert listed == verdict('{"ranking": "1>2", "scores": {"2": 2, "1": 4}}', 2, (1, 5)) == [(4.0, 0), (2.0, 1)]


def test_the_form_holds_a_score_for_each_and_a_ranking() -> None:
    form = json.loads(JUDGE.ask(row()).json_schema or "")
    assert list(form["properties"]["scores"]["properties"]) == ["1", "2", "3", "4"]
    pattern = form["properties"]["ranking"]["pattern"]
    assert re.search(pattern, "1>2=3>4")
    assert not re.search(pattern, "1>2, 3>4")
    assert not re.search(pattern, "1>2>3"), "all four"


def test_pairs_are_named_as_candidates_are_and_say_who_was_shown_first() -> None:
    shown = order(row())
    _, comparisons = JUDGE.read(row(), "0" * 32, saying(judged(dict.fromkeys(TEXTS, 3), "r1=r2=r3=r4")))
    assert len(comparisons) == len({c.id for c in comparisons}) == 6
    for made in comparisons:
        assert made.a_id < made.b_id
        assert made.candidate_id == row_id("pair", "p", made.a_id, made.b_id)
        assert made.first == ("a" if shown.index(made.a_id) < shown.index(made.b_id) else "b")


def test_the_order_is_the_prompts_own_and_not_that_of_the_rows() -> None:
    assert order(row()) == order(row(names=("r4", "r2", "r3", "r1")))
    assert JUDGE.ask(row()) == JUDGE.ask(row(names=("r3", "r4", "r1", "r2")))
    orders = {tuple(order(row(f"p{n}"))) for n in range(40)}
    assert len(orders) > 10
    firsts = [order(row(f"p{n}"))[0] for n in range(400)]
    assert all(70 <= firsts.count(name) <= 130 for name in TEXTS), "each is first as often as any other"


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (failed("timeout"), "timeout"),
        (failed("refused"), "judge_refused"),
        (saying("I can't assist with ranking these."), "judge_refused"),
        (saying("The second."), "no_verdict"),
        (saying('{"scores": [1, 2, 3, 4]}'), "no_verdict"),
        (saying('{"scores": [1, 2, 3], "ranking": "4>3>2>1"}'), "off_scale"),
        (saying('{"scores": [1, 2, 3, 6], "ranking": "4>3>2>1"}'), "off_scale"),
        (saying('{"scores": [1, 2, 3, true], "ranking": "4>3>2>1"}'), "off_scale"),
        (saying('{"scores": {"1": 1}, "ranking": "4>3>2>1"}'), "off_scale"),
        (saying('{"scores": {"1": 1, "2": 2, "3": 3, "5": 4}, "ranking": "4>3>2>1"}'), "off_scale"),
        (saying('{"scores": {"1": 1, "2": 2, "3": 3, "4": null}, "ranking": "4>3>2>1"}'), "off_scale"),
        (saying('{"scores": 3, "ranking": "4>3>2>1"}'), "off_scale"),
        (saying('{"scores": [1, 2, 3, 4], "ranking": "4>3>2"}'), "off_scale"),
        (saying('{"scores": [1, 2, 3, 4], "ranking": "4>3>2>2"}'), "off_scale"),
        (saying('{"scores": [1, 2, 3, 4], "ranking": "4>3>2>5"}'), "off_scale"),
        (saying('{"scores": [1, 2, 3, 4], "ranking": [4, 3, 2, 1]}'), "off_scale"),
        (Reply(result=Answer(text='{"scores": [1, 2, 3, 4], "ranking": "4>3>2>1"}', finish="length")), "cut_off"),
    ],
)
def test_what_cannot_be_read_is_an_error_for_every_response_and_no_comparison(reply: Reply, error: str) -> None:
    judgments, comparisons = JUDGE.read(row(), "0" * 32, reply)
    assert [(j.response_id, j.score, j.error) for j in judgments] == [(name, None, error) for name in TEXTS]
    assert comparisons == []


@pytest.mark.parametrize(
    ("stated", "ranks"),
    [
        ("1>2=3>4", [0, 1, 1, 2]),
        (" 4 > 3=2 >1 ", [2, 1, 1, 0]),
        ("1=2=3=4", [0, 0, 0, 0]),
        ("1>2>3", None),
        ("1>2>3>4>5", None),
        ("1>2>3>0", None),
        ("1>1>2>3>4", None),
        ("1<2<3<4", None),
        ("1>2>>3>4", None),
        ("A>B>C>D", None),
        ("", None),
        (4321, None),
    ],
)
def test_a_ranking_names_each_once(stated: object, ranks: list[int] | None) -> None:
    assert ranking(stated, 4) == ranks


@settings(derandomize=True, max_examples=80, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=2, max_size=12))
def test_every_ranking_with_ties_reads_back(places: list[int]) -> None:
    dense = sorted(set(places))
    levels = ["=".join(str(n) for n, p in enumerate(places, 1) if p == place) for place in dense]
    assert ranking(">".join(levels), len(places)) == [dense.index(place) for place in places]


@settings(derandomize=True, max_examples=120, deadline=None)
@given(st.one_of(st.text(), st.lists(st.sampled_from(["{", "}", '"scores":', '"ranking":', "[1,2]", '"1>2"', ",", ":", "1", " "]), max_size=20).map("".join)))  # fmt: skip
def test_no_text_whatever_raises(text: str) -> None:
    found = verdict(text, 2, (1, 5))
    assert isinstance(found, str) or [1 <= score <= 5 for score, _ in found] == [True, True]


@pytest.mark.parametrize(
    ("places", "gap", "width", "expected"),
    [
        (0, 0.0, 9, 0.0), (0, 4.0, 9, 0.0), (1, 0.0, 9, 1.0), (-1, 0.0, 9, -1.0), (1, 3.0, 9, 1.0), (2, 4.0, 9, 2.0),
        (-3, -9.0, 9, -3.0), (1, 7.0, 9, 3.0), (1, -1.0, 9, None), (-2, 1.0, 9, None), (1, 1.0, 4, 1.0), (1, 2.0, 4, 2.0),
    ],
)  # fmt: skip
def test_a_strength_takes_its_side_from_the_ranking_and_its_size_from_the_scores(
    places: int, gap: float, width: int, expected: float | None
) -> None:
    assert strength(places, gap, width) == expected


def test_a_pair_whose_scores_deny_the_ranking_has_no_verdict_and_the_others_have() -> None:
    scores = {"r1": 2, "r2": 4, "r3": 3, "r4": 1}
    judgments, comparisons = JUDGE.read(row(), "0" * 32, saying(judged(scores, "r1>r2>r3>r4")))
    assert all(j.error is None for j in judgments)
    errors = {(c.a_id, c.b_id): c.error for c in comparisons}
    assert {pair for pair, error in errors.items() if error} == {("r1", "r2"), ("r1", "r3")}
    assert set(errors) == set(combinations(sorted(TEXTS), 2))
