from __future__ import annotations

import csv
import datetime as dt
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import polars as pl
import pytest

from hourtally.cli.app import call
from hourtally.errors import Damaged, ForeignTree, NotExported
from hourtally.ingest.files import ingest_paths
from hourtally.jobs.focus import FocusExport, Format, Version, export_focus
from hourtally.published.export import ExportReport, export_hours
from hourtally.published.reader import published_hours
from hourtally.ratecard import FocusNames, parse_rate_card
from hourtally.settings import Settings
from hourtally.store.layout import Home
from tests.support.focus_facts import FACTS, Row, broken, facts_of
from tests.support.handwritten_revisions import document, flip_byte, publish
from tests.support.homes.eventful_home import (
    FIRST_HOUR,
    NOW_MS,
    SECOND_HOUR,
    build,
    event,
    eventful_home,
    resource,
)

MONTH = "billing_period=2026-11"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return eventful_home(tmp_path)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return tmp_path / "tree"


def export(
    home: Home,
    tree: Path,
    version: Version = "1.2",
    form: Format = "parquet",
    names: FocusNames = FocusNames(),  # noqa: B008 - frozen
) -> ExportReport:
    work = FocusExport(home, version, form, names, Settings(threads=1))
    return export_focus(work, tree, published_hours(home))


def rows_of(tree: Path, hour: str = "2026-11-22T13") -> list[Row]:
    return pl.read_parquet(tree / MONTH / f"{hour}.parquet").to_dicts()


def found(rows: list[Row], resource_id: str, component: str) -> Row:
    [row] = [
        row
        for row in rows
        if (row["ResourceId"].rpartition("/")[2], row["x_Component"]) == (resource_id, component)
    ]
    return row


def add_events(home: Home, *lines: str, rates: str = "") -> None:
    """Ingest a file of these lines, and build under the card with these rates added."""
    path = home.root / f"more-{len(list(home.root.glob('more-*')))}.ndjson"
    path.write_text("".join(f"{line}\n" for line in lines))
    ingest_paths(home, [path], NOW_MS, Settings(threads=1))
    home.rates.write_text(home.rates.read_text() + rates)
    build(home)


def rate(id_: str, meter: str, price: str, per: str, **selectors: str) -> str:
    start = selectors.pop("start", "2026-01-01T00:00:00Z")
    lines = "".join(f'{name} = "{value}"\n' for name, value in selectors.items())
    return (
        f'\n[[rate]]\nid = "{id_}"\nmeter = "{meter}"\nprice_cents = "{price}"\nper = "{per}"\n'
        f"active_from = {start}\n{lines}"
    )


@pytest.mark.parametrize("version", get_args(Version))
@pytest.mark.parametrize("form", get_args(Format))
def test_every_column_is_as_the_specification_says(
    home: Home, tree: Path, version: Version, form: Format
) -> None:
    export(home, tree, version, form)
    for hour in ("2026-11-22T13", "2026-11-22T14"):
        path = tree / MONTH / f"{hour}.{form}"
        rows = pl.read_parquet(path).to_dicts() if form == "parquet" else csv_rows(path)
        assert len(rows) == 4
        assert broken(version, rows) == []


def csv_rows(path: Path) -> list[Row]:
    """The rows of a CSV file, read by the types that the facts name; empty is null."""
    rows: list[Row] = []
    for row in csv.DictReader(io.StringIO(path.read_text(), newline="")):
        read: Row = {}
        for name, text in row.items():
            kind = FACTS[name].type if name in FACTS else str
            value: Any = text or None
            if value is not None and kind is Decimal:
                value = Decimal(value)
            elif value is not None and kind is dt.datetime:
                assert value.endswith("Z")
                value = dt.datetime.fromisoformat(value)
            read[name] = value
        rows.append(read)
    return rows


