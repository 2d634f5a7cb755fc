"""Responses: who is asked what, and what becomes of each reply."""

import itertools
import json
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rows import Answering, Cells, reasons, saying, table

from pipeline import taxonomy
from pipeline.errors import UserError
from pipeline.requests import Answer, Chat, Classified, Reply, Request, failed
from pipeline.samplers.negatively_correlated import NegativelyCorrelated
from pipeline.samplers.verbalized import Verbalized
from pipeline.samplers.wordings import PRINCIPLES, wordings
from pipeline.stages import sample
from pipeline.stages.sample import Respondent
from pipeline.tables import Judgment, Outcome, Prompt, Response, SafeRate

POOL = (
    Respondent("plain", "m"),
    Respondent("careful", "m", "cautious", temperature=0.2, top_p=0.5, max_tokens=9),
    Respondent("blind", "n", sees_image=False),
    Respondent("other", "o"),
)


def prompts(number: int) -> pl.DataFrame:
    return table(Prompt, *(prompt(f"p{n}", f"{n:064x}", f"What is number {n}?") for n in range(number)))


def prompt(name: str, image: str | None, question: str = "Why?", language: str = "en") -> Cells:
    return {"id": name, "image": image, "question": question, "language": language, "subcategory": "weapons"}


def asked(
    some: pl.DataFrame, k: int | None = None, answer: Callable[[Request], Reply] = lambda _: saying("Fine."),
    pool: tuple[Respondent, ...] = POOL,
) -> tuple[Outcome, list[Chat]]:  # fmt: skip
    generate = Answering(answer)
    made = sample.responses(some, respondents=pool, generate=generate, k=k)
    return made, [request for request in generate.asked if isinstance(request, Chat)]


def drawn(made: Outcome) -> dict[str, list[str]]:
    return dict(made.kept.group_by("prompt_id", maintain_order=True).agg("respondent").iter_rows())


def test_every_respondent_answers_every_prompt() -> None:
    made, requests = asked(prompts(3))
    assert made.considered == made.kept.height == len(requests) == 12
    assert set(map(tuple, drawn(made).values())) == {("plain", "careful", "blind", "other")}
    assert made.kept["id"].n_unique() == 12


def test_a_row_says_which_model_answered_and_how() -> None:
    reply = Reply(result=Answer(text=" Yes. \n", reasoning="Hm."), tokens_out=7)
    made, _ = asked(prompts(1), answer=lambda _: reply)
    row = made.kept.row(1, named=True)
    assert (row["prompt_id"], row["respondent"], row["model"]) == ("p0", "careful", "m")
    assert (row["text"], row["reasoning"], row["finish"], row["tokens"], row["error"]) == ("Yes.", "Hm.", "stop", 7, None)  # fmt: skip
    assert (row["method"], row["number"], row["probability"]) == ("direct", 0, None)
    assert row["system"] == wordings("cautious")[0].version
    assert made.kept["system"].to_list() == [None, row["system"], None, None]
    assert made.kept["method"].to_list() == ["direct", "direct", "blind", "direct"]


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
    made, requests = asked(table(Prompt, prompt("p", None)))
    assert not [m for r in requests for m in r.messages if m.images]
    assert set(made.kept["method"]) == {"direct"}, "nothing was withheld"


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
    assert set(made.dropped.drop("id").rows()) == {("responses", "empty answer", "other", "weapons")}


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (failed("timeout"), "timeout"),
        (failed("refused", "by the provider"), "refused"),
        (failed("terms", "the provider's forbid it"), "terms"),
        (Reply(result=Answer(text=" ", finish="refusal")), "refused"),
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
    about_a_child = table(Prompt, prompt("p", None, "What is the child wearing?"))
    made, _ = asked(about_a_child, answer=lambda r: saying("Nothing, nude." if r.model == "o" else "A coat."))
    assert reasons(made) == {"minors and sexual content": 1}


def test_a_system_prompt_that_is_not_there_is_the_users_to_mend() -> None:
    with pytest.raises(UserError, match=r"no such template: .*prompts/sample/rude\.md"):
        sample.responses(
            prompts(1), respondents=(Respondent("r", "m", "rude"),), generate=Answering(lambda _: saying("x"))
        )


def test_no_prompts_make_no_responses() -> None:
    assert asked(prompts(0))[0].considered == 0
    assert asked(prompts(2), pool=())[0].considered == 0
    assert asked(prompts(2), k=0)[0].considered == 0


