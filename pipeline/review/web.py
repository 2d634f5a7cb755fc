"""What all pages share: who asks, what a form brought, how a page is written and a request refused."""

import functools
import hashlib
import hmac
import re
import time
from dataclasses import dataclass
from importlib.resources import files
from typing import Any
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pipeline.doors.blobs import Blobs
from pipeline.doors.entries import AnyEntry
from pipeline.errors import UserError
from pipeline.review.access import COOKIE, Doorkeeper, Sessions
from pipeline.review.desk import Desk
from pipeline.review.items import Item
from pipeline.review.standing import Person
from pipeline.workspace import Workspace

FILES = files("pipeline.review")
_CHOSEN = Markup(" selected")
_NEXT = re.compile(r"/(?:[a-z][a-z0-9/-]*)?")


@dataclass(frozen=True)
class Settings:
    """What the pages say of the run."""

    run: str
    workspace: Workspace
    categories: dict[str, str]
    """What a reviewer may be spared: id in the taxonomy to name."""
    harms: dict[str, dict[str, str]]
    """What an unsafe answer is unsafe by: group's name to id to name."""


class Refused(Exception):  # noqa: N818 -- no fault: an answer
    """A request that is not done, and why."""

    def __init__(self, status: int, why: str) -> None:
        self.status, self.why = status, why


class Review:
    """One run's review."""

    def __init__(self, desk: Desk, images: Blobs, sessions: Sessions, settings: Settings) -> None:
        self.desk, self.images, self.sessions, self.settings = desk, images, sessions, settings
        self.keeper = Doorkeeper()
        self.interface = _interface()
        self.scale = functools.cache(self._scale)
        """A scale of seven steps by a criterion: its name, its key, the step that is chosen; written once each."""
        self.options = functools.cache(self._options)
        """The same harms for a list to choose from, with one of them chosen: written once each."""
        self._pages = Environment(
            loader=PackageLoader("pipeline.review", "pages"), autoescape=True, undefined=StrictUndefined, auto_reload=False,
            trim_blocks=True, lstrip_blocks=True,
        )  # fmt: skip

    def page(self, name: str, request: Request, status: int = 200, **values: object) -> HTMLResponse:
        """A page, with what all of them need."""
        person = self.who(request)
        today = person.shown_on(time.strftime("%Y-%m-%d", time.gmtime())) if person else ()
        shared = {
            "run": self.settings.run, "version": self.interface, "person": person, "form_token": self._form_token(request),
            "owed": self.desk.owed, "today": len(today),
        }  # fmt: skip
        return HTMLResponse(self._pages.get_template(f"{name}.html").render(shared | values), status)

    def who(self, request: Request) -> Person | None:
        """Who asks, if their session goes on."""
        name = self.sessions.name(request.cookies.get(COOKIE, ""), self._token_of)
        return self.desk.standing.people[name] if name else None

    def _token_of(self, name: str) -> str | None:
        person = self.desk.standing.people.get(name)
        return person.token_sha256 if person and person.welcome else None

    def person(self, request: Request, *, lead: bool = False) -> Person:
        """Who asks. Refused: nobody we know, or not the lead."""
        person = self.who(request)
        if person is None:
            raise Refused(401, "Your session has ended.")
        if lead and person.role != "lead":
            raise Refused(403, "This page is the lead's.")
        return person

    async def form(self, request: Request, *, lead: bool = False) -> tuple[Person, dict[str, Any]]:
        """Who sends a form, and its fields; those given several times as lists, under `many`. Refused: not from a page of
        ours."""
        person = self.person(request, lead=lead)
        sent = await request.form(max_files=0, max_fields=300)
        if not hmac.compare_digest(str(sent.get("form_token", "")).encode(), self._form_token(request).encode()):
            raise Refused(403, "This form is not from this session: reload the page.")
        fields: dict[str, Any] = {k: str(v) for k, v in sent.items() if k != "form_token"}
        return person, fields | {"many": {k: [str(v) for v in sent.getlist(k)] for k in sent}}

    def _form_token(self, request: Request) -> str:
        return self.sessions.form_token(request.cookies.get(COOKIE, ""))

    def item(self, person: Person, pair: str) -> Item:
        """A pair that they may see. Refused: not theirs."""
        if not self.desk.may_see(person, pair):
            raise Refused(404, "This pair is not before you.")
        return self.desk.items[pair]

    @property
    def harms(self) -> dict[str, str]:
        """All that an answer can be unsafe by: id in the taxonomy to name."""
        return {i: name for group in self.settings.harms.values() for i, name in group.items()}

    def _scale(self, criterion: str, name: str, key: str, chosen: str | None) -> Markup:
        page = self._pages.get_template("scale.html")
        return Markup(page.render(criterion=criterion, name=name, key=key, chosen=chosen))  # noqa: S704 -- escaped there

    def _options(self, chosen: str | None) -> Markup:
        groups = [
            Markup('<optgroup label="{}">{}</optgroup>').format(
                group, Markup().join(
                    Markup('<option value="{}"{}>{}</option>').format(i, _CHOSEN if i == chosen else "", name)
                    for i, name in members.items()
                ),
            )
            for group, members in self.settings.harms.items()
        ]  # fmt: skip
        return Markup().join(groups)

    async def kept(self, request: Request, entry: AnyEntry, where: str = "/") -> Response:
        """Keep an entry; and then where to go."""
        await self.desk.keep(entry)
        return onward(request, where)

    def refused(self, request: Request, error: Exception) -> Response:
        """The answer to a request that is not done."""
        status, why = (error.status, error.why) if isinstance(error, Refused) else (503, f"Not saved. {error}")
        if wants_json(request):
            return JSONResponse({"error": why}, status)
        if status == 401:
            where = request.url.path if request.method == "GET" else "/"
            ended = "&ended=1" if COOKIE in request.cookies else ""
            return RedirectResponse(f"/login?next={quote(where)}{ended}", 303)
        return self.page("message", request, status, title="Not done", words=why)


FAULTS = (Refused, UserError)
"""What `Review.refused` answers; UserError: the log could not be written."""


def of(request: Request) -> Review:
    """The review that a request is to."""
    review: Review = request.app.state.review
    return review


def wants_json(request: Request) -> bool:
    """Whether it is the page's script that asks."""
    return "application/json" in request.headers.get("accept", "")


def onward(request: Request, where: str = "/") -> Response:
    """Done: where to go from here."""
    return JSONResponse({"next": where}) if wants_json(request) else RedirectResponse(where, 303)


def local(where: str) -> str:
    """A page of ours, whatever was asked for."""
    return where if _NEXT.fullmatch(where) else "/"


def _interface() -> str:
    """The pages' version: a hash of all that a browser is sent of them."""
    parts = sorted((p.name, p.read_bytes()) for folder in ("pages", "static") for p in FILES.joinpath(folder).iterdir())
    return hashlib.sha256(b"".join(data for _, data in parts)).hexdigest()[:8]
