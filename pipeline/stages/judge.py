"""judge: prompts, responses → judgments (one response, one criterion), candidates, comparisons (two responses), contests
(comparisons in rounds) and their finals, judge_report."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

import polars as pl

from pipeline.contests.contest import Contest, Strategy
from pipeline.contests.heard import contest_of, verdicts
from pipeline.contests.standing import standings
from pipeline.contests.top_and_bottom import TopAndBottom
from pipeline.doors.generate import Generate
from pipeline.judges import Judge, ListJudge, PairJudge, report
from pipeline.judges.panel import AnyJudge, heard, seats
from pipeline.judges.safety import Finding, Safety, found
from pipeline.requests import Answer, Chat, Message, Reply, failed
from pipeline.rules import Rule, scored
from pipeline.rules.safety_groups import safety_groups
from pipeline.statistics.bradley_terry import Assumed
from pipeline.tables import (
    Candidate,
    Comparison,
    Dropped,
    JudgeReport,
    Judgment,
    Outcome,
    chance,
    frame,
    gather,
    outcome,
    row_id,
)

Cells = dict[str, Any]
ROUNDS = 6
"""Of a contest: each may load a model, or wait for a batch."""
_ASKED: dict[str, Any] = {"item": pl.String(), "judge": pl.Int64()}


def judgments(
    prompts: pl.DataFrame, responses: pl.DataFrame, *, judges: tuple[Judge | ListJudge, ...] = (), generate: Generate,
    voices: int | None = None, given: pl.DataFrame | None = None, source: str = "given",
) -> Outcome:  # fmt: skip
    """Every judge's score of every response; with `voices`, of each criterion only so many judges', and the others stand in for
    those that refuse. A response without text is left out, for each judge.

    `given`: besides, safety labels of somebody else's judges, a table of response_id, judge and label (safe, unsafe, refusal),
    one of a judge on a response; they are kept as replies of models of the judges' names by this `source`."""
    answered = responses.filter(pl.col("text").is_not_null())
    alone = _shown(prompts, answered).rename({"id": "response_id"}).with_columns(item="response_id")
    asked = _asked(judges, voices, alone["item"], answered["prompt_id"].unique(maintain_order=True))
    items = pl.concat([alone, *_together(prompts, answered, judges)], how="diagonal")
    made, _ = heard(items, asked, judges, generate, Judgment)
    silent = [Dropped(stage="judgments", id=r["id"], reason=f"no answer: {r['error']}", detail=None)
              for r in responses.filter(pl.col("text").is_null()).iter_rows(named=True)]  # fmt: skip
    nothing = Outcome(Judgment, frame([], Judgment), frame(silent, Dropped))
    told = [] if given is None else [_given(prompts, responses, given, source, generate)]
    return gather(Judgment, [made, *[nothing] * len(seats(judges, voices)), *told])


def _shown(prompts: pl.DataFrame, responses: pl.DataFrame) -> pl.DataFrame:
    """Responses with what they answer: id, text, prompt_id, domain, subcategory, image, question."""
    asked = prompts.select(pl.col("id").alias("prompt_id"), "domain", "subcategory", "image", "question")
    return responses.select("prompt_id", "id", "text").join(
        asked, on="prompt_id", validate="m:1", maintain_order="left"
    )


def _together(prompts: pl.DataFrame, responses: pl.DataFrame, judges: Sequence[AnyJudge]) -> list[pl.DataFrame]:
    """For judges that see all at once, if there are any: a row a prompt with all its `responses`, where there are two or more."""
    if not any(isinstance(judge, ListJudge) for judge in judges):
        return []
    lists = responses.group_by("prompt_id", maintain_order=True).agg(responses=pl.struct("id", "text"))
    asked = prompts.select(pl.col("id").alias("prompt_id"), "domain", "subcategory", "image", "question")
    return [
        lists.filter(pl.col("responses").list.len() > 1)
        .join(asked, on="prompt_id", validate="1:1", maintain_order="left")
        .with_columns(item="prompt_id")
    ]


def _asked(judges: Sequence[AnyJudge], voices: int | None, items: pl.Series, prompts: pl.Series) -> pl.DataFrame:
    """Who is asked first about what: item and judge."""
    parts = [
        pl.DataFrame({"item": prompts if isinstance(judges[place], ListJudge) else items}).with_columns(judge=pl.lit(place, pl.Int64))
        for place in seats(judges, voices)
    ]  # fmt: skip
    return pl.concat([pl.DataFrame(schema=_ASKED), *parts])


