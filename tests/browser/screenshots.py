"""Write a screenshot of each page: `make screenshots`.

They go to `build/screenshots`; the two that the README shows go to `docs/images`.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser

from hourtally.server.tokens import add_token
from tests.browser.addresses import OPERATOR_PAGES
from tests.browser.chromium import chromium, chromium_path
from tests.support.command_line import ROOT
from tests.support.homes.busy_home import NOW, busy_home
from tests.support.http_server import serving

FOLDER = ROOT / "build" / "screenshots"
IMAGES = ROOT / "docs" / "images"
# By the file in `docs/images`, the page; its top is shown.
IN_README = {"hours": "hours", "explanation": "explanation"}
WIDE, NARROW, README_HEIGHT = 1120, 375, 700
# Those that a phone and the dark are looked at with.
ALSO = ("hours", "customer", "teams", "explanation", "difference", "quarantine", "batches", "day")


def main() -> int:
    """Make them all; the exit status."""
    path = chromium_path()
    if path is None:
        print("Chromium is not installed: apt-get install chromium", file=sys.stderr)
        return 1
    FOLDER.mkdir(parents=True, exist_ok=True)
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        print("Building a home of five weeks …", file=sys.stderr)
        home = busy_home(Path(folder))
        log = Path(folder) / "log"
        ui = serving(home.root, "--now", NOW, log=log, command_name="ui")
        with ui as served, chromium(path) as browser:
            _operator(browser, served.url)
        add_token(home.tokens, "acme", 0)
        with serving(home.root, "--now", NOW, log=log) as served, chromium(path) as browser:
            _shoot(browser, served.url, FOLDER / "sign-in.png", WIDE)
    return 0


def _operator(browser: Browser, url: str) -> None:
    for name, address in OPERATOR_PAGES.items():
        _shoot(browser, url + address, FOLDER / f"{name}.png", WIDE)
    for name in ALSO:
        address = url + OPERATOR_PAGES[name]
        _shoot(browser, address, FOLDER / f"{name}-dark.png", WIDE, is_dark=True)
        _shoot(browser, address, FOLDER / f"{name}-narrow.png", NARROW)
    for image, name in IN_README.items():
        page = IMAGES / f"{image}.png"
        _shoot(browser, url + OPERATOR_PAGES[name], page, WIDE, most=README_HEIGHT)


def _shoot(
    browser: Browser, address: str, file: Path, width: int, *, is_dark: bool = False, most: int = 0
) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": most or 800},
        color_scheme="dark" if is_dark else "light",
    )
    page = context.new_page()
    page.goto(address)
    page.screenshot(path=file, full_page=not most)
    context.close()
    print(file.relative_to(ROOT))


if __name__ == "__main__":
    sys.exit(main())
