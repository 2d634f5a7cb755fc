"""Responses: who is asked what, and what becomes of each reply."""

from collections.abc import Callable

import polars as pl
import pytest
from rows import Answering, reasons, saying, table

from pipeline.errors import UserError
from pipeline.requests import Answer, Chat, Classified, Reply, Request, failed
from pipeline.stages import sample
from pipeline.stages.sample import Respondent
from pipeline.tables import Outcome, Prompt

POOL = (
    Respondent("plain", "m"),
    Respondent("careful", "m", "cautious", temperature=0.2, top_p=0.5, max_tokens=9),
    Respondent("blind", "n", sees_image=False),
    Respondent("other", "o"),
)


def prompts(number: int) -> pl.DataFrame:
    return table(
        Prompt, *({"id": f"p{n}", "image": f"{n:064x}", "question": f"What is number {n}?"} for n in range(number))
    )


def asked(
    some: pl.DataFrame, k: int | None = None, answer: Callable[[Request], Reply] = lambda _: saying("Fine.")
) -> tuple[Outcome, list[Chat]]:
    generate = Answering(answer)
    made = sample.responses(some, respondents=POOL, generate=generate, k=k)
    return made, [request for request in generate.asked if isinstance(request, Chat)]


def drawn(made: Outcome) -> dict[str, list[str]]:
    return dict(made.kept.group_by("prompt_id", maintain_order=True).agg("respondent").iter_rows())


def test_every_respondent_answers_every_prompt() -> None:
    made, requests = asked(prompts(3))
    assert made.considered == made.kept.height == len(requests) == 12
    assert set(map(tuple, drawn(made).values())) == {("plain", "careful", "blind", "other")}
    assert made.kept["id"].n_unique() == 12


def test_a_row_says_which_model_answered_and_how() -> None:
    reply = Reply(result=Answer(text=" Yes. \n", reasoning="Hm.", finish="length"), tokens_out=7)
    made, _ = asked(prompts(1), answer=lambda _: reply)
    row = made.kept.row(1, named=True)
    assert (row["prompt_id"], row["respondent"], row["model"]) == ("p0", "careful", "m")
    assert (row["text"], row["reasoning"], row["finish"], row["tokens"], row["error"]) == ("Yes.", "Hm.", "length", 7, None)  # fmt: skip


def test_a_respondent_is_asked_as_the_pool_says() -> None:
    _, (plain, careful, _, _) = asked(prompts(1))
    assert [m.role for m in plain.messages] == ["user"]
    assert plain.messages[0].text == "What is number 0?"
    assert [m.role for m in careful.messages] == ["system", "user"]
    assert "careful assistant" in careful.messages[0].text
    assert (careful.temperature, careful.top_p, careful.max_tokens) == (0.2, 0.5, 9)


def test_a_blind_respondent_is_sent_no_image_and_the_others_are() -> None:
    _, requests = asked(prompts(1))
    shown = {r.model: [i for m in r.messages for i in m.images] for r in requests}
    assert shown == {"m": [f"{0:064x}"], "n": [], "o": [f"{0:064x}"]}


def test_a_prompt_without_an_image_is_asked_in_words_alone() -> None:
    _, requests = asked(table(Prompt, {"id": "p", "image": None, "question": "Why?"}))
    assert not [m for r in requests for m in r.messages if m.images]


def test_k_respondents_are_drawn_without_repeats_in_the_order_of_the_pool() -> None:
    made, _ = asked(prompts(60), k=2)
    names = [r.name for r in POOL]
    for some in drawn(made).values():
        assert len(set(some)) == 2
        assert some == sorted(some, key=names.index)
    assert len(set(map(tuple, drawn(made).values()))) == 6, "every pair of four comes up"


def test_a_prompt_more_or_less_does_not_redraw_the_others() -> None:
    whole = drawn(asked(prompts(40), k=2)[0])
    assert drawn(asked(prompts(40).sample(fraction=0.4, seed=3), k=2)[0]).items() <= whole.items()
    assert drawn(asked(prompts(50), k=2)[0]).items() >= whole.items()


@pytest.mark.parametrize("k", [4, 5, None])
def test_asking_for_more_than_the_pool_has_asks_all(k: int | None) -> None:
    assert asked(prompts(2), k=k)[0].considered == 8


@pytest.mark.parametrize("text", ["", "  \n\t"])
def test_an_empty_answer_is_dropped(text: str) -> None:
    made, _ = asked(prompts(2), answer=lambda r: saying(text if r.model == "o" else "Fine."))
    assert made.considered == 8
    assert made.kept.height == 6
    assert made.dropped.select("stage", "reason", "detail").unique().rows() == [("responses", "empty answer", "other")]


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (failed("timeout"), "timeout"),
        (failed("refused", "by the provider"), "refused"),
        (Reply(result=Classified(labels={})), "no_answer"),
    ],
)
def test_a_failure_is_a_row_without_text_that_names_the_error(reply: Reply, error: str) -> None:
    made, _ = asked(prompts(1), answer=lambda r: reply if r.model == "n" else saying("Fine."))
    assert made.kept.height == 4
    row = made.kept.filter(pl.col("respondent") == "blind").row(0, named=True)
    assert (row["text"], row["finish"], row["error"]) == (None, None, error)
    assert made.kept["error"].null_count() == 3


def test_a_response_that_pairs_minors_and_sexual_content_is_dropped() -> None:
    made, _ = asked(prompts(1), answer=lambda r: saying("A sexual remark about a child." if r.model == "o" else "No."))
    assert reasons(made) == {"minors and sexual content": 1}
    assert made.kept.height == 3


def test_a_pairing_that_needs_the_question_to_be_seen_is_dropped_too() -> None:
    about_a_child = table(Prompt, {"id": "p", "question": "What is the child wearing?"})
    made, _ = asked(about_a_child, answer=lambda r: saying("Nothing, nude." if r.model == "o" else "A coat."))
    assert reasons(made) == {"minors and sexual content": 1}


def test_a_system_prompt_that_is_not_there_is_the_users_to_mend() -> None:
    with pytest.raises(UserError, match=r"no such template: .*prompts/sample/rude\.md"):
        sample.responses(
            prompts(1), respondents=(Respondent("r", "m", "rude"),), generate=Answering(lambda _: saying("x"))
        )


def test_no_prompts_make_no_responses() -> None:
    assert asked(prompts(0))[0].considered == 0
