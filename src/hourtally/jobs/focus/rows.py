"""The rows of an hour: one resource or cluster × component with usage or charge above zero."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Final

import polars as pl

from hourtally.jobs.focus.columns import (
    COST,
    INSTANT,
    QUANTITY,
    Version,
    columns_of,
)
from hourtally.jobs.focus.price_list import list_frame, rates_frame, skus_frame
from hourtally.jobs.focus.priced_usage import ComponentFacts, PricedUsage
from hourtally.jobs.focus.services import BYOC, PAAS, SERVICES, Metered, service_of
from hourtally.model.hours import DAY_MS, Hour
from hourtally.model.schemas import CHARGES, CLUSTERS, PROJECTS, RESOURCE_KEY, TEAMS
from hourtally.published.checked_files import read_table
from hourtally.ratecard import BYOC_CLUSTER, FocusNames
from hourtally.store.manifests import Manifest

_ORDER: Final = (*RESOURCE_KEY, "component_number")


@dataclass(frozen=True)
class Dataset:
    """What the rows of a dataset have in common. is_correction: of this hour."""

    version: Version
    names: FocusNames
    is_correction: bool = False


def focus_rows(manifest: Manifest, usage: PricedUsage, dataset: Dataset) -> pl.DataFrame:
    """The rows of a revision, with the columns of the version; sorted by ids and component.

    Held customers have no charges, and so no rows.

    Raises:
        Damaged: a table of the revision differs from the manifest's record.
    """
    charges = _resources(manifest)
    clusters = _clusters(manifest)
    parts = [
        _component(clusters if one.is_byoc else charges, one, number)
        for number, one in enumerate(usage.components)
    ]
    rows = pl.concat(parts).sort(_ORDER, nulls_last=True)
    rows = rows.join(rates_frame(usage.rates), on="rate", how="left", validate="m:1")
    rows = rows.join(list_frame(usage.rates), on="list_rate", how="left", validate="m:1")
    rows = rows.join(skus_frame(usage.rates), on="sku", how="left", validate="m:1")
    services = _services_frame(dataset.names)
    rows = rows.join(services, on="resource_type", how="left", validate="m:1")
    columns = _columns(manifest, dataset)
    return rows.sort(_ORDER, nulls_last=True).select(
        columns[one.name].cast(one.dtype).alias(one.name) for one in columns_of(dataset.version)
    )


def _resources(manifest: Manifest) -> pl.DataFrame:
    """Charges with the names of their teams and projects."""
    teams = read_table(manifest, "teams", TEAMS).select("customer_id", "team_id", "team_name")
    projects = read_table(manifest, "projects", PROJECTS).select(
        "customer_id", "team_id", "project_id", "project_name"
    )
    return (
        read_table(manifest, "charges", CHARGES)
        .join(teams, on=["customer_id", "team_id"], how="left", validate="m:1")
        .join(projects, on=["customer_id", "team_id", "project_id"], how="left", validate="m:1")
    )


def _clusters(manifest: Manifest) -> pl.DataFrame:
    """Clusters as if they were resources, of the type that stands for them."""
    none = pl.lit(None, pl.String)
    return (
        read_table(manifest, "clusters", CLUSTERS)
        .rename({"cluster_id": "resource_id", "cluster_name": "resource_name"})
        .with_columns(
            team_id=none,
            project_id=none,
            team_name=none,
            project_name=none,
            resource_type=pl.lit(BYOC_CLUSTER),
        )
    )


def _component(table: pl.DataFrame, facts: ComponentFacts, number: int) -> pl.DataFrame:
    """The rows of one component, with what was metered and charged."""
    metered = _metered(facts)
    key = ["customer_id", "resource_id"] if facts.is_byoc else list(RESOURCE_KEY)
    quantity = pl.sum_horizontal(
        pl.col(f"{name}_nanohours").cast(pl.Int128) for name in metered.quantities
    )
    own = table.select(
        *RESOURCE_KEY,
        "resource_name",
        "team_name",
        "project_name",
        pl.col(f"{facts.name}_nanocents").alias("nanocents"),
        quantity.alias("nanohours"),
    )
    shared = [name for name in facts.rows.columns if name not in key]
    found = own.join(facts.rows.select(*key, *shared), on=key, how="inner", validate="1:1")
    return found.with_columns(
        component=pl.lit(facts.name),
        component_number=pl.lit(number, pl.Int64),
        metered=pl.lit(metered.name),
        meter=pl.lit(metered.meter),
        unit=pl.lit(metered.unit),
        # Where none applies, the list has nothing else to say than the charge.
        list_nanocents=pl.coalesce("list_nanocents", "nanocents").cast(pl.Int64),
        is_listed=pl.col("list_nanocents").is_not_null(),
    )


def _metered(facts: ComponentFacts) -> Metered:
    return (BYOC if facts.is_byoc else PAAS)[facts.name]


def _services_frame(names: FocusNames) -> pl.DataFrame:
    rows = [(of, *service_of(of, names.service_categories.get(of)), _noun(of)) for of in SERVICES]
    return pl.DataFrame(
        rows,
        schema=["resource_type", "service", "category", "subcategory", "noun"],
        orient="row",
    )


def _noun(resource_type: str) -> str:
    """A resource type in a sentence."""
    return "BYOC cluster" if resource_type == BYOC_CLUSTER else resource_type


@cache
def _scaled(name: str, digits: int) -> pl.Expr:
    """A column of whole numbers of 10^-digits as decimals."""
    return pl.col(name).cast(pl.Decimal(38, 0)) * pl.lit(Decimal(1).scaleb(-digits))


def _named(name: str, own_id: str) -> pl.Expr:
    """`Public API (api)`; only the id where the name is the same."""
    return (
        pl.when(pl.col(name) == pl.col(own_id))
        .then(pl.col(own_id))
        .otherwise(pl.concat_str(pl.col(name), pl.lit(" ("), pl.col(own_id), pl.lit(")")))
    )


def _description() -> pl.Expr:
    of = pl.concat_str(
        pl.col("metered"),
        pl.lit(" of "),
        pl.col("noun"),
        pl.lit(" "),
        _named("resource_name", "resource_id"),
    )
    project = pl.concat_str(pl.lit(", project "), _named("project_name", "project_id"))
    return pl.concat_str(of, project.fill_null(""))


def _columns(manifest: Manifest, dataset: Dataset) -> Mapping[str, pl.Expr]:
    """Every column that there is in some version."""
    cost = _scaled("nanocents", 11).cast(COST)
    quantity = _scaled("nanohours", 9).cast(QUANTITY)
    is_cluster = pl.col("resource_type") == BYOC_CLUSTER
    hour = manifest.hour
    account_type = pl.when(~is_cluster).then(pl.lit("Team"))
    return {
        "BilledCost": cost,
        "EffectiveCost": cost,
        "ContractedCost": cost,
        "ListCost": _scaled("list_nanocents", 11),
        "BillingAccountId": pl.col("customer_id"),
        "BillingAccountName": pl.col("customer_id"),
        "BillingAccountType": pl.lit("Customer"),
        "SubAccountId": pl.col("team_id"),
        "SubAccountName": pl.col("team_name"),
        "SubAccountType": account_type,
        "BillingCurrency": pl.lit(str(manifest.record["currency"])),
        **{name: _instant(moment) for name, moment in _periods(hour)},
        "ChargeCategory": pl.lit("Usage"),
        "ChargeClass": pl.lit("Correction" if dataset.is_correction else None, pl.String),
        "ChargeDescription": _description(),
        "ChargeFrequency": pl.lit("Usage-Based"),
        "ConsumedQuantity": quantity,
        "ConsumedUnit": pl.col("unit"),
        "PricingQuantity": quantity,
        "PricingUnit": pl.col("unit"),
        "PricingCategory": pl.when(pl.col("is_spot"))
        .then(pl.lit("Dynamic"))
        .otherwise(pl.lit("Standard")),
        # FOCUS has no list price without SkuPriceId.
        "ListUnitPrice": pl.when(pl.col("rate").is_null())
        .then(None)
        .when(pl.col("is_listed"))
        .then(pl.col("list_unit_price"))
        .otherwise(pl.col("unit_price")),
        "ContractedUnitPrice": pl.col("unit_price"),
        "ProviderName": pl.lit(dataset.names.provider),
        "PublisherName": pl.lit(dataset.names.publisher),
        "ServiceProviderName": pl.lit(dataset.names.provider),
        # The customer does not see on whose infrastructure it runs.
        "HostProviderName": pl.lit(dataset.names.provider),
        "InvoiceIssuerName": pl.lit(dataset.names.invoice_issuer),
        "ServiceName": pl.col("service"),
        "ServiceCategory": pl.col("category"),
        "ServiceSubcategory": pl.col("subcategory"),
        "ResourceId": pl.concat_str(
            "project_id", "resource_type", "resource_id", separator="/", ignore_nulls=True
        ),
        "ResourceName": pl.col("resource_name"),
        "ResourceType": pl.col("resource_type"),
        "RegionId": pl.col("region"),
        "RegionName": pl.col("region"),
        "SkuId": pl.coalesce("sku_id", "meter"),
        "SkuMeter": pl.col("metered"),
        "SkuPriceId": pl.col("sku_price_id"),
        "SkuPriceDetails": pl.col("details"),
        "Tags": pl.lit(None, pl.String),
        "x_ProjectId": pl.col("project_id"),
        "x_ProjectName": pl.col("project_name"),
        "x_Hour": pl.lit(hour.name),
        "x_Revision": pl.lit(manifest.revision, pl.Int64),
        "x_Component": pl.col("component"),
    }


def _periods(hour: Hour) -> Iterator[tuple[str, int]]:
    """Starts and ends, exclusive, of the billing month and of the hour; milliseconds."""
    start_ms, end_ms = month_of(hour)
    yield "BillingPeriodStart", start_ms
    yield "BillingPeriodEnd", end_ms
    yield "ChargePeriodStart", hour.start_ms
    yield "ChargePeriodEnd", hour.end_ms


def month_of(hour: Hour) -> tuple[int, int]:
    """The calendar month of an hour in UTC, `(start_ms, end_ms)`, end exclusive."""
    first = hour.name[:7]
    start = Hour.parse(f"{first}-01")
    days = monthrange(int(first[:4]), int(first[5:]))[1]
    return start.start_ms, start.start_ms + days * DAY_MS


def _instant(moment_ms: int) -> pl.Expr:
    return pl.lit(moment_ms, pl.Int64).cast(INSTANT)