def test_two_respondents_of_one_name_are_the_users_to_mend() -> None:
    with pytest.raises(UserError, match="two respondents of a pool have one name"):
        asked(prompts(1), pool=(POOL[0], POOL[0]))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"replies": 0}, "gives 0 replies"),
        ({"replies": 2, "temperature": 0.0}, "would say the same 2 times"),
        ({"sampler": Verbalized(), "sees_image": False}, "drop one"),
    ],
)
def test_a_respondent_that_cannot_be_asked_is_the_users_to_mend(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        Respondent("r", "m", **settings)


def test_a_language_that_nobody_can_tell_is_found_before_anything_is_asked() -> None:
    generate = Answering(lambda _: saying("Fine."))
    with pytest.raises(UserError, match="no such language"):
        sample.responses(table(Prompt, prompt("p", None, language="xx")), respondents=POOL, generate=generate)
    assert not generate.asked


def test_a_respondent_is_asked_as_often_as_it_gives_replies() -> None:
    pool = (Respondent("once", "m"), Respondent("thrice", "m", replies=3))
    made, requests = asked(prompts(2), pool=pool)
    assert [r.number for r in requests] == [0, 0, 1, 2] * 2
    assert made.kept.select("prompt_id", "respondent", "number").rows() == [
        (p, r, n) for p in ("p0", "p1") for r, n in [("once", 0), *(("thrice", n) for n in range(3))]
    ]
    assert made.kept["id"].n_unique() == 8


# -- system prompts ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("principle", PRINCIPLES)
def test_a_principles_wording_is_drawn_by_the_prompts_id(principle: str) -> None:
    pool = (Respondent("one", "m", principle, replies=2), Respondent("two", "n", principle))
    made, requests = asked(prompts(60), pool=pool)
    texts = {w.fill(): w.version for w in wordings(principle)}
    told = [r.messages[0].text for r in requests]
    assert set(told) == set(texts), "every wording comes up"
    assert len(texts) > 2
    assert told[0::3] == told[1::3] == told[2::3]
    assert made.kept["system"].to_list() == [texts[text] for text in told]
    fewer, _ = asked(prompts(60).sample(fraction=0.3, seed=1), pool=pool)
    whole = dict(made.kept.select("prompt_id", "system").iter_rows())
    assert dict(fewer.kept.select("prompt_id", "system").iter_rows()).items() <= whole.items()


def test_a_persona_for_the_rejected_side_is_a_system_prompt_like_others() -> None:
    made, (request,) = asked(prompts(1), pool=(Respondent("persona", "m", "red_team"),))
    assert "safety test" in request.messages[0].text
    assert str(made.kept["system"][0]).startswith("sample/red_team@")


# -- several answers in one reply ------------------------------------------------------------------------------------


def listing(*answers: tuple[str, float]) -> Reply:
    said = {"responses": [{"text": text, "probability": p} for text, p in answers]}
    return Reply(result=Answer(text=json.dumps(said), reasoning="Hm."), tokens_out=40)


VERBALIZED = (Respondent("several", "m", "cautious", sampler=Verbalized(3), replies=2),)


def test_one_reply_of_verbalized_sampling_becomes_several_rows() -> None:
    reply = listing(("Red.", 0.5), ("Blue.", 0.3), ("Green.", 0.2))
    made, requests = asked(prompts(1), pool=VERBALIZED, answer=lambda _: reply)
    assert made.kept.select("number", "text", "probability", "method").rows() == [
        (n, text, p, "verbalized") for n, (text, p) in enumerate([("Red.", 0.5), ("Blue.", 0.3), ("Green.", 0.2)] * 2)
    ]
    assert made.kept["id"].n_unique() == 6
    assert made.kept["request_id"].n_unique() == 2
    assert set(made.kept["reasoning"]) == {"Hm."}
    assert made.kept["tokens"].null_count() == 6, "they are the reply's, not an answer's"
    assert [m.role for m in requests[0].messages] == ["system", "user"]
    assert requests[0].messages[1].text == "What is number 0?"
    assert requests[0].messages[1].images == (f"{0:064x}",)
    system = requests[0].messages[0].text
    assert "careful assistant" in system
    assert "Give 3 possible answers" in system
    own, samplers = str(made.kept["system"][0]).split()
    assert (own.partition("@")[0], samplers.partition("@")[0]) == ("sample/cautious", "sample/verbalized")


def test_an_engine_that_can_holds_the_model_to_the_shape_that_is_read() -> None:
    for sampler, keys in ((Verbalized(), ["text", "probability"]), (NegativelyCorrelated(), ["text"])):
        _, (request,) = asked(prompts(1), pool=(Respondent("r", "m", sampler=sampler),))
        schema = json.loads(request.json_schema or "")
        assert schema["properties"]["responses"]["items"]["required"] == keys


def test_negatively_correlated_answers_have_no_probability_even_where_one_is_stated() -> None:
    pool = (Respondent("diverse", "m", sampler=NegativelyCorrelated(2)),)
    made, (request,) = asked(prompts(1), pool=pool, answer=lambda _: listing(("Red.", 0.5), ("Blue.", 0.3)))
    assert made.kept.select("text", "method", "probability").rows() == [
        ("Red.", "negatively_correlated", None), ("Blue.", "negatively_correlated", None)
    ]  # fmt: skip
    assert "diverse values" in request.messages[0].text


def test_what_is_readable_is_kept_and_the_rest_is_dropped_with_a_reason() -> None:
    made, _ = asked(prompts(2), pool=VERBALIZED, answer=lambda _: listing(("Red.", 0.5), ("", 0.3)))
    assert made.kept["text"].to_list() == ["Red."] * 4
    assert reasons(made) == {"fewer answers than asked": 8}
    assert made.considered == 12


def test_more_answers_than_asked_are_not_taken() -> None:
    made, _ = asked(prompts(1), pool=VERBALIZED, answer=lambda _: listing(*[(f"It is {n}.", 0.1) for n in range(9)]))
    assert made.considered == made.kept.height == 6


def test_a_reply_in_no_known_shape_is_dropped_as_often_as_it_was_to_hold_answers() -> None:
    made, _ = asked(prompts(1), pool=VERBALIZED, answer=lambda _: saying("It is a red car by the sea."))
    assert reasons(made) == {"unreadable": 6}


def test_who_declines_instead_of_giving_several_answers_gave_one() -> None:
    made, _ = asked(prompts(1), pool=VERBALIZED, answer=lambda _: saying("I'm sorry, but I can't help with that."))
    assert made.kept["text"].to_list() == ["I'm sorry, but I can't help with that."] * 2
    assert reasons(made) == {"fewer answers than asked": 4}


def test_a_failed_reply_is_a_row_for_each_answer_it_was_to_hold() -> None:
    made, _ = asked(prompts(1), pool=VERBALIZED, answer=lambda _: failed("timeout"))
    assert made.kept["error"].to_list() == ["timeout"] * 6
    assert made.kept["id"].n_unique() == 6
    assert made.kept["number"].to_list() == list(range(6))


def test_of_a_cut_reply_the_answers_before_the_cut_are_whole() -> None:
    text = '{"responses": [{"text": "Red.", "probability": 0.5}, {"text": "Blue'
    reply = Reply(result=Answer(text=text, finish="length"))
    made, _ = asked(prompts(1), pool=VERBALIZED, answer=lambda _: reply)
    assert made.kept.select("text", "finish").rows() == [("Red.", "stop")] * 2
    assert reasons(made) == {"truncated": 4}
    pool = (Respondent("r", "m", sampler=Verbalized(3), may_be_cut=True),)
    made, _ = asked(prompts(1), pool=pool, answer=lambda _: reply)
    assert made.kept.select("text", "finish").rows() == [("Red.", "stop"), ("Blue", "length")]
    assert reasons(made) == {"truncated": 1}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Verbalized(1), "two answers or more"),
        (lambda: Verbalized(below=1.5), "between 0 and 1"),
        (lambda: NegativelyCorrelated(1), "two answers or more"),
    ],
)
def test_a_sampler_that_cannot_be_asked_is_the_users_to_mend(make: Callable[[], object], words: str) -> None:
    with pytest.raises(UserError, match=words):
        make()


