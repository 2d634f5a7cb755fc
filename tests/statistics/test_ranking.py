"""The best for each keyword, of a stream; and who gets what several want."""

from collections import Counter

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.statistics.ranking import Best, assigned


def by_hand(keywords: np.ndarray, vectors: np.ndarray, most: int) -> list[tuple[int, int]]:
    """(keyword, index) in the order of the table, computed at once."""
    unit = [m / np.linalg.norm(m, axis=1, keepdims=True) for m in (keywords, vectors)]
    similarity = unit[0] @ unit[1].T
    return [(k, int(i)) for k, row in enumerate(similarity) for i in np.argsort(-row, kind="stable")[:most]]


@given(seed=st.integers(0, 999), n=st.integers(1, 60), most=st.integers(1, 9), pieces=st.integers(1, 7))
@settings(max_examples=60, deadline=None)
def test_a_stream_in_pieces_ranks_as_all_at_once(seed: int, n: int, most: int, pieces: int) -> None:
    luck = np.random.default_rng(seed)
    keywords, vectors = luck.normal(size=(4, 8)), luck.normal(size=(n, 8))
    best = Best(keywords, most)
    for part in np.array_split(vectors, pieces):
        best.add(part)
    table = best.table()
    assert list(table.select("keyword", "index").iter_rows()) == by_hand(keywords, vectors, most)
    assert table["rank"].to_list() == [r for _ in range(4) for r in range(min(n, most))]
    assert table["similarity"].is_between(-1.0001, 1.0001).all()


def test_of_equals_the_first_is_the_better() -> None:
    best = Best(np.eye(2), 2)
    best.add(np.ones((5, 2), np.float16))
    best.add(np.ones((5, 2), np.float16))
    assert best.table()["index"].to_list() == [0, 1, 0, 1]


def test_what_has_no_direction_is_never_ranked_and_still_counts() -> None:
    best = Best(np.eye(2), 3)
    best.add(np.array([[0, 0], [np.nan, 1], [np.inf, 0], [1, 0]]))
    assert best.table()["index"].to_list() == [3, 3]


@pytest.mark.parametrize("shape", [(3,), (3, 5)])
def test_vectors_of_another_width_are_an_error(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="of shape"):
        Best(np.eye(4), 2).add(np.ones(shape))


def test_a_keyword_without_a_direction_is_an_error() -> None:
    with pytest.raises(ValueError, match="1 keywords have no direction"):
        Best(np.array([[1.0, 0], [0, 0]]), 2)


WISHES = st.lists(
    st.tuples(st.integers(0, 12), st.integers(0, 5), st.integers(0, 4), st.floats(-1, 1)),
    max_size=60,
    unique_by=lambda w: w[:2],
)


def ranked(wishes: list[tuple[int, int, int, float]]) -> pl.DataFrame:
    """Two keywords a subcategory."""
    return pl.DataFrame(
        [(*wish, f"s{wish[1] // 2}") for wish in wishes],
        schema={
            "index": pl.Int64,
            "keyword": pl.Int64,
            "rank": pl.Int64,
            "similarity": pl.Float64,
            "subcategory": pl.String,
        },
        orient="row",
    )


@given(wishes=WISHES, room=st.one_of(st.none(), st.integers(0, 3)))
@settings(max_examples=200, deadline=None)
def test_nobody_is_given_away_twice_no_room_is_overfull_and_nobody_is_left_out_without_need(
    wishes: list[tuple[int, int, int, float]], room: int | None
) -> None:
    table = ranked(wishes)
    given_away = assigned(table, room)
    assert given_away["index"].n_unique() == given_away.height
    filled = Counter(given_away["subcategory"])
    assert room is None or max(filled.values(), default=0) <= room
    wanted = set(table.select("index", "subcategory", "keyword").iter_rows())
    assert set(given_away.select("index", "subcategory", "keyword").iter_rows()) <= wanted
    for index in set(table["index"]) - set(given_away["index"]):
        assert all(filled[s] == room for s in table.filter(pl.col("index") == index)["subcategory"])
    assert assigned(table.sample(fraction=1, shuffle=True, seed=1), room).sort("index").equals(given_away.sort("index"))


def test_the_better_rank_is_served_first() -> None:
    table = ranked([(7, 0, 1, 0.9), (7, 2, 0, 0.1), (8, 0, 0, 0.5)])
    assert set(assigned(table, 1).select("index", "subcategory").iter_rows()) == {(7, "s1"), (8, "s0")}
