"""What a revision's charges do not tell: which rates its usage had, and its price by list.

The slices of the revision's own inputs are metered again and asked of the rates that are kept with
it, so that the facts are those of the charge, whatever the card says today. The list price is that
of the same usage by the rates without `customer`.
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import polars as pl

from hourtally.build.metered_hours import metered_hours
from hourtally.build.rates.asked_rates import look_up_rates
from hourtally.model.components import BYOC_PRICES, PAAS_PRICES, SPOT
from hourtally.model.schemas import RESOURCE_KEY
from hourtally.ratecard import Rate, RateCard, read_rates_snapshot
from hourtally.runtime.interrupts import Stop
from hourtally.settings import Settings
from hourtally.stages.rate_lookup import RATE_CUSTOMER, Lookup, look_up
from hourtally.stages.rating import rate
from hourtally.store.input_files import check_inputs
from hourtally.store.layout import Home
from hourtally.store.manifests import Manifest, PendingRevision

# A month's length is part of each rate's own unit.
_MONTH_HOURS: Final = 720
NO_RATE: Final = None


@dataclass(frozen=True)
class ComponentFacts:
    """Of one component of resources, or of clusters, of an hour.

    rows: one for each with usage above zero: `RESOURCE_KEY` (a cluster's id is `resource_id`, the
    ids between are null), `region` where there is exactly one, `is_spot`, `rate` and `list_rate`
    (numbers of the one that applied, null if several did), `sku` (the number of a rate with the
    selectors that all of them have, null if they differ), `list_nanocents` (null where some usage
    has no rate without `customer`).
    """

    name: str
    is_byoc: bool
    rows: pl.DataFrame


@dataclass(frozen=True)
class PricedUsage:
    """The facts of all components, and the rates by their numbers."""

    components: list[ComponentFacts]
    rates: list[Rate]


def price_revision(home: Home, manifest: Manifest, settings: Settings, stop: Stop) -> PricedUsage:
    """The facts of a revision's usage; held customers among them.

    Raises:
        Damaged: a file of the inputs, or the rates kept with the revision, differ from the record.
        OSError: the system refused a read.
    """
    hour = manifest.hour
    rates = read_rates_snapshot(home, manifest.inputs["rates"], hour)
    card = RateCard(str(manifest.record["currency"]), _MONTH_HOURS, rates)
    files = check_inputs(home, {hour: manifest.inputs["batches"]}, settings.threads)[hour]
    revision = PendingRevision(hour, manifest.revision, None, (), manifest.inputs, manifest.folder)
    spill = Path(tempfile.gettempdir()) / f"hourtally-focus-{secrets.token_hex(8)}"
    checked = [replace(revision, files=files)]
    with metered_hours(home, card, checked, spill, settings, stop) as of:
        usage = of.metered.usage
    contracted = look_up_rates(usage, card, [hour])
    listed = look_up(
        usage.with_columns(pl.lit(None, pl.String).alias(RATE_CUSTOMER)),
        [one for one in rates if one.customer is None],
        card.periods(hour),
    )
    numbers = {id_: number for number, id_ in enumerate(one.id for one in rates)}
    priced = rate(listed)
    tables = (
        (contracted[0], listed[0], priced.charges, PAAS_PRICES),
        (
            contracted[1],
            listed[1],
            priced.clusters.rename({"cluster_id": "resource_id"}),
            BYOC_PRICES,
        ),
    )
    skus = _sku_numbers(rates)
    components = [
        facts
        for one, other, prices, names in tables
        for facts in _facts(one, other, prices, names[1:], numbers, skus)
    ]
    return PricedUsage(components, list(rates))


def _sku_numbers(rates: tuple[Rate, ...]) -> list[int]:
    """For each rate the number of the first one with its meter and selectors but `customer`."""
    first: dict[tuple[str, ...], int] = {}
    return [
        first.setdefault((one.meter, *map(repr, one.selectors[1:])), number)
        for number, one in enumerate(rates)
    ]


def _facts(
    contracted: Lookup,
    listed: Lookup,
    prices: pl.DataFrame,
    names: tuple[str, ...],
    numbers: dict[str, int],
    skus: list[int],
) -> Iterator[ComponentFacts]:
    is_byoc = contracted.components[0].meter.startswith("byoc.")
    key = ["customer_id", "resource_id"] if is_byoc else list(RESOURCE_KEY)
    sku_of = pl.Series(skus, dtype=pl.Int64)
    regions = (
        contracted.rows.group_by(key)
        .agg(_only("region"))
        .with_columns(region=pl.when(pl.col("region") != "").then(pl.col("region")))
    )
    # Both lookups have the same rows in the same order.
    for place, name in enumerate(names):
        usage = contracted.components[place].usage
        rates = _gathered(contracted, place, numbers)
        rows = contracted.rows.with_columns(
            rate=rates, list_rate=_gathered(listed, place, numbers), sku=sku_of.gather(rates)
        ).filter(pl.col(usage) > 0)
        found = rows.group_by(key, maintain_order=True).agg(
            _only("rate"),
            _only("list_rate"),
            _only("sku"),
            pl.col("list_rate").is_null().any().alias("is_unlisted"),
            (pl.col("gpu_capacity") == SPOT).fill_null(value=False).all().alias("is_spot"),
        )
        priced = prices.select(*key, pl.col(f"{name}_nanocents").alias("list_nanocents"))
        facts = (
            found.join(regions, on=key, how="left", validate="1:1", maintain_order="left")
            .join(priced, on=key, how="left", validate="1:1", maintain_order="left")
            .with_columns(
                list_nanocents=pl.when(~pl.col("is_unlisted")).then(pl.col("list_nanocents"))
            )
            .drop("is_unlisted")
        )
        yield ComponentFacts(name, is_byoc, facts)


def _gathered(lookup: Lookup, place: int, numbers: dict[str, int]) -> pl.Series:
    """The number of the rate of each row; null without one."""
    of_cases = [None if one is None else numbers[one.id] for one in lookup.rates[place]]
    return pl.Series(of_cases, dtype=pl.Int64).gather(lookup.rows["case"])


def _only(name: str) -> pl.Expr:
    """The value of a column where all rows have it; else null."""
    column = pl.col(name)
    return pl.when(column.n_unique() == 1).then(column.first()).alias(name)
