"""At, below and above every bound in `model/money.py`: exact, or rejected before it counts."""

from __future__ import annotations

import json
import os
from fractions import Fraction
from pathlib import Path

import duckdb
import polars as pl
import pytest

from hourtally.cli.app import call
from hourtally.events.instants import MAX_INTERVAL_MS
from hourtally.events.validation import MAX_QUANTITY
from hourtally.model.hours import HOUR_MS, Hour
from hourtally.model.money import MAX_NANOCENTS, MAX_NUMERATOR
from hourtally.model.schemas import USAGE
from hourtally.ratecard import Rate
from hourtally.stages import rating
from hourtally.stages.rate_lookup import look_up, named_customers, with_rate_customer
from tests.support.quarantine.structure_cases import Case, cluster, resource

HOUR = Hour.parse("2026-11-22T13")
NOW = "2026-11-22T15:00:00Z"
MOST = 10_000_000_000


@pytest.fixture(autouse=True)
def _without_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)


def card(**prices: str) -> str:
    """A card of prices by the hour; the meter's dot is written as two underscores."""
    nouns = {"cpu": "vcpu", "vcpu": "vcpu", "gpu": "gpu", "cluster": "cluster"}
    text = 'currency = "USD"\n'
    for name, price in prices.items():
        noun = nouns.get(name.partition("__")[2], "gib")
        text += (
            f'[[rate]]\nid = "{name}"\nmeter = "{name.replace("__", ".")}"\n'
            f'price_cents = "{price}"\nper = "{noun}-hour"\nactive_from = 2025-01-01T00:00:00Z\n'
        )
    return text