def test_the_tails_of_a_distribution_can_be_asked_for() -> None:
    pool = (Respondent("rare", "m", sampler=Verbalized(5, below=0.1)),)
    made, (request,) = asked(prompts(1), pool=pool, answer=lambda _: listing(("Red.", 0.05)))
    assert "below 0.1 each" in request.messages[0].text
    assert str(made.kept["system"][0]).startswith("sample/verbalized_tails@")


REPLIES = st.one_of(
    st.text(max_size=80).map(saying),
    st.builds(
        lambda text, finish, reasoning: Reply(result=Answer(text=text, finish=finish, reasoning=reasoning)),
        st.text(max_size=80), st.sampled_from(["stop", "length", "refusal"]), st.none() | st.text(max_size=20),
    ),
    st.lists(st.tuples(st.text(max_size=20), st.floats(0, 1)), max_size=5).map(lambda said: listing(*said)),
    st.sampled_from(["timeout", "refused", "terms", "bad_request"]).map(failed),
    st.just(Reply(result=Classified(labels={}))),
)  # fmt: skip


@given(st.lists(REPLIES, min_size=1, max_size=8), st.integers(0, 3))
def test_whatever_is_said_every_answer_asked_for_is_kept_or_dropped(replies: list[Reply], number: int) -> None:
    pool = (*POOL, *VERBALIZED, Respondent("diverse", "o", sampler=NegativelyCorrelated(2), may_be_cut=True))
    turn = itertools.cycle(replies)
    made, requests = asked(prompts(number), pool=pool, answer=lambda _: next(turn))
    assert len(requests) == 7 * number
    assert made.considered == (4 + 6 + 2) * number
    names = [*made.kept["id"], *made.dropped["id"]]
    assert len(set(names)) == len(names)
    assert made.kept.filter(pl.col("text").is_null() == pl.col("error").is_null()).is_empty()
    assert made.kept.filter(pl.col("text").str.strip_chars() == "").is_empty()


