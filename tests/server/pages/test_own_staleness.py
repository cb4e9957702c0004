"""A stale hour is stale to those customers whom what changed may concern, and to the operator."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hourtally.ingest.files import ingest_paths
from hourtally.ingest.withdrawal import withdraw
from hourtally.settings import Settings
from hourtally.store.layout import Home
from tests.support.homes.eventful_home import NOW_MS, RATES, build, event, resource
from tests.support.pages import customer, operator

NOW = "2026-11-22T20"
DAY = "/days/2026-11-22"
RATE = """
[[rate]]
id = "{id}"
meter = "{meter}"
price_cents = "{price}"
per = "{per}"
{more}
active_from = 2026-01-01T00:00:00Z
"""
STORAGE = RATE.format(id="storage", meter="paas.storage", price=1, per="gib-hour", more="")


def ingested(home: Home, name: str, *lines: str) -> Path:
    path = home.root / f"{name}.ndjson"
    path.write_text("".join(f"{line}\n" for line in lines))
    ingest_paths(home, [path], NOW_MS, Settings(threads=1))
    return path


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Acme and globex have CPU in hour 13, globex a cluster too, and initech storage."""
    home = Home(tmp_path / "home")
    home.root.mkdir()
    home.rates.write_text(RATES + STORAGE)
    ingested(
        home,
        "first",
        resource("a1", "13:00:00", "14:00:00", "acme", "api", cpuMillicores=1000),
        resource("g1", "13:00:00", "14:00:00", "globex", "api", cpuMillicores=1000),
        resource("i1", "13:00:00", "14:00:00", "initech", "disk", storageMiB=1024),
        event("g2", "13:00:00", "14:00:00", "cluster", customerId="globex", clusterId="k1"),
    )
    build(home)
    return home


def stale_to(home: Home) -> dict[str, str]:
    """Why hour 13 is stale to whom it is stale."""
    visitors = {
        "operator": operator(home.root, NOW),
        **{one: customer(home.root, NOW, one) for one in ("acme", "globex", "initech")},
    }
    found = {}
    for name, visitor in visitors.items():
        row = visitor.get(DAY).words.partition("13:00 ")[2].partition(" 14:00 ")[0]
        if match := re.fullmatch(r"stale(?:, (?:held|restated))* \S+ (.*)", row):
            found[name] = match[1]
        assert ("13:00 stale" in visitor.get("/").words) == (name in found)
    return found


def test_a_current_hour_is_stale_to_nobody(home: Home) -> None:
    assert stale_to(home) == {}


def test_a_late_file_is_of_those_with_events_in_it_and_withdrawing_it_too(home: Home) -> None:
    path = ingested(
        home, "late", resource("a2", "13:00:00", "13:30:00", "acme", "db", cpuMillicores=500)
    )
    assert stale_to(home) == {"operator": "new batch", "acme": "new batch"}
    build(home)
    assert stale_to(home) == {}
    withdraw(home, str(path), "wrong", NOW_MS)
    assert stale_to(home) == {"operator": "batch withdrawn", "acme": "batch withdrawn"}


def test_a_void_is_of_the_customer_whose_event_it_cancels(home: Home) -> None:
    void = {"voidedSource": "meter/eu", "voidedId": "g1", "reason": "x"}
    ingested(home, "void", event("v1", "13:00:00", "14:00:00", "void", **void))
    assert stale_to(home) == {"operator": "new batch", "globex": "new batch"}


def test_a_damaged_late_file_may_be_of_anybody(home: Home) -> None:
    ingested(home, "late", resource("a2", "13:00:00", "13:30:00", "acme", "db", memoryMiB=1))
    for path in home.events.glob("hour=2026-11-22T13/*.parquet"):
        path.write_bytes(path.read_bytes() + b"x")
    assert set(stale_to(home)) == {"operator", "acme", "globex", "initech"}


@pytest.mark.parametrize(
    ("card", "whose"),
    [
        (RATES.replace('"1200"', '"1300"') + STORAGE, ["acme", "globex"]),
        (RATES + STORAGE.replace('"1"', '"2"'), ["initech"]),
        (RATES.replace('price_cents = "10"', 'price_cents = "11"') + STORAGE, ["globex"]),
        (
            RATES
            + STORAGE
            + RATE.format(
                id="own", meter="paas.cpu", price=2, per="vcpu-hour", more='customer = "acme"'
            ),
            ["acme"],
        ),
        (RATES.replace('"USD"', '"EUR"') + STORAGE, ["acme", "globex", "initech"]),
    ],
    ids=["cpu", "storage", "cluster", "newly named", "currency"],
)
def test_a_price_is_of_those_who_use_what_it_is_for(
    home: Home, card: str, whose: list[str]
) -> None:
    home.rates.write_text(card)
    assert stale_to(home) == dict.fromkeys(["operator", *whose], "rates changed")


def test_the_price_of_one_customer_is_of_no_other(home: Home) -> None:
    own = RATE.format(
        id="own", meter="paas.cpu", price=2, per="vcpu-hour", more='customer = "acme"'
    )
    home.rates.write_text(RATES + STORAGE + own)
    build(home, force=True)
    home.rates.write_text(RATES + STORAGE + own.replace('"2"', '"3"'))
    assert stale_to(home) == {"operator": "rates changed", "acme": "rates changed"}
    # Who has an own price pays no other.
    home.rates.write_text(RATES.replace('"1200"', '"1300"') + STORAGE + own)
    assert stale_to(home) == {"operator": "rates changed", "globex": "rates changed"}


def test_a_held_hour_is_stale_to_its_customer_once_there_is_a_rate(home: Home) -> None:
    home.rates.write_text(RATES)
    ingested(home, "late", resource("i2", "13:00:00", "14:00:00", "initech", "db", storageMiB=1))
    build(home)
    assert stale_to(home) == {}
    home.rates.write_text(RATES + STORAGE)
    assert stale_to(home) == {"operator": "rates changed", "initech": "rates changed"}
