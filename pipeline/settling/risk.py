"""How likely what judges settled is wrong: as sure as they are, until people have decided some of it; then as what they decided
teaches, of pairs by what is known of the judges' words, of responses by their own words too. The audit teaches nothing."""

from collections.abc import Callable, Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.settling import last_words
from pipeline.statistics.logistic import Learner
from pipeline.statistics.words import Sparse, beside, dense, kinds, words
from pipeline.tables import Risk, chance, row_id

Floats = NDArray[np.float64]
OPENING = 8
"""A response's first words count apart: it begins with what it will be."""
_HARM = {"harmful": 2.0, "borderline": 1.5}
_RAREST = 3.0
"""A class matters at most so many times what a common one does."""
MOST = 3000
"""Of what people decided, so much teaches, drawn by chance: the time grows with its cube."""
_LEAST = 0.01
"""However sure judges are."""


def luck(pairs: pl.Series) -> pl.Series:
    """What chance gave each pair, 0 to 1: those below the share are drawn for the audit, and looked at in this order."""
    return pl.Series("luck", [chance("audit", name).random() for name in pairs], dtype=pl.Float64)


def risks(
    preferences: pl.DataFrame, *, audit: float | Mapping[str, float], labels: pl.DataFrame, prompts: pl.DataFrame,
    responses: pl.DataFrame, judgments: pl.DataFrame, decisions: pl.DataFrame,
) -> pl.DataFrame:  # fmt: skip
    """A `Risk` for each `overall` preference, and for each label of their responses; both as settled without people."""
    decisions = last_words(decisions)
    pairs = _placed(preferences.filter(criterion="overall"), prompts)
    shares = [audit if isinstance(audit, int | float) else audit.get(of, audit.get("", 0.0)) for of in pairs["stratum"]]
    pairs = pairs.with_columns(share=pl.Series(shares, dtype=pl.Float64))
    pairs = pairs.with_columns(audit=luck(pairs["candidate_id"]) < pairs["share"])
    sides = pl.concat([pairs.select("audit", "share", response_id=side) for side in ("a_id", "b_id")])
    shown = sides.group_by("response_id").agg(pl.col("audit").any(), pl.col("share").max())
    told = _placed(labels.join(shown, on="response_id", validate="1:1", maintain_order="left"), prompts)
    parts = [
        pairs.with_columns(
            response_id=pl.lit(None, pl.String), wrong=pl.Series(_of_pairs(pairs, decisions)),
            disagreement=(pl.col("disagreement").fill_null(0.0) / 3).clip(0, 1),
        ),
        told.with_columns(
            candidate_id=pl.lit(None, pl.String), wrong=pl.Series(_of_labels(told, responses, judgments, decisions)),
            disagreement=2 * pl.col("disagreement"),
        ),
    ]  # fmt: skip
    made = pl.concat([part.select(pl.col(n).cast(k) for n, k in Risk.columns().items() if n != "id") for part in parts])
    names = [row_id("risk", *key) for key in made.select("candidate_id", "response_id").iter_rows()]
    return made.select(pl.Series("id", names, dtype=pl.String), pl.all())


def _placed(rows: pl.DataFrame, prompts: pl.DataFrame) -> pl.DataFrame:
    """With the stratum, and what they matter: for the prompt's harm, and for how rare the stratum is beside the middle one."""
    place = pl.concat_str(pl.col("category").fill_null("-"), pl.lit("/"), pl.col("kind"))
    harm = pl.col("harm").replace_strict(_HARM, default=1.0, return_dtype=pl.Float64)
    asked = prompts.select(place.alias("stratum"), harm.alias("harmful"), prompt_id="id")
    placed = rows.join(asked, on="prompt_id", how="left", validate="m:1", maintain_order="left").with_columns(
        pl.col("stratum").fill_null("-"), pl.col("harmful").fill_null(1.0)
    )
    usual = placed.group_by("stratum").len()["len"].median()
    rare = (usual / pl.len().over("stratum")).sqrt().clip(1.0, _RAREST)
    return placed.with_columns(matters=pl.col("harmful") * rare)


def _of_pairs(pairs: pl.DataFrame, decisions: pl.DataFrame) -> Floats:
    """A pair on which people see a tie is half wrong, for teaching."""
    guess = (1 - pairs["confidence"].fill_null(0.5)).clip(_LEAST, 0.5).to_numpy()
    mine = decisions.filter(criterion="overall").group_by("candidate_id").agg(said=pl.col("strength").mean().sign())
    apart = (pl.col("said") - pl.col("strength").sign()).abs() / 2
    seen = pairs.join(mine, on="candidate_id", how="left", validate="1:1", maintain_order="left").select(
        pl.when(~pl.col("audit")).then(apart)
    ).to_series()  # fmt: skip
    settled = pairs.select(
        one=1.0, doubt=pl.Series(guess) * 2, weak=1 - pl.col("strength").fill_null(0.0).abs() / 3,
        split=pl.col("disagreement").fill_null(0.0) / 3,
    )  # fmt: skip
    return _learnt(
        lambda: beside(dense(settled.to_numpy()), kinds(pairs["stratum"].to_list())), guess, seen, pairs["candidate_id"]
    )


def _of_labels(
    labels: pl.DataFrame, responses: pl.DataFrame, judgments: pl.DataFrame, decisions: pl.DataFrame
) -> Floats:
    guess = labels["unsafe"].clip(_LEAST, 1 - _LEAST).to_numpy()
    mine = decisions.drop_nulls("response_id").group_by("response_id").agg(said=(pl.col("label") == "unsafe").mean())
    seen = labels.join(mine, on="response_id", how="left", validate="1:1", maintain_order="left").select(
        pl.when(~pl.col("audit")).then("said")
    ).to_series()  # fmt: skip

    def features() -> Sparse:
        votes = (
            judgments.drop_nulls("label")
            .select("response_id", "judge", vote=(pl.col("label") == "unsafe").cast(pl.Float64))
            .sort("judge")
            .pivot("judge", index="response_id", values="vote", aggregate_function="max")
        )
        said = labels.select("response_id").join(
            votes, on="response_id", how="left", validate="1:1", maintain_order="left"
        )
        answers = labels.select("response_id").join(
            responses.select("text", "respondent", response_id="id"),
            on="response_id",
            how="left",
            maintain_order="left",
        )
        texts = answers["text"].to_list()
        return beside(
            dense(np.ones((labels.height, 1))), dense(said.drop("response_id").fill_null(0.0).to_numpy()),
            kinds(answers["respondent"].to_list()), kinds(labels["stratum"].to_list()), words(texts), words(texts, first=OPENING),
        )  # fmt: skip

    unsafe = _learnt(features, guess, seen, labels["response_id"])
    return np.where(labels["label"].to_numpy() == "unsafe", 1 - unsafe, unsafe)


def _learnt(features: Callable[[], Sparse], guess: Floats, seen: pl.Series, names: pl.Series) -> Floats:
    """The chances by what was `seen` (null: not), or the guesses where nothing was."""
    known = np.flatnonzero(seen.is_not_null().to_numpy())
    if not len(known):
        return guess
    draw = np.array([chance("learner", name).random() for name in names])
    items = known[np.argsort(draw[known], kind="stable")[:MOST]]
    learner = Learner(features(), guess, draw)
    learner.add(items, seen.gather(items).to_numpy())
    return learner.chances()
