"""Picture files made in code: sound ones of every kind, and unfit ones with their reasons."""

import io
import random
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial

from PIL import ExifTags, Image, ImageChops, ImageCms, ImageDraw, PngImagePlugin

SECRET = b"secret-4711"
"""Stands in every kind of metadata: it must be nowhere in what is made."""
WIDE, HIGH = 80, 96
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
Bytes = Callable[[], bytes]


def picture(mode: str = "RGB", size: tuple[int, int] = (WIDE, HIGH)) -> Image.Image:
    """Red above, blue below, with a white corner at the upper left."""
    drawn = Image.new("RGB", size, "red")
    pen = ImageDraw.Draw(drawn)
    pen.rectangle((0, size[1] // 2, size[0], size[1]), "blue")
    pen.rectangle((0, 0, 23, 23), "white")
    return drawn.convert(mode)


def see_through(mode: str = "RGBA") -> Image.Image:
    """The picture, of which a square at the lower right is transparent."""
    alpha = Image.new("L", (WIDE, HIGH), 255)
    alpha.paste(0, (40, 60, WIDE, HIGH))
    drawn = picture("RGBA")
    drawn.putalpha(alpha)
    return drawn.convert(mode)


def on_white() -> Image.Image:
    """How the transparent picture is seen."""
    drawn = picture()
    drawn.paste("white", (40, 60, WIDE, HIGH))
    return drawn


def encoded(image: Image.Image, kind: str, **settings: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **settings)
    return buffer.getvalue()


def exif(orientation: int = 1) -> Image.Exif:
    tags = Image.Exif()
    tags[ExifTags.Base.Orientation] = orientation
    tags[ExifTags.Base.Artist] = SECRET.decode()
    place = tags.get_ifd(ExifTags.IFD.GPSInfo)
    place[ExifTags.GPS.GPSLatitudeRef] = "N"
    place[ExifTags.GPS.GPSLatitude] = (52.0, 31.0, 7.0)
    place[ExifTags.GPS.GPSAreaInformation] = SECRET
    return tags


# Colour profiles


def s_rgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def red_for_blue() -> bytes:
    """sRGB with red and blue exchanged: under it the picture is blue above and red below."""
    return s_rgb().replace(b"rXYZ", b"swap").replace(b"bXYZ", b"rXYZ").replace(b"swap", b"bXYZ")


def profile(device: bytes, space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    """An ICC profile, version 2.4, with these tags."""
    table, body, place = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        table += name + struct.pack(">II", place + len(body), len(data))
        body += data + b"\0" * (-len(data) % 4)
    head = struct.pack(">I4sI4s4s4s", place + len(body), b"", 0x02400000, device, space, connection)
    head += struct.pack(">6H4s", 2020, 1, 1, 0, 0, 0, b"acsp").ljust(68 - len(head), b"\0") + fixed(0.9642, 1, 0.8249)
    return head.ljust(128, b"\0") + table + body


def fixed(*values: float) -> bytes:
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


XYZ, WHITE = b"XYZ \0\0\0\0", fixed(0.9642, 1, 0.8249)


def linear_grey() -> bytes:
    """Twice the number is twice the light: what is stored as 55 looks as 128 does."""
    curve = struct.pack(">4sIIH", b"curv", 0, 1, 0x0100)
    return profile(b"mntr", b"GRAY", b"XYZ ", {b"wtpt": XYZ + WHITE, b"kTRC": curve})


def odd_inks() -> bytes:
    """A printer's four inks, of which the one called magenta prints green. Blue and red lie in a table of 16 colours."""
    colours = bytearray()
    for ink in range(16):  # light, and two axes of colour: 128 is neither
        green, dark = ink & 4, ink & 1
        colours += bytes((255 - 100 * bool(green) - 150 * bool(dark), 60 if green else 128, 180 if green else 128))
    return profile(b"prtr", b"CMYK", b"Lab ", {b"A2B0": corners(4, bytes(colours)), b"wtpt": XYZ + WHITE})


def all_grey() -> bytes:
    """No device's profile but one that alters colours at will: here it makes them all grey."""
    return profile(b"abst", b"RGB ", b"Lab ", {b"A2B0": corners(3, b"\x80" * 24), b"wtpt": XYZ + WHITE})


def corners(channels: int, colours: bytes) -> bytes:
    """A table of the colours where each channel is nothing or all, the first changing slowest; between them it is even."""
    even = bytes(range(256))
    head = struct.pack(">4sI4B", b"mft1", 0, channels, 3, 2, 0) + fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
    return head + even * channels + colours + even * 3


def steps_without_end() -> bytes:
    """80 KB in which one step that does nothing stands 10,000 times: LittleCMS 2.19 takes 12 s to prepare it."""
    step = b"matf\0\0\0\0" + struct.pack(">2H12f", 3, 3, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0)
    steps = struct.pack(">4s2I", b"mpet", 0, 0x00030003) + struct.pack(">I", 10_000)
    steps += struct.pack(">2I", 16 + 8 * 10_000, len(step)) * 10_000 + step
    made = profile(b"mntr", b"RGB ", b"XYZ ", {b"D2B1": steps, b"wtpt": XYZ + WHITE})
    return made[:8] + b"\x04\x30" + made[10:]  # only from version 4.3 on are there such steps


# JPEG


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def with_segments(jpeg: bytes, *added: bytes) -> bytes:
    return jpeg[:2] + b"".join(added) + jpeg[2:]


def segments(jpeg: bytes) -> Iterator[tuple[int, bytes]]:
    """Marker and body up to and with the start of the first scan."""
    place, marker = 2, 0
    while marker != 0xDA:
        marker, length = struct.unpack_from(">xBH", jpeg, place)
        yield marker, jpeg[place + 4 : place + 2 + length]
        place += 2 + length


def without(jpeg: bytes, marker: int) -> bytes:
    for found, body in segments(jpeg):
        if found == marker:
            jpeg = jpeg.replace(segment(marker, body), b"")
    return jpeg


def misnamed() -> bytes:
    """JFIF says how the colours are stored, and the letters by which its three components go do not count."""
    jpeg = encoded(picture(), "JPEG")
    for marker, step in ((0xC0, 3), (0xDA, 2)):
        body = next(body for found, body in segments(jpeg) if found == marker)
        named, first = bytearray(body), body.index(b"\x03") + 1
        named[first : first + 3 * step : step] = b"RGB"
        jpeg = jpeg.replace(segment(marker, body), segment(marker, bytes(named)))
    return jpeg


def ycck(image: Image.Image) -> bytes:
    """Four inks, of which three are stored as light and two colours: Pillow reads it and cannot write it."""
    cyan, magenta, yellow, black = image.convert("CMYK").split()
    light = Image.merge("RGB", (cyan, magenta, yellow)).convert("YCbCr").split()
    turned = Image.merge("CMYK", (*(ImageChops.invert(channel) for channel in light), black))
    jpeg = encoded(turned, "JPEG", quality=95)
    adobe = next(body for marker, body in segments(jpeg) if marker == 0xEE)
    return jpeg.replace(adobe, adobe[:-1] + b"\x02")


def with_every_metadata_of_a_jpeg() -> bytes:
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/">' + SECRET + b"</x:xmpmeta>"
    jpeg = encoded(picture(), "JPEG", exif=exif(), xmp=xmp, comment=SECRET, icc_profile=SECRET * 20)
    box = struct.pack(">I", 8 + len(SECRET)) + b"jumb" + SECRET  # C2PA
    return with_segments(
        jpeg,
        segment(0xE0, b"JFXX\0\x10" + encoded(picture().reduce(4), "JPEG", comment=SECRET)),  # a thumbnail
        segment(0xEB, b"JP\0\x01\0\0\0\x01" + box),
        segment(0xED, b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0" + struct.pack(">I", len(SECRET)) + SECRET),
        segment(0xE5, SECRET),
    )


def cut_and_closed(share: float, **settings: object) -> bytes:
    """A JPEG of which the last part is missing, properly ended as if it were whole."""
    jpeg = encoded(noise(), "JPEG", **settings)
    return jpeg[: int(len(jpeg) * share)].rstrip(b"\xff") + b"\xff\xd9"


def noise(size: tuple[int, int] = (WIDE, HIGH)) -> Image.Image:
    return Image.frombytes("RGB", size, random.Random(7).randbytes(3 * size[0] * size[1]))


def with_scans(count: int) -> bytes:
    """A progressive JPEG whose last scan is said over and over."""
    jpeg = encoded(picture("L"), "JPEG", progressive=True)
    start = jpeg.rindex(b"\xff\xda")
    return jpeg[:-2] + jpeg[start:-2] * count + b"\xff\xd9"


# PNG


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(
    size: tuple[int, int],
    depth: int,
    colours: int,
    rows: bytes,
    *extra: bytes,
    interlaced: bool = False,
    end: bytes = b"",
) -> bytes:
    """A PNG from its rows, each with its filter's byte in front."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, depth, colours, 0, 0, interlaced))
    pixels = chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + pixels + end + chunk(b"IEND", b"")


def rows(
    values: Callable[[int, int], Iterable[int]], depth: int, passes: tuple[tuple[int, ...], ...], high: int = HIGH
) -> bytes:
    """What `values(x, y)` gives for each pixel (as many numbers as there are channels), packed as PNG wants it."""
    packed = b""
    for x, y, across, down in passes:
        for line in range(y, high, down):
            bits = "".join(f"{v:0{depth}b}" for column in range(x, WIDE, across) for v in values(column, line))
            packed += b"\0" + int(bits.ljust(-len(bits) % 8 + len(bits), "0"), 2).to_bytes((len(bits) + 7) // 8)
    return packed


def drawn_png(mode: str, depth: int, colours: int, *extra: bytes, interlaced: bool = False, ends: int = 0) -> bytes:
    """The picture (the transparent one, if the mode has transparency) as a PNG of any depth, interlaced or not; without
    the last `ends` bytes of its pixels."""
    image = see_through(mode) if mode.endswith("A") else picture(mode)
    most = 2**depth - 1

    def values(x: int, y: int) -> Iterator[int]:
        pixel = image.getpixel((x, y))
        return (round(v * most / 255) for v in (pixel if isinstance(pixel, tuple) else (int(pixel or 0),)))

    packed = rows(values, depth, ADAM7 if interlaced else ((0, 0, 1, 1),))
    return png((WIDE, HIGH), depth, colours, packed[: len(packed) - ends], *extra, interlaced=interlaced)


def grey_of_blue(depth: int) -> int:
    """What the lower half is in a grey picture of that depth: 29 of 255."""
    most: int = 2**depth - 1
    return round(29 * most / 255)


def below_on_white() -> Image.Image:
    """How the grey picture is seen whose lower half is transparent."""
    drawn = picture("L")
    drawn.paste(255, (0, HIGH // 2, WIDE, HIGH))
    return drawn.convert("RGB")


def with_every_metadata_of_a_png() -> bytes:
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("Comment", SECRET.decode())
    chunks.add_itxt("XML:com.adobe.xmp", SECRET.decode())
    chunks.add_text("Zipped", SECRET.decode() * 20, zip=True)
    chunks.add(b"caBX", SECRET)
    chunks.add(b"tIME", SECRET, after_idat=True)
    return encoded(picture(), "PNG", pnginfo=chunks, exif=exif())


@cache
def zeros(megabytes: int) -> bytes:
    stream = zlib.compressobj(9)
    return b"".join(stream.compress(bytes(2**20)) for _ in range(megabytes)) + stream.flush()


def bomb(name: bytes, front: bytes, packed: bytes) -> bytes:
    """A PNG with such a chunk before its pixels."""
    return with_chunks(chunk(name, front + packed))


def with_chunks(*added: bytes) -> bytes:
    plain = encoded(picture(), "PNG")
    return plain[:33] + b"".join(added) + plain[33:]


# WEBP


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"WEBP" + b"".join(n + struct.pack("<I", len(b)) + b + b"\0" * (len(b) % 2) for n, b in chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def canvas(width: int, height: int, flags: int = 0) -> tuple[bytes, bytes]:
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"VP8X", struct.pack("<I", flags) + sides


def lossy_header(width: int, height: int) -> tuple[bytes, bytes]:
    return b"VP8 ", b"\x10\x02\0\x9d\x01\x2a" + struct.pack("<HH", width, height) + bytes(200)


def moving(kind: str, **settings: object) -> bytes:
    return encoded(picture(), kind, save_all=True, append_images=[picture().rotate(180)], **settings)


# fmt: off
SOUND: dict[str, tuple[Bytes, Callable[[], Image.Image]]] = {
    "plain.jpg": (lambda: encoded(picture(), "JPEG"), picture),
    "all colours.jpg": (lambda: encoded(picture(), "JPEG", subsampling="4:4:4", quality=95), picture),
    "progressive.jpeg": (lambda: encoded(picture(), "JPEG", progressive=True), picture),
    "restarts.jpg": (lambda: encoded(picture(), "JPEG", restart_marker_blocks=3), picture),
    "stored as red, green, blue.jpg": (lambda: encoded(picture(), "JPEG", keep_rgb=True), picture),
    "stored as light and named red, green, blue.jpg": (misnamed, picture),
    "without a word on its colours.jpg": (lambda: without(encoded(picture(), "JPEG"), 0xE0), picture),
    "padded.jpg": (lambda: encoded(picture(), "JPEG").replace(b"\xff\xc0", b"\xff\xff\xff\xc0"), picture),
    "UPPER.JPG": (lambda: encoded(picture(), "JPEG"), picture),
    "grey.jpg": (lambda: encoded(picture("L"), "JPEG"), lambda: picture("L")),
    "cmyk.jpg": (lambda: encoded(picture("CMYK"), "JPEG"), picture),
    "cmyk without adobe's word.jpg": (lambda: without(encoded(picture("CMYK"), "JPEG"), 0xEE), picture),
    "ycck.jpg": (lambda: ycck(picture()), picture),
    "metadata.jpg": (with_every_metadata_of_a_jpeg, picture),
    "camera with a preview behind the picture.jpg": (
        lambda: encoded(picture(), "MPO", save_all=True, append_images=[picture().reduce(2)]), picture),
    "a broken index of pictures.jpg": (
        lambda: with_segments(encoded(picture(), "JPEG"), segment(0xE2, b"MPF\0II*\0" + SECRET)), picture),
    "a bomb behind it.jpg": (lambda: encoded(picture(), "JPEG") + jpeg_of(65_500, 65_500), picture),
    "a mid-grey end.jpg": (lambda: encoded(mid_grey_end(), "JPEG"), lambda: mid_grey_end()),
    "a mid-grey end, progressive.jpg": (
        lambda: encoded(mid_grey_end(), "JPEG", progressive=True), lambda: mid_grey_end()),
    "a mid-grey end, restarts.jpg": (
        lambda: encoded(mid_grey_end(), "JPEG", restart_marker_blocks=3), lambda: mid_grey_end()),
    "metadata.png": (with_every_metadata_of_a_png, picture),
    "two headers of an animation that is none.png": (lambda: with_chunks(chunk(b"acTL", bytes([0, 0, 0, 1] * 2)) * 2), picture),
    "texts that lie.png": (
        lambda: with_chunks(chunk(b"zTXt", b"k\0\x09" + SECRET), chunk(b"tEXt", b""), chunk(b"iTXt", SECRET)), picture),
    "palette.png": (lambda: encoded(picture("P"), "PNG"), picture),
    "transparent palette.png": (
        lambda: encoded(picture("P"), "PNG", transparency=picture("P").getpixel((1, 1))), picture),
    "half transparent palette.png": (
        lambda: encoded(picture("P"), "PNG", transparency=bytes([255] * 255 + [0])), picture),
    "transparent colour.png": (
        lambda: encoded(picture(), "PNG", transparency=(0, 0, 255)), lambda: white_below()),
    "transparent colour, 16 bits.png": (
        lambda: drawn_png("RGB", 16, 2, chunk(b"tRNS", struct.pack(">3H", 0, 0, 65535))), lambda: white_below()),
    **{f"transparent grey, {depth} bits.png": (
        partial(drawn_png, "L", depth, 0, chunk(b"tRNS", struct.pack(">H", grey_of_blue(depth)))), below_on_white)
        for depth in (4, 8, 16)},
    "alpha.png": (lambda: encoded(see_through(), "PNG"), on_white),
    "alpha, 16 bits.png": (lambda: drawn_png("RGBA", 16, 6), on_white),
    "grey alpha.png": (lambda: encoded(see_through("LA"), "PNG"), lambda: on_white().convert("L")),
    "grey alpha, 16 bits.png": (lambda: drawn_png("LA", 16, 4), lambda: on_white().convert("L")),
    "one bit.png": (lambda: encoded(picture("L").point(lambda v: 255 if v > 50 else 0).convert("1"), "PNG"),
                    lambda: picture("L").point(lambda v: 255 if v > 50 else 0)),
    "sixteen bits.png": (lambda: drawn_png("L", 16, 0), lambda: picture("L")),
    "sixteen bits of colour.png": (lambda: drawn_png("RGB", 16, 2), picture),
    **{f"interlaced {mode} {depth}.png": (
        partial(drawn_png, mode, depth, colours, interlaced=True),
        on_white if mode == "RGBA" else partial(picture, mode))
        for mode, depth, colours in (("L", 8, 0), ("RGB", 8, 2), ("RGBA", 8, 6), ("L", 16, 0))},
    "a black end.png": (lambda: encoded(black_end(), "PNG"), lambda: black_end()),
    "lossy.webp": (lambda: encoded(picture(), "WEBP", quality=90), picture),
    "lossless.webp": (lambda: encoded(picture(), "WEBP", lossless=True), picture),
    "alpha.webp": (lambda: encoded(see_through(), "WEBP", quality=90), on_white),
    "lossless alpha.webp": (lambda: encoded(see_through(), "WEBP", lossless=True), on_white),
    "metadata.webp": (lambda: encoded(picture(), "WEBP", exif=exif(), xmp=SECRET, icc_profile=s_rgb()), picture),
    "metadata and alpha.webp": (lambda: encoded(see_through(), "WEBP", exif=exif(), xmp=SECRET), on_white),
    "a PNG that is called.jpg": (lambda: encoded(picture(), "PNG"), picture),
    "a zip behind it.jpg": (lambda: encoded(picture(), "JPEG") + b"PK\x03\x04" + SECRET, picture),
    "a PDF behind it.png": (lambda: encoded(picture(), "PNG") + b"%PDF-1.7" + SECRET, picture),
    "a page in its comment.jpg": (
        lambda: with_segments(encoded(picture(), "JPEG"), segment(0xFE, b"<script>" + SECRET)), picture),
    "a second picture behind it.webp": (lambda: encoded(picture(), "WEBP") + encoded(noise(), "JPEG"), picture),
}
"""Name to its bytes and how it looks."""
# fmt: on


@cache
def sound(name: str) -> bytes:
    """The bytes of one of them."""
    return SOUND[name][0]()


def mid_grey_end() -> Image.Image:
    """A picture that ends as a JPEG does which was cut."""
    drawn = picture()
    drawn.paste((128, 128, 128), (0, 64, WIDE, HIGH))
    return drawn


def black_end() -> Image.Image:
    """A picture that ends as a PNG does which was cut."""
    drawn = picture()
    drawn.paste("black", (0, 64, WIDE, HIGH))
    return drawn


def white_below() -> Image.Image:
    drawn = picture()
    drawn.paste("white", (0, HIGH // 2, WIDE, HIGH))
    return drawn


def frame(width: int, height: int, *, kind: int = 0xC0, bits: int = 8) -> bytes:
    return segment(kind, struct.pack(">BHHB", bits, height, width, 1) + b"\x01\x11\0")


def jpeg_of(width: int, height: int, **ways: int) -> bytes:
    """A JPEG with another frame than its own."""
    jpeg = encoded(picture("L"), "JPEG")
    own = next(body for marker, body in segments(jpeg) if marker == 0xC0)
    return jpeg.replace(segment(0xC0, own), frame(width, height, **ways))


def holes() -> bytes:
    """An interlaced PNG that lacks its last pass. Its last row is of an earlier one: its height is odd."""
    packed = rows(lambda x, y: ((x + y) % 255,), 8, ADAM7[:-1], 95)
    return png((WIDE, 95), 8, 0, packed, interlaced=True)


def half_rows(*, interlaced: bool) -> bytes:
    return drawn_png("RGB", 8, 2, interlaced=interlaced, ends=(1 + 3 * WIDE) * 20)


# fmt: off
BAD: dict[str, tuple[Bytes, str]] = {
    "empty.jpg": (lambda: b"", "not an image"),
    "text.jpg": (lambda: b"Dear diary, this is no picture.\n" * 50, "not an image"),
    "vector.png": (lambda: b'<svg xmlns="http://www.w3.org/2000/svg" width="99" height="99"/>', "not an image"),
    "page.jpg": (lambda: b"<!doctype html><title>404</title>" * 9, "not an image"),
    "document.png": (lambda: encoded(picture(), "PDF"), "not an image"),
    "moving gif.jpg": (lambda: moving("GIF"), "not an image"),
    **{f"{kind}.jpg": (partial(encoded, picture(), kind), "not an image")
       for kind in ("TIFF", "BMP", "ICO", "EPS", "PPM", "JPEG2000", "AVIF")},
    "photoshop.jpg": (lambda: b"8BPS\0\x01" + bytes(500), "not an image"),
    "zip.jpg": (lambda: b"PK\x03\x04" + bytes(500), "not an image"),
    "sound.webp": (lambda: b"RIFF\x40\0\0\0WAVEfmt " + bytes(80), "not an image"),
    "moving.webp": (lambda: moving("WEBP"), "animated"),
    "moving.png": (lambda: moving("PNG"), "animated"),
    "moving behind another picture.png": (lambda: moving("PNG", default_image=True), "animated"),
    "cut.jpg": (lambda: encoded(picture(), "JPEG")[:700], "truncated"),
    "cut in its last byte.jpg": (lambda: encoded(picture(), "JPEG")[:-1], "truncated"),
    "cut.png": (lambda: encoded(picture(), "PNG")[:120], "truncated"),
    "cut in its last byte.png": (lambda: encoded(picture(), "PNG")[:-1], "truncated"),
    "cut.webp": (lambda: encoded(picture(), "WEBP")[:-2], "truncated"),
    "header only.jpg": (lambda: b"\xff\xd8\xff", "truncated"),
    "header only.png": (lambda: b"\x89PNG\r\n\x1a\n", "truncated"),
    "half, and closed.jpg": (lambda: cut_and_closed(0.6), "truncated"),
    "most, and closed.jpg": (lambda: cut_and_closed(0.95), "truncated"),
    "half in grey, and closed.jpg": (lambda: without(cut_and_closed(0.6, restart_marker_blocks=7), 0xE0), "truncated"),
    "first scan, and closed.jpg": (lambda: cut_and_closed(0.1, progressive=True), "truncated"),
    "half the scans, and closed.jpg": (lambda: cut_and_closed(0.6, progressive=True), "truncated"),
    "half, and closed.png": (lambda: half_rows(interlaced=False), "truncated"),
    "half of an interlaced one, and closed.png": (lambda: half_rows(interlaced=True), "truncated"),
    "holes.png": (holes, "truncated"),
    "no pixels.png": (lambda: png((WIDE, HIGH), 8, 2, b""), "broken image"),
    "no scan.jpg": (lambda: encoded(picture(), "JPEG").partition(b"\xff\xda")[0] + b"\xff\xd9", "broken image"),
    "two frames.jpg": (lambda: with_segments(encoded(picture(), "JPEG"), frame(64, 64)), "broken image"),
    "twelve bits.jpg": (lambda: jpeg_of(WIDE, HIGH, bits=12), "broken image"),
    "lossless.jpg": (lambda: jpeg_of(WIDE, HIGH, kind=0xC3), "broken image"),
    "a start inside.jpg": (lambda: with_segments(encoded(picture(), "JPEG"), b"\xff\xd8"), "broken image"),
    "no height.jpg": (lambda: jpeg_of(WIDE, 0), "too small"),
    "many scans.jpg": (lambda: with_scans(1000), "broken image"),
    "many segments.jpg": (lambda: with_segments(encoded(picture(), "JPEG"), segment(0xE5, b"") * 100_000), "broken image"),
    "many chunks.png": (lambda: png((WIDE, HIGH), 8, 2, b"", chunk(b"tEXt", b"") * 100_000), "broken image"),
    "a wrong checksum.png": (lambda: encoded(picture(), "PNG").replace(b"IDAT", b"IDAT\0", 1)[:-5] + b"\0", "broken image"),
    "no palette.png": (lambda: png((WIDE, HIGH), 8, 3, bytes((1 + WIDE) * HIGH)), "broken image"),
    "an odd depth.png": (lambda: png((WIDE, HIGH), 3, 0, bytes((1 + WIDE) * HIGH)), "broken image"),
    "no depth.png": (lambda: png((WIDE, HIGH), 0, 0, b"", chunk(b"tRNS", bytes(2))), "broken image"),
    "an odd filter.png": (lambda: png((WIDE, HIGH), 8, 0, b"\x09" * (1 + WIDE) * HIGH), "broken image"),
    "noise for pixels.png": (lambda: noisy_idat(), "broken image"),
    "apple's own.png": (
        lambda: b"\x89PNG\r\n\x1a\n" + chunk(b"CgBI", b"\x50\0 \x06") + encoded(picture(), "PNG")[8:], "broken image"),
    "another canvas.webp": (
        lambda: riff(canvas(4000, 4000), (b"VP8 ", encoded(picture(), "WEBP")[20:])), "broken image"),
    "noise for pixels.webp": (lambda: riff(lossy_header(WIDE, HIGH)), "broken image"),
    "lossy and lossless.webp": (lambda: riff(lossy_header(90, 90), (b"VP8L", b"\x2f" + bytes(99))), "broken image"),
    "no picture.webp": (lambda: riff((b"EXIF", SECRET)), "broken image"),
    "no width.webp": (lambda: riff(lossy_header(0, 90)), "broken image"),
    "bomb.png": (lambda: png((100_000, 100_000), 8, 2, b""), "too many pixels"),
    "interlaced bomb.png": (lambda: png((100_000, 100_000), 1, 0, b"", interlaced=True), "too many pixels"),
    "bomb.jpg": (lambda: jpeg_of(65_500, 65_500), "too many pixels"),
    "bomb.webp": (lambda: riff(lossy_header(16_383, 16_383)), "too many pixels"),
    "bomb of a canvas.webp": (lambda: riff(canvas(2**24, 2**24), lossy_header(90, 90)), "broken image"),
    "large.png": (lambda: png((8_000, 7_000), 8, 2, b""), "too many pixels"),
    "tiny.png": (lambda: encoded(picture(size=(63, 400)), "PNG"), "too small"),
    "one pixel.png": (lambda: encoded(Image.new("RGB", (1, 1)), "PNG"), "too small"),
    "ribbon.png": (lambda: encoded(picture(size=(1_400, 64)), "PNG"), "too narrow"),
    "one colour.png": (lambda: encoded(Image.new("RGB", (90, 90), "green"), "PNG"), "blank"),
    "nothing to be seen.png": (lambda: encoded(hidden(), "PNG"), "blank"),
}
"""Name to its bytes and the reason why it is dropped."""
# fmt: on


def noisy_idat() -> bytes:
    plain = encoded(picture(), "PNG")
    return plain[:33] + chunk(b"IDAT", b"\x78\x9c" + random.Random(5).randbytes(900)) + chunk(b"IEND", b"")


def hidden() -> Image.Image:
    """A picture under a transparency that leaves nothing of it."""
    drawn = picture("RGBA")
    drawn.putalpha(0)
    return drawn
