"""Charges at the level of a preview: of hours that are priced, and of their newest revisions.

Every frame here is hourly, with the columns of `AMOUNTS` for its level; a row is a charge above
zero of one meter. What lies above a level is the exact sum of what lies below, so it does not
matter which table of a revision a sum is taken from.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Literal, get_args

import polars as pl

from hourtally.build.rates.priced_hours import PricingContext, price_usage
from hourtally.errors import Damaged, Pruned
from hourtally.model.components import BYOC_COMPONENTS, BYOC_PRICES, PAAS_COMPONENTS, PAAS_PRICES
from hourtally.model.schemas import CUSTOMER_KEY, HOUR, RESOURCE_KEY, Schema, hourly
from hourtally.published.checked_files import read_table
from hourtally.ratecard import KeptRates
from hourtally.stages.rate_lookup import Lookup
from hourtally.stages.rate_shares import rate_shares
from hourtally.stages.rating import rate
from hourtally.stages.rollup import customer_sums
from hourtally.store.manifests import Manifest, PendingRevision

Level = Literal["customer", "team", "project", "type", "resource", "rate"]
LEVELS: Final[tuple[Level, ...]] = get_args(Level)
# What tells the rows of a level apart, beside the meter.
KEYS: Final[dict[Level, tuple[str, ...]]] = {
    "customer": RESOURCE_KEY[:1],
    "team": RESOURCE_KEY[:2],
    "project": RESOURCE_KEY[:3],
    "type": RESOURCE_KEY[:4],
    "resource": RESOURCE_KEY,
    "rate": ("rate",),
}
AMOUNT: Final = "nanocents"
# The table of a revision that has the PaaS charges of a level.
_TABLES: Final = {"team": "teams", "project": "projects", "type": "types"}
_PAAS: Final = tuple(
    (f"{price}_nanocents", meter)
    for price, (meter, _) in zip(PAAS_PRICES[1:], PAAS_COMPONENTS.values(), strict=True)
)
_BYOC: Final = tuple(
    (f"{price}_nanocents", meter)
    for price, (meter, _) in zip(BYOC_PRICES[1:], BYOC_COMPONENTS.values(), strict=True)
)
_CLUSTERS: Final = tuple((f"byoc_{column}", meter) for column, meter in _BYOC)
_OF_CUSTOMERS: Final = (*((f"paas_{column}", meter) for column, meter in _PAAS), *_CLUSTERS)
_Prices = Sequence[tuple[str, str]]
"""Columns of prices, each with its meter."""
_Table = tuple[str, _Prices, Sequence[str]]
"""A table of revisions: its name, its prices, and the ids that tell its rows from each other."""


def priced_amounts(lookups: Sequence[Lookup], level: Level, *, hours_apart: bool) -> pl.DataFrame:
    """The charges of hours, at a level.

    Args:
        lookups: of the hours, without the customers that are held.
        level: of the rows.
        hours_apart: if not, the hours are summed up, and stand under one of them.

    Raises:
        BoundExceeded: a charge or a customer's sum is larger than can be published.
    """
    rated = rate(lookups)
    # Also where the level does not need it: it raises what a build would raise.
    customers = customer_sums(rated.charges, rated.clusters)
    if level == "rate":
        shares = rate_shares(lookups)
        return shares.select(HOUR, "customer_id", "rate", "meter", AMOUNT)
    if level == "customer":
        return _amounts([(customers, _OF_CUSTOMERS)], level, hours_apart=hours_apart)
    clusters = rated.clusters.rename({"cluster_id": "resource_id"})
    tables = [(rated.charges, _PAAS), (clusters, _BYOC)]
    return _amounts(tables, level, hours_apart=hours_apart)


def published_amounts(
    context: PricingContext,
    revisions: Sequence[PendingRevision],
    level: Level,
    *,
    hours_apart: bool,
) -> pl.DataFrame:
    """The charges of the newest revisions of hours, as `priced_amounts`.

    By rate they are priced once more from the slices that the revision was built from, with the
    rates that are kept with it. Where these are gone, the rate is null.

    Raises:
        Damaged: a file differs from its record.
    """
    manifests = [one.parent for one in revisions if one.parent is not None]
    if level == "rate":
        return _published_by_rate(context, manifests)
    tables: list[_Table] = [("customers", _OF_CUSTOMERS, ())]
    if level == "resource":
        tables = [("charges", _PAAS, KEYS[level][1:]), ("clusters", _BYOC, ("cluster_id",))]
    elif level != "customer":
        # Clusters have no team, so above them there is only their customer.
        tables = [(_TABLES[level], _PAAS, KEYS[level][1:]), ("customers", _CLUSTERS, ())]
    read = [(_read(manifests, context.customer, *table), table[1]) for table in tables]
    return _amounts(read, level, hours_apart=hours_apart)


def held_before(revisions: Sequence[PendingRevision], customer: str | None) -> pl.DataFrame:
    """`CUSTOMER_KEY` of the customers that the newest revisions hold.

    Raises:
        Damaged: a file differs from its record.
    """
    held = [one.parent for one in revisions if one.parent and one.parent.held_customers]
    schema: Schema = {"customer_id": pl.String, "held": pl.Boolean}
    tables = [_hourly(one, read_table(one, "customers", schema)) for one in held]
    if not tables:
        return pl.DataFrame(schema={HOUR: pl.Int64, "customer_id": pl.String})
    found = pl.concat(tables).filter("held").select(CUSTOMER_KEY)
    return found if customer is None else found.filter(pl.col("customer_id") == customer)


def _published_by_rate(context: PricingContext, manifests: Sequence[Manifest]) -> pl.DataFrame:
    if not manifests:
        schema = {**hourly({"customer_id": pl.String, "rate": pl.String, "meter": pl.String})}
        return pl.DataFrame(schema={**schema, AMOUNT: pl.Int128})
    revisions = [
        PendingRevision(one.hour, one.revision, one, (), one.inputs, one.folder)
        for one in manifests
    ]
    try:
        digests = {one.hour: str(one.inputs["rates"]) for one in manifests}
        kept = KeptRates(context.home, digests)
        shares = rate_shares(price_usage(context, kept, revisions).rated)
    except (Damaged, Pruned, FileNotFoundError):
        if len(manifests) > 1:
            # One by one, so that the others have their rates.
            return pl.concat([_published_by_rate(context, [one]) for one in manifests])
        of_customers = _read(manifests, context.customer, "customers", _OF_CUSTOMERS, ())
        amounts = _amounts([(of_customers, _OF_CUSTOMERS)], "customer", hours_apart=True)
        shares = amounts.with_columns(rate=pl.lit(None, pl.String))
    return shares.select(HOUR, "customer_id", "rate", "meter", AMOUNT)


def _read(
    manifests: Iterable[Manifest],
    customer: str | None,
    name: str,
    prices: _Prices,
    ids: Sequence[str],
) -> pl.DataFrame:
    """Columns of a table of revisions, hourly; only of one customer, if one is given."""
    schema: Schema = dict.fromkeys(("customer_id", *ids), pl.String)
    schema |= dict.fromkeys((column for column, _ in prices), pl.Int64)
    tables = [pl.DataFrame(schema={HOUR: pl.Int64, **schema})]
    for manifest in manifests:
        table = read_table(manifest, name, schema)
        if customer is not None:
            table = table.filter(pl.col("customer_id") == customer)
        tables.append(_hourly(manifest, table))
    rows = pl.concat(tables)
    return rows.rename({"cluster_id": "resource_id"}) if "cluster_id" in ids else rows


def _hourly(manifest: Manifest, table: pl.DataFrame) -> pl.DataFrame:
    return table.select(pl.lit(manifest.hour.timestamp, pl.Int64).alias(HOUR), pl.all())


def _amounts(
    tables: Iterable[tuple[pl.DataFrame, _Prices]], level: Level, *, hours_apart: bool
) -> pl.DataFrame:
    """Rows of tables as amounts by meter; ids that a table lacks are null."""
    key = KEYS[level]
    amounts = []
    for table, prices in tables:
        own = [name for name in key if name in table.columns]
        # Summed before the meters are told apart: far fewer rows.
        columns = [column for column, _ in prices]
        if not hours_apart:
            table = table.with_columns(pl.col(HOUR).first())
        summed = table.group_by(HOUR, *own).agg(pl.col(columns).cast(pl.Int128).sum())
        ids = [pl.col(name) if name in own else pl.lit(None, pl.String).alias(name) for name in key]
        amounts += [
            summed.filter(pl.col(column) > 0).select(
                HOUR, *ids, pl.lit(meter).alias("meter"), pl.col(column).alias(AMOUNT)
            )
            for column, meter in prices
        ]
    return pl.concat(amounts)
