"""`hourtally ui`: where it listens, and that it opens the browser."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import pytest

from tests.support.command_line import hourtally
from tests.support.homes.eventful_home import NOW, eventful_home
from tests.support.http_server import WAIT_SECONDS, serving


@pytest.mark.slow
def test_ui_listens_on_loopback_and_opens_the_browser_once_it_is_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = eventful_home(tmp_path)
    opened = tmp_path / "opened"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}.part && mv {opened}.part {opened}\n')
    browser.chmod(0o755)
    monkeypatch.setenv("BROWSER", f"{browser} %s")
    arguments = ("--now", NOW, "--open")
    with serving(home.root, *arguments, log=tmp_path / "log", command_name="ui") as served:
        assert served.url.startswith("http://127.0.0.1:")
        ends = time.monotonic() + WAIT_SECONDS
        while not opened.exists() and time.monotonic() < ends:
            time.sleep(0.01)
        assert opened.read_text().strip() == served.url
        assert served.get("/customers/acme").status_code == 200
        assert served.get("/healthz").status_code == 200
        # No form, no API: only pages to look at.
        assert httpx.post(f"{served.url}/signin").status_code == 405
        assert served.get("/v1/billing/usage").status_code == 404
        assert served.get("/", host="evil.example").status_code == 421


def test_ui_of_a_home_that_is_not_there_says_so(tmp_path: Path) -> None:
    done = hourtally("ui", "--home", tmp_path / "none")

    assert done.returncode == 1
    assert "no such home folder" in done.stderr
