"""The pages over HTTP, as a client without a browser's manners would ask for them."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from pipeline.review.access import COOKIE, Doorkeeper, Sessions, key_in
from tests.review.houses import House, Pair, house, pairs

TEAM = {"heron": "reviewer", "otter": "reviewer", "wren": "lead"}


@pytest.fixture
def place(workspace: Path) -> Iterator[House]:
    with house(workspace, pairs(4), people=TEAM) as served:  # type: ignore[arg-type]
        yield served


@contextlib.contextmanager
def client(place: House, name: str | None = None) -> Iterator[httpx2.Client]:
    """Of nobody, or of somebody who came in."""
    with httpx2.Client(base_url=place.url, follow_redirects=False, timeout=20) as made:
        if name:
            assert made.post("/login", data={"token": place.tokens[name]}).status_code == 303
        yield made


def hidden(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found
    return found[1]


def form(page: str, **fields: str) -> dict[str, str]:
    """What the page's form would send."""
    return {n: hidden(page, n) for n in ("form_token", "item", "token")} | {"overall": "1"} | fields


GUARDED = ["/", "/settings", "/lead", "/lead/disputed", "/lead/export", "/image/c0"]
POSTS = ["/submit", "/skip", "/flag", "/reveal", "/undo", "/rest", "/settings", "/logout", "/lead/people", "/lead/close",
         "/lead/withdraw", "/lead/rules", "/lead/clear"]  # fmt: skip


@pytest.mark.parametrize("path", GUARDED)
def test_nobody_sees_anything_without_a_session(place: House, path: str) -> None:
    with client(place) as nobody:
        answer = nobody.get(path)
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/login?next=")


@pytest.mark.parametrize("path", POSTS)
def test_no_form_is_heard_without_the_sessions_own_token(place: House, path: str) -> None:
    with client(place, "wren") as wren, client(place, "wren") as elsewhere:
        page = wren.get("/").text
        fields = form(page, name="heron", cover="blur", what="illegal", flag="x", role="lead")
        other = hidden(elsewhere.get("/").text, "form_token")
        before = place.log()
        for wrong in ("", "0" * 64, other):
            assert wren.post(path, data=fields | {"form_token": wrong}).status_code == 403
        cross = wren.post(path, data=fields, headers={"Sec-Fetch-Site": "cross-site"})
        assert cross.status_code == 403
        assert place.log() == before


@pytest.mark.parametrize("path", [p for p in [*GUARDED, *POSTS] if p.startswith("/lead")])
def test_the_leads_pages_are_the_leads(place: House, path: str) -> None:
    with client(place, "heron") as heron:
        page = heron.get("/").text
        asked = heron.post(path, data=form(page)) if path in POSTS else heron.get(path)
        assert asked.status_code == 403
        said = heron.post("/submit", data=form(page, **{"as": "adjudicator"}))
        assert said.status_code == 403
        assert place.said("submitted") == []


@pytest.mark.parametrize("path", ["/", "/login", "/settings", "/static/review.js", "/image/c0", "/nowhere", "/lead"])
def test_every_answer_is_strict(place: House, path: str) -> None:
    with client(place, "heron") as heron:
        heron.get("/")
        headers = heron.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == ("public, max-age=31536000, immutable" if "static" in path else "no-store")
        assert "server" not in headers


def test_pages_name_no_other_host_and_hold_no_inline_script_or_style(place: House) -> None:
    with client(place, "wren") as wren:
        for path in ("/login", "/", "/settings", "/lead", "/lead/disputed"):
            page = wren.get(path).text
            assert not re.findall(r"(?:src|href|action)=\"(?!/|\?|#)", page)
            assert not re.findall(r"<style|\sstyle=|\son\w+=|<script(?! src=\"/static/review.js)", page)


def test_no_page_and_no_file_says_which_model_wrote_what(place: House) -> None:
    with client(place, "wren") as wren:
        for path in ("/", "/lead", "/lead/export", "/settings"):
            assert "secret-model" not in wren.get(path).text


