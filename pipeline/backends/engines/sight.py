"""An image put in words, for a model that cannot see: what is measured of its pixels, and the text that OCR reads."""

import io

import numpy as np
from PIL import Image

from pipeline.backends.ocr import Pixels, Reader

MAX_WORDS = 14
SURE = 0.6
"""OCR below this score is taken for noise: photographs give plenty."""

_COLOURS = {
    "black": (20, 20, 20), "white": (240, 240, 240), "grey": (128, 128, 128), "red": (200, 40, 40),
    "orange": (240, 140, 30), "yellow": (240, 220, 60), "green": (50, 150, 60), "blue": (50, 80, 200),
    "light blue": (140, 190, 230), "purple": (130, 60, 160), "pink": (235, 150, 180), "brown": (120, 80, 50),
    "beige": (220, 205, 170),
}  # fmt: skip


class Sight:
    """Looks at images; needs rapidocr."""

    def __init__(self) -> None:
        self._reader = Reader()

    def describe(self, data: bytes) -> str:
        """Two sentences: shape, colours, light and detail; and the text on it, or that there is none."""
        with Image.open(io.BytesIO(data)) as image:
            pixels = np.asarray(image.convert("RGB"))
        words = self._read(pixels)
        text = f'The text on it says "{words}".' if words else "No text can be read on it."
        return (
            f"A {_shape(pixels)}, {_light(pixels)} picture, mostly {_colours(pixels)}, with {_detail(pixels)}. {text}"
        )

    def _read(self, pixels: Pixels) -> str:
        sure = [line.text for line in self._reader.lines(pixels) if line.score >= SURE and len(line.text) > 2]
        return " ".join(" ".join(sure).split()[:MAX_WORDS]).replace('"', "'")


def _shape(pixels: Pixels) -> str:
    height, width = pixels.shape[:2]
    return "wide" if width > 1.15 * height else "tall" if height > 1.15 * width else "square"


def _light(pixels: Pixels) -> str:
    mean = float(pixels.mean())
    return "dark" if mean < 85 else "bright" if mean > 170 else "evenly lit"


def _colours(pixels: Pixels) -> str:
    """The one or two named colours that cover most of it."""
    sampled = (
        pixels[:: max(1, pixels.shape[0] // 64), :: max(1, pixels.shape[1] // 64)].reshape(-1, 1, 3).astype(np.int32)
    )
    nearest = ((sampled - np.array(list(_COLOURS.values()))) ** 2).sum(axis=2).argmin(axis=1)
    shares = np.bincount(nearest, minlength=len(_COLOURS)) / len(nearest)
    order = np.argsort(-shares, kind="stable")
    names = [list(_COLOURS)[i] for i in order[:2] if shares[i] > 0.12] or [list(_COLOURS)[order[0]]]
    return " and ".join(names)


def _detail(pixels: Pixels) -> str:
    grey = pixels.mean(axis=2)
    edges = float(np.abs(np.diff(grey, axis=0)).mean() + np.abs(np.diff(grey, axis=1)).mean())
    return "large plain areas" if edges < 6 else "fine detail everywhere" if edges > 20 else "some detail"
