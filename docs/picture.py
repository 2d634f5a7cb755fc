"""The README's picture of a report, light and dark: `python docs/picture.py workspace/runs/spa_vl-demo/report.html docs/report`."""

import os
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]  # fmt: skip


def shoot(page: Path, path: Path, *, scheme: str, width: int, height: int, whole: bool = False) -> None:
    """One picture of the page as a browser of this size shows it."""
    with sync_playwright() as browsers:
        browser = browsers.chromium.launch(executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=FLAGS)
        tab = browser.new_page(viewport={"width": width, "height": height}, color_scheme="dark" if scheme == "dark" else "light")  # fmt: skip
        tab.goto(page.resolve().as_uri())
        tab.screenshot(path=path, full_page=whole)
        browser.close()


if __name__ == "__main__":
    for scheme in ("light", "dark"):
        shoot(Path(sys.argv[1]), Path(f"{sys.argv[2]}-{scheme}.png"), scheme=scheme, width=1180, height=1060)
