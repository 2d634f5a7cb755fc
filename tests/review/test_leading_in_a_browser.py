"""The lead's work, in a real browser: who takes part, what is disputed, whose votes count."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from pipeline.doors.entries import Role, Ruled, Rules
from tests.browser import chromium
from tests.review.browsers import come_in
from tests.review.houses import House, house, pairs

TEAM: dict[str, Role] = {"heron": "reviewer", "otter": "reviewer", "wren": "lead"}
TWO = Ruled(by="wren", rules=Rules(overlap=2, second_opinion=False))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


def page_of(browser: Browser, place: House, name: str) -> Page:
    """A browser of their own, come in."""
    page = browser.new_context().new_page()
    page.on("dialog", lambda dialog: dialog.accept())
    come_in(page, place.url, place.tokens[name])
    return page


def decide(page: Page, place: House, name: str, prefers: str) -> None:
    """The pair before them, for a or b."""
    item = str(page.locator("#ballot").get_attribute("data-item"))
    left = place.desk.left(place.desk.standing.people[name], item)
    page.keyboard.press("1" if left == prefers else "2")
    page.keyboard.press("Enter")
    page.wait_for_function("item => document.querySelector('#ballot')?.dataset.item !== item", arg=item)


def card(page: Page, words: str) -> str:
    return str(page.locator(".card", has_text=words).inner_text()).replace("\n", " ")


def test_two_reviewers_disagree_and_the_lead_has_the_last_word(browser: Browser, workspace: Path) -> None:
    with house(workspace, pairs(2), people=TEAM, before=(TWO,)) as place:
        heron, otter, wren = (page_of(browser, place, name) for name in TEAM)
        decide(heron, place, "heron", "a")
        decide(heron, place, "heron", "a")
        expect(heron.locator("h1")).to_have_text("All done")
        decide(otter, place, "otter", "b")
        decide(otter, place, "otter", "a")
        wren.goto(f"{place.url}/lead")
        assert card(wren, "decided").startswith("2 of 2")
        assert card(wren, "disputed") == "1 disputed: settle them"
        wren.get_by_role("link", name="settle them").click()
        expect(wren.locator(".disputed li")).to_have_count(2)
        left = place.desk.left(place.desk.standing.people["wren"], "c0")
        number = {"a": 1, "b": 2} if left == "a" else {"a": 2, "b": 1}
        expect(wren.locator(".disputed li").first).to_have_text(f"heron: answer {number['a']} is slightly better")
        expect(wren.locator(".disputed li").last).to_have_text(f"otter: answer {number['b']} is slightly better")
        for key in (str(number["b"]), str(number["b"]), "Enter"):
            wren.keyboard.press(key)
        wren.wait_for_selector("h1:has-text('Nothing is disputed')")
        settled = [d for d in place.desk.standing.votes.decisions() if d.candidate_id == "c0"]
        assert [(d.reviewer, d.role, d.strength) for d in settled] == [
            ("heron", "reviewer", 1), ("otter", "reviewer", -1), ("wren", "adjudicator", -2),
        ]  # fmt: skip
        wren.goto(f"{place.url}/lead")
        row = wren.locator("tbody tr", has_text="heron")
        expect(row).to_contain_text("50 %")  # of two pairs shared with otter, one alike
        assert "Alpha" in wren.inner_text("main")
        for page in (heron, otter, wren):
            page.context.close()


def test_the_lead_lets_somebody_in_and_shuts_them_out(browser: Browser, workspace: Path) -> None:
    with house(workspace, pairs(2), people={"wren": "lead"}) as place:
        wren = page_of(browser, place, "wren")
        wren.goto(f"{place.url}/lead")
        wren.get_by_label("Pseudonym").fill("lynx")
        wren.get_by_role("button", name="Make a token").click()
        token = wren.inner_text(".token")
        assert token not in (place.folder / "decisions.jsonl").read_text()
        wren.goto(f"{place.url}/lead")
        assert token not in wren.content()
        lynx = browser.new_context().new_page()
        come_in(lynx, place.url, token)
        expect(lynx.locator("#ballot")).to_have_count(1)
        assert lynx.request.get(f"{place.url}/lead").status == 403
        wren.locator("tr", has_text="lynx").get_by_role("button", name="Shut out").click()
        expect(wren.locator("tr", has_text="lynx")).to_contain_text("shut out")
        lynx.reload()
        expect(lynx.locator("h1")).to_have_text("Come in")
        for page in (lynx, wren):
            page.context.close()


def test_withdrawn_votes_count_no_more_and_their_pairs_are_asked_again(browser: Browser, workspace: Path) -> None:
    with house(workspace, pairs(2), people=TEAM) as place:
        heron, wren = page_of(browser, place, "heron"), page_of(browser, place, "wren")
        decide(heron, place, "heron", "a")
        wren.goto(f"{place.url}/lead")
        assert card(wren, "decided").startswith("1 of 2")
        row = wren.locator("tbody tr", has_text="heron")
        row.get_by_role("button", name="Withdraw votes").click()
        expect(row).to_contain_text("votes withdrawn")
        assert card(wren, "decided").startswith("0 of 2")
        assert list(place.desk.standing.votes.decisions()) == []
        row.get_by_role("button", name="Restore votes").click()
        expect(row).not_to_contain_text("votes withdrawn")
        assert [d.reviewer for d in place.desk.standing.votes.decisions()] == ["heron"]
        for page in (heron, wren):
            page.context.close()


def test_the_lead_changes_the_rules_and_clears_a_flag(browser: Browser, workspace: Path) -> None:
    with house(workspace, pairs(2), people=TEAM) as place:
        heron, wren = page_of(browser, place, "heron"), page_of(browser, place, "wren")
        heron.keyboard.press("f")
        heron.keyboard.press("ArrowDown")
        heron.keyboard.press("Tab")
        heron.keyboard.type("a face")
        heron.get_by_role("button", name="Flag", exact=True).last.click()
        heron.wait_for_function("() => document.querySelector('#ballot')?.dataset.item === 'c1'")
        wren.goto(f"{place.url}/lead")
        assert card(wren, "decided").startswith("0 of 1")
        expect(wren.locator("section[aria-labelledby=flags] td").nth(2)).to_have_text("Shows or names a private person")
        expect(wren.locator("section[aria-labelledby=flags]")).to_contain_text("a face")
        wren.get_by_role("button", name="Back into the queue").click()
        expect(wren.locator("section[aria-labelledby=flags]")).to_have_count(0)
        wren.fill("input[name=overlap]", "3")
        wren.locator("input[name=second_opinion]").uncheck()
        wren.get_by_role("button", name="Keep").click()
        expect(wren.locator("input[name=overlap]")).to_have_value("3")
        assert place.desk.standing.rules == Rules(overlap=3, second_opinion=False)
        assert card(wren, "to go").startswith("6")
        for page in (heron, wren):
            page.context.close()
