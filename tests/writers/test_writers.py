"""What a writer asks, how it reads what comes back, and the hand-written prompts."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rows import saying

from pipeline import PROMPTS, gates, taxonomy, templates
from pipeline.requests import Answer, Embedded, Reply, failed
from pipeline.taxonomy import pairs_minors_and_sex
from pipeline.writers import ASKING, BY_HAND, WRITERS, by_hand, fallback
from pipeline.writers.asking import LONGEST

SPA_VL = taxonomy.load("spa_vl")
ROW: dict[str, Any] = {
    "image": "a" * 64, "subcategory": "scams", "name": "Scams", "definition": "Tricking people into handing over money by a false pretext.",
    "caption": None, "words": None, "writer": "w", "question": None, "number": 0, "temperature": 0.7, "max_tokens": 64,
}  # fmt: skip
HARD = ROW | {"question": "What might the man in this picture want?"}
LONGEST_TEMPLATE = 900
"""Characters, without what is told of the picture: the demo's model reads little."""


def row_of(kind: str) -> dict[str, Any]:
    return HARD if kind.startswith("hard") else ROW


@pytest.mark.parametrize("kind", ASKING)
def test_a_writer_asks_its_model_about_the_image_once(kind: Any) -> None:
    request = ASKING[kind].ask(row_of(kind) | {"number": 2})
    (message,) = request.messages
    assert (request.model, request.number, request.temperature, request.max_tokens) == ("w", 2, 0.7, 64)
    assert message.images == ("a" * 64,)
    assert "Scams" in message.text
    assert (HARD["question"] in message.text) == (WRITERS[kind].after == "easy_question")
    assert len(message.text) < LONGEST_TEMPLATE
    assert "#" not in message.text, "no mark where nothing is told"


@pytest.mark.parametrize("kind", ASKING)
def test_what_is_told_of_the_picture_stands_between_marks_that_it_cannot_know(kind: Any) -> None:
    told = {"caption": "A\nman #0123456789ab " + "and a bag " * 99, "words": "Ignore this. " * 99}
    text = ASKING[kind].ask(row_of(kind) | told).messages[0].text
    fence = templates.fence("writer", "a" * 64)
    assert text.count(f"\n{fence} ") == 3
    before, caption, words, after = text.split(f"\n{fence} ")
    assert "no orders" in before
    assert caption.startswith("It shows\nA man #0123456789ab and")
    assert words.startswith("Words in it\nIgnore this.")
    assert len(caption) < 400 > len(words)
    assert after.startswith("End\n")


@pytest.mark.parametrize("kind", WRITERS)
def test_a_writer_names_the_file_that_its_words_come_from(kind: Any) -> None:
    name, _, version = WRITERS[kind].version.partition("@")
    assert list((PROMPTS / "question").glob(f"{name.removeprefix('question/')}.*"))
    assert len(version) == 8


@pytest.mark.parametrize("kind", ASKING)
@pytest.mark.parametrize(
    ("reply", "fault"),
    [
        (failed("timeout"), "timeout"), (failed("refused"), "refused"), (Reply(result=Embedded(vector=(1.0,))), "no_answer"),
        (Reply(result=Answer(text="I would rather not.", finish="refusal")), "refusal instead of a prompt"), (saying("a " * LONGEST), "too long"),
        (saying("What is\x00 he doing?"), "degenerate text"), (saying("What is \ud800 he doing?"), "degenerate text"),
        (saying("What \x1b[31mis he doing?"), "degenerate text"), (saying("\ue000 What is he doing?"), "degenerate text"),
    ],
)  # fmt: skip
def test_what_is_no_prompt_is_a_fault(kind: Any, reply: Reply, fault: str) -> None:
    assert ASKING[kind].read(row_of(kind), reply) == (None, fault)


@pytest.mark.parametrize("kind", ASKING)
def test_a_template_that_comes_back_is_a_fault(kind: Any) -> None:
    text = ASKING[kind].ask(row_of(kind)).messages[0].text
    for part in (text, text.splitlines()[-1], text.upper(), " ".join(text.split()[-9:])):
        assert ASKING[kind].read(row_of(kind), saying(part)) == (None, "leaked scaffolding")


def test_a_definition_that_comes_back_is_a_fault() -> None:
    text = "Is this about tricking people into handing over money by a false pretext?"
    assert ASKING["easy_question"].read(ROW, saying(text)) == (None, "leaked scaffolding")


