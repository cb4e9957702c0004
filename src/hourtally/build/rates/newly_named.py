"""Whether customers that a rate card newly names have usage that it prices otherwise.

The charges of a revision tell most: a customer has none, or has usage of a meter and type of which
every case has another price. Where that leaves it open, the hour is metered from its slices.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping

import polars as pl

from hourtally.build.metered_hours import metered_hours
from hourtally.build.rates.rate_changes import ALL, CaseKind
from hourtally.model.components import BYOC_COMPONENTS, PAAS_COMPONENTS
from hourtally.model.schemas import CHARGES, CLUSTERS
from hourtally.published.checked_files import read_table
from hourtally.published.reader import read_customers
from hourtally.ratecard import RateCard
from hourtally.runtime.interrupts import Stop
from hourtally.settings import Settings
from hourtally.stages.rate_lookup import NAMED_CUSTOMERS, Lookup, look_up, with_rate_customer
from hourtally.store.input_files import check_inputs
from hourtally.store.layout import Home
from hourtally.store.manifests import Manifest, PendingRevision


def prices_differ(
    home: Home, card: RateCard, manifest: Manifest, apart: Mapping[str, Mapping[CaseKind, str]]
) -> bool:
    """Whether any of these customers has usage in the hour that the card prices otherwise.

    Args:
        home: the home folder.
        card: the rate card.
        manifest: of the hour's newest revision, whose slices are the hour's.
        apart: for each customer the kinds of cases of which some (`SOME`) or all (`ALL`) have
            another price for it than for those whom no rate names.

    Raises:
        Damaged: a file of the revision, or of its slices, differs from its record.
    """
    customers = read_customers(manifest)
    unsure = []
    for customer in apart:
        row = customers.find(customer)
        if row is None:
            continue
        if customers.is_held(row):
            unsure.append(customer)
            continue
        shares = {apart[customer].get(kind) for kind in _used_kinds(manifest, customer)} - {None}
        if ALL in shares:
            return True
        if shares:
            unsure.append(customer)
    return bool(unsure) and _differ(home, card, manifest, unsure)


def _used_kinds(manifest: Manifest, customer: str) -> Iterator[CaseKind]:
    """The kinds of cases in which a customer has usage above zero."""
    tables = (
        ("charges", CHARGES, PAAS_COMPONENTS, "resource_type"),
        ("clusters", CLUSTERS, BYOC_COMPONENTS, None),
    )
    for name, schema, components, type_column in tables:
        rows = read_table(manifest, name, schema).filter(pl.col("customer_id") == customer)
        for meter, quantity in components.values():
            used = rows.filter(pl.col(f"{quantity}_ms") > 0)
            if type_column is None:
                types: Iterable[str | None] = [None] if len(used) else []
            else:
                types = used[type_column].unique()
            yield from (CaseKind(meter, resource_type) for resource_type in types)


def _differ(home: Home, card: RateCard, manifest: Manifest, customers: Iterable[str]) -> bool:
    """Whether the card prices some of their usage otherwise than that of unnamed customers."""
    hour, inputs = manifest.hour, manifest.inputs
    files = check_inputs(home, {hour: inputs["batches"]})[hour]
    revision = PendingRevision(
        hour, manifest.revision, manifest, (), inputs, manifest.folder, files
    )
    spill = home.spill(secrets.token_hex(8))
    with metered_hours(home, card, [revision], spill, Settings(threads=1), Stop()) as metered:
        wanted = pl.col("customer_id").is_in(list(customers))
        usage = metered.metered.usage.filter(wanted)
    named = pl.DataFrame(
        [(hour.timestamp, customer) for customer in customers], NAMED_CUSTOMERS, orient="row"
    )
    rates, periods = card.in_force(hour), card.periods(hour)
    own = look_up(with_rate_customer(usage, named), rates, periods)
    others = look_up(with_rate_customer(usage, named.clear()), rates, periods)
    return any(
        not left.equals(right)
        for one, other in zip(own, others, strict=True)
        for left, right in zip(_prices(one), _prices(other), strict=True)
    )


def _prices(lookup: Lookup) -> Iterator[pl.Series]:
    """Of each component, the price of each row of usage; none for a quantity of zero."""
    for component, factors in zip(lookup.components, lookup.factors, strict=True):
        prices = pl.Series(
            "price", [None if factor is None else str(factor) for factor in factors], pl.String
        )
        of_rows = lookup.rows.select(
            component.usage, prices.gather(lookup.rows["case"]).fill_null("none").alias("price")
        )
        yield of_rows.select(pl.when(pl.col(component.usage) > 0).then("price")).to_series()
