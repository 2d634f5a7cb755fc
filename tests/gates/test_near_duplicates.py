"""Which prompts say again what another one has said."""

from collections.abc import Sequence
from itertools import pairwise

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import gates
from pipeline.gates import copies

Row = tuple[str | None, str]


def left(rows: Sequence[Row], repeats: int = 10) -> list[tuple[str, str, str]]:
    """What leaves, of prompts named by their number."""
    schema = {"image_group": pl.String, "question": pl.String}
    table = pl.DataFrame(rows, schema=schema, orient="row").with_row_index("id").cast({"id": pl.String})
    found = gates.near_duplicates(table, repeats)
    assert found.schema == {"id": pl.String, "reason": pl.String, "detail": pl.String}
    return found.rows()


def test_the_same_words_on_the_same_picture_stay_once_whatever_case_and_signs() -> None:
    rows = [
        ("g", "Who is the man?"),
        ("g", "who is THE man"),
        ("h", "Who is the man?"),
        ("g", "\uff37ho  is... the man!"),
    ]
    assert left(rows) == [("1", copies.SAME_IMAGE, "0"), ("3", copies.SAME_IMAGE, "0")]


def test_a_text_that_shares_most_of_its_word_pairs_leaves_and_one_that_shares_fewer_stays() -> None:
    text = "one two three four five six seven eight nine ten eleven"
    rows = [("g", text), ("g", f"{text} twelve"), ("g", f"zero {text[:-7]}"), ("g", "eleven ten nine eight seven six")]
    assert left(rows) == [("1", copies.SAME_IMAGE, "0"), ("2", copies.SAME_IMAGE, "0")]
    assert left([(f"g{n}", text) for n, (_, text) in enumerate(rows)]) == []


def test_what_resembles_only_a_prompt_that_leaves_stays() -> None:
    words = list("abcdefghijklmnopqrst")
    texts = [
        " ".join(words[start : start + 16]) for start in (0, 2, 4)
    ]  # 15 pairs each: 13 of 17 in common, or 11 of 19
    assert left([("g", text) for text in texts]) == [("1", copies.SAME_IMAGE, "0")]


def test_a_text_may_stand_on_so_many_pictures_and_no_more() -> None:
    rows = [(f"g{n}", "Who is she?") for n in range(5)] + [("g9", "Who is he?"), ("g0", "Who is she?")]
    assert left(rows, repeats=3) == [
        ("3", copies.TOO_MANY, "0"), ("4", copies.TOO_MANY, "0"), ("6", copies.SAME_IMAGE, "0"),
    ]  # fmt: skip


def test_prompts_without_a_picture_are_near_duplicates_only_if_their_words_are_the_same() -> None:
    assert left([(None, "Who is it now?"), (None, "who is it now"), (None, "Who is it now, then?")]) == [
        ("1", copies.SAME_IMAGE, "0")
    ]


def test_no_prompts_and_prompts_without_words_are_no_mistake() -> None:
    assert left([]) == []
    assert left([("g", "???"), ("g", ""), ("h", "!")]) == [("1", copies.SAME_IMAGE, "0")]


def test_thousands_of_variations_on_one_picture_leave_one() -> None:
    rows = [
        ("g", f"What would the man on the left say to the woman in the red coat about dog {n}?") for n in range(3000)
    ]
    assert len(left(rows)) == 2999


def _slowly(rows: Sequence[Row], repeats: int) -> list[tuple[str, str, str]]:
    """The same, one prompt after the other."""
    stay: list[tuple[int, str | None, tuple[str, ...]]] = []
    gone: dict[int, tuple[str, str]] = {}
    for n, (group, text) in enumerate(rows):
        words = tuple(text.lower().split())
        for other, theirs, said in stay:
            one, two = (set(pairwise(w)) for w in (words, said))
            near = bool(one | two) and len(one & two) >= copies.ALIKE * len(one | two)
            if group == theirs and (words == said or (near and group is not None)):
                gone[n] = (copies.SAME_IMAGE, str(other))
                break
        else:
            stay.append((n, group, words))
    seen: dict[tuple[str, ...], list[int]] = {}
    for n, _, words in stay:
        seen.setdefault(words, []).append(n)
    for first, *others in seen.values():
        gone |= {n: (copies.TOO_MANY, str(first)) for n in others[max(repeats - 1, 0) :]}
    return [(str(n), *gone[n]) for n in sorted(gone)]


TEXT = st.lists(st.sampled_from("abcd"), min_size=1, max_size=6).map(" ".join)


@settings(max_examples=25, deadline=None)
@given(rows=st.lists(st.tuples(st.sampled_from(["g", "h", None]), TEXT), max_size=40), repeats=st.integers(1, 3))
def test_the_fast_way_finds_what_the_slow_way_finds(rows: list[Row], repeats: int) -> None:
    assert left(rows, repeats) == _slowly(rows, repeats)