def test_a_row_is_worked_out_by_hand(home: Home, tree: Path) -> None:
    export(home, tree)
    row = found(rows_of(tree), "api", "cpu")

    # 1 vCPU for an hour at 1200 / 720 = 5/3 cents.
    assert row == {
        **dict.fromkeys(
            ["BilledCost", "EffectiveCost", "ContractedCost"], Decimal("0.01666666667")
        ),
        "ListCost": Decimal("0.01666666667"),
        "BillingAccountId": "acme",
        "BillingAccountName": "acme",
        "BillingAccountType": "Customer",
        "SubAccountId": "web",
        "SubAccountName": "Web",
        "SubAccountType": "Team",
        "BillingCurrency": "USD",
        "BillingPeriodStart": dt.datetime(2026, 11, 1, tzinfo=dt.UTC),
        "BillingPeriodEnd": dt.datetime(2026, 12, 1, tzinfo=dt.UTC),
        "ChargePeriodStart": dt.datetime(2026, 11, 22, 13, tzinfo=dt.UTC),
        "ChargePeriodEnd": dt.datetime(2026, 11, 22, 14, tzinfo=dt.UTC),
        "ChargeCategory": "Usage",
        "ChargeClass": None,
        "ChargeDescription": "vCPU of service api, project shop",
        "ChargeFrequency": "Usage-Based",
        "ConsumedQuantity": 1,
        "ConsumedUnit": "VCPU-Hours",
        "PricingQuantity": 1,
        "PricingUnit": "VCPU-Hours",
        "PricingCategory": "Standard",
        "ListUnitPrice": Decimal("0.016666666666666667"),
        "ContractedUnitPrice": Decimal("0.016666666666666667"),
        **dict.fromkeys(["ProviderName", "PublisherName", "InvoiceIssuerName"], "Hourtally"),
        "ServiceName": "Service",
        "ServiceCategory": "Compute",
        "ServiceSubcategory": "Containers",
        "ResourceId": "shop/service/api",
        "ResourceName": "api",
        "ResourceType": "service",
        "RegionId": None,
        "RegionName": None,
        "SkuId": "paas.cpu",
        "SkuMeter": "vCPU",
        "SkuPriceId": "cpu",
        "SkuPriceDetails": None,
        "Tags": None,
        "x_ProjectId": "shop",
        "x_ProjectName": "shop",
        "x_Hour": "2026-11-22T13",
        "x_Revision": 2,
        "x_Component": "cpu",
    }


def test_held_customers_and_components_without_usage_have_no_rows(home: Home, tree: Path) -> None:
    export(home, tree)
    rows = [
        (row["BillingAccountId"], row["ResourceId"], row["x_Component"]) for row in rows_of(tree)
    ]

    assert rows == [
        ("acme", "shop/addon/db", "memory"),
        ("acme", "shop/service/api", "cpu"),
        ("acme", "shop/service/api", "memory"),
        ("globex", "byoc-cluster/k1", "cluster"),
    ]
    held = (tree / "@held.ndjson").read_text()
    assert held == '{"customerId":"initech","timestamp":1795352400}\n'


def test_the_list_price_is_that_of_the_rates_without_customer(home: Home, tree: Path) -> None:
    # acme pays 1 cent a vCPU-hour; the list has 5/3.
    add_events(home, rates=rate("own", "paas.cpu", "1", "vcpu-hour", customer="acme"))
    export(home, tree)
    row = found(rows_of(tree), "api", "cpu")

    assert (row["BilledCost"], row["ListCost"]) == (Decimal("0.01"), Decimal("0.01666666667"))
    assert row["ContractedUnitPrice"] == Decimal("0.01")
    assert row["ListUnitPrice"] == Decimal("0.016666666666666667")
    # A customer is no part of a SKU.
    assert (row["SkuId"], row["SkuPriceId"]) == ("paas.cpu", "own")


def test_where_no_list_rate_applies_the_charge_stands_for_it(home: Home, tree: Path) -> None:
    line = event("x", "13:00:00", "14:00:00", "cluster", customerId="acme", clusterId="k9")
    line = line.replace('"clusterId"', '"memoryMiB": 2048, "clusterId"')
    add_events(home, line, rates=rate("own", "byoc.memory", "3", "gib-hour", customer="acme"))
    export(home, tree)
    row = found(rows_of(tree), "k9", "memory")

    assert (row["BilledCost"], row["ListCost"]) == (Decimal("0.06"), Decimal("0.06"))
    assert (row["ListUnitPrice"], row["ContractedUnitPrice"]) == (Decimal("0.03"), Decimal("0.03"))
    assert row["ChargeDescription"] == "Memory of BYOC cluster k9"


def test_a_rate_that_changes_inside_the_hour_leaves_no_unit_price(home: Home, tree: Path) -> None:
    later = rate("cpu-2", "paas.cpu", "2", "vcpu-hour", start="2026-11-22T13:30:00Z")
    add_events(home, rates=later)
    export(home, tree)
    row = found(rows_of(tree), "api", "cpu")

    # Half an hour at 5/3 and half at 2 cents.
    assert row["BilledCost"] == Decimal("0.01833333333")
    names = ("SkuPriceId", "SkuPriceDetails", "ContractedUnitPrice", "ListUnitPrice")
    assert [row[name] for name in names] == [None] * 4
    # Both rates have the same selectors.
    assert row["SkuId"] == "paas.cpu"


