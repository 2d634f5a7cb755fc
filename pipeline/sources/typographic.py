"""Words drawn into pictures, as FigStep does (arXiv 2311.05608): a heading above an empty list, so that the harm of a prompt is
in what the model reads in the picture. In several layouts, for a model learns one too soon.

We draw them, so their licence is our choice: CC0-1.0. Chance is drawn from the key and the only font is the one inside Pillow:
one version of Pillow always draws the same bytes. To add a layout, write a function and name it in `LAYOUTS`, at the end.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from typing import Any

import PIL
import polars as pl
import yaml
from PIL import features

from pipeline import PROMPTS
from pipeline.errors import UserError
from pipeline.sources import frames
from pipeline.sources.parts.pen import Pen, lacking, length, wrapped
from pipeline.sources.parts.records import rows
from pipeline.tables import Listed, chance, row_id

VERSION = "1"  # raise it when a layout changes
SHIPPED = PROMPTS / "question" / "typographic.yaml"
LONGEST = 160
"""Characters of a phrase: more would be too small to read."""
SMALLEST = 22
"""Pixels of a letter's height at least, so that OCR and models read it."""
LIST = ("1.", "2.", "3.")
INKS = ("#1b1b1f", "#20304f", "#4a1420", "#123524", "#3a2a10")
PAPERS = ("#ffffff", "#fbf7ea", "#eef3f7", "#f6efe6", "#f2f2f0")
WALLS = ("#8d9aa5", "#a58f7a", "#6f7f8f", "#7f8f74", "#93828f")
NOTES = ("#fff176", "#ffd180", "#ccff90", "#ffab91", "#b3e5fc")


@dataclass(frozen=True)
class Phrase:
    """What is drawn, and for which class."""

    subcategory: str
    words: str


@dataclass(frozen=True)
class Area:
    """Where words are written: pixels."""

    x: float
    y: float
    width: float
    height: float


def _lines(pen: Pen, words: str, area: Area) -> tuple[float, list[str]]:
    """Size and lines of a heading with its list, as large as chance lets it be in its area."""
    size = min(pen.height / pen.chance.uniform(8, 13), area.height / 5)
    while size > SMALLEST and not _fits(words, size, area):
        size *= 0.96
    return size, [*wrapped(words, size, area.width), *LIST]


def _fits(words: str, size: float, area: Area) -> bool:
    lines = wrapped(words, size, area.width)
    return (len(lines) + len(LIST)) * size * 1.35 <= area.height and all(length(x, size) <= area.width for x in lines)


def _write(pen: Pen, words: str, area: Area, ink: str, *, middle: bool = False) -> None:
    """A heading and its list from the area's top down."""
    size, lines = _lines(pen, words, area)
    bold = pen.chance.random() < 0.5
    for row, line in enumerate(lines):
        y = area.y + size * (0.7 + 1.35 * row)
        if middle and line not in LIST:
            pen.text((area.x + area.width / 2, y), line, size, ink, area.width, bold=bold)
        else:
            pen.text((area.x, y), line, size, ink, area.width, "lm", bold=bold)


def page(pen: Pen, words: str) -> None:
    """Black on white from the left upper corner, as FigStep has it."""
    margin = pen.width * pen.chance.uniform(0.03, 0.1)
    pen.box(0, 0, pen.width, pen.height, pen.chance.choice(PAPERS))
    area = Area(margin, margin, pen.width - 2 * margin, pen.height - 2 * margin)
    _write(pen, words, area, pen.chance.choice(INKS))


def board(pen: Pen, words: str) -> None:
    """White on black."""
    margin = pen.width * pen.chance.uniform(0.06, 0.12)
    pen.box(0, 0, pen.width, pen.height, pen.chance.choice(("#000000", "#10231c", "#15171c", "#1a1030")))
    area = Area(margin, margin, pen.width - 2 * margin, pen.height - 2 * margin)
    _write(pen, words, area, pen.chance.choice(("#ffffff", "#f4f1e4", "#e8f5ff")), middle=pen.chance.random() < 0.5)


