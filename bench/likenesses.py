"""Pictures for near_duplicates.py: different ones, some of which look alike, and copies of them.

Parts of the photographs that scikit-image and scikit-learn ship, our drawings, printed pages with words of no language.
"""

import io
import math
import random
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from pipeline.sources.drawings import DRAWINGS, Pen

SYLLABLES = [a + b for a in "bcdfghjklmnprstvw" for b in ("a", "e", "i", "o", "u", "an", "er", "in", "or", "ul")]
FILTERS = [getattr(Image.Resampling, name) for name in ("BOX", "BILINEAR", "BICUBIC", "LANCZOS")]
Picture = Image.Image
Chance = random.Random


DISC = "retina.jpg"
"""A smooth disc on a flat ground: two parts that show a piece of its edge hardly differ."""


def photographs(disc: bool | None = None) -> Iterator[Picture]:
    """Those that the packages ship, at least 256 pixels on a side, on white: all, the disc alone, or all but it."""
    for package, folder in (("skimage", "data"), ("sklearn", "datasets/images")):
        spec = find_spec(package)
        assert spec
        assert spec.origin
        for path in sorted((Path(spec.origin).parent / folder).glob("*.[jp][pn]g")):
            image = Image.open(path).convert("RGBA")
            wanted = disc is None or disc == (path.name == DISC)
            if (
                wanted and min(image.size) >= 256 and path.name != "motorcycle_right.png"
            ):  # the left eye sees nearly the same
                yield Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def parts(image: Picture, side: int, step: int) -> Iterator[Picture]:
    """Squares of a picture."""
    for y in range(0, image.height - side + 1, step):
        for x in range(0, image.width - side + 1, step):
            yield image.crop((x, y, x + side, y + side))


def words(chance: Chance, number: int = 1, syllables: int = 0) -> str:
    return " ".join("".join(chance.choices(SYLLABLES, k=syllables or chance.randint(1, 3))) for _ in range(number))


def word(number: int) -> str:
    """Two syllables: no two of 25,600 numbers have the same."""
    first, more = number % len(SYLLABLES), number // len(SYLLABLES)
    return SYLLABLES[first] + SYLLABLES[(more + 37 * first) % len(SYLLABLES)]


def sheet(width: int, height: int, lines: list[tuple[float, float, str, int]], paper: str = "white") -> Picture:
    """Lines of print: left, top, words, size in pixels."""
    image = Image.new("RGB", (width, height), paper)
    draw = ImageDraw.Draw(image)
    for left, top, text, size in lines:
        draw.text((left, top), text, "black", ImageFont.load_default(size))
    return image


def notice(chance: Chance, other: int | None = None) -> Picture:
    """Four lines in large print, and below them 1. 2. 3.: as typographic attacks are printed. `other`: this line alone is
    drawn by chance."""
    same = Chance(0)
    lines = [words(same if other not in (None, n) else chance, 2, 2) for n in range(4)] + ["1.", "2.", "3."]
    return sheet(760, 760, [(40, 40 + 96 * n, line, 80) for n, line in enumerate(lines)])


def page(chance: Chance, size: int = 28, other: int | None = None) -> Picture:
    """A page of print. `other`: the same page each time, but for this line."""
    same, number = Chance(0), int(660 / (1.4 * size))
    lines = [words(same if other not in (None, n) else chance, int(190 / size)) for n in range(number)]
    return sheet(640, 800, [(60, 64 + 1.4 * size * n, line, size) for n, line in enumerate(lines)])


def screen(chance: Chance) -> Picture:
    """A bar, a menu at the side, lines of text."""
    image = sheet(800, 600, [(210, 70 + 30 * n, words(chance, 7), 16) for n in range(16)], "#f4f5f7")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, 800, 48), "#20355c")
    draw.rectangle((0, 48, 180, 600), "#e2e5ea")
    draw.text((20, 12), f"Settings  {words(chance, 1, 3)}", "white", ImageFont.load_default(20))
    for n in range(10):
        draw.text((16, 70 + 36 * n), words(chance, 1, 2), "#333333", ImageFont.load_default(16))
    return image


def captioned(base: Picture, chance: Chance) -> Picture:
    """A picture above a strip with words."""
    image = Image.new("RGB", (512, 592), "white")
    image.paste(base.resize((512, 512)))
    ImageDraw.Draw(image).text((256, 552), words(chance, 3, 2), "black", ImageFont.load_default(44), "mm")
    return image


def outlined(base: Picture, chance: Chance) -> Picture:
    """White words with black outlines across a picture, above and below."""
    image = base.resize((512, 512))
    for y, anchor in ((6, "ma"), (506, "md")):
        ImageDraw.Draw(image).text((256, y), words(chance, 2, 2), "white", ImageFont.load_default(50), anchor, stroke_width=2, stroke_fill="black")  # fmt: skip
    return image


