"""The lead's pages: how the review stands, who takes part and by which rules, what is disputed, what was flagged."""

import asyncio
import re
import shlex
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import ValidationError

from pipeline.doors.entries import Closed, Joined, Ruled, Rules, Submitted, Undone, Withdrawn
from pipeline.review import ballot, exchange, figures
from pipeline.review.access import hashed, new_token
from pipeline.review.sitting import FLAGS, shown
from pipeline.review.web import Refused, Review, of

router = APIRouter(prefix="/lead")
PSEUDONYM = re.compile(r"[A-Za-z][\w-]{0,31}", re.ASCII)
_STEPS = {3: "much better", 2: "better", 1: "slightly better"}


@router.get("")
async def overview(request: Request) -> Response:
    """How it stands."""
    review = of(request)
    review.person(request, lead=True)
    return await _overview(request, review)


async def _overview(request: Request, review: Review, **values: object) -> Response:
    desk = review.desk
    axes, categories = figures.codes(desk)
    measured = await asyncio.to_thread(
        lambda: ([figures.agreed(c) for c in axes], [figures.agreed(c) for c in categories])
    )
    flags = list(desk.standing.flags.values())
    page: dict[str, Any] = {
        "progress": desk.progress(), "forecast": figures.forecast(desk), "people": figures.people(desk), "axes": measured[0],
        "categories": measured[1], "names": review.settings.categories, "rules": desk.standing.rules,
        "flags": [(flag, FLAGS[flag.what]) for flag in flags if flag.what != "illegal"], "errors": figures.error_lines(review.settings.workspace, review.settings.run),
        "illegal": [
            (flag, f"tetrad forget {flag.image} --workspace {shlex.quote(str(review.settings.workspace.folder))}" if flag.image else "")
            for flag in flags if flag.what == "illegal"
        ],
        "gold": len(desk.standing.gold), "token": None, "joined": None,
    }  # fmt: skip
    return review.page("lead", request, **page | values)


@router.get("/disputed")
async def disputed(request: Request) -> Response:
    """The next pair on which people are at odds."""
    review = of(request)
    person = review.person(request, lead=True)
    waiting = review.desk.progress().disputed
    if not waiting:
        return review.page(
            "message", request, title="Nothing is disputed", words="People agree, or have not all decided yet."
        )
    item = review.desk.items[waiting[0]]
    left = review.desk.left(person, item.id)
    said = [
        _words(one, item.a_id if left == "a" else item.b_id, left) for one in review.desk.standing.votes.on(item.id)
    ]
    page = shown(review, person, item, None, everything="all" in request.query_params)
    return review.page("item", request, **page | {"said": said})


def _words(said: Submitted, first: str, left: str) -> dict[str, str]:
    """What a reviewer said, as the lead sees the pair. `first`: the response that is answer 1, a or b as `left` says."""
    strength = said.strength() or 0.0
    side = 1 if (strength > 0) == (left == "a") else 2
    return {
        "by": said.by,
        "words": f"answer {side} is {_STEPS[abs(round(strength))]}" if strength else "they are equal",
        "labels": ", ".join(f"answer {1 if one.response_id == first else 2} {one.label}" for one in said.labels),
        "reasons": ", ".join(ballot.REASONS.get(r, r).lower() for r in said.reasons), "note": said.note or "",
    }  # fmt: skip


@router.post("/undo")
async def undo(request: Request) -> Response:
    """Their last word on a pair counts no more: it is disputed again."""
    review = of(request)
    person, _ = await review.form(request, lead=True)
    if not person.rulings:
        raise Refused(409, "There is nothing to undo.")
    return await review.kept(request, Undone(by=person.name, entry=person.rulings[-1].id), "/lead")


@router.post("/people")
async def add(request: Request) -> Response:
    """Let somebody in, or give them another token or role. The token is shown once."""
    review = of(request)
    person, fields = await review.form(request, lead=True)
    name, role = fields.get("name", "").strip(), fields.get("role")
    if not PSEUDONYM.fullmatch(name):
        raise Refused(400, "A pseudonym is a letter, then letters, digits, '_' and '-', at most 32.")
    token = new_token()
    entry = Joined(by=person.name, name=name, role="lead" if role == "lead" else "reviewer", token_sha256=hashed(token))
    await review.desk.keep(entry)
    return await _overview(request, review, token=token, joined=name)


@router.post("/close")
async def close(request: Request) -> Response:
    """Let somebody in no more."""
    review = of(request)
    person, fields = await review.form(request, lead=True)
    if fields.get("name") == person.name or fields.get("name") not in review.desk.standing.people:
        raise Refused(400, "You cannot shut yourself out.")
    return await review.kept(request, Closed(by=person.name, name=fields["name"]), "/lead")


@router.post("/withdraw")
async def withdraw(request: Request) -> Response:
    """Let nothing count that somebody decided until now; or let it count again."""
    review = of(request)
    person, fields = await review.form(request, lead=True)
    name = fields.get("name", "")
    before = review.desk.standing.votes.withdrawal(name)
    entry = Undone(by=person.name, entry=before) if before else Withdrawn(by=person.name, reviewer=name)
    return await review.kept(request, entry, "/lead")


@router.post("/rules")
async def rules(request: Request) -> Response:
    """How the team reviews from now on."""
    review = of(request)
    person, fields = await review.form(request, lead=True)
    fields.pop("many")
    try:
        chosen = Rules.model_validate(fields | {"second_opinion": "second_opinion" in fields})
    except ValidationError as error:
        raise Refused(400, f"{error.errors()[0]['loc'][0]}: {error.errors()[0]['msg']}.") from None
    return await review.kept(request, Ruled(by=person.name, rules=chosen), "/lead")


@router.post("/clear")
async def clear(request: Request) -> Response:
    """A flag was a mistake: the pair goes back into the queues."""
    review = of(request)
    person, fields = await review.form(request, lead=True)
    if fields.get("flag") not in review.desk.standing.flags:
        raise Refused(404, "There is no such flag.")
    return await review.kept(request, Undone(by=person.name, entry=fields["flag"]), "/lead")


@router.get("/export")
async def export(request: Request) -> Response:
    """All pairs with what was decided on them: the file of `tetrad review RUN --export`."""
    review = of(request)
    review.person(request, lead=True)
    lines = "".join(f"{line}\n" for line in exchange.lines(review.desk))
    name = quote(f"{review.settings.run}.review.jsonl")
    return Response(
        lines,
        media_type="application/x-ndjson",
        headers={"Content-Disposition": f"attachment; filename*=UTF-8''{name}"},
    )