def poster(pen: Pen, words: str) -> None:
    """A framed sheet on a wall, its heading in the middle between two bands."""
    x, y = pen.width * pen.chance.uniform(0.06, 0.1), pen.height * pen.chance.uniform(0.05, 0.08)
    width, height, ink = pen.width - 2 * x, pen.height - 2 * y, pen.chance.choice(INKS)
    pen.box(x + 5, y + 6, width, height, "#3c3f44", 3)
    pen.box(x, y, width, height, pen.chance.choice(PAPERS), 3, ink)
    for top in (y, y + height * 0.93):
        pen.box(x, top, width, height * 0.07, ink)
    area = Area(x + width * 0.07, y + height * 0.11, width * 0.86, height * 0.79)
    _write(pen, words, area, ink, middle=True)


def note(pen: Pen, words: str) -> None:
    """A sticky note on a desk, with its upper edge in the shade."""
    side = min(pen.width, pen.height) * pen.chance.uniform(0.84, 0.92)
    x, y, colour = (pen.width - side) / 2, (pen.height - side) / 2, pen.chance.choice(NOTES)
    pen.box(x + 7, y + 9, side, side, "#4d4a45")
    pen.box(x, y, side, side, colour)
    pen.box(x, y, side, side * 0.06, "#d8c56a")
    area = Area(x + side * 0.07, y + side * 0.11, side * 0.86, side * 0.84)
    _write(pen, words, area, pen.chance.choice(INKS))


def handwriting(pen: Pen, words: str) -> None:
    """Word by word on ruled paper, none quite straight."""
    left, ink = pen.width * pen.chance.uniform(0.1, 0.16), pen.chance.choice(("#1a2f7a", "#1b1b1f", "#0b4f3a"))
    area = Area(left + 14, pen.height * 0.08, (pen.width - left) * 0.82, pen.height * 0.86)
    size, lines = _lines(pen, words, area)
    pen.box(0, 0, pen.width, pen.height, "#fdfcf6")
    for row in range(int(pen.height / (size * 1.35)) + 1):
        pen.box(0, area.y + size * (1.3 + 1.35 * row), pen.width, 1.2, "#c3d3e8")
    pen.box(left, 0, 1.5, pen.height, "#e3a6a6")
    for row, line in enumerate(lines):
        x = area.x + pen.chance.uniform(0, size * 0.3)
        for word in line.split():
            width, lift = length(word, size), pen.chance.uniform(-0.06, 0.06) * size
            at = (x + width / 2, area.y + size * (0.2 + 1.35 * row) + lift)
            pen.word(at, word, size, ink, pen.chance.uniform(-2.5, 2.5))
            x += width + size * pen.chance.uniform(0.28, 0.4)


def bubble(pen: Pen, words: str) -> None:
    """A message on a telephone."""
    accent, mine = pen.chance.choice(("#1f7a4d", "#2f5f9f", "#7a3f8f", "#b0492f")), pen.chance.random() < 0.5
    bar, width, height = pen.height * 0.12, pen.width * 0.86, pen.height * 0.76
    pen.box(0, 0, pen.width, pen.height, pen.chance.choice(("#e8ece9", "#dfe7f0", "#efe9f2")))
    pen.box(0, 0, pen.width, bar, accent)
    pen.icon("person", 12, bar * 0.12, bar * 0.76, "#fdfdfa", accent)
    x, y = (pen.width - width - 14 if mine else 14), bar + pen.height * 0.06
    pen.box(x, y, width, height, accent if mine else "#ffffff", 26)
    area = Area(x + width * 0.07, y + height * 0.06, width * 0.86, height * 0.88)
    _write(pen, words, area, "#ffffff" if mine else "#1b1b1f")


LAYOUTS: tuple[tuple[str, Callable[[Pen, str], None]], ...] = (
    *(("a page", page), ("a poster", poster), ("a sticky note", note)),
    *(("handwriting", handwriting), ("a message", bubble), ("white on black", board)),
)
"""How a caption calls it, and what draws it."""
SIZES = ((512, 512), (640, 640), (760, 760), (640, 512), (512, 640), (720, 540))


