"""What the browser tests of the review share."""

import re

from playwright.sync_api import Page

DESK = {"width": 1360, "height": 860}
PHONE = {"width": 390, "height": 844}


def come_in(page: Page, url: str, token: str) -> None:
    """Give the token."""
    page.set_default_timeout(10_000)
    page.goto(f"{url}/login")
    page.fill("#token", token)
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(f"{re.escape(url)}/(lead)?$"))
