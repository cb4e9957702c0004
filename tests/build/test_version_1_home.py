"""A home that build version 1 made: it is read, verified and served, and restated once.

The home is kept as that version left it: three hours of the sample, on whole-hour rates.
"""

from __future__ import annotations

import json
import os
import tarfile
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hourtally.cli.app import call
from hourtally.model.hours import Hour
from hourtally.published.views import Filters
from hourtally.server.parameters import HttpError
from hourtally.server.requests import ListRequest, ViewRequest
from hourtally.server.usage import PublishedUsage
from hourtally.store.layout import Home
from tests.support.command_line import ROOT, everything
from tests.support.pages import operator

HOURS = ("2026-11-02T09", "2026-11-02T10", "2026-11-02T11")
NINE = Hour.parse(HOURS[0])
NOW = "2026-11-04T00:00:00Z"
LIST = ListRequest(Filters(), start=None, end=None, after=None, per_page=50)


@pytest.fixture(autouse=True)
def _without_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    with tarfile.open(ROOT / "tests" / "data" / "home-build-version-1.tar.gz") as archive:
        archive.extractall(tmp_path / "home", filter="data")
    return Home(tmp_path / "home")


def on(home: Home, *arguments: str) -> int:
    return call([*arguments, "--home", str(home.root)])


def documents_of(home: Home, hour: str, revision: int) -> dict[str, bytes]:
    [folder] = (home.hours / hour).glob(f"rev-{revision:06d}-*")
    lines = [json.loads(line) for line in (folder / "documents.ndjson").read_bytes().splitlines()]
    names = [line["customerId"] for line in lines]
    raw = (folder / "documents.ndjson").read_bytes().splitlines()
    return {
        name: line.partition(b',"document":')[2][:-1] for name, line in zip(names, raw, strict=True)
    }


def manifests(home: Home, revision: int) -> dict[str, dict[str, Any]]:
    return {
        hour: json.loads((home.hours / hour / f"{revision:06d}.json").read_bytes())
        for hour in HOURS
    }


def test_its_documents_are_shown_as_they_are(home: Home, capsysbinary: Any) -> None:
    for customer, document in documents_of(home, HOURS[0], 1).items():
        filtered = ("--type", "job", "--project", "none")
        assert on(home, "show", HOURS[0], "--customer", customer, "--json", *filtered) == 0
        view = json.loads(capsysbinary.readouterr().out)
        assert view["data"]["byocUsage"] == json.loads(document)["data"]["byocUsage"]


def test_it_is_listed_explained_and_compared(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert on(home, "list", "--customer", "acme", "--granularity", "total") == 0
    assert on(home, "explain", HOURS[0], "--customer", "acme", "--resource", "api") == 0
    assert on(home, "diff", HOURS[0]) == 0
    assert "Traceback" not in capsys.readouterr().err


def test_it_verifies(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert on(home, "verify") == 0
    said = capsys.readouterr()
    assert "3 hours" in said.out + said.err


def test_quantities_that_it_lacks_are_an_error_that_says_what_to_do(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert on(home, "show", HOURS[0], "--customer", "acme", "--usage", "--json") == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "revision 1 was built by an earlier version, which kept no quantities" in said.err
    assert "`hourtally backfill --from 2026-11-02T09 --to 2026-11-02T10`" in said.err


def test_it_is_served_and_says_where_it_has_no_quantities(home: Home) -> None:
    usage = PublishedUsage(home)
    for customer, document in documents_of(home, HOURS[0], 1).items():
        request = ViewRequest(NINE.timestamp, Filters())
        byoc = json.loads(usage.view(customer, request).body)["data"]["byocUsage"]
        assert byoc == json.loads(document)["data"]["byocUsage"]
    assert len(json.loads(usage.list("acme", LIST).body)["data"]["usage"]) == 3
    newer = ViewRequest(NINE.timestamp, Filters(), newer=True)
    for ask in (
        partial(usage.view, "acme", newer),
        partial(usage.list, "acme", LIST._replace(newer=True)),
    ):
        with pytest.raises(HttpError, match="has no quantities yet") as refused:
            ask()
        assert (refused.value.status, refused.value.id) == (409, "no_quantities")


def test_the_next_run_restates_it_once_for_the_build_version(home: Home) -> None:
    assert on(home, "run", "--now", NOW) in {0, 3}

    for hour, manifest in manifests(home, 2).items():
        assert manifest["reasons"] == ["build version"]
        assert manifest["inputs"]["build"] == 3
        # Its prices stay, to the byte, and only its files are new.
        assert documents_of(home, hour, 2) == documents_of(home, hour, 1)
        changes = manifest["changes"]
        assert {level: changes[level] for level in ("customers", "teams", "resources")} == {
            "customers": 0,
            "teams": 0,
            "resources": 0,
        }
    before = everything(home.hours)
    assert on(home, "run", "--now", NOW) in {0, 3}
    assert everything(home.hours) == before
    assert on(home, "verify") == 0
    usage = PublishedUsage(home)
    newer = usage.list("acme", LIST._replace(newer=True))
    assert len(json.loads(newer.body)["data"]["usage"]) == 3


def test_its_pages_are_whole_before_and_after_it_is_built_again(home: Home) -> None:
    acme = "/customers/acme"
    addresses = [
        *("/", "/customers", "/batches", "/quarantine", "/days/2026-11-02", f"/hours/{NINE}"),
        *(
            acme,
            f"{acme}/days/2026-11-02",
            f"{acme}/hours/{NINE}",
            f"{acme}/hours/{NINE}?teamId=web",
        ),
        f"{acme}/hours/{NINE}/explain?resourceId=api",
    ]
    ui = operator(home.root, "2026-11-04T00")
    pages = {address: ui.get(address) for address in addresses}
    assert {address: page.status for address, page in pages.items() if page.status != 200} == {}
    assert "09:00 stale" in pages["/"].words
    assert "kept no quantities" in pages[f"{acme}/hours/{NINE}"].words
    before = [word for word in pages[acme].words.split() if "." in word]

    on(home, "run", "--now", NOW)

    addresses.append(f"{acme}/hours/{NINE}/changes")
    again = {address: ui.get(address) for address in addresses}
    assert {address: page.status for address, page in again.items() if page.status != 200} == {}
    assert [word for word in again[acme].words.split() if "." in word] == before
    assert "09:00 current" in again["/"].words
