"""Whether customers that a rate card newly names have usage that it prices otherwise.

The charges of a revision tell most: a customer has none, or has usage of a meter and type of which
every case has another price. Where that leaves it open, its stored slices are asked. Where these
have other prices, but some of them do not count, the hour is metered.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import polars as pl

from hourtally.build.metered_hours import metered_hours
from hourtally.build.rates.rate_changes import ALL, SOME, CaseKind
from hourtally.model.components import (
    BYOC_COMPONENTS,
    CLUSTER_EVENT,
    PAAS_COMPONENTS,
    QUANTITIES,
    RESOURCE_EVENT,
)
from hourtally.model.hours import Hour
from hourtally.model.schemas import CHARGES, CLUSTERS
from hourtally.published.checked_files import read_table
from hourtally.published.document_index import read_customers
from hourtally.ratecard import Case, HourRates, RateCard
from hourtally.runtime.interrupts import Stop
from hourtally.settings import Settings
from hourtally.stages.rate_lookup import NAMED_CUSTOMERS, Lookup, look_up, with_rate_customer
from hourtally.stages.spans import merged_spans
from hourtally.store import durable
from hourtally.store.input_files import check_inputs, check_record_files
from hourtally.store.layout import Home
from hourtally.store.manifests import Manifest, PendingRevision
from hourtally.store.slice_files import scan_slices

# One of a year's batch that touches all its hours has 2 MB.
_KEPT_RECORDS: Final = 16
# Of slices files, whose slices of a customer are held in memory; of more the hour is metered.
_MOST_BYTES: Final = 64 << 20
_SELECTED_BY: Final = ("resource_type", "region", "gpu_model", "gpu_capacity")
_COLUMNS: Final = (
    *("event_type", "customer_id", *_SELECTED_BY, "slice_start_ms", "slice_end_ms"),
    *QUANTITIES,
)


class NewlyNamed:
    """Answers for hour after hour; remembers the ingest records that it has read last."""

    def __init__(self, home: Home, card: RateCard) -> None:
        self._home = home
        self._card = card
        self._records: dict[str, dict[str, Any]] = {}

    def prices_differ(
        self, manifest: Manifest, apart: Mapping[str, Mapping[CaseKind, str]], rates: HourRates
    ) -> bool:
        """Whether any of these customers has usage in the hour that the card prices otherwise.

        Args:
            manifest: of the hour's newest revision, whose slices are the hour's.
            apart: for each customer the kinds of cases of which some (`SOME`) or all (`ALL`) have
                another price for it than for those whom no rate names.
            rates: of the card, in the hour.

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
            shares = {apart[customer].get(kind) for kind in _used_kinds(manifest, customer)}
            if ALL in shares:
                return True
            if SOME in shares:
                unsure.append(customer)
        if not unsure:
            return False
        paths = self._slices_files(manifest)
        if sum(path.stat().st_size for path in paths) <= _MOST_BYTES:
            if not _slices_differ(paths, manifest.hour, unsure, rates):
                return False
            if _all_count(manifest):
                return True
        # Some stored slices do not count, and only metering tells which; or they are too many.
        return _differ(self._home, self._card, manifest, unsure)

    def _slices_files(self, manifest: Manifest) -> list[Path]:
        paths: list[Path] = []
        for name in manifest.inputs["batches"]:
            record = self._record(name)
            paths += check_record_files(self._home, name, record, manifest.hour).slices
        return paths

    def _record(self, name: str) -> dict[str, Any]:
        record = self._records.get(name)
        if record is None:
            record = durable.read_sealed_json(self._home.batch_record(name))
            while len(self._records) >= _KEPT_RECORDS:
                self._records.pop(next(iter(self._records)))
            self._records[name] = record
        return record


def _slices_differ(
    paths: Sequence[Path], hour: Hour, customers: Sequence[str], rates: HourRates
) -> bool:
    """Whether stored slices, counted or not, have other prices: a fifth of the time of metering."""
    is_wanted = pl.col("customer_id").is_in(list(customers))
    slices = scan_slices(paths).filter(is_wanted).select(_COLUMNS).collect()
    return any(
        list(rates.parts(case)) != list(rates.parts(case, customer))
        for customer in customers
        for case in _cases(slices.filter(pl.col("customer_id") == customer), hour)
    )


def _all_count(manifest: Manifest) -> bool:
    """Whether every stored slice of a revision counts: no duplicates, conflicts or voided ones."""
    record = manifest.record
    return not (
        record["duplicates"]
        or record["conflicts"]["count"]
        or record.get("voids", {}).get("slices_voided")
    )


def _cases(slices: pl.DataFrame, hour: Hour) -> Iterator[Case]:
    """What slices of one customer ask of a card, as usage of no particular customer."""
    for event_type, components in (
        (RESOURCE_EVENT, PAAS_COMPONENTS),
        (CLUSTER_EVENT, BYOC_COMPONENTS),
    ):
        of_type = slices.filter(pl.col("event_type") == event_type)
        for meter, quantity in components.values():
            used = of_type.filter(pl.col(quantity) > 0)
            if used.is_empty():
                continue
            spans = merged_spans(
                used.select(
                    *_SELECTED_BY,
                    from_ms=pl.col("slice_start_ms") - hour.start_ms,
                    until_ms=pl.col("slice_end_ms") - hour.start_ms,
                ),
                _SELECTED_BY,
            )
            for key, rows in groupby(spans.iter_rows(), lambda row: row[: len(_SELECTED_BY)]):
                used_spans = tuple((row[-2], row[-1]) for row in rows)
                yield Case._make([meter, None, *key, used_spans])


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
