"""A reviewer's pages: one pair after another."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import ValidationError

from pipeline.doors.entries import Chose, Flagged, Rested, Revealed, Skipped, Submitted, Undone, new_id
from pipeline.review import ballot, words
from pipeline.review.items import PNG, Item
from pipeline.review.standing import Person
from pipeline.review.web import Refused, Review, of, onward

router = APIRouter()
FLAGS = {
    "illegal": "Illegal, or may show the abuse of a child",
    "personal": "Shows or names a private person",
    "broken": "The image is broken or missing",
    "bad_question": "The question makes no sense",
    "off_topic": "Does not belong to this class",
}
COVERS = {
    "class": "As the class says: blurred where its images may distress",
    "blur": "Blurred",
    "grey": "Without colours",
    "both": "Blurred and without colours",
    "none": "Never covered",
}
_STYLES = {"blur": "blur", "grey": "grey", "both": "blur grey", "none": ""}
"""Words of the style sheet."""


def shown(review: Review, person: Person, item: Item, before: Submitted | None, *, everything: bool) -> dict[str, Any]:
    """What the page of a pair holds. `before`: what the form begins with; `everything`: the answers whole, as plain text."""
    left = review.desk.left(person, item.id)
    sides = {"left": item.a, "right": item.b} if left == "a" else {"left": item.b, "right": item.a}
    covered = _STYLES.get(person.cover, "blur" if item.blur else "")
    return {
        "item": item, "token": new_id(), "cover": "" if item.id in person.revealed else covered,
        "answers": {
            side: {"html": words.whole(text) if everything else words.shown(text), "cut": words.cut(text) and not everything}
            for side, text in sides.items()
        },
        "question": words.plain(item.question[: words.AT_ONCE]), "scale": review.scale, "harms": review.options, "has_harms": bool(review.settings.harms), "flags": FLAGS,
        "reasons": ballot.REASONS, "filled": ballot.filled(before, item, left), "said": None,
        "undoable": review.desk.undoable(person) is not None,
    }  # fmt: skip


@router.get("/")
async def sitting(request: Request, all: str = "") -> Response:  # noqa: A002 -- its name in the URL
    """The pair before them, the next one, or why there is none."""
    review = of(request)
    person = review.person(request)
    found = await review.desk.next_for(person)
    if not isinstance(found, Item):
        return review.page("stop", request, why=found, undoable=review.desk.undoable(person) is not None)
    before = review.desk.draft(person, found.id)
    return review.page("item", request, **shown(review, person, found, before, everything=bool(all)))


@router.post("/submit")
async def submit(request: Request) -> Response:
    """A pair, decided: kept before the browser is told so."""
    review = of(request)
    person, fields = await review.form(request)
    many, adjudicates = fields.pop("many"), fields.pop("as", "") == "adjudicator"
    where = "/lead/disputed" if adjudicates else "/"
    if fields.get("token") in review.desk.standing.tokens:  # it was kept, and the answer lost
        return onward(request, where)
    try:
        form = ballot.Form.model_validate(fields | {"reasons": tuple(many.get("reasons", ()))})
    except ValidationError as error:
        raise Refused(400, f"Not saved: {error.errors()[0]['loc'][0]} will not do.") from None
    item = review.item(person, form.item)
    if adjudicates and not (person.role == "lead" and review.desk.disputed(item.id)):
        raise Refused(403, "Not saved: this pair does not wait for your word.")
    entry = ballot.submitted(
        form, item, review.desk.left(person, item.id), by=person.name, adjudicates=adjudicates,
        seconds=review.desk.elapsed(person, item.id), interface=review.interface, categories=review.harms,
    )  # fmt: skip
    return await review.kept(request, entry, where)


@router.post("/skip")
async def skip(request: Request) -> Response:
    """Not this one."""
    review = of(request)
    person, fields = await review.form(request)
    item = review.item(person, fields.get("item", ""))
    return await review.kept(request, Skipped(by=person.name, token=_token(fields), candidate_id=item.id))


@router.post("/flag")
async def flag(request: Request) -> Response:
    """Nobody should be shown this one."""
    review = of(request)
    person, fields = await review.form(request)
    item, what = review.item(person, fields.get("item", "")), fields.get("what")
    if what not in FLAGS:
        raise Refused(400, "Say what is wrong with it.")
    note = fields.get("note", "")[:4000].strip() or None
    entry = Flagged(by=person.name, token=_token(fields), candidate_id=item.id, image=item.image, what=what, note=note)
    return await review.kept(request, entry)


@router.post("/reveal")
async def reveal(request: Request) -> Response:
    """They want to see the image."""
    review = of(request)
    person, fields = await review.form(request)
    item = review.item(person, fields.get("item", ""))
    if item.id in person.revealed:
        return onward(request)
    return await review.kept(request, Revealed(by=person.name, candidate_id=item.id))


@router.post("/undo")
async def undo(request: Request) -> Response:
    """Back to the last one."""
    review = of(request)
    person, fields = await review.form(request)
    last = review.desk.undoable(person)
    if last is None:
        raise Refused(409, "There is nothing to undo.")
    return await review.kept(request, Undone(by=person.name, token=_token(fields), entry=last.id))


@router.post("/rest")
async def rest(request: Request) -> Response:
    """After a break, or without one."""
    review = of(request)
    person, _ = await review.form(request)
    return await review.kept(request, Rested(by=person.name))


@router.get("/settings")
async def settings(request: Request) -> Response:
    """How they want to work."""
    review = of(request)
    review.person(request)
    rules = review.desk.standing.rules
    return review.page("settings", request, covers=COVERS, categories=review.settings.categories, rules=rules)


@router.post("/settings")
async def choose(request: Request) -> Response:
    """They chose."""
    review = of(request)
    person, fields = await review.form(request)
    without = tuple(c for c in fields["many"].get("without", ()) if c in review.settings.categories)
    if fields.get("cover") not in COVERS:
        raise Refused(400, "Say how images are covered.")
    return await review.kept(request, Chose(by=person.name, cover=fields["cover"], without=without))


@router.get("/image/{pair}")
async def image(request: Request, pair: str) -> Response:
    """The image of a pair that they may see."""
    review = of(request)
    item = review.item(review.person(request), pair)
    if item.image is None or item.image not in review.images:
        raise Refused(404, "There is no image.")
    data = review.images.read(item.image)
    return Response(data, media_type="image/png" if data[:4] == PNG else "image/jpeg")


def _token(fields: dict[str, Any]) -> str | None:
    return str(fields.get("token", ""))[:64] or None
