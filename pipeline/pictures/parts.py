"""A picture's file taken apart: what its pixels need, its colour profile, how it is turned. The rest is left unread.

Texts, places, previews, further frames and whatever lies behind the picture never reach a decoder. So no text unpacks
to a gigabyte and no broken tag is read; and Pillow finds nothing to warn of, which counts because warnings cannot be
silenced in one thread alone.
"""

import itertools
import re
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeVar

MOST_PARTS = 100_000
"""Segments or chunks in a file. 20 MB of PNG in chunks of 8 KiB, as libpng writes them, are 2,500."""
MOST_SCANS = 40
"""Of a JPEG: each costs a walk over the whole picture (0.06 s at 50 megapixels), and may be 100 bytes long. Progressive
ones have ten as libjpeg writes them."""
MOST_PROFILE = 4 * 2**20
"""Bytes of a colour profile; the largest for printing have some 2 MB."""

_MARKER = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])")
"""Of a JPEG: neither an escaped 255, nor a restart inside the pixels, nor padding."""
_END, _SCAN = 0xD9, 0xDA
_PROGRESSIVE = 0xC2
_FRAMES = {0xC0, 0xC1, _PROGRESSIVE}
"""Baseline, extended and progressive: what there is outside laboratories and hospitals."""
_PIXELS = _FRAMES | {0xC4, 0xDB, 0xDD, _SCAN}
"""A frame, its tables, how often it restarts, its scans."""
_BESIDE = {*range(0xE0, 0xF0), 0xFE}
"""Application segments and comments."""
_JFIF = b"\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0"
_PNG = b"\x89PNG\r\n\x1a\n"
_CHECKED = {b"IHDR", b"PLTE", b"tRNS", b"IDAT"}
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Of PNG's colour types: grey, colours, palette, grey and transparency, colours and transparency."""
_DEPTHS = {0: {1, 2, 4, 8, 16}, 2: {8, 16}, 3: {1, 2, 4, 8}, 4: {8, 16}, 6: {8, 16}}
"""Bits a channel that each of them may have."""
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Of an interlaced PNG: first column, first row, steps between columns, between rows (PNG, section 8.1)."""
_ORIENTATION, _SHORT = 0x0112, 3
"""EXIF's tag, and its type: 16 bits."""
Part = TypeVar("Part")


class Unfit(Exception):  # noqa: N818 -- a verdict on a picture, not an error of ours
    """The picture will not do. The message is the reason: one of few, so that they can be counted."""


@dataclass(frozen=True)
class Parts:
    """What is wanted of a picture's file."""

    kind: Literal["JPEG", "PNG", "WEBP"]
    size: tuple[int, int]
    """Width and height as stored, before any turning: pixels."""
    file: bytes
    """The same picture as a file of the same kind that holds its pixels alone."""
    profile: bytes | None
    """Its ICC colour profile; empty if it is broken."""
    orientation: int
    """EXIF's: 1 (upright) to 8."""


def taken_apart(data: bytes) -> Parts:
    """The parts of a JPEG, PNG or WEBP file, which its first bytes tell apart. Nothing but a colour profile is unpacked.

    Raises `Unfit`: not an image, animated, truncated, broken image.
    """
    try:
        if data.startswith(b"\xff\xd8\xff"):
            return _jpeg(data)
        if data.startswith(_PNG):
            return _png(data)
        if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
            return _webp(data)
    except struct.error:  # a part is shorter than its kind must be
        raise Unfit("broken image") from None
    raise Unfit("not an image")


