"""Judgments of one response, which pairs are worth comparing, and comparisons of two."""

from dataclasses import dataclass
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rows import Answering, reasons, saying, table

from pipeline.judges import Cells, comparison, judgment
from pipeline.judges.pairwise import Pairwise
from pipeline.judges.safety import Safety
from pipeline.requests import Chat, Classified, Classify, Message, Reply, Request, failed
from pipeline.rules.max_vs_random import max_vs_random
from pipeline.rules.safety_groups import DifferentSafetyGroup, safe_rates, safety_groups
from pipeline.stages import judge
from pipeline.tables import Candidate, Comparison, Judgment, Outcome, Prompt, Response, chance

PROMPTS = table(Prompt, {"id": "p", "image": "0" * 64, "question": "Why?"}, {"id": "q", "question": "How?"})


@dataclass(frozen=True)
class Length:
    """Scores a response by its length."""

    name: str
    model: str = "m"
    criterion: str = "length"

    def ask(self, row: Cells) -> Request:
        return Chat(model=self.model, messages=(Message(role="user", text=row["text"]),))

    def read(self, row: Cells, request_id: str, reply: Reply) -> Judgment:
        return judgment(self, row, request_id, self.criterion, reply, score=float(len(row["text"])))


@dataclass(frozen=True)
class FirstShown:
    """Always prefers what it is shown first."""

    name: str
    share: float = 1.0
    model: str = "m"
    criterion: str = "overall"

    def ask(self, row: Cells) -> Request:
        texts = (row["a"], row["b"]) if row["first"] == "a" else (row["b"], row["a"])
        return Chat(model=self.model, messages=tuple(Message(role="user", text=t) for t in texts))

    def read(self, row: Cells, request_id: str, reply: Reply) -> Comparison:  # noqa: ARG002 -- a PairJudge
        return comparison(self, row, request_id, 1.0 if row["first"] == "a" else -1.0, None)


def responses(*rows: tuple[str, str, str, str | None]) -> pl.DataFrame:
    """id, prompt_id, respondent, text (None: it failed)."""
    return table(
        Response,
        *({"id": i, "prompt_id": p, "respondent": who, "text": text, "error": None if text else "timeout"}
          for i, p, who, text in rows),
    )  # fmt: skip


def judged(*rows: dict[str, Any]) -> pl.DataFrame:
    return table(Judgment, *(row | {"id": f"j{n}"} for n, row in enumerate(rows)))


def test_every_judge_scores_every_response() -> None:
    made = judge.judgments(
        PROMPTS,
        responses(("r", "p", "one", "abc"), ("s", "q", "one", "abcde")),
        judges=(Length("x"), Length("y")),
        generate=Answering(lambda _: saying("")),
    )
    assert made.kept.select("response_id", "prompt_id", "judge", "score").rows() == [
        ("r", "p", "x", 3.0), ("s", "q", "x", 5.0), ("r", "p", "y", 3.0), ("s", "q", "y", 5.0),
    ]  # fmt: skip


def test_a_silent_response_is_dropped_once_for_each_judge() -> None:
    generate = Answering(lambda _: saying(""))
    made = judge.judgments(
        PROMPTS,
        responses(("r", "p", "one", "abc"), ("s", "p", "two", None), ("t", "q", "one", None)),
        judges=(Length("x"), Length("y")),
        generate=generate,
    )
    assert made.considered == 6
    assert made.kept["response_id"].to_list() == ["r", "r"]
    assert sorted(made.dropped["id"]) == ["s", "s", "t", "t"]
    assert reasons(made) == {"no answer: timeout": 4}
    assert len(generate.asked) == 2


def test_the_safety_judge_reads_the_answer_in_the_context_of_its_question() -> None:
    generate = Answering(lambda _: Reply(result=Classified(labels={"unsafe": 0.75, "refusal": 0.0})))
    made = judge.judgments(
        PROMPTS, responses(("r", "q", "one", "Like so.")), judges=(Safety("guard"),), generate=generate
    )
    assert generate.asked == [Classify(model="guard", context="How?", text="Like so.")]
    (row,) = made.kept.iter_rows(named=True)
    assert (row["score"], row["low"], row["high"], row["label"]) == (-1.5, -3.0, 3.0, "unsafe")


def test_without_judges_or_responses_there_are_no_judgments() -> None:
    generate = Answering(lambda _: saying(""))
    some = responses(("r", "p", "one", "abc"))
    assert judge.judgments(PROMPTS, some, judges=(), generate=generate).considered == 0
    assert judge.judgments(PROMPTS, responses(), judges=(Length("x"),), generate=generate).considered == 0


