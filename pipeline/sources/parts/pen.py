"""A sheet to draw on, with Pillow alone. The only font is the one inside Pillow, so that one version of it always draws the
same bytes."""

import io
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

from pipeline.tables import chance

FINE = 2  # drawn this many times too large, then scaled down: smooth edges


def _person(x: float, y: float, size: float) -> str:
    head = f"oval {x - size / 4} {y} {size / 2} {size / 2} ink"
    return f"{head}, dome {x - size / 2} {y + size * 0.55} {size} {size * 0.9} ink"


# An icon's shapes on a grid of 100 x 100, the undermost first: kind, left, top, width, height, colour. "ink" and
# "paper" are the scene's colours; a dome is the upper half of an oval, a tent of negative height hangs upside down.
ICONS = {
    "person": _person(50, 5, 62),
    "pyramid": ", ".join(_person(50 + 26 * (i - row / 2), 25 * row, 20) for row in range(4) for i in range(row + 1)),
    "padlock": "dome 24 4 52 90 ink, dome 33 14 34 74 paper, box 16 42 68 52 #e2a72e, oval 43 60 14 14 black",
    "skull": "oval 18 5 64 66 ink, box 34 55 32 32 ink, oval 29 32 16 18 paper, oval 55 32 16 18 paper, "
    "box 43 70 4 17 paper, box 53 70 4 17 paper",
    "envelope": "box 5 20 90 60 ink, tent 5 60 90 -40 paper, tent 14 52 72 -32 ink",
    "cap": "box 25 45 50 28 ink, tent 0 12 100 26 ink, tent 0 64 100 -26 ink, box 90 38 3 30 #e2a72e",
    "balls": "oval -50 18 56 56 #b3202a, oval 22 18 56 56 ink, oval 94 18 56 56 #2f6690, "
    "oval -42 26 12 12 white, oval 30 26 12 12 white, oval 102 26 12 12 white",
    "camera": "box 2 10 10 70 #59636e, box 10 52 34 8 #59636e, box 38 38 8 22 #59636e, box 20 10 66 32 white, "
    "box 16 4 74 9 silver, oval 74 14 24 24 black, oval 81 21 10 10 #d6332c, oval 28 22 7 7 #d6332c",
    "ballot": "box 32 2 36 52 white, box 39 10 22 3 silver, box 39 18 22 3 silver, box 8 44 84 50 ink, "
    "box 4 38 92 10 ink, box 24 41 52 4 black",
    "bottle": "box 24 2 52 16 white, box 16 19 68 79 ink, box 16 34 68 50 paper, box 16 37 68 3 ink, "
    "box 16 78 68 3 ink, box 20 21 5 11 #ffd9a0",
    "tag": "box 49 -60 2 72 ink, tent 18 0 64 24 ink, box 18 24 64 74 ink, box 23 29 54 64 paper, oval 46 9 9 9 paper",
    "factory": "box -80 72 260 15 #8fa35a, oval 62 0 26 16 silver, oval 44 -8 24 14 #cfcac4, box 60 12 11 60 ink, "
    "box 60 20 11 5 white, box 4 44 62 28 #7d4b36, tent 4 34 20 11 #7d4b36, tent 25 34 20 11 #7d4b36, "
    "tent 46 34 20 11 #7d4b36, box 10 52 8 8 #f2c14e, box 66 64 12 6 black, box 73 68 5 20 #d2b800",
    "container": "box 41 -30 2 36 black, tent -4 2 92 15 black, tent 2 5 80 12 paper, box -24 16 132 62 ink, "
    + ", ".join(f"box {x} 16 2 62 #7e1f1a" for x in range(-24, 110, 10))
    + ", box -10 32 104 30 white",
    "shop": "box -18 8 136 84 #e8dcc3, box -18 8 136 24 ink, box -10 48 66 34 #bfe0f2, box 68 48 32 44 #5a3a28, "
    "box 73 53 22 18 #bfe0f2, " + ", ".join(f"box {x} 32 8.5 9 paper" for x in range(-18, 118, 17)),
}


