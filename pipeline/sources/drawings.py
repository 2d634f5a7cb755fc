"""Pictures drawn here, with Pillow alone: a pool for the demo that needs no download and no other package.

Simple illustrations with a few legible words, invented names, nothing to blur. We drew them, so their licence is our
choice: CC0-1.0. Chance is drawn from the key and the only font is the one inside Pillow, so that one version of Pillow
always draws the same bytes. To add a drawing, add a line to `DRAWINGS`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import PIL
import polars as pl
from PIL import features

from pipeline.sources import frames
from pipeline.sources.parts.pen import Pen
from pipeline.tables import Listed

VERSION = "1"  # raise it when a picture or the table changes
GREY, DARK, WHITE = "#c9ccd1", "#22262b", "#fdfdfa"

Sign = tuple[str, int, int, int, str]  # words; across, down, and width at most, on the icon's grid; colour


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

    def listing(self) -> Iterator[pl.DataFrame]:
        """One row a drawing."""
        captions = {d.key: "Drawing: " + d.key.removesuffix(".png").replace("_", " ") for d in DRAWINGS}
        return frames(
            Listed(
                source=self.name, key=d.key, subcategory=d.subcategory, url=None, page_url=None, creator="Tetrad",
                licence="CC0-1.0", attribution=f"{captions[d.key]}. By Tetrad (CC0 1.0).", caption=captions[d.key],
            )
            for d in DRAWINGS
        )  # fmt: skip

    def read(self, row: dict[str, Any]) -> bytes:
        """A PNG, the same bytes each time."""
        for drawing in DRAWINGS:
            if drawing.key == row["key"]:
                pen = Pen(drawing.key, drawing.size, *drawing.ground.split())
                drawing.scene(pen)
                return pen.png()
        raise FileNotFoundError(f"no drawing {row['key']}")
