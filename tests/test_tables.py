"""Rows, tables, and that nothing vanishes between them."""

from typing import Any, Literal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from rows import make

from pipeline import tables
from pipeline.tables import Dropped, Outcome, Preference, Prompt, Row, chance, frame, gather, outcome, row_id

ROWS = sorted(
    (kind for kind in vars(tables).values() if isinstance(kind, type) and issubclass(kind, Row) and kind is not Row),
    key=lambda kind: kind.__name__,
)
each_row_type = pytest.mark.parametrize("kind", ROWS, ids=lambda kind: kind.__name__)


@each_row_type
def test_a_row_survives_its_table(kind: type[Row]) -> None:
    row = make(kind)
    table = frame([row], kind)
    assert kind.model_validate(table.row(0, named=True)) == row
    assert dict(table.schema) == kind.columns()


@each_row_type
def test_an_empty_table_has_the_columns_of_a_full_one(kind: type[Row]) -> None:
    assert frame([], kind).schema == frame([make(kind)], kind).schema


@each_row_type
def test_a_row_is_frozen_and_closed_to_fields_that_nobody_declared(kind: type[Row]) -> None:
    row = make(kind)
    with pytest.raises(ValidationError, match="frozen"):
        setattr(row, next(iter(kind.model_fields)), "other")
    with pytest.raises(ValidationError, match="extra"):
        kind.model_validate(row.model_dump() | {"metadata": {}})


@each_row_type
def test_a_row_says_what_it_is(kind: type[Row]) -> None:
    assert kind.__doc__


def test_the_number_of_row_types_is_known() -> None:
    """So that the tests above, which find them, find them."""
    assert {"Listed", "Image", "Prompt", "Response", "Judgment", "Candidate", "Comparison", "Decision", "QueueItem",
            "Preference", "Quadruple", "Dropped"} <= {kind.__name__ for kind in ROWS}  # fmt: skip


def test_a_column_type_that_nobody_thought_of_is_an_error() -> None:
    class Odd(Row):
        metadata: dict[str, str]

    class Either(Row):
        value: int | str

    for kind in (Odd, Either):
        with pytest.raises(TypeError, match="no column type"):
            kind.columns()


def test_optional_lists_and_choices_have_their_column_types() -> None:
    class Odd(Row):
        names: tuple[str, ...] | None
        number: int | None
        choice: Literal["x", "y"] | None

    assert Odd.columns() == {"names": pl.List(pl.String), "number": pl.Int64(), "choice": pl.String()}


def test_a_rows_id_depends_on_each_of_its_parts_and_on_their_borders() -> None:
    ids = [row_id("a", "b"), row_id("b", "a"), row_id("ab"), row_id("a", "b", ""), row_id("a", None), row_id("a")]
    assert len(set(ids)) == len(ids)
    assert all(len(i) == 16 and int(i, 16) >= 0 for i in ids)
    assert row_id("response", 1) == row_id("response", "1") == "74fcf53b5a821e12"


def test_chance_is_drawn_from_the_row_alone() -> None:
    before = [chance("x", n).random() for n in range(5)]
    chance("y", 1).random()
    assert [chance("x", n).random() for n in range(5)] == before
    assert len(set(before)) == 5


PROMPT = make(Prompt, id="p")
LEFT_OUT = make(Dropped, id="q", reason="why")


def test_an_outcome_sorts_what_is_kept_from_what_is_left_out() -> None:
    made = outcome(Prompt, iter([PROMPT, LEFT_OUT, PROMPT]))
    assert made.kept["id"].to_list() == ["p", "p"]
    assert made.dropped["id"].to_list() == ["q"]
    assert made.considered == 3


@pytest.mark.parametrize("considered", [0, 1, 3])
def test_an_outcome_that_does_not_add_up_is_refused(considered: int) -> None:
    with pytest.raises(ValueError, match=f"{considered} considered, but 1 kept and 1 left out"):
        outcome(Prompt, [PROMPT, LEFT_OUT], considered)


@pytest.mark.parametrize(
    "table",
    [
        frame([PROMPT], Prompt).drop("note"),
        frame([PROMPT], Prompt).with_columns(score=pl.lit(1.0)),
        frame([PROMPT], Prompt).with_columns(note=pl.lit(1)),
        frame([PROMPT], Prompt).with_columns(note=pl.lit(None)),
        frame([make(Preference)], Preference),
        pl.DataFrame(),
    ],
)
def test_a_table_with_other_columns_is_refused(table: pl.DataFrame) -> None:
    with pytest.raises(TypeError, match="a table of Prompt has the columns"):
        Outcome(Prompt, table)


def test_outcomes_are_gathered_in_order() -> None:
    parts = [outcome(Prompt, [make(Prompt, id=i), make(Dropped, id=f"no {i}")]) for i in "abc"]
    made = gather(Prompt, iter(parts))
    assert made.kept["id"].to_list() == ["a", "b", "c"]
    assert made.dropped["id"].to_list() == ["no a", "no b", "no c"]
    assert made.considered == 6
    assert gather(Prompt, []).considered == 0


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.lists(st.lists(st.booleans(), max_size=6), max_size=5))
def test_nothing_vanishes_between_parts_and_whole(parts: list[list[bool]]) -> None:
    rows: list[list[Prompt | Dropped]] = [[PROMPT if kept else LEFT_OUT for kept in part] for part in parts]
    made = gather(Prompt, [outcome(Prompt, part) for part in rows])
    flat = [kept for part in parts for kept in part]
    assert (made.considered, made.kept.height, made.dropped.height) == (len(flat), sum(flat), len(flat) - sum(flat))


@pytest.mark.parametrize("value", [{"strength": "far"}, {"sources": "j"}, {"reviewed": None}, {"id": 5}])
def test_a_value_of_another_type_is_refused(value: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        make(Preference, **value)