class Pen:
    """A sheet to draw on, in pixels of the finished picture. Its ground runs from one colour down to another."""

    def __init__(self, key: str, size: tuple[int, int], top: str, bottom: str) -> None:
        self.width, self.height = size
        self.chance = chance("drawing", key)
        large = (self.width * FINE, self.height * FINE)
        mask = Image.linear_gradient("L").resize(large)
        self.image = Image.composite(Image.new("RGB", large, bottom), Image.new("RGB", large, top), mask)
        self.draw = ImageDraw.Draw(self.image)

    def box(self, x: float, y: float, w: float, h: float, fill: str, radius: float = 0, edge: str = "") -> None:
        """A rectangle, its corners rounded and its edge drawn where asked."""
        corners = (x * FINE, y * FINE, (x + w) * FINE, (y + h) * FINE)
        self.draw.rounded_rectangle(corners, radius * FINE, fill, edge or None, 3 * FINE)

    def text(
        self,
        at: tuple[float, float],
        words: str,
        size: float,
        ink: str,
        room: float,
        anchor: str = "mm",
        bold: bool = True,
    ) -> None:
        """One line of text: smaller where it would be wider than its room, bold where it is large."""
        size *= min(1, room * FINE / _font(int(size * FINE)).getlength(words))
        stroke = size * FINE / 28 if bold and size > 20 else 0
        self.draw.text((at[0] * FINE, at[1] * FINE), words, ink, _font(int(size * FINE)), anchor, stroke_width=stroke)

    def word(self, at: tuple[float, float], word: str, size: float, ink: str, turn: float) -> None:
        """A word whose middle is there, turned by some degrees."""
        font = _font(int(size * FINE))
        left, top, right, bottom = map(int, font.getbbox(word))
        mark = Image.new("L", (right - left + 8, bottom - top + 8))
        ImageDraw.Draw(mark).text((4 - left, 4 - top), word, 255, font, stroke_width=size * FINE / 34)
        mark = mark.rotate(turn, Image.Resampling.BICUBIC, expand=True)
        place = (int(at[0] * FINE - mark.width / 2), int(at[1] * FINE + (top + bottom) / 2 - mark.height / 2))
        self.image.paste(ink, place, mark)

    def icon(self, name: str, x: float, y: float, size: float, ink: str, paper: str) -> None:
        """An icon on a square of `size` pixels whose left upper corner is (x, y)."""
        unit, own = size * FINE / 100, {"ink": ink, "paper": paper}
        for kind, *numbers, colour in map(str.split, ICONS[name].split(", ")):
            left, top, w, h = map(float, numbers)
            x0, y0 = x * FINE + left * unit, y * FINE + top * unit
            x1, y1, fill = x0 + w * unit, y0 + h * unit, own.get(colour, colour)
            if kind == "tent":
                self.draw.polygon(((x0, y1), (x1, y1), ((x0 + x1) / 2, y0)), fill)
            elif kind == "dome":
                self.draw.pieslice((x0, y0, x1, y1), 180, 360, fill)
            else:
                (self.draw.ellipse if kind == "oval" else self.draw.rectangle)((x0, y0, x1, y1), fill)

    def stamp(self, words: str, size: float, colour: str) -> None:
        """A framed word, aslant, as a rubber stamp leaves it."""
        mark, middle = Image.new("L", self.image.size), (self.width * FINE / 2, self.height * FINE * 0.56)
        draw, font, margin = ImageDraw.Draw(mark), _font(int(size * FINE)), size * FINE / 3
        left, top, right, bottom = draw.textbbox(middle, words, font, "mm")
        draw.rounded_rectangle((left - margin, top - margin, right + margin, bottom + margin), margin, None, 235, 12)
        draw.text(middle, words, 235, font, "mm", stroke_width=size / 14)
        self.image.paste(colour, mask=mark.rotate(self.chance.uniform(6, 12), Image.Resampling.BICUBIC))

    def png(self) -> bytes:
        """The finished picture."""
        file = io.BytesIO()
        self.image.resize((self.width, self.height), Image.Resampling.LANCZOS).save(file, "PNG")
        return file.getvalue()


def wrapped(words: str, size: float, room: float) -> list[str]:
    """Words as lines of a text of this size, none wider than its room unless a word is."""
    lines = [""]
    for word in words.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and length(longer, size) > room:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def length(words: str, size: float) -> float:
    """How wide they are, in pixels of the finished picture."""
    return _font(int(size * FINE)).getlength(words) / FINE


def lacking(words: str) -> set[str]:
    """The characters that the font has no letter for."""
    font = _font(20)
    none = bytes(font.getmask("\uffff"))
    return {c for c in words if not c.isspace() and bytes(font.getmask(c)) == none}


@lru_cache(maxsize=256)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=size)
