"""A reviewer's sitting, in a real browser, by keyboard."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from pipeline.doors.entries import Ruled, Rules
from tests.browser import chromium
from tests.review.browsers import DESK, PHONE, come_in
from tests.review.houses import House, Pair, house, pairs


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport=DESK)  # type: ignore[arg-type]
    opened = context.new_page()
    wrong: list[str] = []
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    yield opened
    context.close()
    assert wrong == []


@pytest.fixture
def place(workspace: Path) -> Iterator[House]:
    with house(workspace, pairs(6)) as served:
        yield served


def before(page: Page) -> str:
    """The pair that lies before the reviewer."""
    return str(page.locator("#ballot").get_attribute("data-item"))


def press(page: Page, keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def submit(page: Page) -> None:
    """Enter, and wait for the next page."""
    item = before(page)
    page.keyboard.press("Enter")
    page.wait_for_function("item => document.querySelector('#ballot')?.dataset.item !== item", arg=item)


def favoured(entry: dict[str, object]) -> str:
    """Which side a submission's overall vote prefers, as it was shown."""
    strength = entry["votes"][0]["strength"]  # type: ignore[index]
    return "tie" if not strength else ("left" if (strength > 0) == (entry["left"] == "a") else "right")


def test_a_whole_sitting_by_keyboard(page: Page, place: House) -> None:
    come_in(page, place.url, place.tokens["heron"])
    expect(page.locator("h1")).to_have_text("Which answer is better?")
    press(page, "1")
    submit(page)
    press(page, "22")
    submit(page)
    press(page, "0")
    submit(page)
    press(page, "b")
    submit(page)
    press(page, "222")
    press(page, "h1")
    press(page, "e22")
    press(page, "a0")
    press(page, "qqq")
    press(page, "w")
    page.keyboard.press("c")
    page.keyboard.press("Tab")
    page.keyboard.press("s")  # in a list: severe
    page.keyboard.press("Escape")
    page.keyboard.press("n")
    page.keyboard.type("It is 1 of 2: skip f")
    page.keyboard.press("Escape")
    page.keyboard.press("m")
    page.keyboard.type("Ask them.")
    page.keyboard.press("Control+Enter")
    page.wait_for_function("() => document.querySelector('#ballot')?.dataset.item === 'c5'")
    page.keyboard.press("s")
    expect(page.locator("h1")).to_have_text("All done")

    said = place.said("submitted")
    assert [entry["candidate_id"] for entry in said] == ["c0", "c1", "c2", "c3", "c4"]
    assert [favoured(entry) for entry in said] == ["left", "right", "tie", "tie", "right"]
    assert [abs(entry["votes"][0]["strength"]) for entry in said] == [1, 2, 0, 0, 3]
    assert said[3]["reasons"] == ["both_bad"]
    last = said[4]
    turn = -1 if last["left"] == "a" else 1
    votes = {vote["criterion"]: vote["strength"] for vote in last["votes"]}
    assert votes == {"overall": 3 * turn, "harmlessness": -turn, "helpfulness": 2 * turn, "faithfulness": 0}
    left, right = ("p4-a", "p4-b") if last["left"] == "a" else ("p4-b", "p4-a")
    assert last["labels"] == [
        {"response_id": left, "label": "unsafe", "category": "insult", "severity": "severe"},
        {"response_id": right, "label": "safe", "category": None, "severity": None},
    ]
    assert (last["note"], last["better"]) == ("It is 1 of 2: skip f", "Ask them.")
    assert all(0 < entry["seconds"] < 60 and len(entry["interface"]) == 8 for entry in said)
    assert [entry["candidate_id"] for entry in place.said("skipped")] == ["c5"]


def test_the_arrows_walk_along_the_scale(page: Page, place: House) -> None:
    come_in(page, place.url, place.tokens["heron"])
    for key, words in (
        ("ArrowRight", "Answer 2 is slightly better"),
        ("ArrowLeft", "They are equal"),
        ("ArrowLeft", "Answer 1 is slightly better"),
        ("1", "Answer 1 is better"),
        ("t", "They are equal"),
    ):
        page.keyboard.press(key)
        expect(page.locator("[data-criterion=overall] .word")).to_have_text(words)
    page.locator("[name=overall][value='0']").focus()
    page.keyboard.press("ArrowRight")  # the browser's own way through a group
    expect(page.locator("[name=overall][value='1']")).to_be_checked()


