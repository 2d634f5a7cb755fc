"""Pictures drawn here, with Pillow alone: a pool for the demo that needs no download and no other package.

Simple illustrations with a few legible words, invented names, nothing to blur. We drew them, so their licence is our
choice: CC0-1.0. Chance is drawn from the key and the only font is the one inside Pillow, so that one version of Pillow
always draws the same bytes. To add a drawing, add a line to `DRAWINGS`.
"""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import PIL
from PIL import Image, ImageDraw, ImageFont, features

from pipeline.tables import Listed, chance

VERSION = "1"  # raise it when a picture or the table changes
FINE = 2  # drawn this many times too large, then scaled down: smooth edges
GREY, DARK, WHITE = "#c9ccd1", "#22262b", "#fdfdfa"

Sign = tuple[str, int, int, int, str]  # words; across, down, and width at most, on the icon's grid; colour


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

    def text(self, at: tuple[float, float], words: str, size: float, ink: str, room: float, anchor: str = "mm") -> None:
        """One line of text: smaller where it would be wider than its room, bold where it is large."""
        size *= min(1, room * FINE / _font(int(size * FINE)).getlength(words))
        stroke = size * FINE / 28 if size > 20 else 0
        self.draw.text((at[0] * FINE, at[1] * FINE), words, ink, _font(int(size * FINE)), anchor, stroke_width=stroke)

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


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=size)


def document(
    pen: Pen, title: str, *rows: str, ink: str, paper: str = WHITE, columns: int = 1, icon: str = "", stamp: str = ""
) -> None:
    """A sheet on a desk: a title, rows (`label|value`, or one line), small print in columns; a portrait, a stamp."""
    x, y, w, h = pen.width * 0.09, pen.height * 0.07, pen.width * 0.82, pen.height * 0.86
    pen.box(x + 6, y + 7, w, h, DARK, 4)
    pen.box(x, y, w, h, paper, 4, ink)
    pen.box(x, y, w, h * 0.2, ink, 4)
    pen.text((x + w / 2, y + h * 0.1), title, h * 0.12, paper, w * 0.88)
    left, right, y, step = x + w * 0.06, x + w * 0.94, y + h * 0.22, min(h * 0.16, 58)
    if icon:
        pen.box(left, y + 16, h * 0.38, h * 0.46, "#c3d3df")
        pen.icon(icon, left, y + 16 + h * 0.08, h * 0.38, ink, paper)
        left += h * 0.44
    for row in rows:
        y += step
        label, _, value = row.partition("|")
        if value:
            pen.text((left, y - 8), label, step * 0.4, "#5a6068", (right - left) * 0.4, "ls")
            pen.text((right, y - 8), value, step * 0.5, DARK, (right - left) * 0.6, "rs")
            pen.box(left, y, right - left, 1.5, GREY)
        else:
            pen.text(((left + right) / 2, y - step * 0.4), label, step * 0.75, DARK, right - left)
    each = (right - left + 16) / columns
    for column in range(columns):
        for line in range(int((pen.height * 0.9 - y - 18) / 12)):
            pen.box(left + column * each, y + 18 + 12 * line, (each - 16) * pen.chance.uniform(0.7, 1), 5, GREY)
    if stamp:
        pen.stamp(stamp, h * 0.2, "#c0231f")


def chat(pen: Pen, name: str, *messages: str, accent: str) -> None:
    """A conversation on a telephone; what its owner writes begins with `>`."""
    bar = pen.height * 0.15
    pen.box(0, 0, pen.width, bar, accent)
    pen.icon("person", 14, bar * 0.12, bar * 0.76, WHITE, accent)
    pen.text((bar + 16, bar / 2), name, bar * 0.42, WHITE, pen.width * 0.6, "lm")
    step = pen.height * 0.83 / len(messages)
    for row, message in enumerate(messages):
        words, mine = message.removeprefix(">"), message.startswith(">")
        width = min(pen.width * 0.82, len(words) * step * 0.2 + 40)
        x, y = pen.width - width - 16 if mine else 16, bar + 14 + step * row
        pen.box(x, y, width, step * 0.76, accent if mine else WHITE, 18)
        pen.text((x + width / 2, y + step * 0.38), words, step * 0.36, WHITE if mine else DARK, width - 28)


