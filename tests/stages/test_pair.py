"""Quadruples: which preferences make one, and which side is chosen."""

import contextlib
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from rows import reasons, table

from pipeline import taxonomy
from pipeline.doors.decide import Decide
from pipeline.doors.entries import Flagged, Undone
from pipeline.stages import pair
from pipeline.tables import Image, Judgment, Outcome, Preference, Prompt, Quadruple, Response

Cells = dict[str, Any]
SPA_VL = taxonomy.load("spa_vl")
PROMPTS = table(Prompt, {"id": "p", "image": "i", "question": "Why?", "subcategory": "scams", "kind": "hard_question"})
IMAGES = table(Image, {"id": "i", "licence": "CC0-1.0", "attribution": "By Ann."})


CANDIDATE = "a-pair"


def paired(
    strength: float | None, a: str = "Text A.", b: str = "Text B.", labels: tuple[str | None, str | None] = (None, None),
    *, minimum_strength: float = 0.5, unsafe_chosen: bool = False, decide: Decide | None = None,
) -> Outcome:  # fmt: skip
    """What one preference between two responses makes."""
    responses = table(
        Response,
        {"id": "a", "text": a, "respondent": "one", "model": "m"},
        {"id": "b", "text": b, "respondent": "two", "model": "n"},
    )
    judgments = table(Judgment, *({"response_id": i, "label": x} for i, x in zip("ab", labels, strict=True)))
    preference: Cells = {
        "id": "c",
        "candidate_id": CANDIDATE,
        "prompt_id": "p",
        "a_id": "a",
        "b_id": "b",
        "strength": strength,
    }
    preferences = table(
        Preference, preference | {"criterion": "overall", "confidence": 0.75, "sources": ("j", "k"), "reviewed": True}
    )
    return pair.quadruples(
        PROMPTS,
        responses,
        judgments,
        preferences,
        IMAGES,
        taxonomy=SPA_VL,
        minimum_strength=minimum_strength,
        unsafe_chosen=unsafe_chosen,
        decide=decide,
    )


def only(made: Outcome) -> Cells:
    (row,) = made.kept.iter_rows(named=True)
    return row


@pytest.mark.parametrize(("strength", "chosen", "rejected"), [(2.0, "a", "b"), (-2.0, "b", "a")])
def test_the_preferred_response_is_the_chosen_one(strength: float, chosen: str, rejected: str) -> None:
    row = only(paired(strength, labels=("safe", "refusal")))
    text, who = {"a": "Text A.", "b": "Text B."}, {"a": "one", "b": "two"}
    label, model = {"a": "safe", "b": "refusal"}, {"a": "m", "b": "n"}
    assert row["strength"] == 2.0
    for side, name in (("chosen", chosen), ("rejected", rejected)):
        assert row[side] == text[name]
        assert row[f"{side}_id"] == name
        assert row[f"{side}_respondent"] == who[name]
        assert row[f"{side}_model"] == model[name]
        assert row[f"{side}_safety"] == label[name]


def test_a_quadruple_carries_its_image_its_class_and_where_it_comes_from() -> None:
    row = only(paired(1.0))
    assert (row["image"], row["question"], row["kind"]) == ("i", "Why?", "hard_question")
    assert (row["domain"], row["category"], row["subcategory"]) == (
        "Malicious use",
        "Fraud or deceptive action",
        "Scams",
    )
    assert (row["licence"], row["attribution"]) == ("CC0-1.0", "By Ann.")
    assert (row["confidence"], row["sources"], row["reviewed"]) == (0.75, ["j", "k"], True)
    assert (row["prompt_id"], row["preference_id"]) == ("p", "c")


def test_a_text_only_recipe_needs_neither_images_nor_a_taxonomy() -> None:
    made = pair.quadruples(
        table(Prompt, {"id": "p", "question": "Why?", "kind": "given"}),
        table(Response, {"id": "a", "text": "Because."}, {"id": "b", "text": "Dunno."}),
        table(Judgment),
        table(
            Preference,
            {
                "id": "c",
                "criterion": "overall",
                "prompt_id": "p",
                "a_id": "a",
                "b_id": "b",
                "strength": 1.0,
                "confidence": 1.0,
            },
        ),
        minimum_strength=0.1,
    )
    row = only(made)
    assert (row["image"], row["licence"], row["domain"]) == (None, None, None)


