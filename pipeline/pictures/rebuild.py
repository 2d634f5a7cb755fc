"""A fresh JPEG made from a picture's pixels alone, so that nothing of its file survives but what can be seen.

Memory for one picture is bounded: per pixel as stored 17 bytes for a WEBP (0.85 GB at `most_pixels`), 13 for a PNG, 12
for a JPEG, and a few copies of its file. It may be called from several threads at once: no state of Pillow's or Python's
is touched.
"""

import hashlib
import io
import struct
import zlib
from dataclasses import dataclass, field

from PIL import Image, ImageCms

from pipeline.pictures.parts import Parts, Unfit, ends_early, taken_apart

__all__ = ["LIMITS", "Limits", "Picture", "Unfit", "rebuilt"]

QUALITIES = (75, 60)
"""Of JPEG, below the one that was wished for, until it fits; then the sides are made smaller."""
_TURN = Image.Transpose
_TURNS = {2: _TURN.FLIP_LEFT_RIGHT, 3: _TURN.ROTATE_180, 4: _TURN.FLIP_TOP_BOTTOM, 5: _TURN.TRANSPOSE,
          6: _TURN.ROTATE_270, 7: _TURN.TRANSVERSE, 8: _TURN.ROTATE_90}  # fmt: skip
"""EXIF's orientations, and what undoes them."""
_DECODERS_RAISE = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, struct.error,
                   zlib.error, Image.DecompressionBombError)  # fmt: skip
"""Pillow's, on broken files. MemoryError is not among them: the machine is to blame for it, never the file."""
_COLOURS = {b"RGB ": "RGB", b"GRAY": "L", b"CMYK": "CMYK"}
"""Of the pixels that a profile is for."""
_DEVICES = {b"mntr", b"scnr", b"prtr", b"spac"}
"""Profiles of monitors, scanners, printers and colour spaces: what pictures carry."""
_GARBAGE = bytes(range(1, 255)) * 64
"""Continues a JPEG that was cut. No 255 is in it, so that it ends nothing."""


@dataclass(frozen=True)
class Limits:
    """What a picture may be, and what is made of it."""

    smallest_side: int = 64
    """Pixels."""
    largest_side: int = 1024
    """Pixels; larger pictures are scaled down."""
    longest_shape: int = 20
    """Times as long as it is narrow."""
    most_pixels: int = 50_000_000
    """As stored: decompression bombs. Keep it below the 89 million at which Pillow begins to warn."""
    most_original_bytes: int = 20_000_000
    most_bytes: int = 1_000_000
    """Of the JPEG that is made."""
    quality: int = 90
    """Of that JPEG, 1 to 95, where it fits."""


LIMITS = Limits()


@dataclass(frozen=True)
class Picture:
    """A picture that can be published."""

    data: bytes
    """A JPEG of the pixels, without metadata; its colours are sRGB."""
    sha256: str
    """Of the data: 64 hexadecimal digits."""
    width: int
    """Pixels."""
    height: int
    """Pixels."""
    changes: tuple[str, ...]
    """What was done to the original, in order."""
    image: Image.Image = field(compare=False, repr=False)
    """The pixels that were encoded: RGB, width x height."""


def rebuilt(data: bytes, limits: Limits = LIMITS) -> Picture:
    """The picture in a JPEG, PNG or WEBP file, upright, on white, in sRGB. The same bytes in give the same bytes out.

    Raises `Unfit`, whatever the bytes are: not an image, animated, truncated, broken image, blank, too small,
    too narrow, too many pixels, too many bytes.
    """
    if len(data) > limits.most_original_bytes:
        raise Unfit("too many bytes")
    parts = taken_apart(data)
    _check(parts.size, limits)
    changes = []
    pixels, mode = _decoded(parts, _fitted(parts.size, limits.largest_side))
    if parts.orientation in _TURNS:
        pixels = pixels.transpose(_TURNS[parts.orientation])
        changes.append("turned")
    colours, seen = _seen(pixels, parts.profile)
    changes += seen
    if mode not in ("RGB", "RGBA"):
        changes.append("converted to RGB")
    if all(low == high for low, high in colours.getextrema()):  # type: ignore[misc]  # RGB has one pair a channel
        raise Unfit("blank")
    image, jpeg, quality = _encoded(Image.frombytes("RGB", colours.size, colours.tobytes()), limits)
    if sorted(image.size) != sorted(parts.size):
        changes.append("scaled")
    changes.append("re-encoded as JPEG")
    if quality != limits.quality:
        changes.append(f"quality {quality}")
    return Picture(jpeg, hashlib.sha256(jpeg).hexdigest(), *image.size, tuple(changes), image)


def _check(size: tuple[int, int], limits: Limits) -> None:
    if size[0] * size[1] > limits.most_pixels:
        raise Unfit("too many pixels")
    if min(size) < limits.smallest_side:
        raise Unfit("too small")
    if max(size) > limits.longest_shape * min(size):
        raise Unfit("too narrow")


