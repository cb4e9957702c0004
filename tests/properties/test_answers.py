"""Documents, lists, SQL, FOCUS, HTTP and pages say the same of any home, however it came about."""

from __future__ import annotations

import json
import re
import shutil
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hourtally.build.builder import Builder
from hourtally.build.staleness import stale_hours
from hourtally.errors import BoundExceeded
from hourtally.jobs.focus import FocusExport, export_focus
from hourtally.model.hours import Granularity, Hour
from hourtally.model.money import format_decimal
from hourtally.published.listing import LEVELS, Level, Question, list_range
from hourtally.published.reader import published_hours
from hourtally.published.sql import run_query
from hourtally.ratecard import FocusNames, parse_rate_card
from hourtally.server.pages.addresses import Addresses
from hourtally.server.requests import ListRequest, read_request
from hourtally.server.usage import PublishedUsage
from hourtally.settings import DEFAULT_SETTLE_MS, Settings
from hourtally.store.layout import Home
from tests.support.events.event_files import arrangements
from tests.support.events.random_events import (
    CUSTOMERS,
    HOUR,
    NOW_MS,
    TEAMS,
    TYPES,
    Json,
    event_sets,
    voids_of,
)
from tests.support.examples import examples
from tests.support.focus_facts import broken
from tests.support.homes.small_home import fresh_home, ingest, many_small_builds
from tests.support.oracle.hour import oracle
from tests.support.oracle.listing import held_hours, listing
from tests.support.oracle.published_rows import current_manifests
from tests.support.pages import operator_of
from tests.support.ratecard.random_cards import rate_cards

Sums = dict[tuple[str, str], tuple[Decimal, Decimal]]
"""PaaS and BYOC in cents, by hour and customer, where either is above zero."""


@pytest.fixture(autouse=True, scope="module")
def _quickly() -> Iterator[None]:
    with many_small_builds():
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("answers")


def build(home: Home, rates: str) -> None:
    """Build every stale hour. More usage than a column can hold is another test's."""
    card = parse_rate_card(rates, "rates.toml")
    found = stale_hours(home, card, NOW_MS, DEFAULT_SETTLE_MS)
    failed = Builder(home, card, NOW_MS, Settings(threads=1)).build(found).failed
    assume(not any(isinstance(error, BoundExceeded) for _, error in failed))
    assert failed == []


def draw_home(data: st.DataObject, folder: Path) -> Home:
    """A home in which events came, were voided, and were priced by two cards, one after another."""
    events = data.draw(event_sets())
    home = fresh_home(folder)
    ingest(home, events, data.draw(arrangements(len(events))))
    build(home, data.draw(rate_cards(gaps=True)))
    if data.draw(st.booleans()):
        voids = data.draw(st.lists(voids_of(events), min_size=1, max_size=3))
        ingest(home, voids, data.draw(arrangements(len(voids))))
        build(home, data.draw(rate_cards(gaps=True)))
    return home


def documents(home: Home) -> Iterator[tuple[str, str, Json]]:
    """Every document of a current revision, with its hour and customer."""
    for manifest in current_manifests(home.root):
        folder = home.hours / manifest["hour"] / manifest["folder"]
        for line in (folder / "documents.ndjson").read_bytes().splitlines():
            record = json.loads(line, parse_float=Decimal, parse_int=Decimal)
            yield manifest["hour"], record["customerId"], record["document"]["data"]


def of_documents(home: Home) -> Sums:
    return {
        (hour, customer): (
            data["paasUsage"]["price"]["total"],
            data["byocUsage"]["price"]["total"],
        )
        for hour, customer, data in documents(home)
    }


def of_list(home: Home) -> Sums:
    rows = list_range(home, Question(by="customer", granularity="hour")).rows
    return {
        (row["period"], row["customer_id"]): (
            Decimal(row["paas_total_nanocents"]).scaleb(-9),
            Decimal(row["byoc_total_nanocents"]).scaleb(-9),
        )
        for row in rows.iter_rows(named=True)
    }