@dataclass(frozen=True)
class Typographic:
    """A source of drawn words, each drawn when it is read."""

    phrases: tuple[Phrase, ...] | Path = SHIPPED
    """What is drawn; or a .yaml file of subcategory to phrases, or a .csv with the columns subcategory and text."""
    variants: int = 1
    """Pictures of each phrase; the first six have six layouts."""
    name: str = "typographic"

    @cached_property
    def _phrases(self) -> tuple[Phrase, ...]:
        """Each once, of the classes in turn, so that any prefix is spread out."""
        given = phrases(self.phrases) if isinstance(self.phrases, Path) else self.phrases
        for phrase in given:
            _check(phrase, self.phrases if isinstance(self.phrases, Path) else self.name)
        of_class: dict[str, list[Phrase]] = {}
        for phrase in dict.fromkeys(given):
            of_class.setdefault(phrase.subcategory, []).append(phrase)
        return tuple(phrase for turn in zip_longest(*of_class.values()) for phrase in turn if phrase is not None)

    @cached_property
    def _keys(self) -> dict[str, tuple[Phrase, int]]:
        """Key to what is drawn, and in which layout."""
        keys = {}
        for variant in range(self.variants):
            for phrase in self._phrases:
                name = row_id(phrase.subcategory, phrase.words)
                keys[f"{name}-{variant}.png"] = (phrase, (int(name, 16) + variant) % len(LAYOUTS))
        return keys

    def revision(self) -> str:
        """The version of the layouts, of what draws them, and a hash of the phrases."""
        phrases = hashlib.sha256(repr((self._phrases, self.variants)).encode()).hexdigest()[:12]
        return f"{VERSION}, Pillow {PIL.__version__}, FreeType {features.version('freetype2')}, phrases {phrases}"

    def listing(self) -> Iterator[pl.DataFrame]:
        """One row a picture."""
        return frames(
            Listed(
                source=self.name, key=key, subcategory=phrase.subcategory, url=None, page_url=None, creator="Tetrad",
                licence="CC0-1.0", attribution="Words in a picture. By Tetrad (CC0 1.0).",
                caption=f"Words, drawn as {LAYOUTS[layout][0]}", text=phrase.words,
            )
            for key, (phrase, layout) in self._keys.items()
        )  # fmt: skip

    def read(self, row: dict[str, Any]) -> bytes:
        """A PNG, the same bytes each time."""
        if row["key"] not in self._keys:
            raise FileNotFoundError(f"no drawn words {row['key']}")
        phrase, layout = self._keys[row["key"]]
        luck = chance("typographic", row["key"])
        wall = luck.choice(WALLS)
        pen = Pen(row["key"], luck.choice(SIZES), wall, luck.choice(WALLS))
        LAYOUTS[layout][1](pen, phrase.words)
        return pen.png()


def phrases(path: Path) -> tuple[Phrase, ...]:
    """What is in a .yaml file of subcategory to phrases, or a .csv with the columns subcategory and text."""
    if not path.is_file():
        raise UserError(f"no file of phrases at {path}")
    if path.suffix == ".csv":
        return tuple(Phrase(row.get("subcategory", ""), row.get("text", "")) for row in rows(path))
    try:
        given = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{path}: not YAML in UTF-8: {' '.join(str(error).split())[:200]}") from None
    if not isinstance(given, dict) or not all(isinstance(some, list) for some in given.values()):
        raise UserError(f"{path} must map each subcategory to a list of phrases")
    return tuple(Phrase(str(subcategory), str(words)) for subcategory, some in given.items() for words in some)


def _check(phrase: Phrase, where: object) -> None:
    """Refuse a phrase that cannot be drawn so that it is read."""
    if not phrase.subcategory or not phrase.words.strip():
        raise UserError(f"{where}: {phrase.words or phrase.subcategory!r} needs both a subcategory and words")
    if len(phrase.words) > LONGEST:
        raise UserError(f"{where}: {phrase.words[:40]!r}... is longer than {LONGEST} characters: make it shorter")
    if odd := lacking(phrase.words):
        raise UserError(
            f"{where}: {phrase.words[:40]!r}: the font in Pillow has no {' '.join(sorted(odd))}: write it otherwise"
        )
