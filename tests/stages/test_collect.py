"""Whatever lies in a folder ends as a clean image or as a dropped row with a reason, never as an exception."""

import hashlib
import io
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, ImageDraw, PngImagePlugin
from PIL import Image as Pillow
from rows import make, reasons

from pipeline import taxonomy
from pipeline.doors.fetch import Fetch
from pipeline.sources import Source
from pipeline.sources.folder import Folder
from pipeline.stages import collect
from pipeline.tables import Listed, Outcome

SPA_VL = taxonomy.load("spa_vl")
SECRET = b"secret-4711"
"""Stands in every kind of metadata: it must be nowhere in what is kept."""


def picture(mode: str = "RGB", size: tuple[int, int] = (80, 96)) -> Pillow.Image:
    """Red above, blue below, with a white corner at the upper left."""
    drawn = Pillow.new("RGB", size, "red")
    pen = ImageDraw.Draw(drawn)
    pen.rectangle((0, size[1] // 2, size[0], size[1]), "blue")
    pen.rectangle((0, 0, 23, 23), "white")
    return drawn.convert(mode)


def encoded(image: Pillow.Image, kind: str, **settings: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **settings)
    return buffer.getvalue()


def exif(orientation: int = 1) -> Pillow.Exif:
    tags = Pillow.Exif()
    tags[ExifTags.Base.Orientation] = orientation
    tags[ExifTags.Base.Artist] = SECRET.decode()
    place = tags.get_ifd(ExifTags.IFD.GPSInfo)
    place[ExifTags.GPS.GPSLatitudeRef] = "N"
    place[ExifTags.GPS.GPSLatitude] = (52.0, 31.0, 7.0)
    place[ExifTags.GPS.GPSAreaInformation] = SECRET
    return tags


def with_every_metadata_of_a_jpeg() -> bytes:
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/">' + SECRET + b"</x:xmpmeta>"
    return encoded(picture(), "JPEG", exif=exif(), xmp=xmp, comment=SECRET, icc_profile=SECRET * 20)


def with_every_metadata_of_a_png() -> bytes:
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("Comment", SECRET.decode())
    chunks.add_itxt("XML:com.adobe.xmp", SECRET.decode())
    chunks.add_text("Zipped", SECRET.decode() * 20, zip=True)
    return encoded(picture(), "PNG", pnginfo=chunks, exif=exif())


def sixteen_bits() -> bytes:
    grey = b"".join(struct.pack("<H", 30_000) for _ in range(80 * 96))
    return encoded(Pillow.frombytes("I;16", (80, 96), grey), "PNG")


GOOD: dict[str, Callable[[], bytes]] = {
    "plain.jpg": lambda: encoded(picture(), "JPEG"),
    "progressive.jpeg": lambda: encoded(picture(), "JPEG", progressive=True),
    "UPPER.JPG": lambda: encoded(picture(), "JPEG"),
    "grey.jpg": lambda: encoded(picture("L"), "JPEG"),
    "cmyk.jpg": lambda: encoded(picture("CMYK"), "JPEG"),
    "metadata.jpg": with_every_metadata_of_a_jpeg,
    "camera with a preview behind the picture.jpg": lambda: encoded(
        picture(), "MPO", save_all=True, append_images=[picture().reduce(2)]
    ),
    "metadata.png": with_every_metadata_of_a_png,
    "palette.png": lambda: encoded(picture("P"), "PNG"),
    "transparent palette.png": lambda: encoded(picture("P"), "PNG", transparency=picture("P").getpixel((1, 1))),
    "transparent colour.png": lambda: encoded(picture(), "PNG", transparency=(255, 0, 0)),
    "alpha.png": lambda: encoded(picture("RGBA"), "PNG"),
    "one bit.png": lambda: encoded(picture("1"), "PNG"),
    "sixteen bits.png": sixteen_bits,
    "metadata.webp": lambda: encoded(picture(), "WEBP", exif=exif(), xmp=SECRET),
    "a PNG that is called.jpg": lambda: encoded(picture(), "PNG"),
}


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_header(width: int, height: int) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def moving(kind: str) -> bytes:
    return encoded(picture(), kind, save_all=True, append_images=[picture().rotate(180)])


BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty.jpg": (lambda: b"", "not an image"),
    "text.jpg": (lambda: b"Dear diary, this is no picture.\n" * 50, "not an image"),
    "vector.png": (lambda: b'<svg xmlns="http://www.w3.org/2000/svg" width="99" height="99"/>', "not an image"),
    "moving gif.jpg": (lambda: moving("GIF"), "not an image"),
    "tiff.jpg": (lambda: encoded(picture(), "TIFF"), "not an image"),
    "moving.webp": (lambda: moving("WEBP"), "animated"),
    "moving.png": (lambda: moving("PNG"), "animated"),
    "cut.jpg": (lambda: encoded(picture(), "JPEG")[:700], "broken image (OSError)"),
    "cut.png": (lambda: encoded(picture(), "PNG")[:120], "broken image (OSError)"),
    "header only.jpg": (lambda: b"\xff\xd8\xff", "not an image"),
    "bomb.png": (lambda: png_header(100_000, 100_000), "too many pixels"),
    "large.png": (lambda: png_header(8_000, 7_000), "too many pixels"),
    "tiny.png": (lambda: encoded(picture(size=(63, 400)), "PNG"), "too small"),
    "one pixel.png": (lambda: encoded(Pillow.new("RGB", (1, 1)), "PNG"), "too small"),
}


def in_a_folder(folder: Path, **files: bytes) -> Folder:
    for name, data in files.items():
        path = folder / "pictures" / "bullying" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return Folder(folder / "pictures")


def collected(
    workspace: Path, *sources: Source, limit: int | None = None, of: taxonomy.Taxonomy = SPA_VL
) -> tuple[Outcome, list[bytes]]:
    """The table, and the bytes that are kept for its rows."""
    fetch = Fetch(workspace)
    try:
        made = collect.images(sources=sources, taxonomy=of, fetch=fetch, limit=limit)
        return made, [fetch.images.read(i) for i in made.kept["id"]]
    finally:
        fetch.close()


def segments(jpeg: bytes) -> Iterator[int]:
    """The markers of a JPEG file up to its pixels: APP1 to APP15 (E1 to EF) and COM (FE) are metadata."""
    place = 2
    while (marker := jpeg[place + 1]) != 0xDA:
        yield marker
        place += 2 + int(struct.unpack(">H", jpeg[place + 2 : place + 4])[0])


def assert_clean(jpeg: bytes, size: tuple[int, int]) -> None:
    assert not [m for m in segments(jpeg) if 0xE1 <= m <= 0xEF or m == 0xFE]
    assert SECRET not in jpeg
    with Pillow.open(io.BytesIO(jpeg)) as opened:
        assert (opened.format, opened.mode, opened.size) == ("JPEG", "RGB", size)
        assert not opened.getexif()
        opened.load()


@pytest.mark.parametrize("name", GOOD)
def test_a_sound_image_is_kept_without_any_metadata(name: str, workspace: Path, tmp_path: Path) -> None:
    original = GOOD[name]()
    made, (kept,) = collected(workspace, in_a_folder(tmp_path, **{name: original}))
    (row,) = made.kept.iter_rows(named=True)
    assert row["id"] == hashlib.sha256(kept).hexdigest()
    assert row["original_sha256"] == hashlib.sha256(original).hexdigest()
    assert row["key"] == f"bullying/{name}"
    assert row["subcategory"] == "bullying"
    assert_clean(kept, (row["width"], row["height"]))
    assert (row["width"], row["height"]) == (80, 96)


@pytest.mark.parametrize("name", BAD)
def test_an_unfit_file_is_dropped_with_its_reason(name: str, workspace: Path, tmp_path: Path) -> None:
    data, reason = BAD[name]
    made, _ = collected(workspace, in_a_folder(tmp_path, **{name: data()}))
    assert made.kept.is_empty()
    assert made.dropped.rows() == [("images", f"folder/bullying/{name}", reason, None)]
    assert made.considered == 1


def test_good_and_bad_files_in_one_folder_all_count(workspace: Path, tmp_path: Path) -> None:
    files = {name: data() for name, data in GOOD.items()} | {name: data() for name, (data, _) in BAD.items()}
    made, kept = collected(workspace, in_a_folder(tmp_path, **files))
    assert made.considered == len(files) == made.kept.height + made.dropped.height
    assert made.kept.height == len(set(made.kept["id"])) == len(kept)
    assert set(reasons(made)) == {reason for _, reason in BAD.values()} | {"duplicate"}


def test_the_same_bytes_in_two_files_are_one_image(workspace: Path, tmp_path: Path) -> None:
    data = encoded(picture(), "PNG")
    made, _ = collected(workspace, in_a_folder(tmp_path, **{"a.png": data, "b.png": data}))
    assert made.kept["key"].to_list() == ["bullying/a.png"]
    assert made.dropped.select("id", "reason").rows() == [("folder/bullying/b.png", "duplicate")]
    assert made.kept["id"][0] in made.dropped["detail"][0]
    assert made.considered == 2


@pytest.mark.parametrize(
    ("orientation", "corner"),
    {1: "upper left", 2: "upper right", 3: "lower right", 4: "lower left",
     5: "upper left", 6: "upper right", 7: "lower right", 8: "lower left"}.items(),
)  # fmt: skip
def test_an_image_is_turned_as_its_exif_says(orientation: int, corner: str) -> None:
    """The corner that is white, after EXIF's definition of the eight orientations."""
    data, size, changes = collect.rebuilt(encoded(picture(), "JPEG", exif=exif(orientation), quality=95))
    width, height = size
    places = {"upper left": (5, 5), "upper right": (width - 5, 5), "lower left": (5, height - 5)}
    places["lower right"] = (width - 5, height - 5)
    with Pillow.open(io.BytesIO(data)) as opened:
        bright = {name: sum(opened.getpixel(place)) for name, place in places.items()}  # type: ignore[arg-type]
    assert max(bright, key=lambda name: bright[name]) == corner
    assert size == ((80, 96) if orientation < 5 else (96, 80))
    assert ("turned" in changes) == (orientation != 1)


def test_what_is_transparent_becomes_white() -> None:
    clear = picture("RGBA")
    clear.putalpha(0)
    for data in (encoded(clear, "PNG"), encoded(clear, "WEBP"), GOOD["transparent colour.png"]()):
        rebuilt, _, _ = collect.rebuilt(data)
        with Pillow.open(io.BytesIO(rebuilt)) as opened:
            assert min(opened.getpixel((60, 10))) > 245  # type: ignore[arg-type]


def test_sixteen_bits_of_grey_keep_their_brightness() -> None:
    data, _, changes = collect.rebuilt(sixteen_bits())
    with Pillow.open(io.BytesIO(data)) as opened:
        assert abs(opened.getpixel((9, 9))[0] - 30_000 / 256) < 3  # type: ignore[index]
    assert "converted to RGB" in changes


def test_a_large_image_is_scaled_down_in_proportion() -> None:
    data, size, changes = collect.rebuilt(encoded(picture(size=(2400, 600)), "PNG"))
    assert size == (1024, 256)
    assert changes == ("scaled", "re-encoded as JPEG")
    assert_clean(data, size)


def test_an_image_of_just_the_smallest_size_is_kept() -> None:
    assert collect.rebuilt(encoded(picture(size=(64, 64)), "PNG"))[1] == (64, 64)


def test_the_same_original_always_gives_the_same_bytes() -> None:
    assert collect.rebuilt(GOOD["metadata.jpg"]()) == collect.rebuilt(GOOD["metadata.jpg"]())


def clean_or_unfit(data: bytes) -> None:
    try:
        rebuilt, size, _ = collect.rebuilt(data)
    except collect.Unfit:
        return
    assert_clean(rebuilt, size)


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
    data = bytearray(GOOD[name]())
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


def test_a_file_that_belongs_to_no_class_is_dropped(workspace: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    for place in ("above.jpg", "Threaten/known by an alias.jpg", "no such class/x.jpg"):
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_bytes(encoded(picture(), "JPEG"))
    made, _ = collected(workspace, Folder(folder))
    assert made.kept["subcategory"].to_list() == ["threats"]
    assert reasons(made) == {"no class": 2}
    assert "no such class is no subcategory of SPA-VL" in made.dropped["detail"].to_list()


def test_a_class_that_allows_no_images_gets_none(workspace: Path, tmp_path: Path) -> None:
    tree = SPA_VL.model_dump()
    tree["nodes"][0]["image_allowed"] = False
    closed = taxonomy.Taxonomy.model_validate(tree)
    made, _ = collected(workspace, in_a_folder(tmp_path, **{"a.jpg": encoded(picture(), "JPEG")}), of=closed)
    assert made.dropped.select("reason", "detail").rows() == [("class without images", "bullying")]
    assert not list((workspace / "originals").glob("??/*")), "its bytes were not even fetched"


def test_a_link_out_of_the_folder_is_not_followed(workspace: Path, tmp_path: Path) -> None:
    source = in_a_folder(tmp_path, **{"own.jpg": encoded(picture(), "JPEG")})
    (tmp_path / "private.jpg").write_bytes(encoded(picture(size=(90, 90)), "JPEG"))
    (tmp_path / "pictures" / "bullying" / "link.jpg").symlink_to(tmp_path / "private.jpg")
    made, _ = collected(workspace, source)
    assert made.kept["key"].to_list() == ["bullying/own.jpg"]
    assert reasons(made) == {"not fetched": 1}


@dataclass(frozen=True)
class Gone:
    """A source whose second file has gone since it was listed."""

    name: str = "gone"

    def revision(self) -> str:
        return "1"

    def listing(self) -> Iterator[Listed]:
        for key in ("there", "gone"):
            yield make(Listed, source=self.name, key=key, subcategory="scams", licence="CC0-1.0", creator="Ann")

    def read(self, key: str) -> bytes:
        if key == "gone":
            raise FileNotFoundError("the file has gone")
        return encoded(picture(), "JPEG")


def test_a_file_that_has_gone_is_a_dropped_row(workspace: Path) -> None:
    made, _ = collected(workspace, Gone())
    assert made.kept.select("key", "licence", "creator").rows() == [("there", "CC0-1.0", "Ann")]
    assert made.dropped.select("id", "reason", "detail").rows() == [("gone/gone", "not fetched", "the file has gone")]


def test_a_limit_takes_a_prefix_over_all_sources(workspace: Path, tmp_path: Path) -> None:
    files = {f"{n}.png": encoded(picture(size=(80, 80 + n)), "PNG") for n in range(3)}
    sources = (in_a_folder(tmp_path, **files), Gone())
    whole, _ = collected(workspace, *sources)
    for limit in range(1, 6):
        part, _ = collected(workspace, *sources, limit=limit)
        assert part.considered == limit
        assert part.kept.equals(whole.kept.head(min(limit, 4)))


def test_without_sources_there_are_no_images(workspace: Path) -> None:
    made, _ = collected(workspace)
    assert made.considered == 0
