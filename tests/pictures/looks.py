"""Pictures that look like photographs and pages, drawn by chance, and copies of them."""

import io

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pipeline.pictures.hashes import LAYOUT

WORDS = [
    "the",
    "harbour",
    "boat",
    "leaves",
    "at",
    "seven",
    "with",
    "bread",
    "salt",
    "and",
    "forty",
    "lamps",
    "for",
    "an",
    "island",
    "of",
    "tall",
    "quiet",
    "birds",
]


def photograph(seed: int, size: tuple[int, int] = (320, 240)) -> Image.Image:
    """Clouds of all sizes, the large ones strongest."""
    chance, sum_ = np.random.default_rng(seed), np.zeros((size[1], size[0], 3))
    for cells in (3, 6, 12, 24, 48, 96):
        noise = Image.fromarray(chance.integers(0, 256, (cells, cells, 3), np.uint8))
        sum_ += np.asarray(noise.resize(size, Image.Resampling.BICUBIC), float) / cells
    sum_ = (sum_ - sum_.min()) / (sum_.max() - sum_.min())
    return Image.fromarray((255 * sum_).astype(np.uint8))


def page(seed: int, size: int = 40, *, lines: int = 8, other: int | None = None) -> Image.Image:
    """Lines of large print on white. With `other`, only that line is drawn by chance."""
    image = Image.new("RGB", (560, 560), "white")
    for line in range(lines):
        chance = np.random.default_rng((seed if other in (None, line) else 0, line))
        text = " ".join(chance.choice(WORDS, 3))
        ImageDraw.Draw(image).text((60, 50 + 1.4 * size * line), text, "black", ImageFont.load_default(size))
    return image


def word(text: str, size: int = 40, at: tuple[int, int] = (256, 256), ink: str = "black") -> Image.Image:
    """A word on white."""
    image = Image.new("RGB", (512, 512), "white")
    ImageDraw.Draw(image).text(at, text, ink, ImageFont.load_default(size), "mm")
    return image


def gradient(one: int, other: int) -> Image.Image:
    """From one grey to another, and a little green."""
    ramp = np.linspace(one, other, 256)[None, :, None] * np.ones((256, 1, 3)) * (0.9, 1, 0.9)
    return Image.fromarray(ramp.astype(np.uint8))


def halves(height: int) -> Image.Image:
    """Dark above, light below."""
    image = Image.new("RGB", (256, 256), "#d0d0e0")
    image.paste("#303040", (0, 0, 256, height))
    return image


def encoded(image: Image.Image, kind: str = "JPEG", quality: int = 90) -> Image.Image:
    """As a decoder gives it back."""
    buffer = io.BytesIO()
    image.save(buffer, kind, quality=quality)
    return Image.open(buffer).convert("RGB")


def record(hash_: str) -> np.void:
    """The hash's parts."""
    found: np.void = np.frombuffer(bytes.fromhex(hash_), LAYOUT)[0]
    return found