def window(pen: Pen, title: str, line: str, button: str, *, accent: str, icon: str) -> None:
    """A window on a desktop: an icon, a line, a button."""
    x, y, w, h = pen.width * 0.1, pen.height * 0.1, pen.width * 0.8, pen.height * 0.8
    pen.box(x, y, w, h, WHITE, 10)
    pen.box(x, y, w, h * 0.13, accent, 10)
    pen.text((x + 16, y + h * 0.065), title, h * 0.075, WHITE, w * 0.7, "lm")
    for dot, colour in enumerate(("#e8574c", "#f2c14e", "#6abf69")):
        pen.box(x + w - 26 - 22 * dot, y + h * 0.065 - 6, 12, 12, colour, 6)
    pen.icon(icon, pen.width / 2 - h * 0.2, y + h * 0.16, h * 0.4, accent, WHITE)
    pen.text((pen.width / 2, y + h * 0.66), line, h * 0.1, DARK, w * 0.88)
    pen.box(x + w * 0.3, y + h * 0.79, w * 0.4, h * 0.15, accent, 8)
    pen.text((pen.width / 2, y + h * 0.865), button, h * 0.08, WHITE, w * 0.36)


def placard(pen: Pen, *lines: str, ink: str, board: str) -> None:
    """A board on a stick above a crowd."""
    x, y, w, h = pen.width * 0.12, pen.height * 0.08, pen.width * 0.76, pen.height * 0.5
    pen.box(pen.width / 2 - 8, y, 16, pen.height, "#a97b4f")
    pen.box(x, y, w, h, board, 6, ink)
    for row, line in enumerate(lines):
        pen.text((pen.width / 2, y + h * (row + 0.5) / len(lines)), line, h * 0.8 / len(lines), ink, w * 0.88)
    for place in range(-1, 8):
        size = pen.height * pen.chance.uniform(0.3, 0.4)
        coat = pen.chance.choice(("#3b3f58", "#57304f", "#2f5d50", "#7a4b2e", "#46586b"))
        pen.icon("person", place * pen.width / 7, pen.height - size * 0.7, size, coat, board)


def poster(pen: Pen, first: str, last: str, *, icon: str, ink: str, paper: str) -> None:
    """A sheet on a wall: a large word, an icon, a line."""
    x, y, w, h = pen.width * 0.12, pen.height * 0.06, pen.width * 0.76, pen.height * 0.88
    pen.box(x, y, w, h, paper, 2, ink)
    pen.text((pen.width / 2, y + h * 0.14), first, h * 0.2, ink, w * 0.86)
    pen.icon(icon, pen.width / 2 - h * 0.25, y + h * 0.28, h * 0.5, ink, paper)
    pen.box(x, y + h * 0.82, w, h * 0.18, ink)
    pen.text((pen.width / 2, y + h * 0.91), last, h * 0.1, paper, w * 0.88)


def scenery(pen: Pen, icon: str, *signs: Sign, ground: str = "#6e6862", ink: str = DARK, paper: str = WHITE) -> None:
    """A thing on the ground, with words on or beside it."""
    size = pen.height * 0.84
    x, y = (pen.width - size) / 2, pen.height * 0.08
    pen.box(0, pen.height * 0.8, pen.width, pen.height * 0.2, ground)
    pen.icon(icon, x, y, size, ink, paper)
    for words, across, down, width, colour in signs:
        pen.text((x + across * size / 100, y + down * size / 100), words, size * 0.15, colour, width * size / 100)