def plain(chance: Chance, kind: int) -> Picture:
    """One colour; two that run into each other; two halves; or two close colours that run into each other."""
    one, other = (np.array(chance.choices(range(256), k=3), float) for _ in range(2))
    if kind == 0:
        return Image.new("RGB", (512, 512), tuple(map(int, one)))
    y, x = np.mgrid[:512, :512] / 512 - 0.5
    turn, round_ = chance.uniform(0, math.tau), chance.random() < 0.5
    along = np.hypot(x - chance.uniform(-0.5, 0.5), y) if round_ else x * np.cos(turn) + y * np.sin(turn) + 0.5
    if kind == 2:
        along = (y > chance.uniform(-0.4, 0.4)).astype(float)
    if kind == 3:
        one, other = np.array((200, 120, 90)) + one / 50, np.array((40, 60, 110)) + other / 50
    share = np.clip(along, 0, 1)[..., None]
    return Image.fromarray((one * (1 - share) + other * share).astype(np.uint8))


def file(image: Picture, quality: int = 90, kind: str = "JPEG") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, quality=quality)
    return buffer.getvalue()


def encoded(image: Picture, chance: Chance) -> bytes:
    if chance.random() < 0.3:
        image = Image.open(io.BytesIO(file(image, chance.randint(40, 95), "WEBP")))
    return file(image, chance.randint(30, 95))


def scaled(image: Picture, chance: Chance, stretch: float = 0.0) -> Picture:
    """A quarter to twice as large, 64 pixels a side at least; and stretched by so much at most."""
    least = max(0.25, 66 / min(image.size))
    scale, shape = math.exp(chance.uniform(math.log(least), math.log(2))), 1 + chance.uniform(-stretch, stretch)
    return image.resize((round(image.width * scale * shape), round(image.height * scale)), chance.choice(FILTERS))


def cropped(image: Picture, chance: Chance, most: float = 0.02) -> Picture:
    """By up to `most` on each side."""
    left, top, right, bottom = (chance.uniform(0, most) for _ in range(4))
    w, h = image.size
    return image.crop((round(left * w), round(top * h), w - round(right * w), h - round(bottom * h)))


COPIES: dict[str, Callable[[Picture, Chance], bytes]] = {
    "encoded": encoded,
    "scaled": lambda image, chance: file(scaled(image, chance)),
    "stretched": lambda image, chance: file(scaled(image, chance, 0.02)),
    "cropped": lambda image, chance: file(cropped(image, chance)),
    "cropped_2": lambda image, _: file(ImageOps.crop(image, round(0.02 * min(image.size)))),
    "all": lambda image, chance: encoded(scaled(cropped(image, chance), chance, 0.02), chance),
}
BEYOND: dict[str, Callable[[Picture, Chance], bytes]] = {
    "cropped_3": lambda image, chance: file(cropped(image, chance, 0.03)),
    "cropped_4": lambda image, chance: file(cropped(image, chance, 0.04)),
    "cropped_5": lambda image, chance: file(cropped(image, chance, 0.05)),
    "mirrored": lambda image, _: file(ImageOps.mirror(image)),
}


def originals(quick: bool) -> dict[str, list[Picture]]:
    """Different pictures."""
    number = 2 if quick else 40
    photos = [part for image in photographs() for part in parts(image, 256, 128)]
    drawn = []
    for drawing in DRAWINGS:
        pen = Pen(drawing.key, drawing.size, *drawing.ground.split())
        drawing.scene(pen)
        drawn.append(Image.open(io.BytesIO(pen.png())).convert("RGB"))
    return {
        "photographs": photos[::60] if quick else photos,
        "drawings": drawn[:2] if quick else drawn,
        "notices": [notice(Chance(n)) for n in range(number)],
        "pages": [page(Chance(n)) for n in range(number)],
        "screens": [screen(Chance(n)) for n in range(number)],
        "short": [sheet(512, 512, [(190, 230, words(Chance(n), 1, 2), 40)]) for n in range(number)],
    }


def lookalikes(quick: bool) -> dict[str, Iterator[Picture]]:
    """Different pictures that look alike."""
    n, bases = (6 if quick else 500), [part for image in photographs() for part in parts(image, 256, 256)][::8][:10]
    return {
        "notices": (notice(Chance(10_000 + i)) for i in range(2 * n)),
        "notices_one_line": (notice(Chance(20_000 + i), i % 4) for i in range(n)),
        "pages": (page(Chance(30_000 + i)) for i in range(n)),
        "pages_small_print": (page(Chance(40_000 + i), 16) for i in range(n)),
        "screens": (screen(Chance(50_000 + i)) for i in range(n)),
        "short": (sheet(512, 512, [(220, 240, word(i), 6 + 2 * (i % 16))]) for i in range(2 * n)),
        "captions": (captioned(bases[i % len(bases)], Chance(60_000 + i)) for i in range(n)),
        "plain": (plain(Chance(70_000 + i), i % 4) for i in range(2 * n)),
        "limit_outlined_captions": (outlined(bases[i % len(bases)], Chance(80_000 + i)) for i in range(n)),
        "limit_edges_of_a_disc": islice(others(quick, disc=True), 12 if quick else None),
        "limit_pages_one_line": (page(Chance(90_000 + i), 28, i % 16) for i in range(n)),
    }


def others(quick: bool, disc: bool = False) -> Iterator[Picture]:
    """Parts of photographs that overlap, upright and on their side, mirrored, or as negatives: no two the same."""
    for image in list(photographs(disc))[:: 20 if quick else 1]:
        for side in (160, 192, 224, 272, 320):
            for n, part in enumerate(parts(image, side, side // (1 if quick else 4))):
                yield part
                yield part.transpose(Image.Transpose(n % 5 + (n % 5 > 0)))
                yield ImageOps.invert(part)
