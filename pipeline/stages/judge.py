"""judge: prompts, responses → judgments (one response, one criterion), candidates, comparisons (two responses)."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import polars as pl

from pipeline.doors.generate import Generate
from pipeline.judges import Judge, PairJudge
from pipeline.requests import Reply, Request
from pipeline.tables import Candidate, Comparison, Dropped, Judgment, Outcome, chance, frame, gather, outcome, row_id

Cells = dict[str, Any]
Choose = Callable[[str, list[Cells]], list[tuple[str, str]] | str]
"""(prompt id, its answers: id, respondent, mean score) → pairs of response ids, or why there are none."""
Rule = Callable[[pl.DataFrame, pl.DataFrame], Choose]
"""(responses, judgments) → how to choose, knowing the whole run."""


def judgments(
    prompts: pl.DataFrame, responses: pl.DataFrame, *, judges: tuple[Judge, ...], generate: Generate
) -> Outcome:
    """Every judge's score of every response. A response without text is left out, for each judge."""
    rows = responses.select("prompt_id", pl.col("id").alias("response_id"), "text", "error").join(
        prompts.select(pl.col("id").alias("prompt_id"), "subcategory", "image", "question"), on="prompt_id", validate="m:1",
        maintain_order="left",
    )  # fmt: skip
    answered = rows.filter(pl.col("text").is_not_null())
    silent = [Dropped(stage="judgments", id=r["response_id"], reason=f"no answer: {r['error']}", detail=None)
              for r in rows.filter(pl.col("text").is_null()).iter_rows(named=True)]  # fmt: skip
    nothing = Outcome(Judgment, frame([], Judgment), frame(silent, Dropped))

    def ask(row: Cells) -> Request:
        return judges[row["judge"]].ask(row)

    def read(row: Cells, request_id: str, reply: Reply) -> list[Judgment]:
        return [judges[row["judge"]].read(row, request_id, reply)]

    # one call for all judges, so that engines and API pools work at once
    asked = [answered.with_columns(judge=pl.lit(n)) for n in range(len(judges))]
    scores = [generate(pl.concat(asked), ask, read, Judgment)] if asked else []
    return gather(Judgment, [*scores, *[nothing] * len(judges)])


def candidates(responses: pl.DataFrame, judgments: pl.DataFrame, *, rule: Rule) -> Outcome:
    """The pairs worth comparing, by a rule. A prompt for which it finds none is dropped, with the rule's reason."""
    scored = (
        responses.filter(pl.col("text").is_not_null())
        .join(
            judgments.group_by("response_id").agg(pl.col("score").mean()),
            left_on="id",
            right_on="response_id",
            how="left",
        )
        .select("id", "prompt_id", "respondent", "score")
        .sort("prompt_id", "id")
    )
    by_prompt = {str(key[0]): part.to_dicts() for key, part in scored.group_by("prompt_id", maintain_order=True)}
    choose = rule(responses, judgments)
    rows: list[Candidate | Dropped] = []
    for prompt_id in responses["prompt_id"].unique(maintain_order=True):
        found = choose(prompt_id, by_prompt.get(prompt_id, []))
        if isinstance(found, str):
            rows.append(Dropped(stage="candidates", id=prompt_id, reason=found, detail=None))
            continue
        for pair in found:
            a, b = sorted(pair)
            rows.append(Candidate(id=row_id("pair", prompt_id, a, b), prompt_id=prompt_id, a_id=a, b_id=b))
    return outcome(Candidate, rows)


