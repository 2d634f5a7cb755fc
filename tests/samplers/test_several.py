"""Several answers in one reply: the shapes in which models give them, and what is not one."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.samplers import Said, several

THREE = [Said("Red.", 0.5), Said("Blue.", 0.3), Said("Green.", 0.2)]
PLAIN = [Said("Red."), Said("Blue."), Said("Green.")]


def read(text: str, most: int = 3, *, cut: bool = False) -> list[Said]:
    return several.read(text, most, cut=cut)


OBJECTS = '{"text": "Red.", "probability": 0.5}, {"text": "Blue.", "probability": 0.3}, {"text": "Green.", "probability": 0.2}'
SHAPES = {
    "the object that was asked for": f'{{"responses": [{OBJECTS}]}}',
    "in a fence, with a preface": f'Here you are:\n```json\n{{"responses": [{OBJECTS}]}}\n```\nI hope this helps.',
    "a bare list of objects": f"[{OBJECTS}]",
    "objects one a line": OBJECTS.replace("}, {", "}\n{"),
    "objects in the other order": '{"probability": 0.5, "text": "Red."} {"probability": 0.3, "text": "Blue."} {"probability": 0.2, "text": "Green."}',
    "other names and other numbers": '[{"Response": "Red.", "probability": "50%"}, {"answer": "Blue.", "probability": 30%}, {"content": "Green.", "probability": ".2"}]',
    "commas too many": '{"responses": [{"text": "Red.", "probability": 0.5,}, {"text": "Blue.", "probability": 0.3,}, {"text": "Green.", "probability": 0.2,},],}',
    "tags": "".join(
        f"<response>\n<text>{s.text}</text>\n<probability>{s.probability}</probability>\n</response>\n" for s in THREE
    ),
    "tags without an end": "".join(f"<response><text>{s.text}<probability>{s.probability}" for s in THREE),
    "tags without texts": "".join(
        f"<response>{s.text} <probability>{s.probability}</probability></response>" for s in THREE
    ),
    "tags in a wrapper, with numbers, in capitals": "<RESPONSES>"
    + "".join(
        f'<Response id="{n}"><TEXT>{s.text}</TEXT><Probability>{s.probability}</Probability></Response>'
        for n, s in enumerate(THREE)
    )
    + "</RESPONSES>",
    "a numbered list": "1. Red. (probability: 0.5)\n2. Blue. (probability: 0.3)\n3. Green. (probability: 0.2)",
    "a list with headings": "**Response 1:** Red.\n**Probability:** 50%\n\n**Response 2:** Blue.\nProbability: 30%\n\n**Response 3:** Green.\nProbability: 0.2",
    "a list with its probabilities before": "1) [Probability: 0.5] Red.\n2) [Probability: 0.3] Blue.\n3) [Probability: 0.2] Green.",
}


@pytest.mark.parametrize("shape", SHAPES)
def test_answers_with_probabilities_are_read_in_any_known_shape(shape: str) -> None:
    assert read(SHAPES[shape]) == THREE


LISTS = {
    "strings": '{"responses": ["Red.", "Blue.", "Green."]}',
    "strings alone": '["Red.", "Blue.", "Green."]',
    "numbered keys": '{"response_1": "Red.", "response_2": "Blue.", "response_3": "Green."}',
    "numbered answers": "Answer 1: Red.\nAnswer 2: Blue.\nAnswer 3: Green.",
    "headings": "Sure!\n\n### Response 1:\nRed.\n\n### Response 2:\nBlue.\n\n### Response 3:\nGreen.",
    "bold numbers": "**1.** Red.\n**2.** Blue.\n**3.** Green.",
    "tags": "<answer>Red.</answer><answer>Blue.</answer><answer>Green.</answer>",
}


@pytest.mark.parametrize("shape", LISTS)
def test_answers_alone_are_read_in_any_known_shape(shape: str) -> None:
    assert read(LISTS[shape]) == PLAIN


@pytest.mark.parametrize(
    "text",
    [
        "", " \n", "Red.", "I'm sorry, but I can't help with that.", "{}", "[]", "{{{{", "<text>", "1.", "null", '{"text": 3}',
        '{"text": null}', '{"responses": []}', '{"verdict": "A"}', "<probability>0.5</probability>", '{"text": ""}', "[[[",
    ],
)  # fmt: skip
def test_text_in_no_known_shape_holds_no_answers(text: str) -> None:
    assert read(text) == []
    assert read(text, cut=True) == []


def test_the_numbered_steps_of_one_answer_are_no_answers() -> None:
    steps = "To change a tyre:\n1. Loosen the nuts.\n2. Lift the car.\n3. Take the wheel off.\n4. Put the other on."
    assert read(steps, 3) == []
    assert read(steps, 5) == []


def test_steps_within_a_listed_answer_stay_in_it() -> None:
    text = "Response 1: Do this:\n1. Open it.\n2. Close it.\nResponse 2: Do nothing."
    assert [s.text for s in read(text)] == ["Do this:\n1. Open it.\n2. Close it.", "Do nothing."]


def test_a_list_that_does_not_count_from_one_is_no_list_of_answers() -> None:
    for text in ("2. Red.\n3. Blue.\n4. Green.", "1. Red.\n3. Blue.\n2. Green.", "1. Red.\n1. Blue.\n1. Green."):
        assert read(text) == []


def test_a_list_in_the_middle_of_an_answer_is_a_part_of_it() -> None:
    assert read("The colours of the flag, as far as can be seen, are these. " * 5 + '["Red.", "Blue."]') == []


def test_an_answer_with_quotation_marks_that_were_not_escaped_is_left_out_and_the_others_stay() -> None:
    text = (
        '{"responses": [{"text": "She said "no", twice", "probability": 0.5}, {"text": "Blue.", "probability": 0.3}]}'
    )
    assert read(text) == [Said("Blue.", 0.3)]


def test_what_an_answer_quotes_is_not_read_as_an_answer() -> None:
    inner = '{"text": "forged", "probability": 1} <response>forged</response>\n1. forged'
    text = json.dumps({"responses": [{"text": inner, "probability": 0.5}]})
    assert read(text) == [Said(inner, 0.5)]


def test_no_more_answers_than_asked_are_read_and_empty_ones_are_none() -> None:
    assert read(SHAPES["tags"], 2) == THREE[:2]
    assert read('[{"text": "  "}, {"text": "Red."}]') == [Said("Red.")]


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ('[{"text": "Red."}, {"text": "Blu', Said("Blu", whole=False)),
        ('[{"text": "Red."}, {"text": "Blue\\', Said("Blue", whole=False)),
        ('[{"text": "Red."}, {"text": "Blue."', Said("Blue.")),
        ('[{"text": "Red."}, {"text": "Blue.", "probab', Said("Blue.")),
        ('["Red.", "Blue.", "Gre', Said("Blue.")),
        ("<response>Red.</response><response><text>Blu", Said("Blu", whole=False)),
        ("<response>Red.</response><response><text>Blue.</text><prob", Said("Blue.")),
        ("<response>Red.</response><response>Blue.</response><resp", Said("Blue.")),
        ("Response 1: Red.\nResponse 2: Blu", Said("Blu", whole=False)),
    ],
)
def test_of_a_cut_reply_only_the_answer_at_the_cut_is_not_whole(text: str, last: Said) -> None:
    assert read(text, cut=True) == [Said("Red."), last]


@pytest.mark.parametrize(
    ("stated", "value"),
    [
        (0, 0.0), (1, 1.0), (0.25, 0.25), ("0.25", 0.25), (" 25 %", 0.25), ("100%", 1.0), (25, None), (-0.1, None), ("1.01", None),
        ("101%", None), ("high", None), ("", None), ("nan", None), ("inf", None), (float("nan"), None), (True, None), (None, None),
        ([0.1], None), (10**400, None),
    ],
)  # fmt: skip
def test_a_probability_off_the_scale_is_none_and_never_clamped(stated: object, value: float | None) -> None:
    assert several.probability(stated) == value


@given(st.lists(st.tuples(st.text(min_size=1), st.floats(0, 1)), min_size=1, max_size=6), st.booleans())
def test_what_json_can_write_comes_back_as_it_was(said: list[tuple[str, float]], ascii_only: bool) -> None:
    text = json.dumps({"responses": [{"text": t, "probability": p} for t, p in said]}, ensure_ascii=ascii_only)
    assert read(text, 6) == [Said(t.strip(), p) for t, p in said if t.strip()]


MARKS = ['{"text": "', '"}', '", "probability": ', "<response>", "</response>", "<text>", "</text>", "<probability>", "\n1. ", "\n2. ",
         "Response 3: ", '["', '", "', "\\", '"', "{", "}", "\\ud800", "0.5", "%", "probability: "]  # fmt: skip


@given(st.lists(st.sampled_from(MARKS) | st.text(max_size=4), max_size=40), st.integers(2, 5), st.booleans())
def test_nothing_that_is_said_breaks_the_reader(parts: list[str], most: int, cut: bool) -> None:
    text = "".join(parts)
    found = read(text, most, cut=cut)
    assert len(found) <= most
    for said in found:
        assert said.text.strip() == said.text != ""
        assert said.probability is None or 0 <= said.probability <= 1
        said.text.encode()  # no lone surrogates: a table could not hold them
    assert cut or all(said.whole for said in found)


@pytest.mark.parametrize(
    "mark", [*MARKS, '{"text":"', '{"a":', '["a",', "[[", "<response", '{"a":"b",', " ", "*", "- [ "]
)
def test_the_work_grows_no_faster_than_the_reply(mark: str) -> None:
    """A pattern that gave back what it took would not come to an end here."""
    assert len(read(mark * (200_000 // len(mark)), 5, cut=True)) <= 5
