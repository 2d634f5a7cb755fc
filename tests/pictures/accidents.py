"""Ways in which a picture's file comes to harm."""

import random
import struct
import zlib

from seeds import chunk, segment


def damaged(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """The file after one to three accidents; where they may be hidden by a PNG's checksums, those are put right."""
    seen = data
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        seen = chance.choice(ACCIDENTS)(seen, other, chance)
    return checked(seen) if chance.random() < 0.9 else seen


def checked(data: bytes) -> bytes:
    """A PNG with the checksums that its chunks ought to have; other files as they are."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return data
    mended, place = bytearray(data), 8
    while place + 12 <= len(data):
        end = place + 8 + struct.unpack_from(">I", data, place)[0]
        mended[end : end + 4] = struct.pack(">I", zlib.crc32(data[place + 4 : end])) if end + 4 <= len(data) else b""
        place = end + 4
    return bytes(mended)


def somewhere(data: bytes, chance: random.Random) -> int:
    """Mostly in the headers."""
    return chance.randrange(1 + (len(data) if chance.random() < 0.4 else min(len(data), 700)))


def _cut(data: bytes, _other: bytes, chance: random.Random) -> bytes:
    return data[: somewhere(data, chance)] + chance.choice((b"", b"\xff\xd9", chunk(b"IEND", b"")))


def _flip(data: bytes, _other: bytes, chance: random.Random) -> bytes:
    flipped = bytearray(data or b"\0")
    for _ in range(chance.choice((1, 1, 2, 8))):
        flipped[min(len(flipped) - 1, somewhere(data, chance))] ^= 1 << chance.randrange(8)
    return bytes(flipped)


def _number(data: bytes, _other: bytes, chance: random.Random) -> bytes:
    place = somewhere(data, chance)
    extreme = chance.choice((b"\0", b"\xff", b"\x7f", b"\x80", b"\x01")) * chance.choice((1, 2, 4))
    return data[:place] + extreme + data[place + len(extreme) :]


def _splice(data: bytes, other: bytes, chance: random.Random) -> bytes:
    return data[: somewhere(data, chance)] + other[somewhere(other, chance) :]


def _repeat(data: bytes, _other: bytes, chance: random.Random) -> bytes:
    start = somewhere(data, chance)
    end = start + chance.randrange(200)
    return data[:end] + data[start:end] * chance.randint(1, 3) + data[end:]


def _remove(data: bytes, _other: bytes, chance: random.Random) -> bytes:
    start = somewhere(data, chance)
    return data[:start] + data[start + chance.randrange(60) :]


def _insert(data: bytes, _other: bytes, chance: random.Random) -> bytes:
    """A part that is well-formed, its body noise, at the start or anywhere."""
    body = chance.randbytes(chance.randrange(40))
    name = chance.choice((b"tRNS", b"PLTE", b"iCCP", b"eXIf", b"acTL", b"fcTL", b"fdAT", b"IHDR", b"zTXt", b"IDAT"))
    four = chance.choice((b"VP8X", b"ALPH", b"ICCP", b"EXIF", b"ANIM", b"VP8L", b"VP8 "))
    pad = b"\0" * (len(body) % 2)
    made = chance.choice(
        (
            segment(chance.randrange(0xC0, 0xFF), body),
            chunk(name, body),
            four + struct.pack("<I", len(body)) + body + pad,
        )
    )
    place = chance.choice((2, 8, 12, 33, somewhere(data, chance)))
    return data[:place] + made + data[place:]


ACCIDENTS = (_cut, _flip, _flip, _flip, _flip, _number, _number, _splice, _repeat, _remove, _insert)