def of_sql(home: Home) -> Sums:
    """From the leaves: charges and clusters."""
    query = """
        SELECT strftime(hour, '%Y-%m-%dT%H'), customer_id, sum(paas), sum(byoc) FROM (
            SELECT hour, customer_id, total_cents AS paas, 0 AS byoc FROM charges
            UNION ALL
            SELECT hour, customer_id, 0, total_cents FROM clusters
        ) GROUP BY ALL
    """
    rows = run_query(home, query, 1).rows
    return {(hour, customer): (paas, byoc) for hour, customer, paas, byoc in rows}


def of_focus(rows: list[Json]) -> Sums:
    sums: defaultdict[tuple[str, str], list[Decimal]] = defaultdict(lambda: [Decimal(0)] * 2)
    for row in rows:
        is_byoc = row["ResourceType"] == "byoc-cluster"
        sums[row["x_Hour"], row["BillingAccountId"]][is_byoc] += row["BilledCost"] * 100
    return {key: (paas, byoc) for key, (paas, byoc) in sums.items()}


def of_http(home: Home) -> Sums:
    usage = PublishedUsage(home)
    request = read_request(b"/v1/billing/usage", b"per_page=100")
    assert isinstance(request, ListRequest)
    sums = {}
    for customer in CUSTOMERS:
        body = json.loads(
            usage.list(customer, request).body, parse_float=Decimal, parse_int=Decimal
        )
        for one in body["data"]["usage"]:
            hour = Hour(int(one["timestamp"])).name
            sums[hour, customer] = (
                one["paasUsage"]["price"]["total"],
                one["byocUsage"]["price"]["total"],
            )
    return sums


def of_pages(home: Home) -> Sums:
    """From the headlines of each customer's hours; those of its own page are their sums."""
    hours = published_hours(home)
    visitor = operator_of(home, max(hours).following.name)
    sums = {}
    for customer in CUSTOMERS:
        addresses = Addresses(customer)
        for hour in hours:
            page = visitor.get(addresses.hour(hour))
            if page.status != 409:
                figures = re.search(r"PaaS ([0-9.]+) cents .* BYOC ([0-9.]+) cents", page.words)
                assert figures is not None
                sums[hour.name, customer] = (Decimal(figures[1]), Decimal(figures[2]))
        own = [sum(both, Decimal(0)) for (_, of), both in sums.items() if of == customer]
        if own:
            number = "hour" if len(own) == 1 else "hours"
            cents = format_decimal(int(sum(own, Decimal(0)).scaleb(9)), 9)
            total = f"{cents} cents, {len(own)} {number}"
            assert total in visitor.get(addresses.window(max(hours).following)).words
    return sums


def focus_rows(home: Home, folder: Path) -> list[Json]:
    """All rows of a new FOCUS dataset."""
    work = FocusExport(home, "1.2", "parquet", FocusNames(), Settings(threads=1))
    tree = folder / f"focus-{home.root.name}"
    export_focus(work, tree, published_hours(home))
    rows = [row for path in tree.rglob("*.parquet") for row in pl.read_parquet(path).to_dicts()]
    shutil.rmtree(tree)
    return rows


def above_zero(sums: Sums) -> Sums:
    return {key: both for key, both in sums.items() if any(both)}


@examples(40, fast=3)
@given(st.data())
def test_every_answer_has_the_sums_of_the_documents(folder: Path, data: st.DataObject) -> None:
    home = draw_home(data, folder)
    expected = above_zero(of_documents(home))
    rows = focus_rows(home, folder)

    assert broken("1.2", rows) == []
    assert above_zero(of_list(home)) == expected
    assert above_zero(of_sql(home)) == expected
    assert above_zero(of_focus(rows)) == expected
    assert above_zero(of_http(home)) == expected
    assert above_zero(of_pages(home)) == expected
    # And all of them have no figures of who is held.
    held = {(h, c) for c, hours in held_hours(home.root, {}).items() for h in hours}
    assert held & (of_list(home).keys() | of_sql(home).keys() | of_http(home).keys()) == set()
    assert held & of_focus(rows).keys() == set()