class Billing:
    """A home, and what a person would do with it."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.home = folder / "home"
        self.home.mkdir()
        self._capsys = capsys

    def build(self, lines: bytes, rates: str) -> int:
        (self.home / "inbox").mkdir(exist_ok=True)
        (self.home / "inbox" / "events.ndjson").write_bytes(lines)
        (self.home / "rates.toml").write_text(rates)
        return call(["run", "--home", str(self.home), "--now", NOW])

    def said(self) -> str:
        return self._capsys.readouterr().err

    def shown(self) -> str:
        """The newest document of acme; numbers as they are written."""
        self._capsys.readouterr()
        show = ["show", HOUR.name, "--customer", "acme", "--json", "--home", str(self.home)]
        assert call([*show, "--now", NOW]) == 0
        return self._capsys.readouterr().out

    def revisions(self) -> int:
        return len(list(self.home.glob(f"hours/{HOUR.name}/0*.json")))

    def verified(self) -> bool:
        return call(["verify", "--home", str(self.home)]) == 0


@pytest.fixture
def billing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Billing:
    return Billing(tmp_path, capsys)


def lines_of(*cases: Case) -> bytes:
    return b"\n".join(case.line for case in cases)


# 10^7 vcpus for an hour, at p cents each, are p x 10^16 nanocents.
LAST = "922.3372036854775807"
ONE_MORE = "922.3372036854775808"


@pytest.mark.parametrize(
    ("price", "cents"),
    [("922.3372036854775806", "9223372036.854775806"), (LAST, "9223372036.854775807")],
)
def test_a_charge_of_up_to_2_63_minus_1_nanocents_is_exact(
    billing: Billing, price: str, cents: str
) -> None:
    lines = lines_of(cluster("k", vcpuMillicores=MOST, clusterCount=0))
    assert billing.build(lines, card(byoc__vcpu=price)) == 0
    assert f'"byocUsage":{{"price":{{"total":{cents},"vcpu":{cents},' in billing.shown()
    assert billing.verified()


def test_a_charge_of_2_63_nanocents_fails_the_hour_and_keeps_the_last_revision(
    billing: Billing,
) -> None:
    lines = lines_of(cluster("k", vcpuMillicores=MOST, clusterCount=0))
    assert billing.build(lines, card(byoc__vcpu=LAST)) == 0
    before = billing.shown()
    assert billing.build(lines, card(byoc__vcpu=ONE_MORE)) == 1
    assert "exceeds 9223372036854775807 nanocents, the most that can be stored" in billing.said()
    assert (billing.revisions(), billing.shown()) == (1, before)
    # And 10^50 times as much, which is beyond 128 bits as well.
    assert billing.build(lines, card(byoc__vcpu="1" + "0" * 50)) == 1
    assert (billing.revisions(), billing.shown()) == (1, before)


# Of a customer with two clusters of half of it each; with one nanocent more in the second.
HALF, OTHER_HALF = 2**62, 2**62 - 1


@pytest.mark.parametrize(("more", "status"), [(0, 0), (1, 1)])
def test_a_customer_total_fits_or_fails_the_hour(billing: Billing, more: int, status: int) -> None:
    # A vcpu of the one and a cluster of the other, for an hour, at a price of so much.
    one = cluster("k1", clusterId="k1", vcpuMillicores=1_000, clusterCount=0)
    two = cluster("k2", clusterId="k2", vcpuMillicores=0, clusterCount=1)
    prices = {
        "byoc__vcpu": f"{HALF // 10**9}.{HALF % 10**9:09d}",
        "byoc__cluster": f"{(OTHER_HALF + more) // 10**9}.{(OTHER_HALF + more) % 10**9:09d}",
    }
    assert billing.build(lines_of(one, two), card(**prices)) == status
    if status:
        assert "a customer's sum exceeds 9223372036854775807" in billing.said()
        assert billing.revisions() == 0
    else:
        assert '"byocUsage":{"price":{"total":9223372036.854775807,' in billing.shown()
        assert billing.verified()


@pytest.mark.parametrize(("gpu", "status"), [("0.000000001", 0), ("0.000000002", 1)])
def test_a_total_of_fitting_components_fits_or_fails_the_hour(
    billing: Billing, gpu: str, status: int
) -> None:
    # 10^7 vcpus, and 1 GiB and 1 GPU: 2^63 - 4 nanocents, 1, 1, and 1 or 2 of the GPU.
    event = resource(
        "r",
        cpuMillicores=MOST,
        memoryMiB=1_024,
        storageMiB=1_024,
        gpuMilli=1_000,
        gpuModel="l4",
    )
    # (2^63 - 4) / 10^7 nanocents a vcpu, as cents of 10^9 of them.
    cpu = f"{(2**63 - 4)}/{10**16}"
    tiny = "0.000000001"
    prices = {"paas__cpu": cpu, "paas__memory": tiny, "paas__storage": tiny, "paas__gpu": gpu}
    assert billing.build(lines_of(event), card(**prices)) == status
    assert billing.revisions() == 1 - status
    if not status:
        assert (
            '"price":{"total":9223372036.854775807,"cpu":9223372036.854775804,'
            '"memory":0.000000001,"storage":0.000000001,"gpu":0.000000001}' in billing.shown()
        )
        assert billing.verified()


def test_an_hour_total_may_exceed_64_bits(billing: Billing) -> None:
    customers = [
        cluster(f"k{n}", customerId=f"c{n}", vcpuMillicores=MOST, clusterCount=0) for n in range(3)
    ]
    assert billing.build(lines_of(*customers), card(byoc__vcpu=LAST)) == 0
    [manifest] = billing.home.glob(f"hours/{HOUR.name}/0*.json")
    totals = json.loads(manifest.read_bytes())["totals"]
    # 3 x (2^63 - 1)
    assert totals["total"] == totals["byoc"]["vcpu"] == 27_670_116_110_564_327_421
    assert billing.verified()


# 2^63 - 1 nano-hours are 9,223,372,036.85 clusters for an hour.
@pytest.mark.parametrize(("clusters", "status"), [(9_223_372_036, 0), (9_223_372_037, 1)])
def test_a_quantity_of_up_to_2_63_minus_1_nano_hours_is_kept(
    billing: Billing, clusters: int, status: int
) -> None:
    lines = lines_of(cluster("k", vcpuMillicores=0, clusterCount=clusters))
    assert billing.build(lines, card(byoc__cluster="0")) == status
    assert billing.revisions() == 1 - status
    if status:
        assert "(cluster_nanohours) exceeds 9223372036854775807 nano-hours" in billing.said()
    else:
        assert billing.verified()


def test_900_replicas_at_the_maximum_quantity_are_exact(billing: Billing) -> None:
    line = resource("replica ###", cpuMillicores=MOST, memoryMiB=0).line
    lines = b"\n".join(line.replace(b"###", b"%03d" % number) for number in range(900))
    # 900 x 10^7 vcpus for an hour, at p cents each: p x 9 x 10^18 nanocents; the usage, 900 x
    # 3.6 x 10^16 millicore-ms, is 3.5 times what 64 bits hold.
    last, one_more = (f"{2**63 - 1 + n}/{9 * 10**18}" for n in (0, 1))
    assert billing.build(lines, card(paas__cpu=last, paas__memory="0")) == 0
    assert '"cpu":9223372036.854775807,' in billing.shown()
    assert billing.build(lines, card(paas__cpu=one_more, paas__memory="0")) == 1
    assert billing.revisions() == 1
    [charges] = billing.home.glob(f"hours/{HOUR.name}/rev-*/charges.parquet")
    table = pl.read_parquet(charges)
    assert int(table["cpu_millicores_ms"][0]) == 32_400_000_000_000_000_000
    assert table["cpu_nanohours"].to_list() == [9_000_000_000_000_000_000]


def test_partly_overlapping_replicas_add_up_to_the_millisecond(billing: Billing) -> None:
    # Replica n runs from n ms on to n ms before the end: Σ (3,600,000 - 2n) for n < 1000 is
    # 3,600,000,000 - 999,000 = 3,599,001,000 ms, 999.7225 hours. At 0.01 cents the vcpu-hour, 10^6
    # vcpus: 9,997,225 cents.
    def at(ms: int) -> str:
        return f"2026-11-22T13:{ms // 60_000:02d}:{ms // 1_000 % 60:02d}.{ms % 1_000:03d}Z"

    events = [
        cluster(
            f"r{n}",
            start=at(n),
            end="2026-11-22T14:00:00Z" if n == 0 else at(HOUR_MS - n),
            vcpuMillicores=MOST // 10,
            clusterCount=0,
        )
        for n in range(1_000)
    ]
    assert billing.build(lines_of(*events), card(byoc__vcpu="0.01")) == 0
    assert '"vcpu":9997225,' in billing.shown()
    assert billing.verified()


def test_the_largest_slice_stays_far_below_64_bits() -> None:
    assert MAX_QUANTITY * HOUR_MS == 36_000_000_000_000_000 < 2**63 // 256
    # An event's interval is cut into hours before anything is multiplied; uncut it would fit too.
    assert MAX_QUANTITY * MAX_INTERVAL_MS == 26_784_000_000_000_000_000 > 2**63
    # A sum of them is DuckDB's HUGEINT, which comes as a decimal of 38 digits.
    assert 10**38 // (MAX_QUANTITY * HOUR_MS) > 2 * 10**21


def test_duckdb_rejects_an_overflowing_product_and_sums_in_128_bits() -> None:
    # Not that one is reached; but were a quantity to get past every check, it is no wrong number.
    with duckdb.connect() as connection:
        with pytest.raises(duckdb.OutOfRangeException):
            connection.execute("SELECT a * a FROM (SELECT 4294967296::BIGINT AS a)").fetchall()
        query = f"SELECT sum(a) FROM (SELECT {MAX_NANOCENTS}::BIGINT AS a FROM range(1000))"
        assert connection.execute(query).fetchall() == [(1_000 * MAX_NANOCENTS,)]


# Greater than 2^63, so that a numerator of 126 bits is a charge of 62; a prime.
DENOMINATOR = 2**64 + 13


def priced(numerator: int, denominator: int, usage: int = 1) -> int:
    """The charge of millicore-ms of a cluster at `numerator / denominator` nanocents for each."""
    # One millicore for 1 ms is 10^9 / 3,600,000,000 of the price.
    rate = Rate(
        id="a",
        meter="byoc.vcpu",
        price_cents=Fraction(numerator * HOUR_MS * 1_000, denominator * 10**9),
        per="vcpu-hour",
        per_hours=1,
        active_from_ms=0,
    )
    assert rate.nanocents_per_unit_ms == Fraction(numerator, denominator)
    blank = {column: 0 if column.endswith("_ms") else None for column in USAGE}
    row = {
        "timestamp": HOUR.timestamp,
        "event_type": "metering.cluster.v1",
        "customer_id": "c",
        "resource_id": "k",
        "period": 0,
        "vcpu_millicores_ms": usage,
    }
    rows = pl.DataFrame([{**blank, **row}], schema=USAGE)
    priced = with_rate_customer(rows, named_customers([]))
    rated = rating.rate(look_up(priced, [rate], [(HOUR.start_ms, HOUR.end_ms)]))
    return int(rated.clusters["vcpu_nanocents"][0])


@pytest.mark.parametrize(
    ("numerator", "denominator", "unbounded"),
    [
        (MAX_NUMERATOR - 1, DENOMINATOR, 0),
        (MAX_NUMERATOR, DENOMINATOR, 1),
        (MAX_NUMERATOR + 1, DENOMINATOR, 1),
        (2**127 - 1, DENOMINATOR, 1),
        (2**127 + 1, DENOMINATOR, 1),
        (1, MAX_NUMERATOR - 1, 0),
        (1, MAX_NUMERATOR, 1),
        (1, 2**128 + 1, 1),
        # A half, and a little more and less than it, with the greatest divisor there may be.
        (MAX_NUMERATOR // 2 - 1, MAX_NUMERATOR - 1, 0),
        (MAX_NUMERATOR // 2, MAX_NUMERATOR - 1, 0),
    ],
)
def test_a_numerator_or_divisor_beyond_126_bits_is_priced_in_unbounded_integers(
    monkeypatch: pytest.MonkeyPatch, numerator: int, denominator: int, unbounded: int
) -> None:
    calls = []
    original = rating._charges_unbounded

    def counted(*arguments: object) -> pl.Series:
        calls.append(arguments)
        return original(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(rating, "_charges_unbounded", counted)
    assert priced(numerator, denominator) == round(Fraction(numerator, denominator))
    assert len(calls) == unbounded


# The last one is as many as nano-hours have room for: times 5/18.
@pytest.mark.parametrize("usage", [2**63 - 1, 2**63, 2**64, (2**63 - 1) * 18 // 5])
def test_usage_of_any_size_is_priced_exactly(usage: int) -> None:
    assert priced(1, 10**12, usage) == round(Fraction(usage, 10**12))