def _given(
    prompts: pl.DataFrame, responses: pl.DataFrame, labels: pl.DataFrame, source: str, generate: Generate
) -> Outcome:
    """As they are."""
    shown = _shown(prompts, responses).rename({"id": "response_id"})
    respondents = responses.select("respondent", response_id="id")
    known = labels.join(shown, on="response_id", validate="m:1", maintain_order="left").join(
        respondents, on="response_id", validate="m:1", maintain_order="left"
    )
    places = {name: place for place, name in enumerate(sorted(set(responses["respondent"])))}

    def ask(row: Cells) -> Chat:
        seen = (row["image"],) if row["image"] else ()
        question = Message(role="user", text=row["question"], images=seen)
        answer = Message(role="assistant", text=row["text"] or "")
        return Chat(model=row["judge"], messages=(question, answer), number=places[row["respondent"]])

    def reply(row: Cells) -> Reply:
        return Reply(result=Answer(text=row["label"])) if row["label"] else failed("no_answer")

    def read(row: Cells, request_id: str, reply: Reply) -> Iterator[Judgment]:
        said = reply.result.text.strip().lower() if isinstance(reply.result, Answer) else ""
        finding = Finding(said == "unsafe", -3.0 if said == "unsafe" else 3.0, "full" if said == "refusal" else None)
        known = said in ("safe", "unsafe", "refusal")
        yield found(
            Safety(row["judge"], row["judge"]),
            row | {"id": row["response_id"]},
            request_id,
            reply,
            finding if known else "no_verdict",
        )

    made = generate.given(known, ask, reply, read, Judgment, source=source)
    lost = labels.join(shown, on="response_id", how="anti", maintain_order="left")
    gone = [
        Dropped(stage="judgments", id=i, reason="no such response", detail=j)
        for i, j in lost.select("response_id", "judge").iter_rows()
    ]
    return gather(Judgment, [made, Outcome(Judgment, frame([], Judgment), frame(gone, Dropped))])


def candidates(
    responses: pl.DataFrame, judgments: pl.DataFrame, labels: pl.DataFrame | None = None, *, rule: Rule
) -> Outcome:
    """The pairs worth comparing, by a rule, to which a response is what its settled label says (without labels: most of its
    judges). A prompt for which it finds none is dropped, with the rule's reason."""
    order = responses.select("prompt_id").unique(maintain_order=True).with_row_index("place")
    answers = order.join(
        scored(responses.filter(pl.col("text").is_not_null()), judgments, labels),
        on="prompt_id",
        how="left",
        validate="1:m",
    ).sort("place", "id")
    choose = rule(responses, judgments)
    rows: list[Candidate | Dropped] = []
    for prompt_id, part in groupby(answers.iter_rows(named=True), key=lambda row: str(row["prompt_id"])):
        found = choose(prompt_id, [row for row in part if row["id"] is not None])
        if isinstance(found, str):
            rows.append(Dropped(stage="candidates", id=prompt_id, reason=found, detail=None))
            continue
        for pair in found:
            a, b = sorted(pair)
            rows.append(Candidate(id=row_id("pair", prompt_id, a, b), prompt_id=prompt_id, a_id=a, b_id=b))
    return outcome(Candidate, rows)


def comparisons(
    prompts: pl.DataFrame, responses: pl.DataFrame, candidates: pl.DataFrame,
    *, judges: tuple[PairJudge | ListJudge, ...], generate: Generate, both_orders: bool = True, voices: int | None = None,
) -> Outcome:  # fmt: skip
    """Every judge's verdict on every candidate (or its share of them), in one order or both; `voices` as for judgments. A judge
    that sees all responses at once is asked as for judgments, and its verdicts on the candidates are taken."""
    places = candidates.select("id", first=pl.lit(["a", "b"])) if both_orders else candidates.select(
        "id", first=pl.Series([[chance("order", i).choice("ab")] for i in candidates["id"]], dtype=pl.List(pl.String))
    )  # fmt: skip
    pairs = candidates.join(places, on="id", validate="1:1", maintain_order="left").explode("first")
    answered = responses.filter(pl.col("text").is_not_null())
    concerned = answered.filter(pl.col("prompt_id").is_in(candidates["prompt_id"].implode()))
    items = pl.concat([_pairs(prompts, responses, pairs), *_together(prompts, concerned, judges)], how="diagonal")
    asked = _asked(judges, voices, candidates["id"], concerned["prompt_id"].unique(maintain_order=True))
    made, _ = heard(items, _drawn(asked, judges), judges, generate, Comparison)
    wanted = made.kept.filter(pl.col("candidate_id").is_in(candidates["id"].implode()))
    return Outcome(Comparison, wanted, made.dropped)


