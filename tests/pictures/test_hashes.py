"""A hash says what a picture looks like, and whether that is enough to tell it by."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from looks import encoded, gradient, halves, page, photograph, record, word
from PIL import Image, ImageChops, ImageOps

from pipeline.pictures.hashes import DIGITS, hashed
from pipeline.pictures.spectra import BANDS, BYTES, SIDE, packed, unpacked


@settings(max_examples=40, deadline=None)
@given(st.integers(64, 200), st.integers(64, 1024), st.integers(0, 255), st.integers(0, 9), st.booleans())
def test_any_picture_has_a_hash_of_the_same_length_and_always_the_same(
    width: int, height: int, grey: int, seed: int, flat: bool
) -> None:
    image = Image.new("RGB", (width, height), (grey, grey, grey)) if flat else photograph(seed, (width, height))
    hash_ = hashed(image)
    assert len(hash_) == DIGITS
    assert hashed(image.copy()) == hash_
    assert tuple(record(hash_)["whole"]) == (width, height)


@pytest.mark.parametrize(
    "image",
    [
        Image.new("RGB", (300, 200), "#336699"),
        encoded(Image.new("RGB", (300, 200), "white"), quality=30),
        gradient(20, 230),
        encoded(gradient(90, 140), quality=40),
        halves(100),
        ImageOps.flip(halves(40)).rotate(90),
        word("it", 3),
        word("no", 6, at=(20, 30)),
    ],
)
def test_what_is_flat_or_smooth_or_too_small_tells_nothing(image: Image.Image) -> None:
    assert not record(hashed(image))["telling"]


@pytest.mark.parametrize("image", [photograph(1), page(1), word("harbour"), encoded(photograph(2), quality=30)])
def test_a_photograph_a_page_and_a_word_tell_something(image: Image.Image) -> None:
    assert record(hashed(image))["telling"]


def test_margins_of_any_width_are_cut_away() -> None:
    print_ = page(3).crop((50, 40, 540, 500))
    wide, narrow = (ImageOps.expand(print_, border, "white") for border in (200, 20))
    sizes = [record(hashed(image))["size"].astype(int) for image in (wide, narrow)]
    assert np.abs(sizes[0] - sizes[1]).max() <= 4
    assert sizes[0].max() < 500


def test_the_same_frame_is_found_at_any_size() -> None:
    large, small = page(4), page(4).resize((168, 168), Image.Resampling.LANCZOS)
    sizes = [record(hashed(encoded(image, quality=50)))["size"] for image in (large, small)]
    assert sizes[1] / sizes[0] == pytest.approx(0.3, abs=0.01)


def test_faint_print_beside_black_print_is_not_taken_for_margin() -> None:
    black, faint = word("harbour", at=(256, 300)), word("ghost", 60, at=(120, 60), ink="#d8d8d8")
    both = record(hashed(ImageChops.multiply(black, faint)))
    assert both["size"][1] > 1.5 * record(hashed(black))["size"][1]


def test_a_small_word_is_looked_at_no_closer_than_a_fifth_of_the_page() -> None:
    assert tuple(record(hashed(word("no", 20)))["size"]) == (102, 102)


amplitudes = arrays.arrays(np.float32, (SIDE, SIDE), elements=st.floats(-255, 255, width=32))


@settings(max_examples=50, deadline=None)
@given(amplitudes, st.sampled_from([0.0, 1.0, 2.5]))
def test_a_spectrum_fits_into_its_bytes_and_can_be_read_back(spectrum: np.ndarray, fall: float) -> None:
    far = np.hypot(*np.mgrid[:SIDE, :SIDE]) + 1
    scales, level, bits = packed((spectrum / far**fall).astype(np.float32))
    assert scales.shape == (BANDS,)
    assert bits.shape == (BYTES,)
    read, error = unpacked(scales[None], np.array([level], np.uint8), bits[None])
    assert np.isfinite(read).all()
    assert np.isfinite(error).all()


@pytest.mark.parametrize("fall", [0.0, 1.0, 2.0])
def test_a_spectrum_is_read_back_as_well_as_it_says(fall: float) -> None:
    chance, far = np.random.default_rng(0), np.hypot(*np.mgrid[:SIDE, :SIDE])
    kept = (far >= 1) & (far < SIDE / 2)  # there all count fully
    for _ in range(5):
        spectrum = (chance.laplace(size=(SIDE, SIDE)) * 40 / (far + 1) ** fall).astype(np.float32)
        spectrum[far >= SIDE / 2] = 0
        scales, level, bits = packed(spectrum)
        (read,), (error,) = unpacked(scales[None], np.array([level], np.uint8), bits[None])
        lost = float(((read - spectrum)[kept] ** 2).sum())
        assert error / 3 < lost < 3 * error
        assert lost < 0.05 * float((spectrum[kept] ** 2).sum())


def test_random_bytes_are_read_as_some_spectrum() -> None:
    chance = np.random.default_rng(0)
    scales, level, bits = (chance.integers(0, 256, shape, np.uint8) for shape in ((200, BANDS), 200, (200, BYTES)))
    read, error = unpacked(scales, level, bits)
    assert np.isfinite(read).all()
    assert np.isfinite(error).all()