def ends_early(png: bytes) -> bool:
    """Whether a PNG file's pixels unpack to fewer bytes than its header promises."""
    chunks = dict(_chunks(png))
    width, height, depth, colours, _, _, interlaced = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    left, bits = 0, depth * _CHANNELS[colours]
    for x, y, across, down in _PASSES if interlaced else ((0, 0, 1, 1),):
        columns, rows = -((x - width) // across), -((y - height) // down)
        left += rows * (1 + (columns * bits + 7) // 8) if columns > 0 else 0
    stream, packed = zlib.decompressobj(), chunks[b"IDAT"]
    for start in range(0, len(packed), 2**16):
        piece = packed[start : start + 2**16]
        while piece and left > 0:
            left -= len(stream.decompress(piece, 2**20))
            piece = stream.unconsumed_tail
    return left > 0


def _jpeg(data: bytes) -> Parts:
    segments = _few(_segments(data))
    markers = [marker for marker, _ in segments]
    frames = [segment for marker, segment in segments if marker in _FRAMES]
    if len(frames) != 1 or not 1 <= markers.count(_SCAN) <= MOST_SCANS:
        raise Unfit("broken image")
    if frames[0][1] == _PROGRESSIVE and _unfinished(frames[0], [s for marker, s in segments if marker == _SCAN]):
        raise Unfit("truncated")
    height, width = struct.unpack_from(">HH", frames[0], 5)
    named = [(marker, segment[4:]) for marker, segment in segments if marker in _BESIDE]
    colours = [_JFIF for marker, body in named if marker == 0xE0 and body.startswith(b"JFIF\0")][:1]
    colours += [b"\xff\xee\0\x0e" + body[:12] for marker, body in named if marker == 0xEE and _is_adobe(body)][-1:]
    pixels = [segment for marker, segment in segments if marker in _PIXELS]
    exif = next((body[6:] for marker, body in named if marker == 0xE1 and body.startswith(b"Exif\0\0")), b"")
    profile = [body[12:] for marker, body in named if marker == 0xE2 and body.startswith(b"ICC_PROFILE\0")]
    file = b"".join([b"\xff\xd8", *colours, *pixels, b"\xff\xd9"])
    return Parts("JPEG", (width, height), file, _joined(profile), _orientation(exif))


def _few(parts: Iterable[Part]) -> list[Part]:
    found = list(itertools.islice(parts, MOST_PARTS + 1))
    if len(found) > MOST_PARTS:
        raise Unfit("broken image")
    return found


def _unfinished(frame: bytes, scans: list[bytes]) -> bool:
    """Whether a progressive JPEG never comes to its last detail. It was cut, and closed again: else there is no end."""
    (components,) = struct.unpack_from(">B", frame, 9)
    owed = {(component, detail) for component in frame[10 : 10 + 3 * components : 3] for detail in range(64)}
    for scan in scans:
        (count,) = struct.unpack_from(">B", scan, 4)
        first, last, bits = struct.unpack_from(">3B", scan, 5 + 2 * count)
        if bits & 15 == 0:  # no bit is left for a later scan
            owed -= {
                (component, detail) for component in scan[5 : 5 + 2 * count : 2] for detail in range(first, last + 1)
            }
    return bool(owed)


def _is_adobe(body: bytes) -> bool:
    """Whether the segment says how the colours are meant, which Adobe's does."""
    return body.startswith(b"Adobe") and len(body) >= 12


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Marker and bytes of each segment, a scan with its pixels, up to the end of the first picture in the file."""
    found = _MARKER.search(data, 2)
    while found and found[1][0] != _END:
        start, marker = found.start(), found[1][0]
        if marker not in _PIXELS | _BESIDE:
            raise Unfit("broken image")
        end = start + 2 + max(2, int.from_bytes(data[start + 2 : start + 4]))
        found = _MARKER.search(data, end)
        if marker == _SCAN and found:
            end = found.start()
        yield marker, data[start:end]
    if not found:
        raise Unfit("truncated")


def _joined(pieces: list[bytes]) -> bytes | None:
    """The profile of a JPEG, whose pieces are numbered from 1; empty if some are missing or it is too long."""
    if not pieces:
        return None
    pieces = sorted(pieces)
    numbers = [(number, len(pieces)) for number in range(1, len(pieces) + 1)]
    profile = b"".join(piece[2:] for piece in pieces) if [(*piece[:2],) for piece in pieces] == numbers else b""
    return profile if len(profile) <= MOST_PROFILE else b""


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and body of each chunk of a PNG file, up to its end."""
    place, name = len(_PNG), b""
    while name != b"IEND":
        if place + 12 > len(data):
            raise Unfit("truncated")
        length, name = struct.unpack_from(">I4s", data, place)
        body, place = data[place + 8 : place + 8 + length], place + 12 + length
        if place > len(data):
            raise Unfit("truncated")
        if name in _CHECKED and zlib.crc32(name + body) != int.from_bytes(data[place - 4 : place]):
            raise Unfit("broken image")
        yield name, body


def _png(data: bytes) -> Parts:
    chunks = _few(_chunks(data))
    first = dict(reversed(chunks))
    if b"fdAT" in first:
        raise Unfit("animated")
    if chunks[0][0] != b"IHDR":
        raise Unfit("broken image")
    width, height, depth, colours, *ways = struct.unpack(">IIBBBBB", first[b"IHDR"])
    if depth not in _DEPTHS.get(colours, ()) or max(ways) > 1 or (colours == 3 and b"PLTE" not in first):
        raise Unfit("broken image")
    kept = [(b"IHDR", first[b"IHDR"])]
    if colours == 3:
        kept.append((b"PLTE", first[b"PLTE"]))
    if colours in (0, 2, 3) and b"tRNS" in first:
        kept.append((b"tRNS", first[b"tRNS"] if colours == 3 else _as_pillow_reads(first[b"tRNS"], depth)))
    kept += [(b"IDAT", b"".join(body for name, body in chunks if name == b"IDAT")), (b"IEND", b"")]
    file = _PNG + b"".join(struct.pack(">I", len(b)) + n + b + struct.pack(">I", zlib.crc32(n + b)) for n, b in kept)
    profile = _unpacked(first[b"iCCP"]) if b"iCCP" in first else None
    return Parts("PNG", (width, height), file, profile, _orientation(first.get(b"eXIf", b"")))


def _as_pillow_reads(colour: bytes, depth: int) -> bytes:
    """The colour that is transparent, in 8 bits a channel: Pillow brings the pixels to 8 bits, but not this.

    Of 16 bits the upper 8 count, for pixels too: what differs less than that is transparent with it.
    """
    values = [value[0] & (2**depth - 1) for value in struct.iter_unpack(">H", colour)]
    eight = [value >> 8 if depth == 16 else value * 255 // (2**depth - 1) for value in values]
    return struct.pack(f">{len(eight)}H", *eight)


def _unpacked(chunk: bytes) -> bytes:
    """The profile in a PNG's chunk; empty if it is broken or too long."""
    _, _, packed = chunk.partition(b"\0")
    stream = zlib.decompressobj()
    try:
        profile = stream.decompress(packed[1:], MOST_PROFILE)
    except zlib.error:
        return b""
    return profile if stream.eof else b""


def _riff(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and body of each chunk of a WEBP file."""
    place = 12
    while place + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, place)
        if place + 8 + length > len(data):
            raise Unfit("truncated")
        yield name, data[place + 8 : place + 8 + length]
        place += 8 + length + length % 2


def _webp(data: bytes) -> Parts:
    end = 8 + int.from_bytes(data[4:8], "little")
    if end > len(data):
        raise Unfit("truncated")
    first = dict(reversed(_few(_riff(data[:end]))))
    if {b"ANIM", b"ANMF"} & set(first):
        raise Unfit("animated")
    return _still(first)


def _still(chunks: dict[bytes, bytes]) -> Parts:
    """A WEBP picture that does not move, from its chunks."""
    if (b"VP8 " in chunks) == (b"VP8L" in chunks):
        raise Unfit("broken image")
    if b"VP8 " in chunks:
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", chunks[b"VP8 "], 6))
    else:
        (bits,) = struct.unpack_from("<I", chunks[b"VP8L"], 1)
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if not width or not height:
        raise Unfit("broken image")
    canvas = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    kept: list[tuple[bytes, bytes]] = [(name, chunks[name]) for name in (b"VP8 ", b"VP8L") if name in chunks]
    if b"VP8X" in chunks and chunks[b"VP8X"][4:10] != canvas:
        raise Unfit("broken image")
    if b"VP8 " in chunks and b"ALPH" in chunks:
        kept = [(b"VP8X", b"\x10\0\0\0" + canvas), (b"ALPH", chunks[b"ALPH"]), *kept]
    body = b"WEBP" + b"".join(struct.pack("<4sI", n, len(b)) + b + b"\0" * (len(b) % 2) for n, b in kept)
    profile = chunks.get(b"ICCP")
    if profile is not None and len(profile) > MOST_PROFILE:
        profile = b""
    exif = chunks.get(b"EXIF", b"").removeprefix(b"Exif\0\0")
    return Parts("WEBP", (width, height), struct.pack("<4sI", b"RIFF", len(body)) + body, profile, _orientation(exif))


def _orientation(tiff: bytes) -> int:
    """How EXIF says that the picture is to be turned; 1 (not at all) if it says nothing that can be understood."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(f"{order}I", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, start)
        for place in range(start + 2, start + 2 + 12 * count, 12):
            tag, kind, values, value = struct.unpack_from(f"{order}HHIH", tiff, place)
            if tag == _ORIENTATION:
                return value if (kind, values) == (_SHORT, 1) and 1 <= value <= 8 else 1
    except struct.error:
        return 1
    return 1
