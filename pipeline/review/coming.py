"""Coming in by a token, and leaving; and the files that every page needs."""

import hmac

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from pipeline.review.access import COOKIE, hashed
from pipeline.review.web import FILES, Refused, local, of

router = APIRouter()
STATIC = {"review.css": "text/css", "review.js": "text/javascript"}


@router.get("/login")
async def login_page(request: Request, next: str = "/", ended: str = "") -> Response:  # noqa: A002 -- its name in the URL
    """Ask for a token."""
    return of(request).page("login", request, next=local(next), ended=bool(ended), wrong="")


@router.post("/login")
async def login(request: Request) -> Response:
    """Begin a session."""
    review = of(request)
    sent = await request.form(max_files=0, max_fields=10)
    where, address = local(str(sent.get("next", "/"))), _address(request)
    if (wait := review.keeper.patience(address)) > 0:
        why = f"Too many wrong tokens. Try again in {wait:.0f} seconds."
        page = review.page("login", request, 429, next=where, ended=False, wrong=why)
        page.headers["Retry-After"] = f"{wait:.0f}"
        return page
    token = hashed(str(sent.get("token", "")))
    people = review.desk.standing.people.values()
    person = next((p for p in people if p.welcome and hmac.compare_digest(p.token_sha256, token)), None)
    if person is None:
        review.keeper.wrong(address)
        return review.page("login", request, 403, next=where, ended=False, wrong="No such token.")
    if where == "/" and person.role == "lead":  # a pair would lie before them, and be kept from others
        where = "/lead"
    done = RedirectResponse(where, 303)
    cookie = review.sessions.begin(person.name, token)
    done.set_cookie(COOKIE, cookie, httponly=True, samesite="strict", secure=_by_tls(request))
    return done


def _address(request: Request) -> str:
    """Whose wrong tokens are counted. A proxy on this machine adds whom it speaks for; others are not believed."""
    host = request.client.host if request.client else ""
    said = request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
    return said if said and host in ("127.0.0.1", "::1") else host


def _by_tls(request: Request) -> bool:
    """Whether the browser speaks TLS to a proxy before us, which says so: then it keeps the cookie for that alone."""
    return request.headers.get("x-forwarded-proto") == "https"


@router.post("/logout")
async def logout(request: Request) -> Response:
    """End it."""
    await of(request).form(request)
    done = RedirectResponse("/login", 303)
    done.delete_cookie(COOKIE)
    return done


@router.get("/favicon.ico")
async def icon() -> Response:
    """There is none: browsers ask all the same."""
    return Response(status_code=204, headers={"Cache-Control": "max-age=86400"})


@router.get("/static/{name}")
async def static(name: str) -> Response:
    """The style sheet and the script."""
    if name not in STATIC:
        raise Refused(404, "There is no such file.")
    data = FILES.joinpath("static", name).read_bytes()
    return Response(data, media_type=STATIC[name], headers={"Cache-Control": "public, max-age=31536000, immutable"})
