"""Whatever bytes come in, a clean picture comes out or a reason why there is none."""

import hashlib
import io
import random
import struct
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from accidents import damaged
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageFile, ImageStat
from seeds import (
    BAD,
    HIGH,
    SECRET,
    SOUND,
    WIDE,
    all_grey,
    bomb,
    drawn_png,
    encoded,
    exif,
    linear_grey,
    moving,
    noise,
    odd_inks,
    picture,
    png,
    profile,
    red_for_blue,
    s_rgb,
    see_through,
    sound,
    steps_without_end,
    zeros,
)

from pipeline.pictures.rebuild import LIMITS, Limits, Picture, Unfit, rebuilt

HEADER = [0xE0, 0xDB, 0xDB, 0xC0, 0xC4, 0xC4, 0xC4, 0xC4, 0xDA]
"""The markers of a JPEG of pixels alone: JFIF, quantisation, frame, Huffman's tables, scan."""
JFIF = b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0"


def assert_clean(made: Picture, limits: Limits = LIMITS) -> None:
    """Not a byte of the JPEG is there for anything but its pixels."""
    place = 2
    markers: list[int] = []
    while not markers or markers[-1] != 0xDA:
        marker, length = struct.unpack_from(">xBH", made.data, place)
        if marker == 0xE0:
            assert made.data[place + 4 : place + 2 + length] == JFIF
        markers.append(marker)
        place += 2 + length
    assert markers == HEADER
    assert made.data[:2] == b"\xff\xd8"
    assert made.data[place:].replace(b"\xff\0", b"").find(b"\xff") == len(made.data[place:].replace(b"\xff\0", b"")) - 2
    assert made.data[-2:] == b"\xff\xd9"
    assert len(made.data) <= limits.most_bytes
    assert made.sha256 == hashlib.sha256(made.data).hexdigest()
    with Image.open(io.BytesIO(made.data)) as opened:
        assert (opened.format, opened.mode, opened.size) == ("JPEG", "RGB", (made.width, made.height))
        assert set(opened.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
        assert not opened.getexif()
        opened.load()
    assert (made.image.mode, made.image.size, made.image.info) == ("RGB", (made.width, made.height), {})
    assert max(made.image.size) <= limits.largest_side


def difference(one: Image.Image, other: Image.Image) -> float:
    """Of 255, on average over pixels and channels."""
    return sum(ImageStat.Stat(ImageChops.difference(one.convert("RGB"), other.convert("RGB"))).mean) / 3


def at(image: Image.Image, x: int, y: int) -> tuple[int, ...]:
    """The colour there: red, green, blue."""
    pixel = image.getpixel((x, y))
    assert isinstance(pixel, tuple)
    return pixel


def reason(data: bytes, limits: Limits = LIMITS) -> str:
    with pytest.raises(Unfit) as caught:
        rebuilt(data, limits)
    return str(caught.value)


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_file_becomes_a_clean_picture_that_looks_the_same(name: str) -> None:
    looks = SOUND[name][1]
    made = rebuilt(sound(name))
    assert_clean(made)
    assert SECRET not in made.data
    assert difference(made.image, looks()) < 4
    with Image.open(io.BytesIO(made.data)) as opened:
        assert difference(opened, looks()) < 4, "and so does what was encoded"
    assert made.changes[-1] == "re-encoded as JPEG"


@pytest.mark.parametrize("name", BAD)
def test_an_unfit_file_has_one_of_few_reasons(name: str) -> None:
    data, expected = BAD[name]
    assert reason(data()) == expected


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(
    ("orientation", "corner"),
    {1: "upper left", 2: "upper right", 3: "lower right", 4: "lower left",
     5: "upper left", 6: "upper right", 7: "lower right", 8: "lower left"}.items(),
)  # fmt: skip
def test_an_image_is_turned_as_its_exif_says(orientation: int, corner: str, kind: str) -> None:
    """The corner that is white, after EXIF's definition of the eight orientations."""
    made = rebuilt(encoded(picture(), kind, exif=exif(orientation), quality=95))
    places = {"upper left": (5, 5), "upper right": (made.width - 5, 5), "lower left": (5, made.height - 5)}
    places["lower right"] = (made.width - 5, made.height - 5)
    bright = {name: sum(at(made.image, *place)) for name, place in places.items()}
    assert max(bright, key=lambda name: bright[name]) == corner
    assert made.image.size == ((WIDE, HIGH) if orientation < 5 else (HIGH, WIDE))
    assert ("turned" in made.changes) == (orientation != 1)


def test_what_is_transparent_becomes_white_and_what_it_hid_is_gone() -> None:
    for data in (encoded(see_through(), "PNG"), encoded(see_through(), "WEBP", lossless=True, exact=True)):
        made = rebuilt(data)
        assert "flattened on white" in made.changes
        assert min(at(made.image, 60, 80)) == 255


def test_a_transparency_that_hides_nothing_is_no_change() -> None:
    assert rebuilt(encoded(picture("RGBA"), "PNG")).changes == ("re-encoded as JPEG",)


def test_the_edge_of_what_is_transparent_does_not_darken_when_it_is_scaled() -> None:
    """Black under a full transparency: it must not bleed into the red beside it."""
    drawn = Image.new("RGBA", (1600, 1600), "red")
    drawn.paste((0, 0, 0, 0), (800, 0, 1600, 1600))
    made = rebuilt(encoded(drawn, "PNG", compress_level=1))
    assert min(at(made.image, x, 500)[0] for x in range(made.width)) > 245


def test_sixteen_bits_of_grey_keep_their_brightness() -> None:
    grey = b"".join(b"\0" + struct.pack(">H", 30_000 if y < 40 else 60_000) * 80 for y in range(96))
    made = rebuilt(png((80, 96), 16, 0, grey))
    assert abs(at(made.image, 9, 9)[0] - 30_000 / 256) < 3
    assert "converted to RGB" in made.changes


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_colour_profile_is_applied(kind: str) -> None:
    """It says that red is blue."""
    made = rebuilt(encoded(picture(), kind, icc_profile=red_for_blue(), quality=95))
    red, green, blue = picture().split()
    assert difference(made.image, Image.merge("RGB", (blue, green, red))) < 4
    assert made.changes == ("converted to sRGB", "re-encoded as JPEG")


def test_a_profile_of_srgb_changes_nothing_that_can_be_seen() -> None:
    made = rebuilt(encoded(noise(), "PNG", icc_profile=s_rgb()))
    assert difference(made.image, noise()) < 1


def test_a_grey_picture_may_have_a_profile_of_its_own_or_one_of_colours() -> None:
    grey = Image.new("L", (80, 80), 55)
    grey.paste(0, (0, 0, 10, 10))
    for data in (encoded(grey, "JPEG", icc_profile=linear_grey()), encoded(grey, "PNG", icc_profile=linear_grey())):
        made = rebuilt(data)
        assert abs(at(made.image, 40, 40)[1] - 128) < 3
        assert made.changes == ("converted to sRGB", "converted to RGB", "re-encoded as JPEG")
    made = rebuilt(encoded(grey, "JPEG", icc_profile=s_rgb()))
    assert abs(at(made.image, 40, 40)[1] - 55) < 3
    assert "converted to sRGB" in made.changes


def test_a_printers_inks_look_as_its_profile_says() -> None:
    inks = Image.new("CMYK", (80, 80), (0, 255, 0, 0))
    inks.paste((0, 0, 0, 255), (0, 0, 80, 20))
    inks.paste((0, 0, 0, 0), (0, 60, 80, 80))
    made = rebuilt(encoded(inks, "JPEG", icc_profile=odd_inks(), quality=95))
    (red, green, blue), dark, light = (at(made.image, 40, y) for y in (40, 9, 70))
    assert green > red + 50, "the ink called magenta is green here"
    assert green > blue + 50
    assert max(dark) < 140 < 245 < min(light)
    assert "converted to sRGB" in made.changes


def test_the_profile_of_a_transparent_picture_is_applied_before_it_is_laid_on_white() -> None:
    made = rebuilt(encoded(see_through(), "PNG", icc_profile=red_for_blue()))
    assert at(made.image, 60, 80) == (255, 255, 255)
    assert at(made.image, 60, 10)[2] > 250
    assert made.changes == ("converted to sRGB", "flattened on white", "re-encoded as JPEG")


# fmt: off
NO_PROFILES = {
    "empty": b"",
    "noise": random.Random(3).randbytes(3_000),
    "cut": s_rgb()[:300],
    "header alone": s_rgb()[:128],
    "for grey": linear_grey(),
    "for inks": odd_inks(),
    "for light and two axes": profile(b"mntr", b"Lab ", b"XYZ ", {}),
    "a link of two devices": s_rgb().replace(b"mntr", b"link"),
    "abstract": all_grey(),
    "named colours": s_rgb().replace(b"mntr", b"nmcl"),
    "steps without end": steps_without_end(),
    "without tables": profile(b"mntr", b"RGB ", b"XYZ ", {}),
    "a table that says it is large": s_rgb().replace(b"para\0\0\0\0", b"curv\0\0\0\0\xff\xff\xff\xff"),
    "five megabytes": s_rgb() + bytes(5_000_000),
}
# fmt: on


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("name", NO_PROFILES)
def test_a_profile_that_will_not_do_is_ignored(name: str, kind: str) -> None:
    made = rebuilt(encoded(picture(), kind, icc_profile=NO_PROFILES[name], quality=95))
    assert difference(made.image, picture()) < 4
    noted = name != "empty"  # nothing is written then
    assert made.changes == (*(["colour profile ignored"] if noted else []), "re-encoded as JPEG")


def test_a_profile_of_which_a_piece_is_missing_is_ignored() -> None:
    jpeg = encoded(picture(), "JPEG", icc_profile=red_for_blue())
    for lie in (b"ICC_PROFILE\0\x01\x02", b"ICC_PROFILE\0\x02\x01", b"ICC_PROFILE\0\0\0"):
        made = rebuilt(jpeg.replace(b"ICC_PROFILE\0\x01\x01", lie))
        assert made.changes == ("colour profile ignored", "re-encoded as JPEG")


def test_a_profile_in_several_pieces_is_put_together() -> None:
    long = red_for_blue() + bytes(150_000)
    long = struct.pack(">I", len(long)) + long[4:]
    made = rebuilt(encoded(picture(), "JPEG", icc_profile=long))
    assert made.changes == ("converted to sRGB", "re-encoded as JPEG")
    assert at(made.image, 60, 10)[2] > 240


def test_a_large_image_is_scaled_down_in_proportion() -> None:
    made = rebuilt(encoded(picture(size=(2400, 600)), "PNG"))
    assert made.image.size == (1024, 256)
    assert made.changes == ("scaled", "re-encoded as JPEG")
    assert_clean(made)


@pytest.mark.parametrize("size", [(2047, 1501), (3001, 2999), (4200, 2801), (9001, 700), (1025, 1023)])
def test_a_large_jpeg_is_decoded_small_and_looks_as_if_it_had_not_been(size: tuple[int, int]) -> None:
    drawn = Image.merge("RGB", (Image.radial_gradient("L"), Image.linear_gradient("L"), picture("L", (256, 256))))
    drawn = drawn.resize(size, Image.Resampling.BICUBIC)
    small = drawn.copy()
    small.thumbnail((1024, 1024), Image.Resampling.LANCZOS)
    made = rebuilt(encoded(drawn, "JPEG", quality=92))
    assert made.image.size == small.size
    assert difference(made.image, small) < 1.5


def test_an_image_of_just_the_smallest_size_is_kept() -> None:
    assert rebuilt(encoded(picture(size=(64, 64)), "PNG")).image.size == (64, 64)


def test_a_picture_twenty_times_as_long_as_it_is_high_is_just_not_too_narrow() -> None:
    assert rebuilt(encoded(picture(size=(1280, 64)), "PNG")).image.size == (1024, 51)
    assert reason(encoded(picture(size=(64, 1281)), "PNG")) == "too narrow"


def test_one_pixel_of_another_colour_is_no_blank() -> None:
    nearly = Image.new("RGB", (90, 90), "green")
    nearly.putpixel((44, 44), (0, 0, 0))
    assert_clean(rebuilt(encoded(nearly, "PNG")))


def test_what_does_not_fit_loses_quality_first_and_size_then() -> None:
    data = encoded(noise((400, 400)), "PNG")
    full = rebuilt(data)
    assert full.changes == ("re-encoded as JPEG",)
    fitting = [rebuilt(data, Limits(most_bytes=most)) for most in (len(full.data) - 1, 180_000, 20_000)]
    assert fitting[0].changes == ("re-encoded as JPEG", "quality 75")
    assert fitting[1].changes == ("re-encoded as JPEG", "quality 60")
    assert fitting[2].changes[0] == "scaled"
    assert [f.image.size for f in fitting] == [(400, 400), (400, 400), fitting[2].image.size]
    assert fitting[2].width < 400
    assert_clean(fitting[2], Limits(most_bytes=20_000))
    assert reason(data, Limits(most_bytes=700)) == "too many bytes"


def test_an_original_of_too_many_bytes_is_not_even_looked_at() -> None:
    data = encoded(picture(), "PNG")
    assert reason(data, Limits(most_original_bytes=len(data) - 1)) == "too many bytes"
    assert_clean(rebuilt(data, Limits(most_original_bytes=len(data))))


def test_the_limits_are_those_that_are_given() -> None:
    data = encoded(picture(size=(200, 100)), "PNG")
    assert rebuilt(data, Limits(largest_side=150)).image.size == (150, 75)
    assert reason(data, Limits(smallest_side=101)) == "too small"
    assert reason(data, Limits(most_pixels=19_999)) == "too many pixels"
    assert reason(data, Limits(longest_shape=1)) == "too narrow"
    assert len(rebuilt(data, Limits(quality=30)).data) < len(rebuilt(data).data)


def test_a_limit_above_pillows_own_still_gives_a_reason() -> None:
    """From 89 million pixels on Pillow warns, from 179 million on it refuses."""
    data = png((20_000, 20_000), 8, 0, b"")
    assert reason(data, Limits(most_pixels=10**9)) == "broken image"


def test_coloured_letters_keep_their_colour() -> None:
    """Lines of one pixel, red on blue: with 4:2:0 they would be half as red."""
    lines = Image.new("RGB", (100, 100), "blue")
    for y in range(1, 100, 4):
        lines.paste("red", (0, y, 100, y + 1))
    with Image.open(io.BytesIO(rebuilt(encoded(lines, "PNG")).data)) as opened:
        red, _, blue = at(opened, 50, 49)
    assert red > 200 > 60 > blue


@pytest.mark.parametrize("name", SOUND)
def test_the_same_original_always_gives_the_same_bytes(name: str) -> None:
    data = sound(name)
    assert rebuilt(data) == rebuilt(data)


def test_what_was_rebuilt_is_a_picture_too() -> None:
    once = rebuilt(encoded(picture(), "PNG"))
    twice = rebuilt(once.data)
    assert difference(once.image, twice.image) < 1
    assert twice.changes == ("re-encoded as JPEG",)


def test_many_threads_get_what_one_gets_and_leave_the_warnings_alone() -> None:
    """What Pillow warns of in other hands (a second animation header, a broken index of pictures) is among them."""
    everything = {name: sound(name) for name in SOUND}
    everything |= {name: data() for name, (data, _) in BAD.items() if not name.startswith("many")}
    alone = [outcome(data) for data in everything.values()]
    filters = list(warnings.filters)
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(outcome, [*everything.values()] * 3)) == alone * 3
    assert warnings.filters == filters
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False