def _pairs(prompts: pl.DataFrame, responses: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    """A row for each pair and order: what a judge of two is shown."""
    texts = responses.select("id", "text")
    asked = prompts.select(pl.col("id").alias("prompt_id"), "domain", "subcategory", "image", "question")
    return (
        pairs.rename({"id": "candidate_id"})
        .join(asked, on="prompt_id", validate="m:1", maintain_order="left")
        .join(texts.rename({"id": "a_id", "text": "a"}), on="a_id", validate="m:1", maintain_order="left")
        .join(texts.rename({"id": "b_id", "text": "b"}), on="b_id", validate="m:1", maintain_order="left")
        .with_columns(item="candidate_id")
    )


def _drawn(asked: pl.DataFrame, judges: Sequence[PairJudge | ListJudge]) -> pl.DataFrame:
    """Without what is beyond a judge's share."""
    shares = [1.0 if isinstance(judge, ListJudge) else judge.share for judge in judges]
    if all(share >= 1 for share in shares):
        return asked
    mine = [chance("share", judges[n].name, item).random() < shares[n] for item, n in asked.iter_rows()]
    return asked.filter(pl.Series(mine, dtype=pl.Boolean))


def contests(
    prompts: pl.DataFrame, responses: pl.DataFrame, judgments: pl.DataFrame | None = None,
    *, judges: tuple[PairJudge, ...], strategy: Strategy | None = None, generate: Generate, rounds: int = ROUNDS,
    voices: int | None = None, groups: int = 5,
) -> Outcome:  # fmt: skip
    """Comparisons in rounds: of each prompt those that the strategy (by default `TopAndBottom`) wants next, by all verdicts so
    far, until it wants none or for so many rounds. A pair's verdict is its judges' mean. A prompt to which a reply is
    still owed waits, so that it takes the same path whenever the reply comes. Of answers alike one takes part. `judgments` give a strategy the responses'
    mean scores, and their respondents' safety groups (as many as `groups`)."""
    strategy, texts = strategy or TopAndBottom(), _distinct(responses)
    going, parts = _begun(texts, judgments, groups), list[Outcome]()
    for _ in range(rounds):
        wanted = dict(zip(going, strategy.pairs(list(going.values())), strict=True))
        rows = [(prompt, first, second) for prompt, pairs in wanted.items() for first, second in pairs]
        if not rows:
            break
        made, owed = _round(prompts, texts, rows, judges, generate, voices)
        parts.append(made)
        said = verdicts(made.kept)
        going = {
            prompt: replace(contest, asked=(*contest.asked, *((*pair, said.get(pair)) for pair in wanted[prompt])))
            for prompt, contest in going.items()
            if wanted[prompt] and prompt not in owed
        }
    return gather(Comparison, parts)


def _distinct(responses: pl.DataFrame) -> pl.DataFrame:
    """Of a prompt's answers with the same words the first by id: nothing is told by comparing them."""
    words = pl.col("text").str.strip_chars().str.to_lowercase()
    first = responses.filter(pl.col("text").is_not_null()).with_columns(words=words).sort("id")
    return first.unique(["prompt_id", "words"], keep="first", maintain_order=True).drop("words")


def _begun(responses: pl.DataFrame, judgments: pl.DataFrame | None, groups: int) -> dict[str, Contest]:
    """A contest for each prompt with two answers or more."""
    known = frame([], Judgment) if judgments is None else judgments
    group = safety_groups(responses, known, groups)
    found = {}
    for (prompt,), part in scored(responses, known).group_by("prompt_id", maintain_order=True):
        if part.height > 1:
            places = tuple(group.get(respondent) for respondent in part["respondent"])
            found[str(prompt)] = Contest(str(prompt), tuple(part["id"]), scores=tuple(part["score"]), groups=places)
    return found


def _round(
    prompts: pl.DataFrame, responses: pl.DataFrame, wanted: list[tuple[str, str, str]], judges: tuple[PairJudge, ...],
    generate: Generate, voices: int | None,
) -> tuple[Outcome, set[str]]:  # fmt: skip
    """What the judges say of these: prompt, who is shown first, who second. And the prompts to which a reply is owed."""
    rows = []
    for prompt, one, other in wanted:
        a, b = sorted((one, other))
        pair = row_id("pair", prompt, a, b)
        rows.append({"id": pair, "prompt_id": prompt, "a_id": a, "b_id": b, "first": "a" if one == a else "b"})
    items = _pairs(prompts, responses, pl.DataFrame(rows)).with_columns(item=pl.col("candidate_id") + pl.col("first"))
    made, owed = heard(items, _asked(judges, voices, items["item"], items["item"]), judges, generate, Comparison)
    return made, set(items.filter(pl.col("item").is_in(list(owed)))["prompt_id"])


def finals(comparisons: pl.DataFrame, *, assumed: Assumed | None = None) -> Outcome:
    """Of each prompt that was compared the best and the worst response, by all comparisons of its answers (Bradley and Terry)."""
    played = [contest_of(str(p), part) for (p,), part in comparisons.group_by("prompt_id", maintain_order=True)]
    rows: list[Candidate | Dropped] = []
    for contest, standing in zip(played, standings(played, assumed or Assumed()), strict=True):
        best, worst = int(standing.rating.argmax()), int(standing.rating.argmin())
        if standing.rating[best] == standing.rating[worst]:
            rows.append(Dropped(stage="finals", id=contest.prompt, reason="none is better than another", detail=None))
            continue
        a, b = sorted((contest.responses[best], contest.responses[worst]))
        rows.append(Candidate(id=row_id("pair", contest.prompt, a, b), prompt_id=contest.prompt, a_id=a, b_id=b))
    return outcome(Candidate, rows)


def sifted(judgments: pl.DataFrame, comparisons: pl.DataFrame) -> Outcome:
    """Rank, then sift: of each prompt the best scored of the responses that were preferred in their pair, and the worst scored
    of the others. (UnifiedReward, arXiv 2503.05236, section 3.2; the pairs: `rules.disjoint`.)"""
    mean = comparisons.sort("judge", "first").group_by("prompt_id", "a_id", "b_id", maintain_order=True).agg(
        pl.col("strength").mean()
    )  # fmt: skip
    prefers_a = pl.col("strength") > 0
    sides = mean.filter(pl.col("strength").is_not_null() & (pl.col("strength") != 0)).select(
        "prompt_id",
        chosen=pl.when(prefers_a).then("a_id").otherwise("b_id"),
        rejected=pl.when(prefers_a).then("b_id").otherwise("a_id"),
    )
    scores = (
        judgments.sort("judge", "criterion").group_by("response_id").agg(pl.col("score").mean()).drop_nulls("score")
    )
    best, worst = (
        sides.join(scores, left_on=side, right_on="response_id", validate="m:1")
        .sort("prompt_id", pl.col("score") * sign, side)
        .unique("prompt_id", keep="first", maintain_order=True)
        .select("prompt_id", side)
        for side, sign in (("chosen", -1), ("rejected", 1))
    )
    ends = {p: (b, w) for p, b, w in best.join(worst, on="prompt_id", validate="1:1").iter_rows()}
    rows: list[Candidate | Dropped] = []
    for prompt in comparisons["prompt_id"].unique(maintain_order=True):
        if prompt not in ends or ends[prompt][0] == ends[prompt][1]:
            rows.append(Dropped(stage="sifted", id=prompt, reason="nothing was preferred, or scored", detail=None))
            continue
        a, b = sorted(ends[prompt])
        rows.append(Candidate(id=row_id("pair", prompt, a, b), prompt_id=prompt, a_id=a, b_id=b))
    return outcome(Candidate, rows)


def judge_report(
    responses: pl.DataFrame, judgments: pl.DataFrame, comparisons: pl.DataFrame, candidates: pl.DataFrame,
    *, generate: Generate,
) -> Outcome:  # fmt: skip
    """How each judge judged: order, length and self-preference, refusals, calls and cost for each settled pair."""
    calls = pl.concat([table.select("judge", id="request_id") for table in (comparisons, judgments)]).unique()
    costs = calls.join(generate.costs(calls["id"]), on="id", validate="m:1").group_by("judge").agg(pl.col("cost").sum())
    return Outcome(JudgeReport, report.report(comparisons, judgments, responses, candidates, dict(costs.iter_rows())))
