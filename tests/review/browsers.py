"""Debian's chromium, headless: `CHROMIUM` names another."""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
needs_browser = pytest.mark.skipif(
    not Path(CHROMIUM).is_file(),
    reason=f"no browser at {CHROMIUM}: apt-get install chromium, or set CHROMIUM to one's path",
)
DESK = {"width": 1360, "height": 860}
PHONE = {"width": 390, "height": 844}
_QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run", "--disable-dev-shm-usage",
)  # fmt: skip


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """A browser of its own."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(_QUIET))
        try:
            yield browser
        finally:
            browser.close()


def come_in(page: Page, url: str, token: str) -> None:
    """Give the token."""
    page.set_default_timeout(10_000)
    page.goto(f"{url}/login")
    page.fill("#token", token)
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(f"{re.escape(url)}/(lead)?$"))