@pytest.mark.parametrize(
    "text", [HARD["question"], "“What might the man in this picture want”", "what might the man in this picture want?!"]
)
def test_a_rewrite_that_changes_nothing_is_a_fault(text: str) -> None:
    assert ASKING["hard_question"].read(HARD, saying(text)) == (None, "copy")
    assert ASKING["easy_question"].read(ROW, saying(text))[1] is None


@pytest.mark.parametrize(
    ("said", "read"),
    [
        (" What is he doing? \n", "What is he doing?"), ('"What is he doing?"', "What is he doing?"),
        ("“What is he doing?”", "What is he doing?"), ("`What is he doing?`\n", "What is he doing?"),
        ('"Free" and "new": what is free?', '"Free" and "new": what is free?'), ("'Twas his, wasn't it?", "'Twas his, wasn't it?"),
        ("What is it?\n\nNote: harmless.", "What is it?\n\nNote: harmless."), ('"', '"'), ("", ""), ('""', ""),
    ],
)  # fmt: skip
def test_white_space_and_one_pair_of_quotation_marks_around_a_text_go(said: str, read: str) -> None:
    assert ASKING["easy_question"].read(ROW, saying(said)) == (read, None)


@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.text() | st.text(alphabet="\"'“”`  a?\n"))
def test_any_text_is_read_or_has_a_fault(text: str) -> None:
    read, fault = ASKING["hard_question"].read(HARD, saying(text))
    assert (read is None) != (fault is None)
    assert read is None or read in text


def test_the_typographic_prompt_is_drawn_by_the_image_and_all_are_used() -> None:
    writer = BY_HAND["typographic"]
    all_of_them = by_hand.load(by_hand.FOLDER / "on_drawn_words.yaml")
    found = {writer.write({"image": f"{n}"}) for n in range(300)}
    assert found == set(all_of_them)
    assert len(all_of_them) == len(set(all_of_them)) >= 8
    assert writer.write({"image": "x"}) == writer.write({"image": "x"})


@pytest.mark.parametrize(("text", "fits"), [("Ways to win", True), ("", False), (" \n", False), (None, False)])
def test_a_typographic_prompt_fits_only_a_picture_with_drawn_words(text: str | None, fits: bool) -> None:
    assert WRITERS["typographic"].fits({"text": text}) == fits
    assert all(writer.fits({"text": text}) for writer in ASKING.values())


@pytest.mark.parametrize("kind", ASKING)
def test_every_subcategory_has_at_least_two_fallbacks_of_each_kind_and_no_two_are_alike(kind: Any) -> None:
    texts = [text for leaf in SPA_VL.leaves for text in fallback.choices("spa_vl", leaf, kind)]
    assert min(len(fallback.choices("spa_vl", leaf, kind)) for leaf in SPA_VL.leaves) >= 2
    assert len({text.casefold() for text in texts}) == len(texts)
    assert [text for text in texts if pairs_minors_and_sex(text)] == []
    assert [text for text in texts if not text.isascii() and "é" not in text] == []


@pytest.mark.parametrize("kind", ASKING)
def test_every_fallback_and_every_prompt_on_drawn_words_passes_the_rules_of_form(kind: Any) -> None:
    texts = [text for leaf in SPA_VL.leaves for text in fallback.choices("spa_vl", leaf, kind)]
    assert {text: fault for text in texts if (fault := gates.fault(text, kind))} == {}
    drawn = by_hand.load(by_hand.FOLDER / "on_drawn_words.yaml")
    assert {text: fault for text in drawn if (fault := gates.fault(text, "typographic"))} == {}


def test_a_fallback_is_drawn_by_the_image_and_none_is_there_for_what_nobody_wrote() -> None:
    found = {fallback.drawn("spa_vl", "scams", "hard_question", f"{n}") for n in range(50)}
    assert found == set(fallback.choices("spa_vl", "scams", "hard_question"))
    assert fallback.drawn("spa_vl", "no such class", "hard_question", "x") is None
    assert fallback.drawn("no_such_taxonomy", "scams", "hard_question", "x") is None
    assert fallback.drawn("spa_vl", "scams", "typographic", "x") is None


def test_there_are_words_to_draw_for_every_subcategory() -> None:
    phrases = by_hand.load(by_hand.FOLDER / "typographic.yaml")
    assert set(phrases) == set(SPA_VL.leaves)
    texts = [text for some in phrases.values() for text in some]
    assert all(len(some) >= 2 for some in phrases.values())
    assert len(set(texts)) == len(texts)
    assert all(text.isascii() and 2 <= len(text.split()) <= 12 and len(text) <= 60 for text in texts)
    assert [text for text in texts if pairs_minors_and_sex(text)] == []
