"""What several verdicts on one pair come to."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.settling import Method
from pipeline.settling.dawid_skene import dawid_skene
from pipeline.settling.majority import majority
from pipeline.settling.mean import mean
from pipeline.settling.most_similar import most_similar

METHODS: tuple[Method, ...] = (mean, majority, most_similar, dawid_skene)


def verdicts(*rows: tuple[str, str, float], weight: float = 1.0) -> pl.DataFrame:
    """Pair, source, verdict."""
    made = pl.DataFrame(
        list(rows), schema={"candidate_id": pl.String, "source": pl.String, "verdict": pl.Float64}, orient="row"
    )
    return made.with_columns(criterion=pl.lit("overall"), weight=pl.lit(weight)).sort(
        "candidate_id", "source", "verdict"
    )


def of(method: Method, *values: float) -> tuple[float, float]:
    (row,) = (
        method(verdicts(*(("c", f"j{n}", v) for n, v in enumerate(values)))).select("strength", "confidence").rows()
    )
    return row


def test_the_mean_counts_all() -> None:
    assert of(mean, 3, 1, -1) == (1.0, pytest.approx(2 / 3))


def test_the_majority_counts_its_own_side_and_an_even_vote_is_a_tie() -> None:
    assert of(majority, 3, 1, -3) == (2.0, pytest.approx(2 / 3))
    assert of(majority, -1, -2, 3, 0) == (-1.5, 0.5)
    assert of(majority, 3, -1) == (0.0, 0.0)
    assert of(majority, 0, 0, 1) == (0.0, pytest.approx(2 / 3))


def test_outliers_do_not_count_among_the_three_most_similar() -> None:
    assert of(most_similar, 2, 2, 2.5, -3, -1) == (pytest.approx(6.5 / 3), 0.6)
    assert of(most_similar, 1, -3) == (-1.0, 0.5)


def test_a_judge_that_says_the_same_of_everything_counts_for_nothing() -> None:
    chance = np.random.default_rng(0)
    truth = chance.choice([-1.0, 1.0], 300)
    rows = []
    for n, side in enumerate(truth):
        for judge, skill in (("good", 0.95), ("fair", 0.85)):
            rows += [(f"c{n:03}", judge, side * 2 if chance.random() < skill else -side * 2)]
        rows += [(f"c{n:03}", f"always{k}", 3.0) for k in range(3)]
    table = verdicts(*rows)
    right = {
        method: float((np.sign(method(table).sort("candidate_id")["strength"].to_numpy()) == truth).mean())
        for method in (mean, dawid_skene)
    }
    assert right[mean] < 0.6
    assert right[dawid_skene] > 0.9


@pytest.mark.parametrize("method", METHODS)
@given(
    rows=st.lists(
        st.tuples(st.sampled_from("cde"), st.sampled_from("jkl"), st.integers(-3, 3).map(float)),
        max_size=9, unique_by=lambda row: row[:2],
    )
)  # fmt: skip
def test_every_pair_with_a_verdict_gets_one_strength_on_the_scale(
    method: Method, rows: list[tuple[str, str, float]]
) -> None:
    made = method(verdicts(*rows))
    assert sorted(made["candidate_id"]) == sorted({row[0] for row in rows})
    assert made.columns == ["candidate_id", "criterion", "strength", "confidence"]
    assert made["strength"].is_between(-3, 3).all()
    assert made["confidence"].is_between(0, 1 + 1e-9).all()
    turned = method(verdicts(*((c, j, -v) for c, j, v in rows)))
    assert np.allclose(turned["strength"].to_numpy(), -made["strength"].to_numpy(), atol=1e-6), (
        "a and b are alike to it"
    )
