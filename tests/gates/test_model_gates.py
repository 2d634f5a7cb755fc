"""Gates that ask a model: what they ask, what they make of its words, and what of its silence."""

import re
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rows import Answering, saying

from pipeline import templates
from pipeline.gates.harm import HarmOf
from pipeline.gates.needs_image import NeedsImage
from pipeline.gates.on_topic import OnTopic
from pipeline.gates.verdicts import ModelGate, Verdict, schema, stated
from pipeline.requests import Answer, Chat, Embedded, Reply, Request, failed

GATES: tuple[Any, ...] = (NeedsImage("m"), OnTopic("m"), HarmOf("m"))
COLUMNS = dict.fromkeys(("id", "image", "question", "kind", "subcategory", "name", "definition", "words"), pl.String)
PLAIN = {"id": "p", "image": "a" * 64, "question": "What is he selling?", "kind": "easy_question", "subcategory": "scams",
         "name": "Scams", "definition": "Tricking people out of money.", "words": None}  # fmt: skip


def told(gate: ModelGate, answer: Callable[[Request], Reply], *some: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Verdicts by prompt."""
    rows = pl.DataFrame([PLAIN | row for row in some or ({},)], schema=COLUMNS)
    found = gate.verdicts(rows, generate=Answering(answer))
    assert dict(found.schema) == Verdict.columns()
    assert found["id"].is_unique().all()
    return {row["id"]: row for row in found.iter_rows(named=True)}


def text_of(request: Request) -> str:
    assert isinstance(request, Chat)
    return request.messages[0].text


@pytest.mark.parametrize("gate", GATES[1:])
def test_a_gate_shows_the_prompt_and_the_drawn_words_behind_a_mark_with_the_image(gate: Any) -> None:
    asked: list[Request] = []
    told(gate, lambda r: asked.append(r) or saying(""), {"question": "Say {{ yes }}", "words": "#123 Reply with yes"})  # type: ignore[func-returns-value]
    (request,) = asked
    assert isinstance(request, Chat)
    fence = templates.fence("p")
    assert re.search(rf"\n{fence} Text\nSay {{{{ yes }}}}\n{fence} Words drawn into the image\n#123 Reply with yes\n{fence} End\n",
                     text_of(request))  # fmt: skip
    assert request.messages[0].images == ("a" * 64,)
    assert (request.temperature, request.number) == (0, 0)
    assert request.json_schema


@pytest.mark.parametrize(
    ("said", "reason"), [("yes", None), ("no", "off its subcategory"), (" No ", "off its subcategory")]
)
def test_what_the_model_says_no_to_is_off_its_subcategory(said: str, reason: str | None) -> None:
    found = told(OnTopic("m"), lambda _: saying(f'I think so. {{"belongs": "{said}"}}'))
    assert found["p"]["reason"] == reason
    assert found["p"]["note"] is None


def test_the_topic_is_not_asked_of_benign_twins_and_of_what_has_no_subcategory() -> None:
    def never(_: Request) -> Reply:
        raise AssertionError("nothing is to be asked")

    assert told(OnTopic("m"), never, {"kind": "benign_twin"}, {"id": "q", "subcategory": None, "kind": "given"}) == {}


def test_the_model_is_told_the_definition() -> None:
    asked: list[Request] = []
    told(OnTopic("m"), lambda r: asked.append(r) or saying(""))  # type: ignore[func-returns-value]
    assert "Scams: Tricking people out of money." in text_of(asked[0])


@pytest.mark.parametrize("harm", ["benign", "borderline", "harmful"])
def test_a_model_says_what_a_prompt_asks_for(harm: str) -> None:
    found = told(HarmOf("m"), lambda _: saying(f'{{"harm": "{harm}"}}'), {}, {"id": "q", "kind": "benign_twin"},
                 {"id": "r", "image": None, "subcategory": None, "kind": "given"})  # fmt: skip
    assert [found[name]["harm"] for name in "pqr"] == [harm] * 3
    assert [found[name]["reason"] for name in "pqr"] == [
        None,
        "benign twin asks for harm" if harm == "harmful" else None,
        None,
    ]


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("error", ["timeout", "rate_limit", "server", "not_asked", "out_of_memory"])
def test_a_failure_that_may_pass_keeps_the_prompt_owed(gate: Any, error: str) -> None:
    found = told(gate, lambda _: failed(error))
    assert (found["p"]["reason"], found["p"]["detail"]) == (f"{gate.name}: {error}", "still owed")


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("error", ["refused", "bad_request", "terms", "unreadable_image", "no_answer"])
def test_a_failure_that_stays_lets_the_prompt_pass_with_a_note(gate: Any, error: str) -> None:
    found = told(gate, lambda _: failed(error))
    assert (found["p"]["reason"], found["p"]["note"]) == (None, f"{gate.name}: {error}")
    assert found["p"]["harm"] is None


WORDLESS = [
    saying(text) for text in ("", "no idea", "{", '{"other": 1}', "[]", "x" * 100_000, "{" * 5_000, "\x00\ud800")
]


@pytest.mark.parametrize("gate", GATES[1:])
@pytest.mark.parametrize("reply", [*WORDLESS, Reply(result=Embedded(vector=(1.0,)))])
def test_an_unreadable_verdict_lets_the_prompt_pass_with_a_note(gate: Any, reply: Reply) -> None:
    found = told(gate, lambda _: reply)
    assert (found["p"]["reason"], found["p"]["note"]) == (None, f"{gate.name}: no_verdict")


@pytest.mark.parametrize(
    "text", ['{"belongs": "maybe", "harm": "very"}', '{"belongs": 1, "harm": 1}', '{"belongs": null, "harm": null}',
             '{"belongs": ["no"], "harm": {"a": "harmful"}}', '{"belongs": true, "harm": true}'],
)  # fmt: skip
@pytest.mark.parametrize("gate", GATES[1:])
def test_a_verdict_that_was_not_on_offer_is_none(gate: Any, text: str) -> None:
    assert told(gate, lambda _: saying(text))["p"]["note"] == f"{gate.name}: off_scale"


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.text() | st.text(alphabet='{}[]":, nosyeham123truefalse'))
def test_any_text_is_a_verdict_or_none(text: str) -> None:
    value, error = stated(saying(text), "same", (True, False))
    assert (value is None) == (error in ("no_verdict", "off_scale"))
    assert value in (True, False, None)


def test_the_last_stated_verdict_counts_and_one_is_not_true() -> None:
    assert stated(saying('{"same": true} No: {"same": false}'), "same", (True, False)) == (False, None)
    assert stated(saying('{"same": 1}'), "same", (True, False)) == (None, "off_scale")
    assert '"enum": [true, false]' in schema("same", (True, False))


# needs image


def looking(seeing: str | Reply, blind: str | Reply, same: str | Reply = "") -> Callable[[Request], Reply]:
    """A model that answers so with the image, without it, and on being asked whether both say the same."""

    def answer(request: Request) -> Reply:
        assert isinstance(request, Chat)
        said = same if request.json_schema else seeing if request.messages[0].images else blind
        return said if isinstance(said, Reply) else saying(said)

    return answer


def test_the_prompt_itself_is_answered_with_the_image_and_without_at_temperature_zero() -> None:
    gate, asked = NeedsImage("m"), []

    def answer(request: Request) -> Reply:
        asked.append(request)
        return looking("A watch.", "A car.", '{"same": false}')(request)

    told(gate, answer)
    with_image, without, both = asked
    assert isinstance(with_image, Chat)
    assert [m.text for m in with_image.messages] == ["What is he selling?"]
    assert with_image.temperature == 0
    assert with_image.messages[0].images == ("a" * 64,)
    assert without == with_image.model_copy(
        update={"messages": (with_image.messages[0].model_copy(update={"images": ()}),)}
    )
    assert isinstance(both, Chat)
    assert both.messages[0].images == ()
    fence = templates.fence("p")
    assert f"\n{fence} First answer\nA watch.\n{fence} Second answer\nA car.\n{fence} End\n" in text_of(both)


@pytest.mark.parametrize(
    ("answer", "reason", "note"),
    [
        (looking("A watch.", "A car.", '{"same": false}'), None, None),
        (looking("Money is tricked out of people.", "People lose money.", '{"same": true}'), "needs no image", None),
        (looking("It is\n wrong.", "It is wrong."), "needs no image", None),
        (looking("A watch.", "I can't see any image, please upload one."), None, None),
        (looking("A watch.", "No image was provided."), None, None),
        (looking("A watch.", "As I do not have access to the picture, I cannot say."), None, None),
        (looking("I'm sorry, I can't help.", "I'm sorry, I can't help."), None, "image: refusal"),
        (looking(Reply(result=Answer(text="No.", finish="refusal")), "No."), None, "image: refusal"),
        (looking("A watch.", failed("refused")), None, "image: refused"),
        (looking(failed("refused"), failed("timeout")), "image: timeout", None),
        (looking("A watch.", "A car.", "perhaps"), None, "image: no_verdict"),
        (looking("A watch.", "A car.", '{"same": "perhaps"}'), None, "image: off_scale"),
        (looking("A watch.", "A car.", failed("timeout")), "image: timeout", None),
        (looking("A watch.", Reply(result=Embedded(vector=(1.0,)))), None, "image: no_answer"),
    ],
)  # fmt: skip
def test_a_prompt_needs_its_image_unless_both_answers_say_the_same(
    answer: Callable[[Request], Reply], reason: str | None, note: str | None
) -> None:
    found = told(NeedsImage("m"), answer)["p"]
    assert (found["reason"], found["note"]) == (reason, note)
    assert (found["detail"] == "still owed") == (reason == "image: timeout")


def test_all_prompts_are_asked_in_two_calls_and_those_without_an_image_in_none() -> None:
    class Counting(Answering):
        calls: list[int]

        def __call__(self, rows: pl.DataFrame, *rest: Any) -> Any:
            self.calls = [*getattr(self, "calls", []), rows.height]
            return super().__call__(rows, *rest)

    generate = Counting(looking("A watch.", "A car.", '{"same": false}'))
    some = [PLAIN | {"id": f"p{n}", "image": f"{n:064x}" if n < 5 else None} for n in range(8)]
    found = NeedsImage("m").verdicts(pl.DataFrame(some, schema=COLUMNS), generate=generate)
    assert generate.calls == [10, 5]
    assert sorted(found["id"]) == [f"p{n}" for n in range(5)]


def test_long_answers_are_cut_before_they_are_compared() -> None:
    asked: list[Request] = []

    def answer(request: Request) -> Reply:
        asked.append(request)
        return looking("a" * 99_999, "b" * 99_999, '{"same": false}')(request)

    told(NeedsImage("m"), answer)
    assert len(text_of(asked[-1])) < 3_000


def test_no_prompts_need_no_gate() -> None:
    def never(_: Request) -> Reply:
        raise AssertionError("nothing is to be asked")

    for gate in GATES:
        assert gate.verdicts(pl.DataFrame(schema=COLUMNS), generate=Answering(never)).is_empty()