@pytest.mark.parametrize(
    ("capacities", "category", "quantity"),
    [
        ((None, "on-demand"), "Standard", 2),
        (("spot",), "Dynamic", 1),
        (("spot", None), "Standard", 2),
    ],
)
def test_spot_gpus_are_priced_dynamically(
    home: Home,
    tree: Path,
    capacities: tuple[str | None, ...],
    category: str,
    quantity: int,
) -> None:
    add_events(
        home,
        *(
            resource(
                f"s{n}",
                *("13:00:00", "14:00:00", "globex", "ml"),
                gpuMilli=1000,
                gpuModel="a100",
                gpuCapacity=capacity,
                region="eu",
            )
            for n, capacity in enumerate(capacities)
        ),
    )
    export(home, tree)
    row = found(rows_of(tree), "ml", "gpu")

    assert (row["PricingCategory"], row["ConsumedQuantity"]) == (category, quantity)
    assert (row["RegionId"], row["RegionName"]) == ("eu", "eu")
    assert row["SkuId"] == "paas.gpu/gpu_model=a100"
    assert json.loads(row["SkuPriceDetails"]) == {"x_GpuModel": "a100"}


def test_a_resource_of_several_regions_has_none(home: Home, tree: Path) -> None:
    parts = (("13:00:00", "13:30:00", "eu"), ("13:30:00", "14:00:00", "us"))
    add_events(
        home,
        *(
            resource(region, start, end, "globex", "web", memoryMiB=1024, region=region)
            for start, end, region in parts
        ),
    )
    export(home, tree)
    row = found(rows_of(tree), "web", "memory")

    assert (row["RegionId"], row["RegionName"], row["ConsumedQuantity"]) == (None, None, 1)


def test_an_hour_in_step_is_not_touched(home: Home, tree: Path) -> None:
    assert export(home, tree) == ExportReport(written=2, hours=2)
    before = {p: (p.stat().st_ino, p.stat().st_mtime_ns) for p in tree.rglob("*")}
    assert export(home, tree) == ExportReport(current=2)
    assert {p: (p.stat().st_ino, p.stat().st_mtime_ns) for p in tree.rglob("*")} == before


def test_a_restatement_inside_its_billing_period_is_no_correction(home: Home, tree: Path) -> None:
    export(home, tree)
    add_events(home, resource("l", "13:00:00", "14:00:00", "acme", "late", memoryMiB=1024))

    assert export(home, tree) == ExportReport(written=1, hours=1, current=1)
    assert {row["ChargeClass"] for row in rows_of(tree)} == {None}
    assert found(rows_of(tree), "late", "memory")["x_Revision"] == 3