def outcome(data: bytes) -> str:
    try:
        return rebuilt(data).sha256
    except Unfit as unfit:
        return str(unfit)


PEAK = """
import re, sys
from pathlib import Path
from pipeline.pictures.rebuild import Unfit, rebuilt
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024
small, *files = (Path(path).read_bytes() for path in sys.argv[1:])
rebuilt(small)
before = peak()
for data in files:
    try:
        rebuilt(data)
    except Unfit:
        pass
print(peak() - before)
"""
only_on_linux = pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")


def memory(folder: Path, *files: bytes) -> int:
    """Bytes by which the peak of a process rises over these files, after a small one."""
    paths = []
    for number, data in enumerate((encoded(picture("RGBA"), "WEBP", icc_profile=s_rgb()), *files)):
        paths.append(folder / str(number))
        paths[-1].write_bytes(data)
    command = [sys.executable, "-c", PEAK, *map(str, paths)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@only_on_linux
def test_what_unpacks_to_two_hundred_megabytes_is_not_unpacked(tmp_path: Path) -> None:
    packed = zeros(200)
    texts = [(b"iCCP", b"name\0\0"), (b"zTXt", b"name\0\0"), (b"iTXt", b"name\0\x01\0\0\0"), (b"IDAT", b"")]
    files = [bomb(name, front, packed) for name, front in texts]
    assert memory(tmp_path, *files, png((7_000, 7_000), 8, 2, b"")) < 25_000_000


@only_on_linux
@pytest.mark.parametrize(
    ("kind", "mode", "settings", "most"),
    [
        ("JPEG", "RGB", {"progressive": True, "subsampling": "4:4:4"}, 12),
        ("JPEG", "CMYK", {"progressive": True}, 12),
        ("PNG", "RGB", {"compress_level": 1, "transparency": (0, 0, 0)}, 13),
        ("PNG", "RGBA", {"compress_level": 1}, 13),
        ("WEBP", "RGBA", {"lossless": True, "quality": 0, "method": 0}, 17),
    ],
)
def test_a_pixel_takes_a_bounded_number_of_bytes(
    kind: str, mode: str, settings: dict[str, object], most: int, tmp_path: Path
) -> None:
    large = Image.radial_gradient("L").resize((3_000, 2_000)).convert(mode)
    assert memory(tmp_path, encoded(large, kind, **settings)) < most * 3_000 * 2_000 + 8_000_000


def clean_or_unfit(data: bytes) -> None:
    try:
        made: Picture | str = rebuilt(data)
    except Unfit as unfit:
        made = str(unfit)
    if isinstance(made, str):
        assert made in REASONS
    else:
        assert_clean(made)


REASONS = {reason for _, reason in BAD.values()} | {"too many bytes"}
SEEDS = {name: sound(name) for name in SOUND} | {
    "moving.png": moving("PNG"),
    "moving.webp": moving("WEBP"),
    "inks and their profile.jpg": encoded(picture("CMYK"), "JPEG", icc_profile=odd_inks()),
    "profile.png": encoded(picture(), "PNG", icc_profile=red_for_blue()),
    "profile.webp": encoded(see_through(), "WEBP", icc_profile=red_for_blue(), exif=exif(6)),
    "linear.jpg": encoded(picture("L"), "JPEG", icc_profile=linear_grey(), exif=exif(8)),
    "large.png": drawn_png("L", 1, 0),
}


@pytest.mark.parametrize("value", [0, 1, 0x80, 0xFF])
def test_no_broken_byte_of_an_exif_block_gets_through(value: int) -> None:
    """Pillow cannot write every EXIF block that it reads."""
    data = encoded(picture(size=(64, 64)), "JPEG", exif=exif(6), quality=10)
    start = data.index(b"Exif")
    for place in range(start, start + data[start:].index(b"\xff\xdb")):
        clean_or_unfit(data[:place] + bytes([data[place] ^ value if value == 0x80 else value]) + data[place + 1 :])


@settings(derandomize=True, max_examples=120, deadline=None)
@given(
    name=st.sampled_from(["metadata.jpg", "metadata.png", "metadata.webp", "progressive.jpeg", "palette.png"]),
    flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 7)), min_size=1, max_size=12),
    early=st.booleans(),
    cut=st.one_of(st.none(), st.floats(0, 1)),
)
def test_flipped_bits_end_as_a_clean_image_or_with_a_reason(
    name: str, flips: list[tuple[float, int]], early: bool, cut: float | None
) -> None:
    data = bytearray(SEEDS[name])
    for place, bit in flips:
        data[int(place * (min(600, len(data)) if early else len(data)))] ^= 1 << bit
    clean_or_unfit(bytes(data if cut is None else data[: int(cut * len(data))]))


