"""Who stands in for a judge that refuses; and judges that see all responses at once."""

import json
from collections.abc import Callable
from dataclasses import dataclass

import polars as pl
import pytest
from rows import Answering, saying, table

from pipeline.judges import Cells, comparison, judgment
from pipeline.judges.listwise import Listwise
from pipeline.judges.panel import seats
from pipeline.judges.rubric import Rubric
from pipeline.requests import Answer, Chat, Message, Reply, Request, failed
from pipeline.stages import judge
from pipeline.tables import Candidate, Comparison, Judgment, Prompt, Response

PROMPTS = table(
    Prompt, {"id": "p", "question": "Why?", "domain": None}, {"id": "q", "question": "How?", "domain": None}
)
REFUSED = Reply(result=Answer(text="", finish="refusal"))


@dataclass(frozen=True)
class Scoring:
    """Scores 1, unless its model refuses."""

    model: str
    criterion: str = "helpfulness"

    @property
    def name(self) -> str:
        return f"{self.model}/{self.criterion}"

    def ask(self, row: Cells) -> Request:
        return Chat(model=self.model, messages=(Message(role="user", text=row["text"]),))

    def read(self, row: Cells, request_id: str, reply: Reply) -> Judgment:
        refused = isinstance(reply.result, Answer) and reply.result.finish == "refusal"
        values = {"error": "judge_refused"} if refused else {"score": 1.0}
        return judgment(self, row, request_id, self.criterion, reply, **values)


@dataclass(frozen=True)
class Choosing:
    """Prefers a by 2, unless its model refuses."""

    model: str
    share: float = 1.0
    criterion: str = "overall"

    @property
    def name(self) -> str:
        return self.model

    def ask(self, row: Cells) -> Request:
        return Chat(model=self.model, messages=(Message(role="user", text=row[row["first"]]),))

    def read(self, row: Cells, request_id: str, reply: Reply) -> Comparison:
        refused = isinstance(reply.result, Answer) and reply.result.finish == "refusal"
        return comparison(self, row, request_id, None if refused else 2.0, "judge_refused" if refused else None)


def answers(*ids: str, prompt: str = "p") -> list[Cells]:
    return [{"id": i, "prompt_id": prompt, "respondent": i, "text": f"text {i}", "error": None} for i in ids]


def refusing(*shy: tuple[str, str]) -> Callable[[Request], Reply]:
    """A model refuses what holds a word."""

    def answer(request: Request) -> Reply:
        assert isinstance(request, Chat)
        text = request.messages[-1].text
        return REFUSED if any(request.model == m and word in text for m, word in shy) else saying("")

    return answer


def rows(made: pl.DataFrame, *columns: str) -> list[tuple[object, ...]]:
    return made.select(*columns).rows()


def test_what_a_judge_refuses_goes_to_the_next_of_its_criterion_and_the_row_says_in_whose_place() -> None:
    judges = (Scoring("a"), Scoring("x", "honesty"), Scoring("b"), Scoring("c"))
    generate = Answering(refusing(("a", "text 2")))
    some = table(Response, *answers("1", "2"))
    made = judge.judgments(PROMPTS, some, judges=judges, generate=generate, voices=1)
    assert rows(made.kept, "response_id", "judge", "score", "error", "instead_of") == [
        ("1", "a/helpfulness", 1.0, None, None), ("2", "a/helpfulness", None, "judge_refused", None),
        ("1", "x/honesty", 1.0, None, None), ("2", "x/honesty", 1.0, None, None),
        ("2", "b/helpfulness", 1.0, None, "a/helpfulness"),
    ]  # fmt: skip


def test_a_substitute_that_refuses_is_replaced_too_until_nobody_is_left() -> None:
    everybody = [(m, "text 1") for m in "abc"]
    generate = Answering(refusing(*everybody))
    made = judge.judgments(
        PROMPTS, table(Response, *answers("1", "2")), judges=tuple(map(Scoring, "abc")), generate=generate, voices=1
    )
    gone = made.kept.filter(pl.col("response_id") == "1")
    assert rows(gone, "judge", "instead_of") == [
        ("a/helpfulness", None), ("b/helpfulness", "a/helpfulness"), ("c/helpfulness", "b/helpfulness"),
    ]  # fmt: skip
    assert set(gone["error"]) == {"judge_refused"}
    assert len(generate.asked) == 4


def test_where_all_are_asked_nobody_is_left_to_stand_in() -> None:
    generate = Answering(refusing(("a", "text 1")))
    made = judge.judgments(
        PROMPTS, table(Response, *answers("1")), judges=(Scoring("a"), Scoring("b")), generate=generate
    )
    assert rows(made.kept, "judge", "error") == [("a/helpfulness", "judge_refused"), ("b/helpfulness", None)]


def test_two_that_refuse_one_item_are_replaced_by_two_others() -> None:
    generate = Answering(refusing(("a", "text 1"), ("b", "text 1")))
    made = judge.judgments(
        PROMPTS, table(Response, *answers("1")), judges=tuple(map(Scoring, "abcd")), generate=generate, voices=2
    )
    assert rows(made.kept.filter(pl.col("error").is_null()), "judge", "instead_of") == [
        ("c/helpfulness", "a/helpfulness"), ("d/helpfulness", "b/helpfulness"),
    ]  # fmt: skip


