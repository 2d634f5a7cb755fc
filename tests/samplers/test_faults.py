"""Answers that are none, and answers that only look like it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.samplers import Said, faults

STORY = """The picture shows a market in the early morning. Two women unload crates of apples from a van, while a boy in a
blue jacket sweeps the ground in front of the stall. Behind them a church tower stands in the fog. Most of the shutters are still
closed, but the baker on the corner has lit his window, and a small queue has formed there. A cat sits on an upturned box and
watches a pigeon. Nothing suggests that anybody is in a hurry: it looks like an ordinary day in a small town, perhaps in autumn,
since the trees along the street have lost half of their leaves."""
FINE = {
    "one word": "Paris",
    "yes": "Yes.",
    "a number": "42",
    "prose": STORY,
    "prose twice as long": STORY + "\n\n" + STORY.replace("market", "harbour").replace("women", "men").upper(),
    "emphasis": "No, no, no! That is very, very, very dangerous.",
    "a laugh": "Ha ha ha ha! That is a good one.",
    "a list": "\n".join(f"{n}. Put {n} spoons of {what} into the bowl." for n, what in enumerate(("flour", "sugar", "oil", "milk", "salt"))),
    "a table": "| Name | Age |\n|---|---|\n| Anna | 31 |\n| Ben | 31 |\n| Cleo | 31 |\n| Dan | 31 |\n| Eve | 31 |",
    "a form": "Name: ______________________________\nDate: ______________________________\n" + "-" * 60,
    "code": "def area(width, height):\n    if width < 0:\n        return None\n    if height < 0:\n        return None\n    return width * height\n",
    "a chorus": "Row, row, row your boat,\nGently down the stream.\nMerrily, merrily, merrily, merrily,\nLife is but a dream.",
    "names": "It was Johann Sebastian Bach who wrote the Goldberg Variations in Leipzig.",
    "a foreign word": "The sign says Ausfahrt, which is German for an exit of the motorway.",
    "medicine": "Acetylsalicylic acid, ibuprofen and diclofenac.",
    "two short clauses": "A dog. It is brown.",
}  # fmt: skip


def fault(text: str, language: str = "en", *, whole: bool = True, may_be_cut: bool = False) -> str | None:
    return faults.fault(Said(text, whole=whole), language, may_be_cut=may_be_cut)


@pytest.mark.parametrize("name", FINE)
def test_an_answer_is_an_answer(name: str) -> None:
    assert fault(FINE[name]) is None


@pytest.mark.parametrize(
    "text",
    [
        "It is a cat. " * 20,
        "I can see a red car. " * 6,
        "no " * 30,
        STORY + " and then and then and then and then and then and then and then",
        STORY + "\n" + "The tower is tall.\n" * 8,
        "The cat sits on a box. The box is under the cat. " * 5,
        "a" * 200,
        "我不能帮助你。" * 10,
        "Step: do it again.\nStep: go on with it.\n" * 12,
        (" ".join(f"word{n}" for n in range(50)) + ". ") * 5,
        "- the sky is blue\n- the grass is green\n- the sky is blue\n- the grass is green\n" * 6,
    ],
)
def test_an_answer_that_goes_round_in_circles_is_looping(text: str) -> None:
    assert fault(text) == "looping"
    assert fault(text, whole=False, may_be_cut=True) == "looping", "loops end at the limit: that they loop says more"


@pytest.mark.parametrize("text", ["", " ", "\n\t\u00a0"])
def test_an_answer_without_words_is_empty_or_never_began(text: str) -> None:
    assert fault(text) == "empty answer"
    assert fault(text, whole=False) == "truncated"
    assert fault(text, whole=False, may_be_cut=True) == "empty answer"


def test_an_answer_that_was_cut_is_truncated_unless_it_may_be() -> None:
    assert fault(STORY, whole=False) == "truncated"
    assert fault(STORY, whole=False, may_be_cut=True) is None


SPOKEN = {
    "en": "The picture shows a red car that stands beside the sea.",
    "de": "Das Bild zeigt einen roten Wagen, der neben dem Meer steht.",
    "fr": "L'image montre une voiture rouge qui se trouve au bord de la mer.",
    "es": "La imagen muestra un coche rojo que está al lado del mar.",
    "ru": "На картинке изображена красная машина, которая стоит у моря.",  # noqa: RUF001
    "zh": "图片上是一辆停在海边的红色汽车。",
    "ar": "تظهر الصورة سيارة حمراء تقف بجانب البحر.",
    "hi": "तस्वीर में समुद्र के किनारे खड़ी एक लाल कार दिखाई दे रही है।",
    "id": "Gambar ini menunjukkan sebuah mobil merah yang berdiri di tepi laut.",
}


@pytest.mark.parametrize("asked", SPOKEN)
@pytest.mark.parametrize("answered", SPOKEN)
def test_an_answer_is_in_the_language_of_its_prompt(asked: str, answered: str) -> None:
    assert fault(SPOKEN[answered], asked) == (None if asked == answered else "wrong language")


@pytest.mark.parametrize("name", ["ru", "ar", "hi"])
def test_an_answer_that_drifts_into_another_script_is_in_the_wrong_language(name: str) -> None:
    drifted = STORY + " ".join(" ".join(SPOKEN[name].split()[n:] + SPOKEN[name].split()[:n]) for n in range(6))
    assert fault(drifted) == "wrong language"


def test_related_languages_are_not_told_apart() -> None:
    assert fault(SPOKEN["id"], "ms") is None


REFUSALS = (
    "I'm sorry, but I can't help with that.",
    "I\u2019m sorry, I can\u2019t assist with this request.",
    "Sorry, I cannot provide instructions for that. It would be dangerous.",
    "I am unable to answer this question.",
    "I won't do that.",
    "I cannot in good conscience write such a letter.",
    "I'm not comfortable discussing this.",
    "As an assistant, I must decline this request.",
    "Unfortunately, I'm not able to\nidentify the person in this picture.",
    "We are not able to share this information.",
)


@pytest.mark.parametrize("text", REFUSALS)
def test_a_refusal_is_an_answer_even_if_it_is_cut_or_in_english(text: str) -> None:
    assert faults.declines(text)
    assert fault(text, whole=False) is None
    assert fault(text, "de") is None


@pytest.mark.parametrize(
    "text",
    [
        STORY, "You can't park here: the sign says so.", "The man cannot see the car.", "I think it is a cat.", "They refuse to go.",
        "I can help with that. First, open the box.", "I can't believe that it is a cat.", "I cannot see this sign well.", "I can't say what they do.", "Sorry, the picture is dark, but it shows a cat.", "",
    ],
)  # fmt: skip
def test_what_speaks_of_others_or_goes_on_is_no_refusal(text: str) -> None:
    assert not faults.declines(text)


def test_what_is_missing_has_a_reason() -> None:
    assert faults.missing(2, cut=False) == "fewer answers than asked"
    assert faults.missing(0, cut=False) == "unreadable"
    assert faults.missing(2, cut=True) == faults.missing(0, cut=True) == "truncated"


@given(
    st.text(max_size=300) | st.text("ab .\n", max_size=300),
    st.sampled_from(sorted(SPOKEN)),
    st.booleans(),
    st.booleans(),
)
def test_whatever_is_said_has_one_of_these_reasons_or_none(text: str, language: str, whole: bool, may: bool) -> None:
    known = {None, "empty answer", "looping", "truncated", "wrong language"}
    reason = fault(text, language, whole=whole, may_be_cut=may)
    assert reason in known
    assert not (reason == "truncated" and (whole or may))


@given(st.lists(st.text("abcdefgh", min_size=1, max_size=8), min_size=1, max_size=60), st.integers(14, 30))
def test_whatever_is_said_so_often_loops(words: list[str], times: int) -> None:
    assert faults.loops(" ".join(words * times))
