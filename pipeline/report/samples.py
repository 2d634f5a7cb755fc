"""A handful of rows to look at, drawn by their ids, each with what it rests on."""

import base64
import io
from dataclasses import dataclass
from typing import Any

import polars as pl
from PIL import Image

from pipeline.doors.blobs import Blobs
from pipeline.findings import Tables, classes

LONGEST = 1500
"""Characters of a text that are shown."""
SIDE = 360
"""Pixels of a thumbnail's longer side, at most."""


@dataclass(frozen=True)
class Answer:
    """A response as it is shown."""

    side: str
    """chosen, rejected, or nothing."""
    id: str
    respondent: str
    text: str | None
    error: str | None
    notes: tuple[str, ...]
    """What its judges say of it."""


@dataclass(frozen=True)
class Sample:
    """A quadruple; or, where there is none yet, a prompt with its answers so far."""

    id: str
    what: str
    """quadruple or prompt."""
    classes: tuple[str, ...]
    kind: str
    question: str
    picture: str | None
    """A data: URI."""
    credit: str | None
    """Attribution and licence of the image."""
    answers: tuple[Answer, ...]
    verdicts: tuple[str, ...]
    """On the pair, from each judge and person."""
    facts: tuple[tuple[str, str], ...]
    trace: tuple[tuple[str, str], ...]
    """What it is made of, by id."""


def samples(tables: Tables, images: Blobs, number: int, withheld: tuple[str, ...] = ()) -> list[Sample]:
    """At most `number`, of as many subcategories as there are; none with an image that is `withheld`."""
    drawn = _drawn(tables.get("quadruples"), number, withheld)
    if drawn:
        return [_of_quadruple(row, tables, images) for row in drawn]
    prompts = next((tables[name] for name in ("prompts", "given", "drafts") if name in tables), None)
    return [_of_prompt(row, tables, images) for row in _drawn(prompts, number, withheld)]


def _drawn(table: pl.LazyFrame | None, number: int, withheld: tuple[str, ...]) -> list[dict[str, Any]]:
    """Ids are hashes: the lowest of each subcategory, and of these the lowest; then the next lowest of all."""
    if table is None:
        return []
    shown = table.filter(~pl.col("image").is_in(withheld).fill_null(value=False))
    ids = shown.select("id", "subcategory").sort("id").collect()
    first = ids.unique("subcategory", keep="first", maintain_order=True)["id"].to_list()
    others = ids.filter(~pl.col("id").is_in(first))["id"].head(number).to_list()
    chosen = (first + others)[:number]
    rows = {row["id"]: row for row in table.filter(pl.col("id").is_in(chosen)).collect().iter_rows(named=True)}
    return [rows[i] for i in chosen]


def _of_quadruple(row: dict[str, Any], tables: Tables, images: Blobs) -> Sample:
    sides = {"chosen": row["chosen_id"], "rejected": row["rejected_id"]}
    answers = tuple(
        Answer(side, i, row[f"{side}_respondent"], cut(row[side]), None, _judged(tables, i))
        for side, i in sides.items()
    )
    pair = _rows(tables, "preferences", "id", row["preference_id"])
    candidate = pair[-1]["candidate_id"] if pair else None
    credit = ", ".join(part for part in (row["attribution"], row["licence"]) if part)
    return Sample(
        row["id"], "quadruple", _classes(row), row["kind"], cut(row["question"]) or "", picture(images, row["image"]), credit or None,
        answers, tuple(_verdicts(tables, candidate, sides)),
        (
            ("strength", f"{row['strength']:.2f} of 3"), ("confidence", f"{row['confidence']:.0%}"), ("by", ", ".join(row["sources"])),
            ("rejected is", row["rejected_is"] or "not labelled"), ("looked at by a person", "yes" if row["reviewed"] else "no"),
        ),
        _ids(quadruple=row["id"], prompt=row["prompt_id"], image=row["image"], preference=row["preference_id"], pair=candidate, **sides),
    )  # fmt: skip


