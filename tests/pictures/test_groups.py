"""Copies join the first they are copies of; look-alikes stand for themselves."""

from collections.abc import Callable
from functools import cache

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from looks import encoded, gradient, halves, page, photograph, record, word
from PIL import Image, ImageDraw, ImageFont, ImageOps

from pipeline.pictures.groups import groups
from pipeline.pictures.hashes import DIGITS, LAYOUT, hashed
from pipeline.pictures.likeness import alike, comparable

Picture = Image.Image
SEEDS = range(5)
DIFFERENT: dict[str, Callable[[int], Picture]] = {
    "photographs": photograph,
    "pages": page,
    "pages but for a line": lambda seed: page(seed + 1, other=seed % 8),
    "small print": lambda seed: page(seed, 16, lines=20),
    "words": lambda seed: word(f"boat {'abcde'[seed]}{'vwxyz'[-seed]}"),
    "small words": lambda seed: word(("boat", "salt", "lamp", "bird", "tall")[seed], 8 + seed % 3),
    "captions": lambda seed: captioned(seed),
    "solid colours": lambda seed: Image.new("RGB", (256, 256), (seed, 0, 90)),
    "gradients": lambda seed: gradient(40 + seed, 200),
    "halves": lambda seed: halves(100 + seed),
    "mirrored": lambda seed: ImageOps.mirror(photograph(0)).rotate(90 * (seed % 4)) if seed < 4 else photograph(0),
}


def captioned(seed: int) -> Picture:
    """The same photograph with other words below."""
    image = ImageOps.expand(photograph(0), (0, 0, 0, 48), "white")
    words = f"number {('forty', 'seven', 'lamps', 'birds', 'salt')[seed]}"
    ImageDraw.Draw(image).text((160, 264), words, "black", ImageFont.load_default(28), "mm")
    return image


def cropped(image: Picture, left: float, top: float, right: float, bottom: float) -> Picture:
    """By these parts of its sides."""
    w, h = image.size
    return image.crop((round(left * w), round(top * h), round(w - right * w), round(h - bottom * h)))


def scaled(image: Picture, across: float, down: float) -> Picture:
    return image.resize((round(image.width * across), round(image.height * down)), Image.Resampling.BILINEAR)


COPIES: dict[str, Callable[[Picture], Picture]] = {
    "as JPEG": lambda image: encoded(image, quality=30),
    "as WEBP, then JPEG": lambda image: encoded(encoded(image, "WEBP", 50), quality=60),
    "smaller": lambda image: scaled(image, 0.3, 0.3),
    "larger": lambda image: scaled(image, 2, 2),
    "stretched": lambda image: scaled(image, 1.02, 1),
    "cropped on one side": lambda image: cropped(image, 0.02, 0, 0, 0),
    "cropped on all sides": lambda image: cropped(image, 0.02, 0.02, 0.02, 0.02),
    "all of it": lambda image: encoded(scaled(cropped(image, 0.02, 0, 0.01, 0.015), 0.5, 0.51), quality=40),
}


@pytest.mark.parametrize("make", [photograph, page, lambda seed: word("harbour lamps", 48 + seed)])
@pytest.mark.parametrize("copy", COPIES.values(), ids=COPIES)
def test_a_copy_joins_its_original(make: Callable[[int], Picture], copy: Callable[[Picture], Picture]) -> None:
    pictures = [make(seed) for seed in (1, 2)]
    first = [hashed(picture) for picture in pictures]
    copies = [hashed(copy(picture)) for picture in pictures]
    assert groups([first[0], *copies])[1] == 0
    assert groups([first[1], *copies])[2] == 0


@pytest.mark.parametrize("make", DIFFERENT.values(), ids=DIFFERENT)
@pytest.mark.parametrize("quality", [90, 40])
def test_different_pictures_that_look_alike_stand_for_themselves(make: Callable[[int], Picture], quality: int) -> None:
    hashes = [hashed(encoded(make(seed), quality=quality)) for seed in SEEDS]
    assert groups(hashes).tolist() == list(SEEDS)


def test_equal_hashes_join_the_first_but_for_those_that_tell_nothing() -> None:
    photo, flat = hashed(photograph(1)), hashed(Image.new("RGB", (256, 256), "white"))
    assert groups([flat, photo, flat, photo, flat, photo]).tolist() == [0, 1, 2, 1, 4, 1]


def test_the_same_shapes_in_other_colours_are_another_picture() -> None:
    image = photograph(1)
    red, green, blue = image.split()
    other = Image.merge("RGB", (green, blue, red))
    assert groups([hashed(image), hashed(other)]).tolist() == [0, 1]


def test_print_at_another_place_on_the_page_is_another_picture() -> None:
    hashes = [hashed(word("harbour", at=(256, y))) for y in (100, 256, 400)]
    assert groups(hashes).tolist() == [0, 1, 2]