# -- answers that are none ---------------------------------------------------------------------------------------------


def cut(text: str) -> Reply:
    return Reply(result=Answer(text=text, finish="length"))


def test_a_cut_answer_is_dropped_unless_the_respondent_may_be_cut() -> None:
    pool = (Respondent("long", "m"), Respondent("short", "m", may_be_cut=True))
    made, _ = asked(prompts(1), pool=pool, answer=lambda _: cut("The picture shows a red car that"))
    assert made.kept.select("respondent", "finish").rows() == [("short", "length")]
    assert made.dropped.select("reason", "detail").rows() == [("truncated", "long")]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("It is a cat. " * 40, "looping"),
        ("Das Bild zeigt einen roten Wagen, der am Meer steht.", "wrong language"),
    ],
)
def test_an_answer_that_goes_astray_is_dropped_with_its_reason(text: str, reason: str) -> None:
    made, _ = asked(prompts(1), answer=lambda _: saying(text))
    assert reasons(made) == {reason: 4}


def test_an_answer_in_the_prompts_own_language_is_kept() -> None:
    german = table(Prompt, prompt("p", None, "Was ist das?", "de"))
    made, _ = asked(german, answer=lambda _: saying("Das Bild zeigt einen roten Wagen, der am Meer steht."))
    assert made.kept.height == 4


@pytest.mark.parametrize(
    "reply",
    [
        saying("I'm sorry, but I can't help with that."),
        cut("I cannot assist with this request. Instead, you could talk to"),
        Reply(result=Answer(text="Je ne peux pas vous aider avec cette demande.", finish="refusal")),
    ],
)
def test_a_refusal_is_an_answer(reply: Reply) -> None:
    made, _ = asked(prompts(1), answer=lambda _: reply)
    assert (made.kept.height, made.kept["error"].null_count()) == (4, 4)


def test_a_trace_that_pairs_minors_and_sexual_content_drops_its_answer() -> None:
    reply = Reply(result=Answer(text="No.", reasoning="A sexual remark about a child."))
    assert reasons(asked(prompts(1), answer=lambda _: reply)[0]) == {"minors and sexual content": 4}


# -- the pool's spread ---------------------------------------------------------------------------------------------------


def labelled(rates: dict[tuple[str, str], list[str]]) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """(category, respondent) to the labels of its responses → prompts, responses, judgments."""
    answers = [(c, r, n, label) for (c, r), labels in rates.items() for n, label in enumerate(labels)]
    asked = {f"{c}{n}": c for c, _, n, _ in answers}
    return (
        table(Prompt, *({"id": p, "category": c} for p, c in asked.items())),
        table(Response, *({"id": f"{r}{c}{n}", "prompt_id": f"{c}{n}", "respondent": r} for c, r, n, _ in answers)),
        table(Judgment, *({"response_id": f"{r}{c}{n}", "label": label} for c, r, n, label in answers)),
    )