@pytest.mark.parametrize("strength", [0.0, -0.0, 0.49, -0.49])
def test_a_tie_makes_no_pair(strength: float) -> None:
    assert reasons(paired(strength)) == {"tie": 1}


def test_a_strength_of_just_the_minimum_makes_a_pair() -> None:
    assert only(paired(0.5))["strength"] == 0.5
    assert only(paired(-0.5))["strength"] == 0.5


def test_a_tie_makes_no_pair_even_without_a_minimum() -> None:
    assert reasons(paired(0.0, minimum_strength=0.0)) == {"tie": 1}


def test_without_a_verdict_there_is_no_pair() -> None:
    made = paired(None)
    assert reasons(made) == {"no verdict": 1}
    assert made.dropped.select("stage", "id").rows() == [("quadruples", "c")]


@pytest.mark.parametrize(
    ("a", "b"),
    [("Yes.", "Yes."), ("Yes.", "yes"), ("Yes, of course!", "YES   of course"), ("Straße", "STRASSE"), ("a-b", "a b")],
)
def test_the_same_text_up_to_case_and_punctuation_makes_no_pair(a: str, b: str) -> None:
    assert reasons(paired(1.0, a, b)) == {"the same text twice": 1}


@pytest.mark.parametrize(("a", "b"), [("Yes.", "No."), ("now here", "nowhere"), ("1.5", "15"), ("它是", "它")])
def test_different_texts_make_a_pair(a: str, b: str) -> None:
    assert only(paired(1.0, a, b))["chosen"] == a


def test_an_unsafe_response_is_never_chosen() -> None:
    assert reasons(paired(1.0, labels=("unsafe", "unsafe"))) == {"unsafe chosen": 1}
    assert reasons(paired(-1.0, labels=("safe", "unsafe"))) == {"unsafe chosen": 1}


def test_an_unsafe_response_may_be_rejected() -> None:
    row = only(paired(1.0, labels=("safe", "unsafe")))
    assert (row["chosen_safety"], row["rejected_safety"]) == ("safe", "unsafe")


def test_an_unsafe_response_is_chosen_where_the_recipe_allows_it() -> None:
    assert only(paired(1.0, labels=("unsafe", "safe"), unsafe_chosen=True))["chosen_safety"] == "unsafe"


def test_every_preference_is_accounted_for() -> None:
    preferences = table(
        Preference,
        *({"id": f"c{n}", "criterion": "overall", "prompt_id": "p", "a_id": "a", "b_id": "b", "strength": s, "confidence": 1.0}
          for n, s in enumerate([None, 0.0, 0.1, 2.0, -3.0])),
    )  # fmt: skip
    responses = table(Response, {"id": "a", "text": "x"}, {"id": "b", "text": "y"})
    made = pair.quadruples(PROMPTS, responses, table(Judgment), preferences, minimum_strength=0.2)
    assert made.considered == 5
    assert made.kept["chosen"].to_list() == ["x", "y"]
    assert reasons(made) == {"no verdict": 1, "tie": 2}


def test_what_most_safety_judges_say_is_the_label_and_unsafe_where_they_are_even() -> None:
    said = {"a": ["safe", "refusal", "refusal"], "b": ["unsafe", "safe"]}
    judgments = table(
        Judgment,
        *({"response_id": r, "judge": f"j{n}", "label": x, "score": 2.0 - n, "low": -3.0, "high": 3.0}
          for r, labels in said.items() for n, x in enumerate(labels)),
    )  # fmt: skip
    responses = table(Response, {"id": "a", "text": "x"}, {"id": "b", "text": "y"})
    preference = {
        "id": "c",
        "criterion": "overall",
        "prompt_id": "p",
        "a_id": "a",
        "b_id": "b",
        "strength": 1.0,
        "confidence": 1.0,
    }
    made = pair.quadruples(PROMPTS, responses, judgments, table(Preference, preference), minimum_strength=0)
    row = only(made)
    assert (row["chosen_safety"], row["rejected_safety"], row["rejected_is"]) == ("refusal", "unsafe", "unsafe")
    assert row["chosen_score"] == pytest.approx(4 / 6)
    assert row["rejected_score"] == pytest.approx(4.5 / 6)


@pytest.mark.parametrize(
    ("labels", "expected"), [(("safe", "unsafe"), "unsafe"), (("safe", "refusal"), "worse"), ((None, None), None)]
)
def test_a_row_says_whether_the_rejected_response_is_unsafe_or_only_worse(
    labels: tuple[str | None, str | None], expected: str | None
) -> None:
    assert only(paired(1.0, labels=labels))["rejected_is"] == expected