def test_no_chain_leads_from_a_picture_to_what_is_no_copy_of_it() -> None:
    wide = photograph(7, (600, 450))
    chain = [hashed(cropped(wide, 0.012 * n, 0, 0, 0.012 * n)) for n in range(16)]
    found = groups(chain)
    assert (np.diff(found) >= 0).all()
    assert 2 <= len(set(found.tolist())) < len(chain)
    records = np.array([record(hash_) for hash_ in chain], LAYOUT)
    members = np.flatnonzero(found != np.arange(len(chain)))
    assert comparable(records[members], records[found[members]]).all()
    assert alike(records[members], records[found[members]]).all()
    assert (found[found] == found).all()


@cache
def pool() -> tuple[str, ...]:
    """Photographs and pages, three copies of each, things that tell nothing, and a chain of crops."""
    made = [make(seed) for make in (photograph, page) for seed in SEEDS]
    copies = [copy(picture) for picture in made for copy in list(COPIES.values())[:6:2]]
    plain = [gradient(40, 200), halves(90), Image.new("RGB", (256, 256), "white")]
    chain = [cropped(photograph(9, (500, 400)), 0.013 * n, 0, 0, 0.013 * n) for n in range(9)]
    return tuple(map(hashed, (*made, *copies, *plain, *chain)))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 51), max_size=60), st.data())
def test_what_comes_later_changes_nothing_for_what_came_before(order: list[int], data: st.DataObject) -> None:
    hashes = [pool()[n] for n in order]
    found = groups(hashes)
    assert (found <= np.arange(len(hashes))).all()
    assert (found[found] == found).all()
    early = data.draw(st.integers(0, len(hashes)))
    assert groups(hashes[:early]).tolist() == found[:early].tolist()


@settings(max_examples=15, deadline=None)
@given(st.permutations(range(40)))
def test_in_another_order_the_same_pictures_are_together(order: list[int]) -> None:
    found = groups([pool()[n] for n in order])
    original = np.array([n if n < 10 else (n - 10) // 3 for n in order])
    assert (original[found] == original).all()
    assert len(set(found.tolist())) == 10


def test_a_crowd_of_the_same_signs_takes_no_longer_than_others_and_hides_no_copy() -> None:
    notices = [hashed(page(seed)) for seed in (1, 2, 3)]
    crowd = np.repeat(np.array([record(notices[0])], LAYOUT), 3_000)
    chance = np.random.default_rng(0)
    crowd["signs"] ^= np.uint64(1) << chance.integers(0, 64, crowd["signs"].shape, np.uint64)
    crowd["mean"] = 100 + 20 * chance.integers(0, 2, len(crowd)) * (np.arange(len(crowd)) > 0)
    crowd["spectrum"][:, -1] = chance.integers(0, 256, len(crowd))
    crowd["colours"] = chance.integers(0, 2, crowd["colours"].shape) * 60  # so that none can be another's copy
    hashes = pl.Series([*(r.tobytes().hex() for r in crowd), notices[1], notices[2], hashed(encoded(page(2)))])
    found = groups(hashes)
    assert found[-3:].tolist() == [3_000, 3_001, 3_000]
    assert (found[:-3] == np.arange(3_000)).all()


@pytest.mark.parametrize("telling", [True, False])
def test_very_many_equal_hashes_are_grouped(telling: bool) -> None:
    hash_ = hashed(photograph(1) if telling else Image.new("RGB", (256, 256), "white"))
    found = groups(pl.Series([hash_]).new_from_index(0, 3_000))
    assert (found == (0 if telling else np.arange(3_000))).all()


def test_many_copies_of_one_picture_join_the_first_and_not_each_other() -> None:
    picture, chance = photograph(3), np.random.default_rng(0)
    sides = chance.uniform(0, 0.015, (60, 4)).tolist()
    hashes = [hashed(picture), *(hashed(cropped(picture, *four)) for four in sides)]
    assert groups(hashes).tolist() == [0] * 61


def test_nothing_has_no_groups() -> None:
    for none in ([], (), pl.Series([], dtype=pl.String)):
        found = groups(none)
        assert found.shape == (0,)
        assert np.issubdtype(found.dtype, np.integer)


@pytest.mark.parametrize(
    "broken",
    [
        "",
        "0",
        "0" * (DIGITS - 2),
        "0" * (DIGITS + 2),
        "g" * DIGITS,
        " " * DIGITS,
        "0 " * (DIGITS // 2),
        "é" * DIGITS,
        None,
    ],
)
def test_what_is_no_hash_is_an_error(broken: str | None) -> None:
    with pytest.raises(ValueError, match="hexadecimal"):
        groups([hashed(photograph(1)), broken])  # type: ignore[list-item]
