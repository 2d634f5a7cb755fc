"""A rubric is a file, which may state its own scale, and of which a domain may have its own."""

import json
from pathlib import Path

import pytest
from rows import saying

from pipeline import PROMPTS, taxonomy
from pipeline.errors import UserError
from pipeline.judges import Cells, criteria
from pipeline.judges.rubric import Rubric, rating
from pipeline.requests import Chat

ROW: Cells = {"prompt_id": "p", "image": None, "question": "Why?", "response_id": "r", "text": "Because."}
RUBRICS = sorted((PROMPTS / "judge" / "rubrics").glob("*.md"))


def form(request: Chat) -> list[int]:
    assert request.json_schema is not None
    offered: list[int] = json.loads(request.json_schema)["properties"]["rating"]["enum"]
    return offered


@pytest.mark.parametrize("path", RUBRICS, ids=lambda path: path.stem)
def test_every_rubric_that_ships_can_be_asked_on_its_scale(path: Path) -> None:
    judge = Rubric("m", path.stem)
    found = criteria.load(judge.criterion)
    request = judge.ask(ROW)
    assert "scale:" not in request.messages[0].text
    assert found.text in request.messages[0].text
    assert f"a whole number from {found.low} to {found.high}" in request.messages[0].text
    assert form(request) == list(range(found.low, found.high + 1))
    for end in (found.low, found.high):
        assert f"{end}: " in found.text, "a rubric says what its ends mean"
        made = judge.read(ROW, "0" * 32, saying(json.dumps({"rating": end})))
        assert (made.score, made.low, made.high, made.error) == (end, found.low, found.high, None)
    for beyond in (found.low - 1, found.high + 1):
        assert judge.read(ROW, "0" * 32, saying(json.dumps({"rating": beyond}))).error == "off_scale"


def test_the_criteria_that_are_promised_are_there() -> None:
    promised = {
        "harmlessness",
        "helpfulness",
        "faithfulness",
        "ethics",
        "instruction_following",
        "honesty",
        "truthfulness",
    }
    assert promised <= {path.stem for path in RUBRICS}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Rate it.", criteria.Criterion("Rate it.", 1, 5)),
        ("scale: 1 to 10\n\nRate it.", criteria.Criterion("Rate it.", 1, 10)),
        ("scale: -3 to 3\n \nRate it.\n\nTwice.", criteria.Criterion("Rate it.\n\nTwice.", -3, 3)),
        ("A scale: 1 to 10\n\nRate it.", criteria.Criterion("A scale: 1 to 10\n\nRate it.", 1, 5)),
    ],
)
def test_a_header_states_the_scale(text: str, found: criteria.Criterion) -> None:
    assert criteria.parsed(text, "mine.md") == found


@pytest.mark.parametrize(
    "header", ["scale: 5 to 1", "scale: 1 to 1", "scale: 1-5", "scale: low to high", "scale: 1 to 5 Rate it."]
)
def test_a_scale_that_makes_no_sense_is_the_users_to_mend(header: str) -> None:
    with pytest.raises(UserError, match=r"^mine.md: the first line is no scale; write `scale: 1 to 10`"):
        criteria.parsed(f"{header}\n\nRate it.", "mine.md")


def test_a_domain_has_its_own_rubric_or_the_criterions() -> None:
    plain, own = criteria.load("harmlessness"), criteria.load("harmlessness", "misinformation")
    assert own.text != plain.text
    for none in (None, "malicious_use", "../harmlessness", "", "nosuch"):
        assert criteria.load("harmlessness", none) == plain
    asked = {domain: Rubric("m", "harmlessness").ask(ROW | {"domain": domain}) for domain in (None, "misinformation")}
    assert plain.text in asked[None].messages[0].text
    assert own.text in asked["misinformation"].messages[0].text
    assert Rubric("m", "harmlessness").ask(ROW) == asked[None], "rows need not know their domain"


def test_a_domains_rubric_is_named_by_a_domain_that_is_there() -> None:
    domains = {path[0].id for path in taxonomy.load("spa_vl").paths()}
    own = list((PROMPTS / "judge" / "rubrics").glob("*/*.md"))
    assert own
    for path in own:
        assert path.stem in domains
        assert path.parent.with_suffix(".md") in RUBRICS


@pytest.mark.parametrize(
    ("text", "score", "error"),
    [
        ('{"rating": -3}', -3.0, None),
        ('{"rating": "\u22122"}', -2.0, None),
        ("rating: -2", -2.0, None),
        ("rating: \u22122", -2.0, None),
        ("rating: 2/3", 2.0, None),
        ("rating: 2 out of 5", None, "no_verdict"),
        ('{"rating": 0}', 0.0, None),
        ('{"rating": 4}', None, "off_scale"),
        ('{"rating": -4}', None, "off_scale"),
    ],
)
def test_a_scale_may_go_below_zero(text: str, score: float | None, error: str | None) -> None:
    assert rating(text, -3, 3) == (score, error)


def test_eight_of_ten_is_a_rating_on_a_scale_to_ten_alone() -> None:
    assert rating("rating: 8/10", 1, 10) == (8.0, None)
    assert rating("rating: 3/10", 1, 5) == (None, "no_verdict")
