"""Pictures of coloured shapes whose captions are known.

The tiny image-to-text model beside this file was trained on them, and a test can use them wherever a picture needs a
truth to be held against. `draw(seed)` gives the same picture and caption for the same seed, every time. Any 216 seeds
in a row show each of the 216 captions once, so such a set is balanced and neighbours differ in nearly everything.

Seeds from `TRAINING_SEEDS` up are the model's: a test that stays below them shows it pictures it has never seen.
"""

from __future__ import annotations

import itertools
import math
import random

from PIL import Image, ImageDraw

RGB = tuple[int, int, int]

COUNTS = ("one", "two", "three")
COLOURS: dict[str, RGB] = {
    "red": (220, 30, 30),
    "green": (30, 170, 60),
    "blue": (40, 60, 220),
    "yellow": (240, 220, 40),
    "purple": (150, 40, 170),
    "orange": (245, 140, 30),
}
SHAPES = ("circle", "square", "triangle", "cross")
BACKGROUNDS: dict[str, RGB] = {"white": (250, 250, 250), "black": (15, 15, 15), "gray": (128, 128, 128)}
SCENES = tuple(itertools.product(COUNTS, COLOURS, SHAPES, BACKGROUNDS))
TRAINING_SEEDS = 1_000_000

_STRIDE = 113
"""Steps through SCENES from one seed to the next; it shares no factor with their number, so no scene is passed over."""
_OVERSAMPLING = 4
"""Drawn this many times larger, then reduced, so that edges are smooth and places and sizes fall between pixels."""
_JITTER = 15
"""How far, of 255, each channel of a colour or background may stray from the table's."""


def caption(count: str, colour: str, shape: str, background: str) -> str:
    """The sentence that describes a scene, as in "two red circles on a black background"."""
    plural = "" if count == "one" else "es" if shape == "cross" else "s"
    return f"{count} {colour} {shape}{plural} on a {background} background"


def draw(seed: int, side: int = 64) -> tuple[Image.Image, str]:
    """The picture of `side` x `side` pixels that belongs to `seed`, and its caption.

    The shapes of one picture share colour and kind; each lies somewhere in its own quarter, in its own size. Another
    `side` gives the same scene at another resolution.
    """
    count, colour, shape, background = SCENES[seed * _STRIDE % len(SCENES)]
    chance = random.Random(seed)
    canvas = side * _OVERSAMPLING
    image = Image.new("RGB", (canvas, canvas), _strayed(BACKGROUNDS[background], chance))
    pen = ImageDraw.Draw(image)
    quarters = chance.sample([(0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.5, 0.5)], COUNTS.index(count) + 1)
    fill = _strayed(COLOURS[colour], chance)
    for left, top in quarters:
        extent = chance.uniform(0.32, 0.44)
        x = left + chance.uniform(0.02, 0.48 - extent)
        y = top + chance.uniform(0.02, 0.48 - extent)
        _draw_shape(pen, shape, x * canvas, y * canvas, extent * canvas, fill)
    return image.reduce(_OVERSAMPLING), caption(count, colour, shape, background)


def _strayed(colour: RGB, chance: random.Random) -> RGB:
    red, green, blue = (min(255, max(0, channel + chance.randint(-_JITTER, _JITTER))) for channel in colour)
    return red, green, blue


def _draw_shape(pen: ImageDraw.ImageDraw, shape: str, x: float, y: float, extent: float, fill: RGB) -> None:
    """Fill `shape` into the square whose upper left corner is (x, y) and whose side is `extent`, in canvas pixels."""
    right, bottom = x + extent, y + extent
    if shape == "circle":
        pen.ellipse((x, y, right, bottom), fill=fill)
    elif shape == "square":
        inset = extent * (1 - math.sqrt(math.pi) / 2) / 2  # the same area as the circle: size must not give it away
        pen.rectangle((x + inset, y + inset, right - inset, bottom - inset), fill=fill)
    elif shape == "triangle":
        pen.polygon([(x + extent / 2, y), (x, bottom), (right, bottom)], fill=fill)
    else:
        arm = extent / 3
        pen.rectangle((x + arm, y, right - arm, bottom), fill=fill)
        pen.rectangle((x, y + arm, right, bottom - arm), fill=fill)