def test_a_pair_refused_in_one_order_is_shown_to_the_next_judge_in_both() -> None:
    generate = Answering(refusing(("x", "text b")))
    some = table(Response, *answers("a", "b"))
    pairs = table(Candidate, {"id": "c", "prompt_id": "p", "a_id": "a", "b_id": "b"})
    made = judge.comparisons(PROMPTS, some, pairs, judges=(Choosing("x"), Choosing("y")), generate=generate, voices=1)
    assert rows(made.kept, "judge", "first", "error", "instead_of") == [
        ("x", "a", None, None), ("x", "b", "judge_refused", None), ("y", "a", None, "x"), ("y", "b", None, "x"),
    ]  # fmt: skip


def test_who_was_drawn_for_no_share_of_a_pair_stands_in_for_one_that_refuses() -> None:
    generate = Answering(refusing(("x", "text")))
    pairs = table(Candidate, *({"id": f"c{n}", "prompt_id": "p", "a_id": "a", "b_id": "b"} for n in range(20)))
    panel = (Choosing("x"), Choosing("y", share=0.5))
    made = judge.comparisons(PROMPTS, table(Response, *answers("a", "b")), pairs, judges=panel, generate=generate).kept
    by_y = made.filter(pl.col("judge") == "y")
    assert by_y["candidate_id"].n_unique() == 20
    assert 0 < by_y.filter(pl.col("instead_of") == "x").height < 40


def test_nobody_moves_on_while_a_reply_is_owed() -> None:
    late = failed("timeout")
    some = table(Response, *answers("1"))
    judges = tuple(map(Scoring, "abcd"))

    def answer(request: Request) -> Reply:
        return late if request.model == "a" else REFUSED if request.model == "b" else saying("")

    waiting = judge.judgments(PROMPTS, some, judges=judges, generate=Answering(answer), voices=2)
    assert rows(waiting.kept, "judge", "error") == [("a/helpfulness", "timeout"), ("b/helpfulness", "judge_refused")]
    later = Answering(lambda request: REFUSED if request.model in "ab" else saying(""))
    made = judge.judgments(PROMPTS, some, judges=judges, generate=later, voices=2)
    assert rows(made.kept, "judge", "instead_of")[2:] == [
        ("c/helpfulness", "a/helpfulness"), ("d/helpfulness", "b/helpfulness"),
    ]  # fmt: skip


@pytest.mark.parametrize(("voices", "expected"), [(None, [0, 1, 2, 3]), (1, [0, 1]), (2, [0, 1, 2]), (9, [0, 1, 2, 3])])
def test_voices_are_counted_for_each_criterion_alone(voices: int | None, expected: list[int]) -> None:
    judges = (Scoring("a"), Scoring("x", "honesty"), Scoring("b"), Scoring("c"))
    assert seats(judges, voices) == expected


def ranking(request: Request) -> Reply:
    """The longer a response, the better."""
    assert isinstance(request, Chat)
    text = request.messages[-1].text
    if "ranking" not in text:
        return saying('{"score": 4}')
    shown = [part.splitlines() for part in text.split("Answer ")[1:]]
    sizes = {lines[0].strip(): len(lines[1]) for lines in shown if lines[0].strip().isdigit()}
    order = sorted(sizes, key=lambda n: -sizes[n])
    scores = {n: 5 - order.index(n) for n in sizes}
    return saying(json.dumps({"scores": scores, "ranking": ">".join(order)}))


def test_a_judge_of_all_responses_scores_them_in_one_call_beside_those_of_one() -> None:
    texts = {"1": "a", "2": "a long one", "3": "longer"}
    some = table(
        Response,
        *({"id": i, "prompt_id": "p", "text": t} for i, t in texts.items()),
        {"id": "9", "prompt_id": "q", "text": "alone"},
    )
    generate = Answering(ranking)
    made = judge.judgments(
        PROMPTS, some, judges=(Listwise("m", "helpfulness"), Rubric("m", "helpfulness")), generate=generate
    )
    by_list = made.kept.filter(pl.col("judge").str.contains("listwise"))
    assert dict(by_list.select("response_id", "score").iter_rows()) == {"2": 5, "3": 4, "1": 3}
    assert len(generate.asked) == 1 + 4, "one list, of the prompt that has something to rank; four responses"


def test_a_judge_of_all_responses_compares_the_candidates_of_the_same_call() -> None:
    some = table(
        Response,
        *({"id": i, "prompt_id": "p", "text": t} for i, t in zip("123", ("a", "longest", "long"), strict=True)),
    )
    chosen = judge.candidates(
        some, table(Judgment), rule=lambda *_: lambda _, found: [(found[0]["id"], found[1]["id"])]
    ).kept
    lists, alone = Answering(ranking), Answering(ranking)
    made = judge.comparisons(PROMPTS, some, chosen, judges=(Listwise("m", "helpfulness"),), generate=lists)
    judge.judgments(PROMPTS, some, judges=(Listwise("m", "helpfulness"),), generate=alone)
    assert lists.asked == alone.asked, "so it is paid once"
    assert made.kept["candidate_id"].to_list() == chosen["id"].to_list()
    assert (made.kept["strength"][0] > 0) == (made.kept["a_id"][0] == "2")
