"""A file taken apart keeps every pixel and nothing else; noise never raises anything but `Unfit`."""

import io
import random
import struct
import warnings

import pytest
from accidents import damaged
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from seeds import (
    SECRET,
    SOUND,
    chunk,
    encoded,
    picture,
    png,
    red_for_blue,
    riff,
    s_rgb,
    segment,
    sound,
    with_scans,
    with_segments,
)

from pipeline.pictures.parts import MOST_PARTS, MOST_SCANS, Parts, Unfit, ends_early, taken_apart

MAGICS = [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\x20\0\0\0WEBP"]


def pixels(data: bytes) -> tuple[tuple[int, int], str, bytes]:
    """As Pillow finds them, which warns of what we leave away."""
    with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(data)) as opened:
        return opened.size, opened.mode, opened.tobytes()


@pytest.mark.parametrize("name", SOUND)
def test_every_pixel_is_kept_and_nothing_else(name: str) -> None:
    data = sound(name)
    parts = taken_apart(data)
    if name != "texts that lie.png":  # Pillow refuses the whole file for them
        assert pixels(parts.file) == pixels(data)
    assert parts.size == pixels(parts.file)[0]
    assert SECRET not in parts.file
    assert taken_apart(parts.file) == Parts(parts.kind, parts.size, as_read(parts.file), None, 1)


def as_read(file: bytes) -> bytes:
    """The file with the transparent colour of 16 bits a channel in 8, which is written once only."""
    start = file.find(b"tRNS") - 4
    if not (file.startswith(b"\x89PNG") and start > 0 and file[24:26] in (b"\x10\0", b"\x10\x02")):
        return file
    length = int.from_bytes(file[start : start + 4])
    return file[:start] + chunk(b"tRNS", bytes(length)) + file[start + 12 + length :]


@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.sampled_from(sorted(SOUND)), st.floats(0, 1, exclude_max=True))
def test_no_beginning_of_a_file_passes_for_the_whole(name: str, share: float) -> None:
    whole = taken_apart(sound(name)).file
    with pytest.raises(Unfit, match=r"truncated|not an image"):
        taken_apart(whole[: int(share * len(whole))])


@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.sampled_from(MAGICS), st.binary(max_size=300))
def test_noise_is_taken_apart_or_unfit(magic: bytes, noise: bytes) -> None:
    try:
        parts = taken_apart(magic + noise)
    except Unfit:
        return
    assert taken_apart(parts.file).file == as_read(parts.file)


@settings(derandomize=True, max_examples=500, deadline=None)
@given(st.sampled_from(sorted(SOUND)), st.sampled_from(sorted(SOUND)), st.randoms(use_true_random=False))
def test_what_is_left_of_a_damaged_file_is_left_by_a_second_look_too(one: str, two: str, chance: random.Random) -> None:
    try:
        parts = taken_apart(damaged(sound(one), sound(two), chance))
    except Unfit:
        return
    assert 1 <= parts.orientation <= 8
    assert taken_apart(parts.file) == Parts(parts.kind, parts.size, as_read(parts.file), None, 1)


def turned(tiff: bytes) -> int:
    """How a picture is to be turned that has these bytes for EXIF; the three kinds of file agree."""
    plain = encoded(picture(), "PNG")
    found = {
        taken_apart(plain[:33] + chunk(b"eXIf", tiff) + plain[33:]).orientation,
        taken_apart(plain[:-12] + chunk(b"eXIf", tiff) + plain[-12:]).orientation,
        taken_apart(with_segments(encoded(picture(), "JPEG"), segment(0xE1, b"Exif\0\0" + tiff))).orientation,
        taken_apart(riff((b"VP8 ", encoded(picture(), "WEBP")[20:]), (b"EXIF", tiff))).orientation,
        taken_apart(riff((b"VP8 ", encoded(picture(), "WEBP")[20:]), (b"EXIF", b"Exif\0\0" + tiff))).orientation,
    }
    (orientation,) = found
    return orientation