def _fitted(size: tuple[int, int], side: int) -> tuple[int, int]:
    """The size in proportion, its longer side at most `side`."""
    longer = max(size)
    if longer <= side:
        return size
    return max(1, round(size[0] * side / longer)), max(1, round(size[1] * side / longer))


def _decoded(parts: Parts, size: tuple[int, int]) -> tuple[Image.Image, str]:
    """The pixels at that size (mode L, LA, RGB, RGBA or CMYK), and the mode they had."""
    try:
        with _opened(parts, parts.file, size) as opened:
            if _cut_short(parts, opened, size):
                raise Unfit("truncated")
            mode = opened.mode
            plain = _plain(opened)
            return plain.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0), mode
    except _DECODERS_RAISE:
        raise Unfit("broken image") from None


def _opened(parts: Parts, file: bytes, size: tuple[int, int]) -> Image.Image:
    """The file's pixels. A large JPEG is decoded at a half, a quarter or an eighth, at least twice the size wanted."""
    opened = Image.open(io.BytesIO(file), formats=(parts.kind,))
    if opened.size != parts.size:  # what was checked must be what is decoded
        raise Unfit("broken image")
    opened.draft(None, (size[0] * 2, size[1] * 2))
    opened.load()
    return opened


def _cut_short(parts: Parts, opened: Image.Image, size: tuple[int, int]) -> bool:
    """Whether the data ended, properly closed, before the pixels did.

    Pillow lets it pass and leaves the rest of a PNG black, of a JPEG grey. Where the last pixel is so, or an interlaced
    PNG has left holes, a second look decides: a PNG's bytes are counted, a JPEG is continued with garbage, which a whole
    one ignores.
    """
    pixel = opened.getpixel((opened.width - 1, opened.height - 1))
    last = set(pixel if isinstance(pixel, tuple) else (pixel,))
    if parts.kind == "PNG":
        return (last == {0} or "interlace" in opened.info) and ends_early(parts.file)
    if parts.kind == "JPEG" and last <= {127, 128}:
        return _opened(parts, parts.file[:-2] + _GARBAGE + parts.file[-2:], size) != opened
    return False


def _plain(image: Image.Image) -> Image.Image:
    """As 8 bits of light or colours, with transparency if it has some: what can be scaled."""
    if image.mode == "I;16":
        image = image.point(lambda value: value / 256).convert("L")
    if image.mode == "P":
        return image.convert("RGBA" if image.has_transparency_data else "RGB")
    if image.mode == "1":
        image = image.convert("L")
    if image.mode in ("L", "RGB") and image.has_transparency_data:
        return image.convert(f"{image.mode}A")
    return image


def _seen(pixels: Image.Image, profile: bytes | None) -> tuple[Image.Image, list[str]]:
    """As it is seen: RGB, its colours in sRGB, what is transparent on white; and what was done for it."""
    changes = []
    alpha = pixels.getchannel("A") if pixels.mode in ("LA", "RGBA") else None
    bare = pixels.convert(pixels.mode.removesuffix("A"))
    colours = _in_srgb(bare, profile) if profile is not None else None
    if profile is not None:
        changes.append("colour profile ignored" if colours is None else "converted to sRGB")
    if colours is None:
        colours = bare.convert("RGB")
    if alpha is not None and alpha.getextrema() != (255, 255):
        colours = Image.composite(colours, Image.new("RGB", colours.size, "white"), alpha)
        changes.append("flattened on white")
    return colours, changes


def _in_srgb(colours: Image.Image, profile: bytes) -> Image.Image | None:
    """L, RGB or CMYK in a profile's colours as RGB in sRGB's; None if the profile is broken or for other pixels."""
    mode = _COLOURS.get(profile[16:20])
    fits = mode == colours.mode or (mode, colours.mode) == ("RGB", "L")
    if mode is None or not fits or profile[12:16] not in _DEVICES:
        return None
    if b"mpet" in profile:  # steps without limit, each taken for thousands of colours: 12 s of work in 80 KB
        return None
    intent, flags = ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Flags.BLACKPOINTCOMPENSATION
    try:
        made = ImageCms.profileToProfile(
            colours.convert(mode), io.BytesIO(profile), ImageCms.createProfile("sRGB"), intent, "RGB", flags=flags
        )
    except ImageCms.PyCMSError:
        return None
    return made


def _encoded(image: Image.Image, limits: Limits) -> tuple[Image.Image, bytes, int]:
    """The image as a JPEG within the limits, its quality, and the image at the size that it took."""
    side = max(image.size)
    while side >= min(limits.smallest_side, max(image.size)):
        small = image.resize(_fitted(image.size, side), Image.Resampling.LANCZOS)
        for quality in (limits.quality, *(q for q in QUALITIES if q < limits.quality)):
            buffer = io.BytesIO()
            small.save(buffer, "JPEG", quality=quality, subsampling="4:4:4")  # so that coloured letters stay legible
            if buffer.tell() <= limits.most_bytes:
                return small, buffer.getvalue(), quality
        side = side * 3 // 4
    raise Unfit("too many bytes")
