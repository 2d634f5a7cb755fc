"""SPA-VL's: answers of respondents that differ in how safe they are."""

from dataclasses import dataclass
from itertools import combinations

import polars as pl

from pipeline.rules import Cells, Choose, Pairs
from pipeline.tables import chance


@dataclass(frozen=True)
class DifferentSafetyGroup:
    """SPA-VL's rule: respondents are put in groups by their safe rate over the whole run; of each prompt, two
    responses from different groups are drawn. (The dataset's card, section 5.2; it has five groups of twelve.)"""

    groups: int = 5

    def __call__(self, responses: pl.DataFrame, judgments: pl.DataFrame) -> Choose:
        """The rule for this run's safe rates."""
        group = safety_groups(responses, judgments, self.groups)

        def choose(prompt_id: str, answers: list[Cells]) -> Pairs | str:
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