@examples(40, fast=4)
@given(
    st.data(),
    st.sampled_from((None, *LEVELS)),
    st.sampled_from(get_args(Granularity)),
    st.sampled_from((None, *CUSTOMERS)),
)
def test_a_list_is_the_sum_of_its_rows(
    folder: Path,
    data: st.DataObject,
    by: Level | None,
    granularity: Granularity,
    customer: str | None,
) -> None:
    home = draw_home(data, folder)
    team = data.draw(st.sampled_from((None, None, *TEAMS)))
    resource_type = data.draw(st.sampled_from((None, None, *TYPES)))
    found = list_range(
        home,
        Question(customer, team, None, resource_type, by, granularity),
    )
    filters = {"customer_id": customer, "team_id": team, "resource_type": resource_type}
    question = {
        "by": by,
        "granularity": granularity,
        "filters": {name: value for name, value in filters.items() if value is not None},
    }

    rows = found.rows.drop("name", "published", strict=False).filter(pl.col("hours") > 0)
    assert rows.to_dicts() == listing(home.root, question)
    held = {who: [hour.name for hour in hours] for who, hours in found.held.items()}
    assert held == held_hours(home.root, question)


@examples(40, fast=4)
@given(st.data(), event_sets(), rate_cards())
def test_focus_has_quantities_charges_and_list_prices_as_the_oracle(
    folder: Path, data: st.DataObject, events: list[Json], rates: str
) -> None:
    home = fresh_home(folder)
    files = ingest(home, events, data.draw(arrangements(len(events))))
    build(home, rates)
    rows = [row for row in focus_rows(home, folder) if row["x_Hour"] == Hour(HOUR).name]
    # Every meter has a rate without selectors, so there is a list price of all usage.
    head, *blocks = rates.split("[[rate]]\n")
    listed = "[[rate]]\n".join([head, *(one for one in blocks if "\ncustomer = " not in one)])
    expected, by_list = oracle(files, rates, HOUR), oracle(files, listed, HOUR)
    assert by_list.held == []

    found: dict[tuple[Any, ...], tuple[Decimal, ...]] = {}
    for row in rows:
        key: tuple[str, ...] = (
            *(row["BillingAccountId"], row["SubAccountId"], row["x_ProjectId"]),
            *row["ResourceId"].removeprefix(f"{row['x_ProjectId']}/").split("/", 1),
        )
        if row["SubAccountId"] is None:
            key = (row["BillingAccountId"], row["ResourceId"].removeprefix("byoc-cluster/"))
        numbers = (row["BilledCost"], row["ListCost"], row["ConsumedQuantity"])
        found[*key, row["x_Component"]] = numbers
    wanted: dict[tuple[Any, ...], tuple[Decimal, ...]] = {}
    for charges, listed_charges in (
        (expected.charges, by_list.charges),
        (expected.clusters, by_list.clusters),
    ):
        for charged, prices in charges.items():
            for component, price in prices.items():
                if expected.usage[charged][component]:
                    wanted[*charged, {"gpuMemory": "gpu_memory"}.get(component, component)] = (
                        Decimal(price).scaleb(-11),
                        Decimal(listed_charges[charged][component]).scaleb(-11),
                        _hours(expected.hours[charged], component),
                    )
    assert found == wanted


def _hours(hours: dict[str, int], component: str) -> Decimal:
    """The reported quantities of a component; a GPU has two."""
    names = {
        "cpu": ("vcpuHours",),
        "vcpu": ("vcpuHours",),
        "memory": ("memoryGiBHours",),
        "storage": ("storageGiBHours",),
        "gpu": ("gpuOnDemandHours", "gpuSpotHours"),
        "gpuMemory": ("gpuMemoryGiBHours",),
        "cluster": ("clusterHours",),
    }
    return Decimal(sum(hours[name] for name in names[component])).scaleb(-9)
