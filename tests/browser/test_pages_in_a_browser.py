"""The pages in Debian's Chromium: nothing from elsewhere, no fault, readable for everybody."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from hourtally.server.tokens import add_token
from tests.browser.addresses import OPERATOR_PAGES
from tests.browser.chromium import chromium, chromium_path
from tests.support.command_line import ROOT, hourtally
from tests.support.homes.busy_home import (
    HOSTILE_NAMES,
    MARKUP,
    NOW,
    RESTATED_HOUR,
    busy_home,
)
from tests.support.http_server import Served, serving
from tests.support.tools import missing

pytestmark = pytest.mark.slow

SAMPLE_NOW = "2026-11-02T12:20:00Z"
SAMPLE_HOUR = "2026-11-02T11"
ACME = "/customers/acme"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = chromium_path()
    if path is None:
        missing("chromium is not installed")
    with chromium(path) as browser:
        yield browser


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return busy_home(tmp_path_factory.mktemp("busy")).root


@pytest.fixture(scope="module")
def ui(home: Path) -> Iterator[Served]:
    log = home.parent / "log"
    with serving(home, "--now", NOW, log=log, command_name="ui") as served:
        yield served


class Watched:
    """A page, and what went wrong on it."""

    def __init__(self, context: BrowserContext, origin: str) -> None:
        self.page: Page = context.new_page()
        self.origin = origin
        self.faults: list[str] = []
        self.page.on("console", lambda one: self.faults.append(f"console: {one.text}"))
        self.page.on("pageerror", lambda one: self.faults.append(f"error: {one}"))
        self.page.on("dialog", lambda one: self.faults.append(f"dialog: {one.message}"))
        self.page.on("request", self._requested)

    def _requested(self, request: Any) -> None:
        if not request.url.startswith(f"{self.origin}/"):
            self.faults.append(f"elsewhere: {request.url}")

    def visit(self, address: str) -> None:
        answer = self.page.goto(self.origin + address)
        assert answer is not None
        # What a browser says of any status of 400 or more.
        expected = f"the server responded with a status of {answer.status}"
        self.faults = [one for one in self.faults if expected not in one]


@pytest.fixture
def watched(browser: Browser, ui: Served) -> Iterator[Watched]:
    context = browser.new_context(viewport={"width": 1_120, "height": 800})
    yield Watched(context, ui.url)
    context.close()


def violations(page: Page, only: str = "") -> list[str]:
    """What axe-core finds wrong, with the elements; only: of this rule."""
    if not page.evaluate("typeof axe === 'object'"):
        # Not as a script of the page: its policy allows none.
        page.evaluate((files("axe_playwright_python") / "axe.min.js").read_text())
    options = {"resultTypes": ["violations"]} | ({"runOnly": [only]} if only else {})
    found = page.evaluate("options => axe.run(document, options)", options)
    return [
        f"{one['id']}: {node['html'][:200]} {node.get('failureSummary', '')[:300]}"
        for one in found["violations"]
        for node in one["nodes"][:3]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_without_fault_and_accessible(watched: Watched, scheme: Any) -> None:
    watched.page.emulate_media(color_scheme=scheme)
    problems: dict[str, list[str]] = {}
    for name, address in OPERATOR_PAGES.items():
        watched.visit(address)
        # Nothing but colours is otherwise in the dark.
        only = "color-contrast" if scheme == "dark" else ""
        found = [*watched.faults, *violations(watched.page, only)]
        watched.faults.clear()
        if found:
            problems[name] = found
    assert problems == {}


def test_no_page_is_wider_than_a_phone(watched: Watched) -> None:
    watched.page.set_viewport_size({"width": 375, "height": 700})
    widths = {}
    for name, address in OPERATOR_PAGES.items():
        watched.visit(address)
        widths[name] = watched.page.evaluate("document.documentElement.scrollWidth")
    assert {name: width for name, width in widths.items() if width > 375} == {}


def test_pages_are_whole_without_javascript(browser: Browser, ui: Served) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(ui.url + ACME)
    assert page.locator("table.heat tbody tr").count() == 35
    page.get_by_role("link", name="11-16").click()
    page.get_by_role("link", name="10:00").click()
    page.get_by_role("link", name="Web").click()
    page.get_by_role("link", name="Shop").click()
    page.get_by_role("link", name="service").click()
    page.get_by_role("link", name="Public API").click()
    assert "17.4 cents" in page.inner_text("main")
    context.close()


def test_names_full_of_markup_stay_text(watched: Watched) -> None:
    watched.visit(OPERATOR_PAGES["hostile-teams"])
    page = watched.page

    assert "taken" not in page.title() or "<script>" in page.title()
    text = page.inner_text("main")
    assert MARKUP in text
    assert "{{ 7 * 7 }}" in text
    assert "\\u{1b}[31mred" in text
    assert "\\u{202e}gnp.exe" in text
    assert HOSTILE_NAMES[-1] in (page.locator("main").text_content() or "")
    assert page.locator("main script, main img, main i, main svg[onload]").count() == 0
    # Each is a link of its own, which leads to its own page.
    for name in page.locator("table").first.locator("tbody a").all_inner_texts():
        page.get_by_role("link", name=name, exact=True).first.click()
        assert page.get_by_role("heading", name="Projects").count() == 1
        page.go_back()
    assert watched.faults == []


def test_a_keyboard_reaches_the_content_and_every_day(watched: Watched) -> None:
    watched.visit(ACME)
    page = watched.page

    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('href')").endswith("/days/2026-11-22")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


def test_a_page_prints_without_its_navigation_and_with_its_colours(watched: Watched) -> None:
    watched.visit(ACME)
    watched.page.emulate_media(media="print")

    assert not watched.page.locator("header").is_visible()
    assert watched.page.locator("table.heat").is_visible()
    adjusted = "getComputedStyle(document.querySelector('table.heat')).printColorAdjust"
    assert watched.page.evaluate(adjusted) == "exact"


def test_every_page_of_the_sample_home_is_without_fault(browser: Browser, tmp_path: Path) -> None:
    home = shutil.copytree(ROOT / "data" / "sample", tmp_path / "home")
    assert hourtally("run", "--home", home, "--now", SAMPLE_NOW).returncode == 3
    hours = f"/hours/{SAMPLE_HOUR}"
    addresses = ["/", "/customers", "/batches", "/quarantine", "/rates", hours, "/days/2026-11-02"]
    for customer in ("acme", "globex", "initech"):
        base = f"/customers/{customer}"
        addresses += [base, f"{base}{hours}"]
    addresses += [
        f"{ACME}{hours}?teamId=web&projectId=shop",
        f"{ACME}{hours}/explain?resourceId=api",
    ]
    with serving(home, "--now", SAMPLE_NOW, log=tmp_path / "log", command_name="ui") as served:
        context = browser.new_context()
        watched = Watched(context, served.url)
        for address in addresses:
            watched.visit(address)
            assert [*watched.faults, *violations(watched.page)] == [], address
        context.close()


def test_a_customer_signs_in_looks_and_signs_out(
    browser: Browser, home: Path, tmp_path: Path
) -> None:
    tokens = tmp_path / "tokens"
    token = add_token(tokens, "acme", 0)
    arguments = ("--now", NOW, "--tokens", tokens)
    with serving(home, *arguments, log=tmp_path / "log") as served:
        context = browser.new_context()
        watched = Watched(context, served.url)
        page = watched.page
        watched.visit(f"/hours/{RESTATED_HOUR}")
        assert violations(page) == []
        page.get_by_label("Token").fill("wrong")
        page.get_by_role("button", name="Sign in").click()
        assert page.get_by_role("alert").inner_text().startswith("This token is not valid")
        page.get_by_label("Token").fill(token)
        page.get_by_role("button", name="Sign in").click()
        assert page.url == f"{served.url}/hours/{RESTATED_HOUR}"
        assert "42.25 cents" in page.inner_text("main")
        assert violations(page) == []
        [cookie] = context.cookies()
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
        assert page.evaluate("document.cookie") == ""
        watched.visit("/")
        assert "2026-10-19 to 2026-11-22" in page.inner_text("main")
        assert violations(page) == []
        page.get_by_role("button", name="Sign out").click()
        page.go_back()
        assert "297" not in page.inner_text("main")
        watched.visit(f"/hours/{RESTATED_HOUR}")
        assert page.get_by_label("Token").is_visible()
        assert [one for one in watched.faults if "status of 40" not in one] == []
        context.close()


def test_another_site_can_neither_read_nor_post(browser: Browser, ui: Served) -> None:
    context = browser.new_context()
    page = context.new_page()
    # A page of another origin: its own port of this machine is one.
    page.route("http://localhost:9/", lambda route: route.fulfill(body="<p>elsewhere</p>"))
    page.goto("http://localhost:9/")
    read = "url => fetch(url).then(answer => answer.text()).catch(() => 'refused')"
    assert page.evaluate(read, ui.url) == "refused"
    framed = (
        "url => new Promise(done => { const frame = document.createElement('iframe');"
        "frame.src = url; frame.onload = () => done(frame.contentDocument === null);"
        "document.body.append(frame); })"
    )
    assert page.evaluate(framed, ui.url) is True
    context.close()
