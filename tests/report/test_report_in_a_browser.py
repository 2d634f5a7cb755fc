"""The page in a real browser: hostile words do nothing, nothing is loaded, nothing harmful shows unasked."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import chromium
from playwright.sync_api import Browser
from playwright.sync_api import Page as Tab
from runs_by_hand import EVIL, HEAD, frames, lazy, pages

from pipeline.doors.blobs import Blobs
from pipeline.models import SHIPPED, Catalogue
from pipeline.report.page import page


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    blobs = Blobs(folder / "images")
    of = frames(blobs)
    path = folder / "report.html"
    path.write_text(page(HEAD, lazy(of), pages(of), blobs, Catalogue(SHIPPED)), encoding="utf-8")
    return path


@pytest.fixture
def tab(browser: Browser, html: Path) -> Iterator[tuple[Tab, list[str]]]:
    """The page, and all that it asked for or said."""
    heard: list[str] = []
    opened = browser.new_page(viewport={"width": 1180, "height": 900})
    opened.on("request", lambda r: heard.append(r.url.partition(",")[0]))
    opened.on("console", lambda m: heard.append(m.text))
    opened.on("dialog", lambda d: heard.append(d.message))
    opened.goto(html.as_uri())
    yield opened, heard
    opened.close()


def test_hostile_words_do_nothing(tab: tuple[Tab, list[str]], html: Path) -> None:
    opened, heard = tab
    for summary in opened.locator("details.sample > summary").all():
        summary.click()
    assert opened.evaluate("window.hit") is None
    assert set(heard) <= {html.as_uri(), "data:image/jpeg;base64"}, "nothing was loaded, and no policy was broken"
    assert "<script>window.hit=1</script>" in opened.locator(".question").first.inner_text()
    assert EVIL[:20] in opened.locator("#line").inner_text()
    assert opened.locator("section").count() == 8


def test_nothing_harmful_is_shown_unasked(tab: tuple[Tab, list[str]]) -> None:
    opened, _ = tab
    assert not opened.locator(".question").first.is_visible()
    assert not opened.locator(".veil img").first.is_visible()
    opened.locator("details.sample > summary").first.click()
    picture = opened.locator(".veil img").first
    assert opened.locator(".question").first.is_visible()
    assert "blur(" in picture.evaluate("i => getComputedStyle(i).filter")
    opened.locator(".veil").first.click()
    assert picture.evaluate("i => getComputedStyle(i).filter") == "none"
    assert picture.evaluate("i => i.naturalWidth") > 0
    opened.locator(".veil").first.click()
    assert "blur(" in picture.evaluate("i => getComputedStyle(i).filter")


def test_an_image_is_revealed_by_keyboard_too(tab: tuple[Tab, list[str]]) -> None:
    opened, _ = tab
    opened.locator("details.sample > summary").first.focus()
    opened.keyboard.press("Enter")
    opened.keyboard.press("Tab")
    opened.keyboard.press("Space")
    assert opened.locator(".veil img").first.evaluate("i => getComputedStyle(i).filter") == "none"


@pytest.mark.parametrize("width", [360, 768, 1600])
def test_the_page_is_never_wider_than_the_screen(width: int, browser: Browser, html: Path) -> None:
    opened = browser.new_page(viewport={"width": width, "height": 800})
    opened.goto(html.as_uri())
    opened.evaluate("document.querySelectorAll('details').forEach(d => d.setAttribute('open', ''))")
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    opened.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_can_be_read_in_light_and_dark(scheme: str, browser: Browser, html: Path) -> None:
    """Contrast of text and ground is at least 4.5 to 1 (WCAG AA)."""
    opened = browser.new_page(color_scheme=scheme)  # type: ignore[arg-type]
    opened.goto(html.as_uri())
    colours = opened.evaluate("""() => { const of = (s, p) => getComputedStyle(document.querySelector(s))[p].match(/[\\d.]+/g).slice(0, 3).map(Number);
        return [[of('body', 'color'), of('body', 'backgroundColor')], [of('.faint', 'color'), of('section', 'backgroundColor')],
                [of('.lead', 'color'), of('section', 'backgroundColor')], [of('a', 'color'), of('body', 'backgroundColor')],
                [of('svg.chart text', 'fill'), of('section', 'backgroundColor')]] }""")  # fmt: skip
    for ink, ground in colours:
        light, dark = sorted((luminance(ink), luminance(ground)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (ink, ground)
    opened.close()


def luminance(colour: list[float]) -> float:
    parts = [c / 255 / 12.92 if c / 255 <= 0.04045 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]