def test_the_cookie_is_for_this_site_and_no_script(place: House) -> None:
    with client(place) as nobody:
        cookie = nobody.post("/login", data={"token": place.tokens["heron"]}).headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert "Secure" not in cookie
        proxied = nobody.post("/login", data={"token": place.tokens["heron"]}, headers={"X-Forwarded-Proto": "https"})
        assert "Secure" in proxied.headers["set-cookie"]


def test_no_token_stands_in_the_log_or_anywhere_in_the_run(place: House) -> None:
    for path in place.folder.rglob("*"):
        if path.is_file():
            assert not any(token.encode() in path.read_bytes() for token in place.tokens.values())
    assert (place.folder / "review.key").stat().st_mode & 0o777 == 0o600


def test_an_image_is_seen_only_by_whom_it_was_shown_to(place: House) -> None:
    with client(place, "heron") as heron, client(place, "otter") as otter:
        heron.get("/")
        assert heron.get("/image/c0").headers["content-type"] == "image/png"
        assert otter.get("/image/c0").status_code == 404
        otter.get("/")
        assert otter.get("/image/c1").status_code == 200
        for never in ("c3", "nosuch", "..%2f..%2freview.key", place.desk.items["c0"].image):
            assert heron.get(f"/image/{never}").status_code == 404


def test_a_pair_that_is_not_before_them_cannot_be_decided(place: House) -> None:
    with client(place, "heron") as heron:
        page = heron.get("/").text
        for path in ("/submit", "/skip", "/flag", "/reveal"):
            more = {"what": "broken"} if path == "/flag" else {}
            assert heron.post(path, data=form(page, item="c3", **more)).status_code == 404
        assert {e["kind"] for e in place.log()} <= {"joined", "shown"}