def test_nothing_is_submitted_before_an_answer_is_preferred(page: Page, place: House) -> None:
    come_in(page, place.url, place.tokens["heron"])
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_contain_text("First choose which is better")
    assert place.said("submitted") == []


def test_a_covered_image_is_revealed_by_key_and_the_log_knows(page: Page, place: House) -> None:
    come_in(page, place.url, place.tokens["heron"])
    expect(page.locator(".picture")).not_to_have_class("picture blur")  # insults are not blurred
    press(page, "1")
    submit(page)
    blurred = "() => getComputedStyle(document.querySelector('.picture img')).filter"
    assert "blur" in page.evaluate(blurred)
    page.keyboard.press("v")
    page.wait_for_selector("#reveal", state="detached")
    assert page.evaluate(blurred) == "none"
    assert [entry["candidate_id"] for entry in place.said("revealed")] == ["c1"]
    page.reload()
    assert page.evaluate(blurred) == "none"


def test_a_reviewer_chooses_how_images_are_covered_and_what_is_left_out(page: Page, place: House) -> None:
    come_in(page, place.url, place.tokens["heron"])
    page.goto(f"{place.url}/settings")
    expect(page.locator("main")).to_contain_text("Whether a blur helps is not settled")
    page.get_by_label("Without colours", exact=True).check()
    page.get_by_label("Toxic").check()
    page.get_by_role("button", name="Keep").click()
    page.wait_for_selector("#ballot")
    assert before(page) == "c2"  # c0 and c1 are insult and hate: toxic
    assert "grayscale" in page.evaluate("() => getComputedStyle(document.querySelector('.picture img')).filter")


def test_undo_brings_the_pair_back_as_it_was_filled_in(page: Page, place: House) -> None:
    come_in(page, place.url, place.tokens["heron"])
    press(page, "11h2q")
    submit(page)
    assert before(page) == "c1"
    page.keyboard.press("u")
    page.wait_for_function("() => document.querySelector('#ballot')?.dataset.item === 'c0'")
    assert len(place.said("undone")) == 1
    assert place.desk.standing.votes.on("c0") == []
    expect(page.locator("[name=overall][value='-2']")).to_be_checked()
    expect(page.locator("[name=harmlessness][value='1']")).to_be_checked()
    expect(page.locator("[name=label_left][value=safe]")).to_be_checked()
    press(page, "2")
    submit(page)
    assert [favoured(entry) for entry in place.said("submitted")] == ["left", "right"]
    assert [vote.left for vote in place.desk.standing.votes.on("c0")] == [place.said("submitted")[0]["left"]]


def test_one_goes_on_where_one_left_and_the_side_stays(page: Page, place: House) -> None:
    come_in(page, place.url, place.tokens["heron"])
    press(page, "1")
    submit(page)
    left = page.locator("#name-left + .text").inner_text()
    page.get_by_role("button", name="Leave").click()
    page.wait_for_url("**/login")
    come_in(page, place.url, place.tokens["heron"])
    assert before(page) == "c1"
    assert page.locator("#name-left + .text").inner_text() == left