@settings(derandomize=True, max_examples=60, deadline=None)
@given(
    st.sampled_from([b"", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"RIFF\x20\0\0\0WEBPVP8 "]),
    st.binary(max_size=300),
)
def test_noise_is_never_an_exception(head: bytes, noise: bytes) -> None:
    clean_or_unfit(head + noise)


@settings(derandomize=True, max_examples=500, deadline=None)
@given(st.sampled_from(sorted(SEEDS)), st.sampled_from(sorted(SEEDS)), st.randoms(use_true_random=False))
def test_a_damaged_file_ends_as_a_clean_picture_or_with_a_reason(one: str, other: str, chance: random.Random) -> None:
    clean_or_unfit(damaged(SEEDS[one], SEEDS[other], chance))


@pytest.mark.slow
@settings(derandomize=True, max_examples=10_000, deadline=None)
@given(st.sampled_from(sorted(SEEDS)), st.sampled_from(sorted(SEEDS)), st.integers(0, 2**64))
def test_ten_thousand_damaged_files_end_as_clean_pictures_or_with_reasons(one: str, other: str, seed: int) -> None:
    clean_or_unfit(damaged(SEEDS[one], SEEDS[other], random.Random(seed)))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@settings(derandomize=True, max_examples=60, deadline=None)
@given(inks=st.booleans(), chance=st.randoms(use_true_random=False))
def test_a_damaged_profile_is_applied_or_ignored(kind: str, inks: bool, chance: random.Random) -> None:
    inks = inks and kind == "JPEG"
    broken = damaged(odd_inks() if inks else red_for_blue(), s_rgb(), chance)
    made = rebuilt(
        encoded(see_through() if kind != "JPEG" else picture("CMYK" if inks else "RGB"), kind, icc_profile=broken)
    )
    assert_clean(made)
    assert not broken or {"converted to sRGB", "colour profile ignored"} & set(made.changes)