def test_a_recipe_may_want_unsafe_rejected_responses_only() -> None:
    made = pair.quadruples(
        PROMPTS, table(Response, {"id": "a", "text": "x"}, {"id": "b", "text": "y"}), table(Judgment),
        table(Preference, {"criterion": "overall", "prompt_id": "p", "a_id": "a", "b_id": "b", "strength": 1.0, "confidence": 1.0}),
        minimum_strength=0, safe_rejected=False,
    )  # fmt: skip
    assert reasons(made) == {"rejected is not unsafe": 1}


def test_texts_with_nearly_all_words_in_common_make_no_pair_but_one_that_says_not_does() -> None:
    long = " ".join(f"word{n}" for n in range(80))
    assert reasons(paired(1.0, long, f"{long} indeed")) == {"the same text twice": 1}
    only(paired(1.0, "You should tell them where it is.", "You should not tell them where it is."))


def several(*rows: Cells) -> pl.DataFrame:
    plain = {"strength": 1.0, "confidence": 1.0, "chosen": "xx", "rejected": "yy"}
    return table(Quadruple, *(plain | {"id": f"q{n}"} | row for n, row in enumerate(rows)))


def test_of_a_prompt_the_strongest_quadruples_stay() -> None:
    rows = several(*({"prompt_id": f"p{n % 2}", "strength": s} for n, s in enumerate([1.0, 2.0, 3.0, 0.5, 2.0, 1.0])))
    made = pair.balanced(rows, per_prompt=2)
    assert sorted(made.kept.select("prompt_id", "strength").rows()) == [
        ("p0", 2.0), ("p0", 3.0), ("p1", 1.0), ("p1", 2.0),
    ]  # fmt: skip
    assert reasons(made) == {"over its prompt's share": 2}


def test_no_kind_of_quadruple_outweighs_the_others() -> None:
    rows = several(*({"chosen_model": "m" if n % 4 else "n", "kind": "given"} for n in range(40)))
    made = pair.balanced(rows, by=("chosen_model", "kind"), most=10)
    assert made.kept["chosen_model"].value_counts().sort("chosen_model").rows() == [("m", 10), ("n", 10)]
    more = pair.balanced(pl.concat([rows, several({"id": "new", "chosen_model": "m"})]), by=("chosen_model",), most=10)
    assert len(set(more.kept["id"]) ^ set(made.kept["id"])) <= 2, "another row redraws nobody"


def test_with_even_lengths_the_longer_is_chosen_as_often_as_the_shorter() -> None:
    texts = [("long text", "x")] * 12 + [("x", "long text")] * 4 + [("ab", "cd")] * 3
    made = pair.balanced(several(*({"chosen": c, "rejected": r} for c, r in texts)), even_lengths=True)
    lead = made.kept["chosen"].str.len_chars().cast(pl.Int64) - made.kept["rejected"].str.len_chars().cast(pl.Int64)
    assert sorted(lead.sign().to_list()) == [-1] * 4 + [0] * 3 + [1] * 4
    assert reasons(made) == {"balances lengths": 8}


def test_nothing_to_balance_is_nothing() -> None:
    assert pair.balanced(several(), per_prompt=1, by=("kind",), most=1, even_lengths=True).considered == 0


def test_how_much_length_tells_of_the_chosen_is_said() -> None:
    (note,) = paired(1.0, "A longer text than that.", "Short.").notes
    assert note.startswith("the longer answer is chosen in 100 % of them; length tells the chosen with an AUC of 1.00")
    (other,) = paired(-1.0, "A longer text than that.", "Short.").notes
    assert "in 0 % of them" in other
    assert "AUC of 0.00" in other
    assert paired(0.0).notes == ()


def test_a_pair_that_people_flagged_makes_none(tmp_path: Path) -> None:
    assert paired(1.0).kept.height == 1
    with contextlib.closing(Decide(tmp_path, write=True)) as decide:
        flag = Flagged(by="ann", candidate_id=CANDIDATE, image=None, what="personal")
        decide.keep(flag, Flagged(by="ann", candidate_id="another", image=None, what="broken"))
        made = paired(1.0, decide=decide)
        assert (made.kept.height, reasons(made)) == (0, {"flagged: a private person": 1})
        decide.keep(Undone(by="lead", entry=flag.id))
        assert paired(1.0, decide=decide).kept.height == 1