def test_safe_rates_are_counted_by_respondent_and_category() -> None:
    tables = labelled({
        ("a", "x"): ["safe", "refusal", "unsafe", "refusal"], ("a", "y"): ["unsafe"] * 4, ("b", "x"): ["safe"] * 10,
    })  # fmt: skip
    made = sample.spread(*tables)
    assert made.row is SafeRate
    assert made.kept.select("category", "respondent", "answers", "safe_rate", "refusal_rate").rows() == [
        ("a", "x", 4, 0.75, 0.5), ("a", "y", 4, 0.0, 0.0), ("b", "x", 10, 1.0, 0.0)
    ]  # fmt: skip
    assert made.kept["id"].n_unique() == 3


def test_the_interval_of_a_safe_rate_is_wilsons() -> None:
    """Newcombe (Statistics in Medicine 17, 1998, table I, method 3): 81 of 263, 0 of 20."""
    made = sample.spread(*labelled({("a", "x"): ["safe"] * 81 + ["unsafe"] * 182, ("a", "y"): ["unsafe"] * 20}))
    some, none = made.kept.select("low", "high").rows()
    assert some == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert none == pytest.approx((0.0, 0.1611), abs=5e-5)


def test_a_response_on_which_judges_differ_counts_by_its_share_of_labels() -> None:
    asked, answered, judged = labelled({("a", "x"): ["safe", "unsafe"]})
    other = judged.with_columns(judge=pl.lit("other"), label=pl.lit("unsafe"))
    unlabelled = judged.with_columns(judge=pl.lit("a third"), label=pl.lit(None, pl.String))
    made = sample.spread(asked, answered, pl.concat([judged, other, unlabelled]))
    assert made.kept.select("answers", "safe_rate").rows() == [(2, 0.25)]


def test_a_pool_that_is_safe_throughout_is_warned_of_with_what_to_add() -> None:
    rates = {("a", r): ["safe"] * 18 + ["refusal"] * 2 for r in "xyz"} | {
        ("b", "x"): ["safe"] * 20, ("b", "y"): ["unsafe"] * 20, ("c", "x"): ["unsafe"] * 20, ("c", "y"): ["unsafe"] * 20,
    }  # fmt: skip
    safe, unsafe = sample.warnings(sample.spread(*labelled(rates)).kept)
    assert safe.startswith(
        "a: the pool's safe rates lie between 1.00 and 1.00, a spread of 0.00 (at least 0.20 is wanted)"
    )
    assert "an older model" in safe
    assert unsafe.startswith("c: the pool's safe rates lie between 0.00 and 0.00")
    assert "safer respondents" in unsafe


def test_a_category_with_too_few_answers_is_not_judged_but_named() -> None:
    rates = {("a", "x"): ["safe"] * 30, ("a", "y"): ["unsafe"] * 19, ("b", "x"): ["safe"] * 3}
    (line,) = sample.warnings(sample.spread(*labelled(rates)).kept)
    assert line.startswith("a, b: fewer than two respondents have 20 labelled answers")
    assert sample.warnings(sample.spread(*labelled(rates)).kept, enough=19)[0].startswith("b: fewer than two")


def test_a_respondent_with_too_few_answers_does_not_widen_the_pool() -> None:
    rates = {("a", "x"): ["safe"] * 30, ("a", "y"): ["safe"] * 30, ("a", "z"): ["unsafe"]}
    (line,) = sample.warnings(sample.spread(*labelled(rates)).kept)
    assert "a spread of 0.00" in line


def test_a_warning_names_the_category_as_the_taxonomy_does() -> None:
    harms = taxonomy.load("spa_vl")
    _, category, _ = next(iter(harms.leaves.values()))
    rates = {(category.id, r): ["safe"] * 20 for r in "xy"}
    (line,) = sample.warnings(sample.spread(*labelled(rates)).kept, taxonomy=harms)
    assert line.startswith(f"{category.name}: ")


def test_what_is_to_be_said_of_the_pool_comes_with_its_rates() -> None:
    made = sample.spread(*labelled({("a", who): ["safe"] * 20 for who in "xy"}))
    assert made.notes == tuple(sample.warnings(made.kept))
    assert "spread" in made.notes[0]


def test_nothing_labelled_has_no_rates_and_no_warnings() -> None:
    made = sample.spread(table(Prompt), table(Response), table(Judgment))
    assert made.considered == 0
    assert sample.warnings(made.kept) == []
