"""Splits: what belongs together stays together, and what was published stays where it was."""

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import UserError
from pipeline.release.splits import SHARES, TOLERANCE, Row, Splits, assigned, shares_of

KEYS = st.lists(st.sampled_from([f"k{n}" for n in range(30)]), min_size=1, max_size=3, unique=True)


@st.composite
def rows(draw: st.DrawFn) -> list[Row]:
    return [Row(f"r{n:02}", tuple(draw(KEYS)), (draw(st.sampled_from("ab")),)) for n in range(draw(st.integers(1, 40)))]


def crossing(found: list[Row], splits: Splits) -> set[str]:
    """Keys that rows of two splits share."""
    seen: dict[str, set[str]] = defaultdict(set)
    for row in found:
        for key in row.keys if row.id in splits.of else ():
            seen[key].add(splits.of[row.id])
    return {key for key, where in seen.items() if len(where) > 1}


@given(rows())
def test_no_key_is_in_two_splits_and_every_row_is_in_one(made: list[Row]) -> None:
    splits = assigned(made)
    assert crossing(made, splits) == set()
    assert splits.of.keys() == {row.id for row in made}
    assert splits.linking == frozenset()
    assert "train" in splits.of.values(), "there is something to train on"


@given(rows(), st.randoms())
def test_the_order_of_the_rows_is_worth_nothing(made: list[Row], luck: object) -> None:
    shuffled = made.copy()
    luck.shuffle(shuffled)  # type: ignore[attr-defined]
    assert assigned(shuffled).of == assigned(made).of


@given(rows(), rows())
def test_a_row_never_changes_its_split_and_what_would_link_two_is_left_out(first: list[Row], second: list[Row]) -> None:
    before = assigned(first)
    new = [Row(f"n{row.id}", row.keys, row.classes) for row in second]
    after = assigned([*first, *new], before.of, salt=before.salt)
    assert {row: after.of[row] for row in before.of} == dict(before.of)
    assert crossing([*first, *new], after) == set()
    assert after.linking <= {row.id for row in new}
    assert after.of.keys() | after.linking == {row.id for row in (*first, *new)}


def test_a_new_row_goes_where_its_group_is() -> None:
    known = {"a": "train", "b": "test"}
    old = [Row("a", ("x",)), Row("b", ("y",))]
    found = assigned([*old, Row("c", ("x", "z")), Row("d", ("z",)), Row("e", ("y",)), Row("f", ("z", "y"))], known)
    assert dict(found.of) == {"a": "train", "b": "test", "c": "train", "d": "train", "e": "test"}
    assert found.linking == {"f"}


def test_a_row_that_was_removed_keeps_its_split_and_its_groups_and_one_that_no_longer_fits_is_left_out() -> None:
    rows = [Row("a", ("x",)), Row("b", ("y",)), Row("c", ("y", "z")), Row("d", ("x",))]
    found = assigned(rows, {"a": "train"}, {"b": "test", "d": "test"})
    assert dict(found.of) == {"a": "train", "b": "test", "c": "test"}
    assert found.linking == {"d"}


def test_published_rows_of_one_group_in_two_splits_are_one_line_for_the_user() -> None:
    with pytest.raises(UserError, match=r"the published row b is in test, but shares .* with rows in train"):
        assigned([Row("a", ("x",)), Row("b", ("x",))], {"a": "train", "b": "test"})


def test_every_class_is_balanced_within_the_tolerance() -> None:
    classes = [f"sub{n}" for n in range(53)]
    made = [Row(f"r{n}", (f"image{n // 3}",), (classes[n // 3 % 53], f"kind{n % 3}")) for n in range(53 * 40 * 3)]
    splits = assigned(made)
    assert splits.outside == 0
    assert splits.off[0].deviations <= TOLERANCE
    assert {off.name for off in splits.off} == {*classes, "kind0", "kind1", "kind2", "all rows"}
    for off in splits.off:
        assert off.expected == pytest.approx(off.groups * SHARES[off.split])
    share = sum(split == "test" for split in splits.of.values()) / len(made)
    assert share == pytest.approx(0.1, abs=0.02)


def test_with_few_groups_there_is_something_to_train_and_to_test_on() -> None:
    for several in (2, 3, 5):
        assert set(assigned([Row(f"{n}", (f"{n}",)) for n in range(several)]).of.values()) == {"train", "test"}
    assert assigned([Row("1", ("1",))]).of == {"1": "train"}
    assert assigned([]).of == {}


def test_shares_are_read() -> None:
    assert shares_of("train=0.8, validation=0.1,test=0.1") == {"train": 0.8, "validation": 0.1, "test": 0.1}


@pytest.mark.parametrize("text", ["", "train", "train=1.2,test=-0.2", "train=0.5", "tr/ain=1", "train=x"])
def test_shares_that_are_none_are_one_line_for_the_user(text: str) -> None:
    with pytest.raises(UserError, match="give names and shares that add up to 1"):
        shares_of(text)