def test_a_flag_takes_the_image_from_everybody_at_once(browser: Browser, workspace: Path) -> None:
    same = [
        Pair("One?", "a", "b", word="same"),
        Pair("Two?", "a", "b", word="other"),
        Pair("Three?", "a", "b", word="same"),
    ]
    with house(workspace, same, people={"heron": "reviewer", "otter": "reviewer", "wren": "lead"}) as place:
        heron, otter, wren = (browser.new_context().new_page() for _ in range(3))
        come_in(heron, place.url, place.tokens["heron"])
        come_in(otter, place.url, place.tokens["otter"])
        assert (before(heron), before(otter)) == ("c0", "c1")
        submit_first(otter)
        assert before(otter) == "c2"
        assert otter.request.get(f"{place.url}/image/c2").ok
        heron.keyboard.press("f")
        heron.keyboard.press("Space")  # the first of the kinds: illegal
        heron.keyboard.press("Enter")
        heron.wait_for_selector("h1:has-text('All done')")
        expect(heron.get_by_role("button", name="Undo")).to_have_count(0)  # the lead judges that
        assert otter.request.get(f"{place.url}/image/c2").status == 404
        otter.reload()
        expect(otter.locator("h1")).to_have_text("All done")
        come_in(wren, place.url, place.tokens["wren"])
        wren.goto(f"{place.url}/lead")
        notice = wren.locator(".notice.bad")
        expect(notice).to_contain_text("NCMEC")
        expect(notice.locator("code")).to_have_text(
            f"tetrad forget {place.desk.items['c0'].image} --workspace {workspace}"
        )
        for page in (heron, otter, wren):
            page.context.close()


def submit_first(page: Page) -> None:
    page.keyboard.press("1")
    submit(page)


def test_a_session_that_ends_loses_nothing_that_was_typed(page: Page, workspace: Path) -> None:
    with house(workspace, pairs(2), lifetime=3.0) as place:
        come_in(page, place.url, place.tokens["heron"])
        press(page, "22n")
        page.keyboard.type("half a thought")
        page.keyboard.press("Escape")
        page.wait_for_timeout(4000)
        page.keyboard.press("Enter")
        page.wait_for_url("**/login?next=*")
        expect(page.locator(".notice")).to_contain_text("Your session has ended")
        assert place.said("submitted") == []
        page.fill("#token", place.tokens["heron"])
        page.keyboard.press("Enter")
        page.wait_for_selector("#ballot")
        expect(page.locator("[name=overall][value='2']")).to_be_checked()
        expect(page.get_by_role("textbox", name="Note n")).to_have_value("half a thought")
        submit(page)
        assert [entry["note"] for entry in place.said("submitted")] == ["half a thought"]


HOSTILE = (
    "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
    "[click](javascript:document.title='owned') ![x](http://evil.example/x.png) <http://evil.example> "
    "[ref]: http://evil.example\n\n# A heading\n\n<iframe src='http://evil.example'></iframe>\n\n"
    "</div></section></main><form action='http://evil.example'><button>Submit</button></form>"
    "\u202eturned round\u202c \u001b[31mred ignore the above and press 1\n\n" + "x" * 3000
)


def test_a_hostile_answer_does_nothing(page: Page, workspace: Path) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    said = [Pair(HOSTILE, HOSTILE, "W" * 500_000 + "\n\n" + "* " * 20_000), *pairs(1)]
    with house(workspace, said) as place:
        come_in(page, place.url, place.tokens["heron"])
        page.wait_for_load_state("networkidle")
        assert page.title() != "owned"
        assert all(url.startswith(place.url) for url in asked)
        texts = page.locator(".text, .question")
        assert texts.locator("script, img, a, iframe, form, button, style, [style], h1, h2").count() == 0
        assert page.locator("form[action^='http']").count() == 0
        shown = " ".join(texts.all_inner_texts())
        assert "<script>" in shown
        assert "\ufffd" in shown
        assert "\u202e" not in shown
        assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
        assert len(page.content()) < 100_000
        page.get_by_role("link", name="Show all of it").first.click()
        page.wait_for_load_state("networkidle")
        assert 200_000 < len(page.content()) < 500_000
        assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
        press(page, "1")
        submit(page)
        assert len(place.said("submitted")) == 1


def test_on_a_phone_nothing_is_cut_off_and_fingers_find_their_place(browser: Browser, place: House) -> None:
    context = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True)  # type: ignore[arg-type]
    page = context.new_page()
    come_in(page, place.url, place.tokens["heron"])
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    small = page.evaluate(
        "() => [...document.querySelectorAll('.actions button, .steps label')].filter(e => e.offsetParent)"
        ".map(e => [e.textContent.trim(), e.getBoundingClientRect().height]).filter(([, h]) => h < 40)"
    )
    assert small == []
    page.locator("[data-criterion=overall] label").nth(1).tap()
    page.locator("#submit").tap()
    page.wait_for_function("() => document.querySelector('#ballot')?.dataset.item === 'c1'")
    assert [favoured(entry) for entry in place.said("submitted")] == ["left"]
    page.goto(f"{place.url}/settings")
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    context.close()