def tiff(order: str, *, tag: int = 0x0112, kind: int = 3, values: int = 1, value: int = 6, entries: int = 2) -> bytes:
    """EXIF's block with two entries: a resolution, then that tag."""
    head = b"II*\0" if order == "<" else b"MM\0*"
    first = struct.pack(f"{order}HHIHxx", 0x0100, 3, 1, 99)
    return (
        head + struct.pack(f"{order}IH", 8, entries) + first + struct.pack(f"{order}HHIHxx", tag, kind, values, value)
    )


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_orientation_is_read_in_either_order_of_bytes(order: str) -> None:
    for orientation in range(1, 9):
        assert turned(tiff(order, value=orientation)) == orientation


@pytest.mark.parametrize(
    "said",
    [
        tiff("<", value=0), tiff(">", value=9), tiff("<", kind=4), tiff("<", values=2), tiff("<", entries=1), b"", b"II*\0",
        tiff("<", entries=65_535)[:30], tiff(">", tag=0x0113, entries=65_535), b"MM\0*\xff\xff\xff\xff", b"II+\0" + bytes(99),
    ],
)  # fmt: skip
def test_an_orientation_that_cannot_be_understood_turns_nothing(said: bytes) -> None:
    assert turned(said) == 1


@settings(derandomize=True, max_examples=100, deadline=None)
@given(st.sampled_from([b"II*\0", b"MM\0*"]), st.binary(max_size=80))
def test_any_bytes_for_exif_turn_a_picture_in_one_of_eight_ways(order: bytes, noise: bytes) -> None:
    assert 1 <= turned(order + noise) <= 8


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_the_profile_comes_out_as_it_went_in(kind: str) -> None:
    for profile in (s_rgb(), red_for_blue() + random.Random(2).randbytes(200_000)):
        assert taken_apart(encoded(picture(), kind, icc_profile=profile)).profile == profile
    assert taken_apart(encoded(picture(), kind)).profile is None


def test_a_jpeg_may_have_forty_scans() -> None:
    own = encoded(picture("L"), "JPEG", progressive=True).count(b"\xff\xda")
    assert taken_apart(with_scans(MOST_SCANS - own)).kind == "JPEG"
    with pytest.raises(Unfit, match="broken image"):
        taken_apart(with_scans(MOST_SCANS - own + 1))


def test_a_file_may_have_a_hundred_thousand_parts() -> None:
    rows = bytes((1 + 80) * 96)
    assert taken_apart(png((80, 96), 8, 0, rows, chunk(b"tEXt", b"") * (MOST_PARTS - 3))).size == (80, 96)
    with pytest.raises(Unfit, match="broken image"):
        taken_apart(png((80, 96), 8, 0, rows, chunk(b"tEXt", b"") * (MOST_PARTS - 2)))


@settings(derandomize=True, max_examples=60, deadline=None)
@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.sampled_from(
        [(1, 0), (2, 0), (4, 0), (8, 0), (16, 0), (8, 2), (16, 2), (8, 3), (8, 4), (16, 4), (8, 6), (16, 6)]
    ),
    st.booleans(),
)
def test_a_png_ends_early_if_a_single_byte_is_missing(
    size: tuple[int, int], form: tuple[int, int], interlaced: bool
) -> None:
    """How many bytes there must be is Pillow's word: it decodes them all, and finds the stream cut with one less."""
    depth, colours = form
    bits = depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colours]

    def file(rows: int) -> bytes:
        return png(size, depth, colours, bytes(rows), chunk(b"PLTE", bytes(768)), interlaced=interlaced)

    needed = next(n for n in range(size[1] * (size[0] * bits // 8 + 1), 10**5) if not ends_early(file(n)))
    assert ends_early(file(needed - 1))
    if not interlaced:
        assert needed == size[1] * (1 + -(-size[0] * bits // 8))
    with Image.open(io.BytesIO(file(needed))) as opened:
        opened.load()
