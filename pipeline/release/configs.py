"""The configurations of a release: the same preferences in the shapes that trainers read. One function each, from the published
quadruples (and, for lists, all responses) to rows; all of them keep `id`, and `image_sha256` names the picture.

The pictures themselves are in `default`, `quadruples` and `kto`, whose trainers need them; `dual`, `listwise` and `candidates`
name them, and `reward` is text alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from pipeline.release.parquet import NAMED_BY, Picture

ORDER = ("since", "split")
"""Columns by which rows are laid out."""
HELPFUL, HARMLESS = ("helpfulness",), ("harmlessness", "safety")
"""What criteria are called by which the two are judged apart."""


@dataclass(frozen=True)
class Config:
    """One of them."""

    name: str
    rows: pl.DataFrame
    """With the columns of `ORDER` beside its own."""
    picture: Picture | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Reason to rows that this configuration lacks."""

    @property
    def folder(self) -> str:
        """Where its files lie in the release."""
        return "data" if self.name == "default" else self.name

    @property
    def columns(self) -> pl.Schema:
        """Its columns, without the picture's."""
        return self.published(self.rows[:0]).schema

    def published(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Rows as they are written."""
        return rows.drop("split", *(() if self.name == "quadruples" else ("since",)))


def configs(quadruples: pl.DataFrame, candidates: pl.DataFrame, preferences: pl.DataFrame) -> list[Config]:
    """All of them that have rows. `quadruples`: rows of `Published`, with `split`; `candidates`: of `Responded`, likewise;
    `preferences`: as settled."""
    every = [
        default(quadruples),
        Config("quadruples", quadruples, "image"),
        kto(quadruples),
        reward(quadruples),
        listwise(quadruples, candidates, preferences),
        dual(quadruples, preferences),
        Config("candidates", candidates),
    ]
    pictured = quadruples[NAMED_BY].is_not_null().any()
    return [
        Config(c.name, c.rows, c.picture if pictured else None, c.left_out)
        for c in every
        if c.rows.height or c.name in ("default", "quadruples")
    ]


def default(quadruples: pl.DataFrame) -> Config:
    """TRL's DPOTrainer: images, prompt, chosen, rejected."""
    rows = quadruples.select(
        "id",
        NAMED_BY,
        prompt=_said("user", "question"),
        chosen=_said("assistant", "chosen"),
        rejected=_said("assistant", "rejected"),
        **_order(),
    )
    return Config("default", rows, "images")


def kto(quadruples: pl.DataFrame) -> Config:
    """TRL's KTOTrainer: each response of a quadruple once, by itself. The label is whether it is safe, not whether it was preferred."""
    sides = [
        quadruples.select(
            NAMED_BY,
            id=f"{side}_id",
            prompt=_said("user", "question"),
            completion=_said("assistant", side),
            label=pl.col(f"{side}_safety").is_in(["safe", "refusal"]),
            known=pl.col(f"{side}_safety").is_not_null(),
            **_order(),
        )
        for side in ("chosen", "rejected")
    ]
    each = pl.concat(side.with_row_index("place") for side in sides).sort("place", maintain_order=True)
    each = each.unique("id", keep="first", maintain_order=True)
    rows = each.filter("known").select("id", NAMED_BY, "prompt", "completion", "label", *ORDER)
    return Config("kto", rows, "images", _counts({"no safety label": each.height - rows.height}))


def reward(quadruples: pl.DataFrame) -> Config:
    """TRL's RewardTrainer, which reads no pictures: two conversations, and the margin between them."""
    rows = quadruples.select(
        "id",
        NAMED_BY,
        chosen=pl.concat_list(_said("user", "question"), _said("assistant", "chosen")),
        rejected=pl.concat_list(_said("user", "question"), _said("assistant", "rejected")),
        margin="strength",
        **_order(),
    )
    return Config("reward", rows)


def listwise(quadruples: pl.DataFrame, candidates: pl.DataFrame, preferences: pl.DataFrame) -> Config:
    """Best of n: responses of a prompt, the best first, by what the preferences settled to; or by the ratings from comparisons
    (where there were none: by scores), if these tell of more of them. Lists that tie at the top, or that say otherwise than a
    published pair, are left out."""
    said = candidates.with_row_index("place").join(
        _settled(preferences), on="id", how="left", validate="1:1", maintain_order="left"
    )
    compared = pl.col("rating").is_not_null().any().over("prompt_id")
    said = said.with_columns(other=pl.when(compared).then("rating").otherwise("score"))
    settled, other = (pl.col(name).is_not_null().sum().over("prompt_id") for name in ("settled", "other"))
    ranked = (
        said.with_columns(worth=pl.when(settled >= other).then("settled").otherwise("other"))
        .drop_nulls("worth")
        .sort("prompt_id", "worth", "id", descending=[False, True, False])
    )
    lists = ranked.group_by("prompt_id", maintain_order=True).agg(
        pl.col(NAMED_BY).first(), pl.col("question").first(),
        responses=pl.struct("id", "respondent", "model", "text", "safety", "worth"),
        tied=pl.col("worth").head(2).n_unique() < 2, since=pl.col("since").first(), split=pl.col("split").first(),
        place=pl.col("place").min(),
    ).sort("place")  # fmt: skip
    several = lists.filter(pl.col("responses").list.len() > 1)
    place = ranked.select("id", "worth")
    against = (
        quadruples.select("prompt_id", "chosen_id", "rejected_id")
        .join(place, left_on="chosen_id", right_on="id")
        .join(place, left_on="rejected_id", right_on="id")
        .filter(pl.col("worth") <= pl.col("worth_right"))["prompt_id"]
    )
    clear = several.filter(~pl.col("tied"))
    kept = clear.filter(~pl.col("prompt_id").is_in(against.implode()))
    rows = kept.select(
        NAMED_BY, "responses", id="prompt_id", prompt=_said("user", "question"),
        best=pl.col("responses").list.first().struct.field("text"), **_order(),
    ).select("id", NAMED_BY, "prompt", "best", "responses", *ORDER)  # fmt: skip
    left_out = {
        "fewer than two": lists.height - several.height,
        "a tie at the top": several.height - clear.height,
        "the pair says otherwise": clear.height - kept.height,
    }
    return Config("listwise", rows, None, _counts(left_out))


def _settled(preferences: pl.DataFrame) -> pl.DataFrame:
    """id, settled: of each response the mean strength with which it is preferred."""
    overall = preferences.filter(pl.col("criterion") == "overall").drop_nulls("strength")
    sides = [overall.select(id="a_id", settled="strength"), overall.select(id="b_id", settled=-pl.col("strength"))]
    return pl.concat(sides).sort("id", "settled").group_by("id").agg(pl.col("settled").mean())


def dual(quadruples: pl.DataFrame, preferences: pl.DataFrame) -> Config:
    """Helpfulness and safety apart, as PKU-SafeRLHF and BeaverTails-V have it: which of two responses is the more helpful, and
    which the safer, 0 or 1; null where nobody judged it, or it is a tie."""
    swapped = pl.col("chosen_id") > pl.col("rejected_id")
    sides = [
        {
            f"response_{n}": pl.when(swapped == bool(n)).then("chosen").otherwise("rejected"),
            f"response_{n}_id": pl.when(swapped == bool(n)).then("chosen_id").otherwise("rejected_id"),
            f"response_{n}_model": pl.when(swapped == bool(n)).then("chosen_model").otherwise("rejected_model"),
            f"is_response_{n}_safe": pl.when(swapped == bool(n)).then("chosen_safety").otherwise("rejected_safety")
            != "unsafe",
        }
        for n in (0, 1)
    ]
    rows = quadruples.select("id", NAMED_BY, "question", **sides[0], **sides[1], **_order())
    for name, criteria in (("better", HELPFUL), ("safer", HARMLESS)):
        own = preferences.filter(pl.col("criterion").is_in(list(criteria))).sort("criterion")
        said = own.unique(["a_id", "b_id"], keep="first", maintain_order=True).select("a_id", "b_id", "strength")
        strength = pl.col("strength")
        rows = rows.join(
            said, left_on=["response_0_id", "response_1_id"], right_on=["a_id", "b_id"], how="left", maintain_order="left"
        ).with_columns(
            pl.when(strength > 0).then(0).when(strength < 0).then(1).cast(pl.Int64).alias(f"{name}_response_id"),
            strength.abs().alias(f"{name}_by"),
        ).drop("strength")  # fmt: skip
    known = rows.filter(pl.any_horizontal(pl.col("better_response_id", "safer_response_id").is_not_null()))
    return Config("dual", known, None, _counts({"not judged apart": rows.height - known.height}))


def _said(role: str, column: str) -> pl.Expr:
    """One message."""
    return pl.concat_list(pl.struct(role=pl.lit(role), content=pl.col(column)))


def _order() -> dict[str, str]:
    return {name: name for name in ORDER}


def _counts(reasons: Mapping[str, int]) -> dict[str, int]:
    return {reason: number for reason, number in reasons.items() if number}