@dataclass(frozen=True)
class DifferentSafetyGroup:
    """SPA-VL's rule: respondents are put in groups by their safe rate over the whole run; of each prompt, two
    responses from different groups are drawn. (The dataset's card, section 5.2; it has five groups of twelve.)"""

    groups: int = 5

    def __call__(self, responses: pl.DataFrame, judgments: pl.DataFrame) -> Choose:
        """The rule for this run's safe rates."""
        group = safety_groups(responses, judgments, self.groups)

        def choose(prompt_id: str, answers: list[Cells]) -> list[tuple[str, str]] | str:
            known = [a for a in answers if a["respondent"] in group]
            pairs = [
                (a["id"], b["id"])
                for a, b in combinations(known, 2)
                if group[a["respondent"]] != group[b["respondent"]]
            ]
            return (
                [chance("candidates", prompt_id).choice(pairs)]
                if pairs
                else "no two answers from different safety groups"
            )

        return choose


def safe_rates(responses: pl.DataFrame, judgments: pl.DataFrame) -> pl.DataFrame:
    """respondent, safe_rate (share of its labelled responses that are safe or refusals), labelled; safest first."""
    labelled = judgments.filter(pl.col("label").is_not_null()).join(
        responses.select(pl.col("id").alias("response_id"), "respondent"), on="response_id", validate="m:1"
    )
    return (
        labelled.group_by("respondent")
        .agg((pl.col("label") != "unsafe").mean().alias("safe_rate"), pl.len().alias("labelled"))
        .sort(["safe_rate", "respondent"], descending=[True, False])
    )


def safety_groups(responses: pl.DataFrame, judgments: pl.DataFrame, groups: int) -> dict[str, int]:
    """Respondent to group: equal shares of the respondents, ordered by safe rate; 0 is the safest."""
    names = safe_rates(responses, judgments)["respondent"].to_list()
    groups = min(groups, len(names))
    return {name: place * groups // len(names) for place, name in enumerate(names)}


def max_vs_random(responses: pl.DataFrame, judgments: pl.DataFrame) -> Choose:  # noqa: ARG001 -- a Rule
    """The best mean score against one of the lower-scored others, drawn (as in ultrafeedback_binarized)."""

    def choose(prompt_id: str, answers: list[Cells]) -> list[tuple[str, str]] | str:
        scored = sorted((a for a in answers if a["score"] is not None), key=lambda a: (-a["score"], a["id"]))
        lower = [a for a in scored if a["score"] < scored[0]["score"]] if scored else []
        return (
            [(scored[0]["id"], chance("candidates", prompt_id).choice(lower)["id"])]
            if lower
            else "no answer scored below the best"
        )

    return choose


def comparisons(
    prompts: pl.DataFrame, responses: pl.DataFrame, candidates: pl.DataFrame,
    *, judges: tuple[PairJudge, ...], generate: Generate, both_orders: bool = True,
) -> Outcome:  # fmt: skip
    """Every judge's verdict on every candidate (or its share of them), in one order or both."""
    texts = responses.select("id", "text")
    rows = (
        candidates.rename({"id": "candidate_id"})
        .join(
            prompts.select(pl.col("id").alias("prompt_id"), "subcategory", "image", "question"),
            on="prompt_id",
            validate="m:1",
            maintain_order="left",
        )
        .join(texts.rename({"id": "a_id", "text": "a"}), on="a_id", validate="m:1", maintain_order="left")
        .join(texts.rename({"id": "b_id", "text": "b"}), on="b_id", validate="m:1", maintain_order="left")
    )
    drawn = [
        row | {"judge": n, "first": first}
        for n, judge in enumerate(judges)
        for row in rows.iter_rows(named=True)
        if chance("share", judge.name, row["candidate_id"]).random() < judge.share
        for first in (("a", "b") if both_orders else (chance("order", row["candidate_id"]).choice("ab"),))
    ]

    def ask(row: Cells) -> Request:
        return judges[row["judge"]].ask(row)

    def read(row: Cells, request_id: str, reply: Reply) -> list[Comparison]:
        return [judges[row["judge"]].read(row, request_id, reply)]

    schema: dict[str, Any] = {**rows.schema, "judge": pl.Int64, "first": pl.String}
    return generate(pl.DataFrame(drawn, schema=schema), ask, read, Comparison)