def test_a_restatement_after_its_billing_period_is_a_correction(
    home: Home, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export(home, tree)
    december = dt.datetime(2026, 12, 1, tzinfo=dt.UTC)
    monkeypatch.setattr(
        "tests.support.homes.eventful_home.NOW_MS", int(december.timestamp() * 1000)
    )
    add_events(home, resource("l", "13:00:00", "14:00:00", "acme", "late", memoryMiB=1024))
    export(home, tree)

    assert {row["ChargeClass"] for row in rows_of(tree)} == {"Correction"}
    assert {row["ChargeClass"] for row in rows_of(tree, "2026-11-22T14")} == {None}
    # Written again for another reason it stays one.
    export(home, tree, names=FocusNames(provider="Acme Cloud"))
    assert {row["ChargeClass"] for row in rows_of(tree)} == {"Correction"}
    # A dataset that never had another revision corrects nothing.
    export(home, tree.with_name("new"))
    assert {row["ChargeClass"] for row in rows_of(tree.with_name("new"))} == {None}


def test_metadata_describes_columns_and_files(home: Home, tree: Path) -> None:
    export(home, tree, "1.3")
    record = json.loads((tree / "metadata.json").read_bytes())

    assert record["FocusVersion"] == "1.3"
    assert (record["DataGenerator"], record["DataGeneratorVersion"]) == ("Hourtally", "0.1.0")
    columns = {one["ColumnName"]: one for one in record["ColumnDefinition"]}
    assert list(columns)[: len(facts_of("1.3"))] == list(facts_of("1.3"))
    assert columns["BilledCost"] == {
        "ColumnName": "BilledCost",
        "DataType": "DECIMAL",
        "NumericPrecision": 38,
        "NumberScale": 11,
    }
    schema = pl.read_parquet_schema(tree / MONTH / "2026-11-22T13.parquet")
    assert list(columns) == list(schema)
    assert record["Files"] == [
        {
            "Path": f"{MONTH}/{hour}.parquet",
            "Hour": hour,
            "Revision": 2,
            "PublishedAt": "2026-11-22T20:30:00Z",
            "ChargeClass": None,
            "Rows": 4,
        }
        for hour in ("2026-11-22T13", "2026-11-22T14")
    ]


def test_names_come_from_the_card_and_change_every_file(home: Home, tree: Path) -> None:
    export(home, tree)
    card = home.rates.read_text() + (
        '[focus]\nprovider = "Acme Cloud"\ninvoice_issuer = "Acme GmbH"\n'
        '[focus.service_categories]\naddon = "Other"\nbyoc-cluster = "Multicloud"\n'
    )
    names = parse_rate_card(card, "card").focus
    assert export(home, tree, names=names) == ExportReport(written=2, hours=2)
    rows = rows_of(tree)

    assert {row["ProviderName"] for row in rows} == {"Acme Cloud"}
    assert {row["PublisherName"] for row in rows} == {"Acme Cloud"}
    assert {row["InvoiceIssuerName"] for row in rows} == {"Acme GmbH"}
    db = found(rows, "db", "memory")
    assert (db["ServiceCategory"], db["ServiceSubcategory"]) == ("Other", "Other (Other)")
    assert found(rows, "k1", "cluster")["ServiceSubcategory"] == "Other (Multicloud)"
    assert broken("1.2", rows) == []


def test_another_version_or_format_belongs_to_another_folder(home: Home, tree: Path) -> None:
    export(home, tree)
    for version, form in (("1.3", "parquet"), ("1.2", "csv")):
        with pytest.raises(ForeignTree, match=f"not of focus {version} {form}"):
            export(home, tree, version, form)  # type: ignore[arg-type]
    with pytest.raises(ForeignTree, match=r"holds an export of focus 1\.2 parquet"):
        export_hours(home, tree, [FIRST_HOUR])


def test_an_hour_of_an_older_build_is_named_and_the_others_are_exported(
    home: Home, tree: Path
) -> None:
    publish(home, SECOND_HOUR.following, {"acme": document(0, cpu="1")})

    with pytest.raises(NotExported, match=r"Not exported: 2026-11-22T15$"):
        export(home, tree)
    assert sorted(path.name for path in (tree / MONTH).iterdir()) == [
        "2026-11-22T13.parquet",
        "2026-11-22T14.parquet",
    ]


@pytest.mark.parametrize("table", ["charges", "teams", "clusters"])
def test_a_damaged_table_is_refused_and_named(home: Home, tree: Path, table: str) -> None:
    [path] = home.hour(FIRST_HOUR).glob(f"rev-000002-*/{table}.parquet")
    flip_byte(path, 40)

    with pytest.raises(Damaged, match=r"Not exported: 2026-11-22T13$") as caught:
        export(home, tree)
    assert caught.value.path == path


def test_the_command_writes_csv_and_refuses_what_does_not_fit(home: Home, tree: Path) -> None:
    at = ["--home", str(home.root)]
    assert call(["export", str(tree), "--focus=1.2", "--csv", *at]) == 0
    assert (tree / MONTH / "2026-11-22T13.csv").exists()
    for wrong in (["--csv"], ["--focus=1.2", "--usage"], ["--focus=1.2", "--customer", "acme"]):
        assert call(["export", str(tree), *wrong, *at]) == 2
    assert call(["export", str(tree), "--focus=0.9", *at]) == 2


def test_names_of_any_text_come_out_of_csv_as_of_parquet(home: Home, tree: Path) -> None:
    name = 'a "b", c;\n\t=1+1 é\U0001f600'
    add_events(
        home,
        resource("n", "13:00:00", "14:00:00", "acme", "x,y", memoryMiB=1024, resourceName=name),
    )
    export(home, tree)
    export(home, tree.with_name("csv"), form="csv")
    [written] = (tree.with_name("csv") / MONTH).glob("*T13.csv")
    rows = csv_rows(written)

    assert found(rows, "x,y", "memory")["ResourceName"] == name
    compared = [name for name in rows[0] if name != "x_Revision"]
    assert [{name: row[name] for name in compared} for row in rows] == [
        {name: row[name] for name in compared} for row in rows_of(tree)
    ]


def test_an_hour_whose_list_price_passes_its_bound_is_named(home: Home, tree: Path) -> None:
    # 10^18 cents a GiB-hour of storage by list; acme has a price of its own.
    add_events(
        home,
        resource("b", "13:00:00", "14:00:00", "acme", "disk", storageMiB=1024),
        rates=rate("list", "paas.storage", "1000000000000000000", "gib-hour")
        + rate("own", "paas.storage", "1", "gib-hour", customer="acme"),
    )

    with pytest.raises(NotExported, match=r"Not exported: 2026-11-22T13$"):
        export(home, tree)
    assert (tree / MONTH / "2026-11-22T14.parquet").exists()