def _of_prompt(row: dict[str, Any], tables: Tables, images: Blobs) -> Sample:
    answers = tuple(
        Answer("", r["id"], r["respondent"], cut(r["text"]), r["error"], _judged(tables, r["id"]))
        for r in _rows(tables, "responses", "prompt_id", row["id"])[:4]
    )
    credit = None
    for image in _rows(tables, "images", "id", row["image"]) if row["image"] else []:
        credit = ", ".join(part for part in (image["attribution"], image["licence"]) if part) or None
    return Sample(
        row["id"], "prompt", _named(row["subcategory"]), row["kind"], cut(row["question"]) or "", picture(images, row["image"]), credit,
        answers, (), (("written by", row["writer"]),), _ids(prompt=row["id"], image=row["image"], reply=row["request_id"]),
    )  # fmt: skip


def _classes(row: dict[str, Any]) -> tuple[str, ...]:
    return tuple(row[c] for c in ("domain", "category", "subcategory") if row[c])


def _named(leaf: str | None) -> tuple[str, ...]:
    """The classes of a prompt, which has their ids."""
    return tuple(name for name in classes.paths([leaf])[leaf] if name != classes.NONE) if leaf else ()


def _ids(**ids: str | None) -> tuple[tuple[str, str], ...]:
    return tuple((name, i) for name, i in ids.items() if i)


def _judged(tables: Tables, response: str) -> tuple[str, ...]:
    """What each judge says of one response."""
    said = []
    for j in sorted(_rows(tables, "judgments", "response_id", response), key=lambda j: (j["judge"], j["criterion"])):
        scale = "" if j["low"] is None else f" ({j['low']:g} to {j['high']:g})"
        score = None if j["score"] is None else f"{j['score']:.3g}{scale}"
        verdict = ", ".join(part for part in (j["label"], score, j["error"]) if part)
        said.append(f"{j['judge']}, {j['criterion']}: {verdict}")
    said += [
        f"human/{d['reviewer']}, safety: {d['label']}" for d in _rows(tables, "decisions", "response_id", response)
    ]
    return tuple(said)


def _verdicts(tables: Tables, candidate: str | None, sides: dict[str, str]) -> list[str]:
    """Who prefers which of the two, and by how much."""
    said = []
    for name in ("comparisons", "contests"):
        for c in _rows(tables, name, "candidate_id", candidate):
            shown = "chosen" if (c["a_id"] if c["first"] == "a" else c["b_id"]) == sides["chosen"] else "rejected"
            said.append(f"{c['judge']}, {c['criterion']}, {shown} shown first: {_side(c, sides) if c['error'] is None else c['error']}")  # fmt: skip
    for row in _rows(tables, "candidates" if "candidates" in tables else "finals", "id", candidate):
        said += [f"human/{d['reviewer']}, {d['criterion']}: {_side(row | d, sides)}" for d in _rows(tables, "decisions", "candidate_id", candidate)]  # fmt: skip
    return said


def _side(row: dict[str, Any], sides: dict[str, str]) -> str:
    """-3 to 3 for a, in words."""
    strength = row["strength"] if row["a_id"] == sides["chosen"] else -row["strength"]
    return "a tie" if strength == 0 else f"prefers {'chosen' if strength > 0 else 'rejected'} by {abs(strength):g}"


def _rows(tables: Tables, name: str, column: str, value: str | None) -> list[dict[str, Any]]:
    if name not in tables or value is None:
        return []
    return list(tables[name].filter(pl.col(column) == value).collect().iter_rows(named=True))


def cut(text: str | None) -> str | None:
    """Not longer than one would read."""
    if text is None or len(text) <= LONGEST:
        return text
    return f"{text[:LONGEST]} … ({len(text):,} characters)"


def picture(images: Blobs, sha256: str | None) -> str | None:
    """A small copy as a data: URI; none if there is no image, or its bytes are gone or broken."""
    if sha256 is None or sha256 not in images:
        return None
    buffer = io.BytesIO()
    try:
        with Image.open(io.BytesIO(images.read(sha256)), formats=("JPEG", "PNG", "WEBP")) as opened:
            opened.thumbnail((SIDE, SIDE))
            opened.convert("RGB").save(buffer, "JPEG", quality=60, optimize=True)
    except OSError:
        return None
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