@dataclass(frozen=True)
class Drawing:
    """One picture: named for what it shows, with its subcategory, size, ground (above, below), and how it is drawn."""

    key: str
    subcategory: str
    size: tuple[int, int]
    ground: str
    scene: Callable[[Pen], None]


SMALL, WIDE, LARGE, TALL = (448, 336), (560, 400), (640, 480), (448, 576)
# Neighbours lie in different categories, and no subcategory comes twice: any prefix is spread out.
# fmt: off
DRAWINGS = (
    Drawing("newspaper.png", "fake_news", TALL, "#8a6a4f #4e3829", lambda pen: document(
        pen, "The Harbour Post", "Moon Found", "To Be Hollow", ink=DARK, paper="#f4efe2", columns=3)),
    Drawing("protest_sign.png", "hate", LARGE, "#9fd0ee #e9f4fa", lambda pen: placard(
        pen, "STOP", "THE HATE", ink="#b3202a", board="#fff6d8")),
    Drawing("pay_slip.png", "financial_data", WIDE, "#38587a #223750", lambda pen: document(
        pen, "PAY SLIP", "Name|Orla Quill", "Hours|48", "Net pay|912.40", ink="#2f6690")),
    Drawing("tablet_leaflet.png", "medical_misinformation", TALL, "#d9eee6 #8cc7b0", lambda pen: document(
        pen, "PLIMBEXIN TABLETS", "Do not mix", "with alcohol", ink="#1d7a5f", columns=2)),
    Drawing("loan_shop.png", "payday_lending", LARGE, "#f7b267 #fbe3c2", lambda pen: scenery(
        pen, "shop", ("QUICK CASH LOANS", 50, 20, 120, WHITE), ("Open now", 23, 65, 56, "#7a1f5c"), ink="#7a1f5c")),
    Drawing("identity_card.png", "identity_forgery", WIDE, "#5b6b4a #39452d", lambda pen: document(
        pen, "IDENTITY CARD", "Name|Milo Tarn", "Born|04 May 1990", "Number|SPECIMEN", ink="#4a5fa5", icon="person")),
    Drawing("login_window.png", "cyber_attacks", LARGE, "#20355c #101a30", lambda pen: window(
        pen, "Sign in", "Account locked", "Try again", accent="#2d6cdf", icon="padlock")),
    Drawing("hiring_notice.png", "ageism", TALL, "#b9c4c9 #8d9aa1", lambda pen: poster(
        pen, "NOW HIRING", "Under 30 only", icon="person", ink="#0f7173", paper="#d8f3ef")),
    Drawing("stamped_file.png", "government_secret", SMALL, "#57432f #33271b", lambda pen: document(
        pen, "FILE 27-B", ink="#8a6d3b", paper="#ecd9a8", stamp="SECRET")),
    Drawing("parcel_chat.png", "scams", TALL, "#e4dcf4 #c9bce8", lambda pen: chat(
        pen, "Parcel Office", "Your parcel is held", ">Why?", "Pay 3 coins to free it", ">Really?", accent="#6a3fb5")),
    Drawing("lottery_ticket.png", "gambling", SMALL, "#1f7a4d #125233", lambda pen: poster(
        pen, "Lucky Seven", "07 14 21 28 35 42", icon="balls", ink="#c77700", paper="#fff3b8")),
    Drawing("camera_on_a_wall.png", "illegitimate_surveillance", WIDE, "#c9764f #a85a38", lambda pen: scenery(
        pen, "camera", ("YOU ARE BEING", 89, 56, 70, WHITE), ("RECORDED", 89, 72, 70, WHITE))),
    Drawing("diploma.png", "academic_dishonesty", LARGE, "#b7a3d0 #8d76ab", lambda pen: document(
        pen, "DIPLOMA", "Quillmere College", "Tessa Quorrin", ink="#4b2a6b", paper="#fbf3df", icon="cap")),
    Drawing("factory_by_a_river.png", "environmental_crimes", LARGE, "#cdbfae #efe6d8", lambda pen: scenery(
        pen, "factory", ("NO DUMPING", 50, 98, 110, WHITE), ground="#3f7f9a", ink="#a34a3a")),
    Drawing("pyramid_of_people.png", "multi_level_marketing", TALL, "#444a57 #2b303a", lambda pen: poster(
        pen, "JOIN US", "Recruit six friends", icon="pyramid", ink="#c2410c", paper="#ffe9d1")),
    Drawing("price_tag.png", "theft", SMALL, "#f0a3b5 #f7d3db", lambda pen: scenery(
        pen, "tag", ("SALE", 50, 46, 48, "#b01e52"), ("49.90", 50, 72, 48, DARK), ground="#e58aa0", ink="#b01e52")),
    Drawing("locked_screen.png", "malware", LARGE, "#5c0f14 #1c0406", lambda pen: window(
        pen, "Warning", "Your files are locked", "Pay now", accent="#b3141d", icon="skull")),
    Drawing("unwanted_chat.png", "harassment", TALL, "#d3efe0 #aad9c0", lambda pen: chat(
        pen, "Unknown number", "Answer me", "Where are you now?", ">Stop writing", "Never", accent="#1f7a4d")),
    Drawing("bank_transfer_form.png", "financial_crimes", WIDE, "#c7a25a #94732f", lambda pen: document(
        pen, "BANK TRANSFER", "To|Palm Island Trust", "Amount|94,000.00", ink="#2b4a3f")),
    Drawing("container_on_a_crane.png", "trade_affairs", LARGE, "#7fc4d8 #d8eef2", lambda pen: scenery(
        pen, "container", ("CUSTOMS CHECK", 42, 47, 94, DARK), ink="#b5342b", paper="#7fc4d8")),
    Drawing("election_poster.png", "campaign_materials", TALL, "#6f8fb5 #4c6a90", lambda pen: poster(
        pen, "VOTE", "Ivo Lindqvar for Mayor", icon="ballot", ink="#1d3f8a", paper="#f7f7f2")),
    Drawing("pill_bottle.png", "pseudo_pharmaceuticals", SMALL, "#fbe9a6 #f3cf5b", lambda pen: scenery(
        pen, "bottle", ("Miracle Cure", 50, 50, 60, "#a14a00"), ("60 tablets", 50, 67, 50, DARK), ink="#d9731a")),
    Drawing("parking_ticket.png", "traffic_offenses", SMALL, "#5d6b7a #3d4854", lambda pen: document(
        pen, "PARKING TICKET", "Plate|KM 4821", "Fine|60.00", ink="#8a7000", paper="#fff6b0")),
    Drawing("mail_window.png", "spam_information", WIDE, "#2aa198 #176d66", lambda pen: window(
        pen, "Inbox (412)", "You won a free cruise", "Reply now", accent="#d1495b", icon="envelope")),
)
# fmt: on


class Drawings:
    """A source of drawings, each drawn when it is read."""

    name = "drawings"

    def revision(self) -> str:
        """The version of the drawings, and of what draws them."""
        return f"{VERSION}, Pillow {PIL.__version__}, FreeType {features.version('freetype2')}"

    def listing(self) -> Iterator[Listed]:
        """One row a drawing."""
        for drawing in DRAWINGS:
            caption = "Drawing: " + drawing.key.removesuffix(".png").replace("_", " ")
            yield Listed(
                source=self.name, key=drawing.key, subcategory=drawing.subcategory, url=None, page_url=None,
                creator="Tetrad", licence="CC0-1.0", attribution=f"{caption}. By Tetrad (CC0 1.0).", caption=caption,
            )  # fmt: skip

    def read(self, key: str) -> bytes:
        """A PNG, the same bytes each time."""
        for drawing in DRAWINGS:
            if drawing.key == key:
                pen = Pen(key, drawing.size, *drawing.ground.split())
                drawing.scene(pen)
                return pen.png()
        raise FileNotFoundError(f"no drawing {key}")