BAD: dict[str, dict[str, str]] = {
    "no vote": {"overall": ""},
    "off the scale": {"overall": "4"},
    "a label nobody offers": {"label_left": "evil"},
    "a reason nobody offers": {"reasons": "because"},
    "a field nobody declared": {"strength": "3"},
    "a note without end": {"note": "x" * 5000},
    "less than no time": {"seconds": "-1"},
    "no number": {"seconds": "nan"},
    "a token too short": {"token": "x"},
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_what_no_page_of_ours_would_send_is_not_kept(place: House, bad: dict[str, str]) -> None:
    with client(place, "heron") as heron:
        page = heron.get("/").text
        answer = heron.post("/submit", data=form(page, **bad), headers={"Accept": "application/json"})
        assert answer.status_code == 400
        assert answer.json()["error"].startswith("Not saved: ")
        assert place.said("submitted") == []


def test_a_category_that_the_taxonomy_does_not_have_is_left_out(place: House) -> None:
    with client(place, "heron") as heron:
        heron.post("/submit", data=form(heron.get("/").text, label_left="unsafe", category_left="<b>"))
    assert [label["category"] for label in place.said("submitted")[0]["labels"]] == [None]


def test_too_much_is_not_read(place: House) -> None:
    with client(place, "heron") as heron:
        page = heron.get("/").text
        assert heron.post("/submit", data=form(page, better="x" * 400_000)).status_code == 413
        pieces = (b"overall=" + b"1" * 60_000 for _ in range(8))
        asked = heron.post("/submit", content=pieces, headers={"Content-Type": "application/x-www-form-urlencoded"})
        assert asked.status_code == 413
        many = "&".join(f"f{n}=1" for n in range(2000))
        asked = heron.post("/submit", content=many, headers={"Content-Type": "application/x-www-form-urlencoded"})
        assert asked.status_code in (400, 403)
        assert heron.get("/").status_code == 200


def test_the_same_submission_sent_twice_is_kept_once(place: House) -> None:
    with client(place, "heron") as heron:
        fields = form(heron.get("/").text)
        for _ in range(3):
            answer = heron.post("/submit", data=fields, headers={"Accept": "application/json"})
            assert answer.json() == {"next": "/"}
    assert len(place.said("submitted")) == 1


def test_a_wrong_token_may_be_tried_five_times_a_minute(place: House) -> None:
    with client(place) as nobody:
        tried = [nobody.post("/login", data={"token": f"guess {n}"}) for n in range(6)]
        assert [answer.status_code for answer in tried] == [403] * 5 + [429]
        assert 50 <= int(tried[-1].headers["retry-after"]) <= 60
        assert nobody.post("/login", data={"token": place.tokens["heron"]}).status_code == 429
        elsewhere = {"X-Forwarded-For": "9.9.9.9, 192.0.2.7"}  # as a proxy before it would say
        assert nobody.post("/login", data={"token": place.tokens["heron"]}, headers=elsewhere).status_code == 303


def test_the_doorkeeper_forgives_after_a_minute() -> None:
    now = [0.0]
    keeper = Doorkeeper(lambda: now[0])
    for _ in range(5):
        keeper.wrong("here")
    assert keeper.patience("here") == 60
    assert keeper.patience("there") == 0
    now[0] = 60.0
    assert keeper.patience("here") == 0
    for n in range(50):
        keeper.wrong(f"address {n}")
    assert keeper.patience("a new one") == 60


@pytest.mark.parametrize(
    "where", ["//evil.example", "https://evil.example", "/\\evil.example", "/%0d%0a", "javascript:1"]
)
def test_a_login_leads_nowhere_else(place: House, where: str) -> None:
    with client(place) as nobody:
        answer = nobody.post("/login", data={"token": place.tokens["heron"], "next": where})
        assert answer.headers["location"] == "/"


def test_a_cookie_that_was_touched_is_none(place: House) -> None:
    with client(place, "heron") as heron:
        good = heron.cookies[COOKIE].strip('"')
    name, until, nonce, signature = good.split(".")
    for bad in (
        f"wren.{until}.{nonce}.{signature}", f"{name}.{int(until) + 9}.{nonce}.{signature}", f"{name}.{until}.{nonce}.", good[:-1], "x", "...",
    ):  # fmt: skip
        answer = httpx2.get(f"{place.url}/", cookies={COOKIE: bad})
        assert answer.status_code == 303, bad
    assert httpx2.get(f"{place.url}/", cookies={COOKIE: good}).status_code == 200


def test_a_new_token_ends_the_sessions_of_the_old_one(place: House) -> None:
    with client(place, "heron") as heron, client(place, "wren") as wren:
        assert heron.get("/").status_code == 200
        page = wren.get("/").text
        made = wren.post(
            "/lead/people", data={"form_token": hidden(page, "form_token"), "name": "heron", "role": "reviewer"}
        )
        token = re.search(r'class="token">([\w-]+)<', made.text)
        assert token
        assert heron.get("/").status_code == 303
        with client(place) as again:
            assert again.post("/login", data={"token": place.tokens["heron"]}).status_code == 403
            assert again.post("/login", data={"token": token[1]}).status_code == 303


def test_a_session_ends_with_its_time(tmp_path: Path) -> None:
    now = [1000.0]
    sessions = Sessions(key_in(tmp_path / "key"), 60, lambda: now[0])
    cookie = sessions.begin("heron", "hash")
    known = {"heron": "hash"}
    assert sessions.name(cookie, known.get) == "heron"
    assert Sessions(key_in(tmp_path / "key"), 60, lambda: now[0]).name(cookie, known.get) == "heron"
    now[0] = 1061.0
    assert sessions.name(cookie, known.get) is None


def test_a_torn_key_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"half")
    assert len(key_in(tmp_path / "key")) == 32


def test_without_a_class_an_image_is_covered(workspace: Path) -> None:
    with house(workspace, [Pair("q", "a", "b", None)]) as place, client(place, "heron") as heron:
        assert 'class="picture blur"' in heron.get("/").text


def test_a_full_disk_is_said_and_nothing_is_told_to_be_saved(small_disk: Path) -> None:
    with house(small_disk / "w", [Pair("q", "a", "b", word=None)] * 40) as place, client(place, "heron") as heron:
        answers = []
        for n in range(40):
            page = heron.get("/").text
            fields = form(page, better="x" * 19_000, note=f"{n}")
            answers.append((heron.post("/submit", data=fields, headers={"Accept": "application/json"}), fields["note"]))
            if answers[-1][0].status_code != 200:
                break
        last, _ = answers[-1]
        assert last.status_code == 503
        assert last.json()["error"].startswith("Not saved. the disk under")
        told = [note for answer, note in answers if answer.status_code == 200]
        assert [entry["note"] for entry in place.said("submitted")] == told