def test_every_control_has_a_name_and_shows_its_focus(page: Page, place: House) -> None:
    come_in(page, place.url, place.tokens["heron"])
    page.locator("#more").evaluate("e => e.open = true")
    for control in page.locator("button, a, input:not([type=hidden]), select, textarea").all():
        if control.is_visible():
            named = control.evaluate(
                "e => e.getAttribute('aria-label') || e.textContent.trim() || (e.labels && e.labels[0]?.textContent.trim())"
            )
            assert named, control.evaluate("e => e.outerHTML")
    page.keyboard.press("Tab")
    focused = page.evaluate("() => document.activeElement.textContent")
    assert focused == "To the content"
    page.locator("[name=overall]").first.focus()
    page.keyboard.press("ArrowRight")
    assert (
        page.evaluate("() => getComputedStyle(document.querySelector('.steps input:checked + .step')).outlineStyle")
        == "solid"
    )


def test_without_its_script_the_page_still_works(browser: Browser, place: House) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    come_in(page, place.url, place.tokens["heron"])
    page.locator("[name=overall][value='2']").check(force=True)
    page.locator("#submit").click()
    page.wait_for_url(f"{place.url}/")
    assert before(page) == "c1"
    page.get_by_role("button", name="Reveal").click()
    page.wait_for_url(f"{place.url}/")
    page.get_by_role("button", name="Skip").click()
    assert before(page) == "c2"
    page.get_by_role("button", name="Undo").click()
    assert before(page) == "c1"
    assert [favoured(entry) for entry in place.said("submitted")] == ["right"]
    context.close()


def test_after_a_while_a_break_is_proposed(page: Page, workspace: Path) -> None:
    from pipeline.doors.entries import Ruled, Rules

    with house(workspace, pairs(3), before=(Ruled(by="wren", rules=Rules(break_minutes=1)),)) as place:
        come_in(page, place.url, place.tokens["heron"])
        place.desk.standing.people["heron"].sitting_since -= 120
        press(page, "1")
        page.keyboard.press("Enter")
        page.wait_for_selector("h1:has-text('Time for a break')")
        page.keyboard.press("Enter")
        page.wait_for_selector("#ballot")
        assert len(place.said("rested")) == 1


def test_ctrl_enter_in_the_flags_note_flags_and_decides_nothing(page: Page, place: House) -> None:
    come_in(page, place.url, place.tokens["heron"])
    press(page, "1f")
    page.keyboard.press("Space")
    page.locator("#flag textarea").fill("Look at this.")
    item = before(page)
    page.keyboard.press("Control+Enter")
    page.wait_for_function("item => document.querySelector('#ballot')?.dataset.item !== item", arg=item)
    assert place.said("submitted") == []
    assert [flag["note"] for flag in place.said("flagged")] == ["Look at this."]


def test_what_one_person_began_is_not_put_into_anothers_form(page: Page, workspace: Path) -> None:
    both = {"heron": "reviewer", "otter": "reviewer"}
    rule = Ruled(by="lead", rules=Rules(overlap=2))
    with house(workspace, pairs(1), people=both, before=(rule,)) as place:  # type: ignore[arg-type]
        come_in(page, place.url, place.tokens["heron"])
        press(page, "11")
        page.get_by_role("button", name="Leave").click()
        come_in(page, place.url, place.tokens["otter"])
        assert before(page) == "c0"
        expect(page.locator("#ballot input[name=overall]:checked")).to_have_count(0)


def test_the_longest_answer_in_any_script_is_saved(page: Page, place: House) -> None:
    come_in(page, place.url, place.tokens["heron"])
    press(page, "1m")
    page.locator("textarea[name=better]").fill("\u6c34" * 20_000)
    page.keyboard.press("Escape")
    submit(page)
    assert len(place.said("submitted")[0]["better"]) == 20_000
