"""How images are looked at: what each look asks, and what it makes of any reply."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rows import make, saying

from pipeline.looks import Look
from pipeline.looks.caption import LONGEST, Caption
from pipeline.looks.severity import SeverityJudge
from pipeline.looks.text import Text
from pipeline.requests import Answer, Chat, Line, Reply, Transcribe, Transcribed, failed, images_of
from pipeline.tables import SEVERITIES, Description, Image

ROW = make(Image, id="a" * 64).model_dump()
LOOKS: tuple[Look, ...] = (Text(), Caption("seer"), SeverityJudge("seer"))
each_look = pytest.mark.parametrize("look", LOOKS, ids=lambda look: type(look).__name__)


def read(look: Look, reply: Reply) -> Description:
    return look.read(ROW, "0" * 32, reply)


def transcribed(*lines: tuple[str, float, tuple[float, float, float, float]]) -> Reply:
    return Reply(result=Transcribed(lines=tuple(Line(text=t, score=s, box=b) for t, s, b in lines)))


@each_look
def test_the_image_is_what_is_asked_about(look: Look) -> None:
    request = look.ask(ROW)
    assert images_of(request) == ("a" * 64,)
    assert isinstance(request, Chat | Transcribe)
    assert request.model == look.model


@each_look
def test_a_failure_gives_its_error_and_nothing_else(look: Look) -> None:
    said = read(look, failed("refused", "content policy"))
    assert (said.image, said.error, said.text, said.share, said.severity) == ("a" * 64, "refused", None, None, None)


@each_look
@given(text=st.text(max_size=300))
def test_whatever_is_answered_makes_a_row(look: Look, text: str) -> None:
    said = read(look, saying(text))
    assert said.request_id == "0" * 32
    assert (said.error is None) != (said.text is None and said.severity is None)


def test_sure_lines_with_words_in_them_are_the_text_and_noise_is_not() -> None:
    said = read(
        Text(),
        transcribed(
            ("Grand opening", 0.98, (0.1, 0.1, 0.5, 0.2)), ("0", 0.99, (0, 0, 1, 1)), ("shop", 0.3, (0, 0, 1, 1)),
            ("2026", 0.9, (0.5, 0.5, 0.6, 0.6)),
        ),
    )  # fmt: skip
    assert said.text == "Grand opening\n2026"
    assert said.share == pytest.approx(0.04 + 0.01, abs=1e-3)


def test_an_image_without_words_has_none_and_a_share_of_nothing() -> None:
    said = read(Text(), transcribed())
    assert (said.text, said.share, said.error) == (None, 0.0, None)


BOX = st.tuples(*[st.integers(0, 20)] * 4).map(
    lambda b: (min(b[0], b[2]), min(b[1], b[3]), max(b[0], b[2]), max(b[1], b[3]))
)


@given(boxes=st.lists(BOX, max_size=8))
def test_overlapping_boxes_are_counted_once(boxes: list[tuple[int, int, int, int]]) -> None:
    cells = {(x, y) for left, top, right, bottom in boxes for x in range(left, right) for y in range(top, bottom)}
    lines = [("word", 1.0, (b[0] / 20, b[1] / 20, b[2] / 20, b[3] / 20)) for b in boxes]
    assert read(Text(), transcribed(*lines)).share == pytest.approx(len(cells) / 400, abs=1e-3)


@pytest.mark.parametrize(
    ("said", "caption"),
    {
        "A red bicycle leans on a wall.": "A red bicycle leans on a wall.",
        "Sure! A red bicycle.": "A red bicycle.",
        "Here is a description of the image: A red\n bicycle.": "A red bicycle.",
        '"A red bicycle."': "A red bicycle.",
        "Caption: A red bicycle.": "A red bicycle.",
        "The image shows a bicycle; here is its owner.": "The image shows a bicycle; here is its owner.",
    }.items(),
)
def test_a_caption_is_freed_of_what_leads_up_to_it(said: str, caption: str) -> None:
    assert read(Caption("seer"), saying(said)).text == caption


@pytest.mark.parametrize(
    "said", ["I'm sorry, I can't describe this.", "I cannot help with this image.", "As an AI, I see nothing."]
)
def test_a_refusal_is_no_caption(said: str) -> None:
    assert read(Caption("seer"), saying(said)).error == "refusal"
    assert read(Caption("seer"), Reply(result=Answer(text="A cat.", finish="refusal"))).error == "refusal"


def test_a_caption_without_end_is_cut() -> None:
    assert len(read(Caption("seer"), saying("word " * 9999)).text or "") == LONGEST


@pytest.mark.parametrize("grade", SEVERITIES)
def test_a_grade_is_read_from_json_from_words_and_from_the_last_of_several(grade: str) -> None:
    judge = SeverityJudge("seer")
    for said in (
        json.dumps({"severity": grade}), f"```json\n{json.dumps({'severity': grade.upper()})}\n```", f"Severity: **{grade}**",
        f'First I thought {{"severity": "none"}}, but no: {{"severity": "{grade}"}}', f"The severity is {grade}.",
    ):  # fmt: skip
        assert read(judge, saying(said)).severity == grade, said


@pytest.mark.parametrize(
    ("said", "error"),
    {
        '{"severity": "extreme"}': "off_scale",
        '{"severity": 2}': "off_scale",
        "It is quite harmful.": "no_verdict",
        "": "no_verdict",
    }.items(),
)
def test_what_was_not_on_offer_is_an_error(said: str, error: str) -> None:
    verdict = read(SeverityJudge("seer"), saying(said))
    assert (verdict.severity, verdict.error) == (None, error)