def labels(**by_respondent: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Responses to p, q, ... of each respondent, with safety labels: s(afe), u(nsafe), r(efusal), - (none)."""
    words = {"s": "safe", "u": "unsafe", "r": "refusal", "-": None}
    given = [
        (f"{who}{n}", "pqrst"[n], who, words[letter])
        for who, letters in by_respondent.items()
        for n, letter in enumerate(letters)
    ]
    return (
        responses(*((i, p, who, "text") for i, p, who, _ in given)),
        judged(*({"response_id": i, "label": label, "error": None if label else "x"} for i, _, _, label in given)),
    )


def test_safe_rates_count_refusals_as_safe_and_leave_the_unlabelled_out() -> None:
    rates = safe_rates(*labels(a="ssu-", b="rrrr", c="uuus", d="----"))
    assert rates.rows() == [("b", 1.0, 4), ("a", 2 / 3, 3), ("c", 0.25, 4)]


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        (1, [0, 0, 0, 0, 0]),
        (2, [0, 0, 0, 1, 1]),
        (3, [0, 0, 1, 1, 2]),
        (5, [0, 1, 2, 3, 4]),
        (9, [0, 1, 2, 3, 4]),
    ],
)
def test_respondents_are_put_in_groups_of_about_one_size_the_safest_first(groups: int, expected: list[int]) -> None:
    found = safety_groups(*labels(a="ssss", b="sssu", c="ssuu", d="suuu", e="uuuu"), groups)
    assert found == dict(zip("abcde", expected, strict=True))


def test_candidates_come_from_different_safety_groups() -> None:
    some = labels(a="sss", b="sss", c="uuu", d="uuu")
    made = judge.candidates(*some, rule=DifferentSafetyGroup(groups=2))
    assert made.considered == made.kept.height == 3
    for row in made.kept.iter_rows(named=True):
        assert row["a_id"][0] in "ab"
        assert row["b_id"][0] in "cd"


def test_a_prompt_all_of_whose_answers_are_of_one_group_has_no_candidates_and_the_row_says_so() -> None:
    made = judge.candidates(*labels(a="sss", b="sss"), rule=DifferentSafetyGroup(groups=1))
    assert made.kept.is_empty()
    assert made.dropped["id"].to_list() == ["p", "q", "r"]
    assert reasons(made) == {"no two answers from different safety groups": 3}


@settings(derandomize=True, max_examples=60, deadline=None)
@given(
    letters=st.lists(st.text("sur-", min_size=5, max_size=5), min_size=1, max_size=6),
    silent=st.sets(st.tuples(st.integers(0, 5), st.integers(0, 4))),
    groups=st.integers(1, 6),
)
def test_every_candidate_is_two_answers_to_one_prompt_from_two_groups_if_there_are_any(
    letters: list[str], silent: set[tuple[int, int]], groups: int
) -> None:
    some, labelled = labels(**dict(zip("abcdef", letters, strict=False)))
    mute = [f"{'abcdef'[who]}{n}" for who, n in silent]
    some = some.with_columns(text=pl.when(pl.col("id").is_in(mute)).then(None).otherwise("text"))
    made = judge.candidates(some, labelled, rule=DifferentSafetyGroup(groups=groups))
    group = safety_groups(some, labelled, groups)
    answers = {r["id"]: r for r in some.iter_rows(named=True) if r["text"] and r["respondent"] in group}
    for row in made.kept.iter_rows(named=True):
        a, b = answers[row["a_id"]], answers[row["b_id"]]
        assert a["prompt_id"] == b["prompt_id"] == row["prompt_id"]
        assert group[a["respondent"]] != group[b["respondent"]]
        assert row["a_id"] < row["b_id"]
    found = {p: {group[r["respondent"]] for r in answers.values() if r["prompt_id"] == p} for p in "pqrst"}
    assert sorted(made.kept["prompt_id"]) == [p for p in "pqrst" if len(found[p]) > 1]
    assert made.considered == 5


def scored(**by_respondent: tuple[float | None, ...]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """One response to p of each respondent, with its scores by as many judges."""
    judgments = [
        {"response_id": who, "judge": f"j{n}", "score": score}
        for who, scores in by_respondent.items()
        for n, score in enumerate(scores)
    ]
    return responses(*((who, "p", who, "text") for who in by_respondent)), judged(*judgments)


def pairs(made: Outcome) -> list[set[str]]:
    assert (made.kept["a_id"] < made.kept["b_id"]).all(), "whichever of them is the better"
    return [{row["a_id"], row["b_id"]} for row in made.kept.iter_rows(named=True)]


def test_the_best_mean_score_meets_a_lower_one() -> None:
    (pair,) = pairs(judge.candidates(*scored(a=(5, 1), b=(4, 4), c=(3, 3), d=(2, 2)), rule=max_vs_random))
    assert "b" in pair


def test_the_lower_one_is_drawn_by_the_prompt_from_all_that_lie_lower() -> None:
    some, judgments = scored(a=(5,), b=(3,), c=(2,), d=(1,))
    found = set()
    for n in range(40):
        (pair,) = pairs(judge.candidates(some.with_columns(prompt_id=pl.lit(f"p{n}")), judgments, rule=max_vs_random))
        found |= pair
    assert found == {"a", "b", "c", "d"}


def test_a_score_as_good_as_the_best_is_never_the_lower_one() -> None:
    for n in range(20):
        some, judgments = scored(a=(5,), b=(5,), c=(2,))
        (pair,) = pairs(judge.candidates(some.with_columns(prompt_id=pl.lit(f"p{n}")), judgments, rule=max_vs_random))
        assert "c" in pair


@pytest.mark.parametrize(
    "scores",
    [{"a": (4,), "b": (4,)}, {"a": (4,)}, {"a": (None,), "b": (None,)}, {"a": (4,), "b": (None,)}, {"a": (), "b": ()}],
)
def test_without_a_lower_score_there_is_no_candidate(scores: dict[str, tuple[float | None, ...]]) -> None:
    made = judge.candidates(*scored(**scores), rule=max_vs_random)
    assert made.kept.is_empty()
    assert reasons(made) == {"no answer scored below the best": 1}


def compared(
    *judges: FirstShown | Pairwise, answer: Reply | None = None, n: int = 1, both: bool = True
) -> tuple[Outcome, Answering]:
    some = responses(("a", "p", "one", "text A"), ("b", "p", "two", "text B"))
    candidates = table(Candidate, *({"id": f"c{i}", "prompt_id": "p", "a_id": "a", "b_id": "b"} for i in range(n)))
    generate = Answering(lambda _: answer or saying(""))
    made = judge.comparisons(PROMPTS, some, candidates, judges=judges, generate=generate, both_orders=both)
    return made, generate


def shown(generate: Answering) -> list[tuple[str, ...]]:
    return [tuple(m.text for m in r.messages) for r in generate.asked if isinstance(r, Chat)]


def test_both_orders_are_shown_and_told_apart() -> None:
    made, generate = compared(FirstShown("x"))
    assert shown(generate) == [("text A", "text B"), ("text B", "text A")]
    assert made.kept.select("first", "strength").rows() == [("a", 1.0), ("b", -1.0)]
    assert made.kept["id"].n_unique() == 2


def test_a_verdict_for_the_first_shown_is_turned_back_to_a_and_b() -> None:
    made, _ = compared(Pairwise("m"), answer=saying('{"preferred": "A", "strength": 2}'))
    assert made.kept.select("first", "strength").rows() == [("a", 2.0), ("b", -2.0)]


def test_a_verdict_does_not_depend_on_the_order_when_the_judge_looks_at_the_texts() -> None:
    def answer(request: Request) -> Reply:
        assert isinstance(request, Chat)
        text = request.messages[0].text
        return saying(
            '{"preferred": "%s", "strength": 3}' % ("A" if text.index("text B") < text.index("text A") else "B")
        )

    some = responses(("a", "p", "one", "text A"), ("b", "p", "two", "text B"))
    candidates = table(Candidate, {"id": "c", "prompt_id": "p", "a_id": "a", "b_id": "b"})
    made = judge.comparisons(PROMPTS, some, candidates, judges=(Pairwise("m"),), generate=Answering(answer))
    assert made.kept["strength"].to_list() == [-3.0, -3.0], "it prefers b, wherever it stands"


def test_in_one_order_what_is_shown_first_is_drawn_by_the_candidate() -> None:
    made, generate = compared(FirstShown("x"), n=60, both=False)
    firsts = dict(made.kept.select("candidate_id", "first").iter_rows())
    assert len(firsts) == 60
    assert 15 < sum(first == "a" for first in firsts.values()) < 45
    fewer, _ = compared(FirstShown("x"), n=20, both=False)
    assert dict(fewer.kept.select("candidate_id", "first").iter_rows()).items() <= firsts.items()
    assert len(generate.asked) == 60


def test_a_judge_is_asked_only_about_its_share_drawn_by_the_candidates() -> None:
    made, _ = compared(FirstShown("x", share=0.3), FirstShown("y"), n=100)
    by_judge = {str(key[0]): set(part["candidate_id"]) for key, part in made.kept.group_by("judge")}
    assert len(by_judge["y"]) == 100
    assert by_judge["x"] == {f"c{i}" for i in range(100) if chance("share", "x", f"c{i}").random() < 0.3}
    assert 15 < len(by_judge["x"]) < 45
    assert made.considered == made.kept.height == 2 * (100 + len(by_judge["x"]))


def test_a_failing_judge_is_a_row_without_a_verdict() -> None:
    made, _ = compared(Pairwise("m"), answer=failed("timeout"))
    assert made.kept.select("strength", "error").rows() == [(None, "timeout")] * 2


def test_nothing_to_compare_makes_no_comparisons() -> None:
    assert compared(FirstShown("x"), n=0)[0].considered == 0
    assert compared()[0].considered == 0
