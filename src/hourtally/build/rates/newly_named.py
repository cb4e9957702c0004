"""Whether customers that a rate card newly names have usage that it prices otherwise.

The charges of a revision tell most: a customer has none, or has usage of a meter and type of which
every case has another price. Where that leaves it open, its stored slices are asked. Where these
have other prices, but some of them do not count, the hour is metered.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

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
from hourtally.published.checked_files import read_checked, recorded_sha256
from hourtally.published.document_index import read_customers
from hourtally.ratecard import Case, HourRates, RateCard
from hourtally.ratecard.cases import Span
from hourtally.runtime.interrupts import Stop
from hourtally.settings import Settings
from hourtally.stages.rate_lookup import NAMED_CUSTOMERS, Lookup, look_up, with_rate_customer
from hourtally.store import durable
from hourtally.store.input_files import check_inputs, check_record_files
from hourtally.store.layout import Home
from hourtally.store.manifests import Manifest, PendingRevision
from hourtally.store.slice_files import scan_slices

# One of a year's batch that touches all its hours has 2 MB.
_KEPT_RECORDS: Final = 16
# Of slices files, whose slices of a customer are held in memory; of more the hour is metered.
_MOST_BYTES: Final = 4 << 20
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

    def with_usage(self, manifest: Manifest, customers: Iterable[str]) -> frozenset[str]:
        """Those of some customers that have events in the hour.

        Raises:
            Damaged: `customers.parquet` differs from the manifest's record.
        """
        return frozenset(read_customers(manifest).ids.to_pylist()).intersection(customers)

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
            if customers.is_held(row) or ALL not in apart[customer].values():
                # It has no charges, or they cannot decide.
                unsure.append(customer)
                continue
            meters = {kind.meter for kind in apart[customer]}
            used = _used_kinds(manifest, customer, meters)
            shares = {apart[customer].get(kind) for kind in used}
            if ALL in shares:
                return True
            if SOME in shares:
                unsure.append(customer)
        if not unsure:
            return False
        paths = self._slices_files(manifest)
        if sum(map(durable.file_size, paths)) <= _MOST_BYTES:
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
    """What slices of one customer ask of a card, as usage of no particular customer.

    In Python, as the queries of an hour would take ten times as long to start as to run.
    """
    spans: defaultdict[tuple[Any, ...], list[Span]] = defaultdict(list)
    components = {RESOURCE_EVENT: PAAS_COMPONENTS, CLUSTER_EVENT: BYOC_COMPONENTS}
    for row in slices.iter_rows(named=True):
        span = (row["slice_start_ms"] - hour.start_ms, row["slice_end_ms"] - hour.start_ms)
        selected_by = [row[name] for name in _SELECTED_BY]
        for meter, quantity in components[row["event_type"]].values():
            if row[quantity]:
                spans[meter, None, *selected_by].append(span)
    for key, of_key in spans.items():
        yield Case._make([*key, tuple(_merged(of_key))])


def _merged(spans: list[Span]) -> list[Span]:
    """The union of spans: ascending, and apart from each other."""
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _used_kinds(manifest: Manifest, customer: str, meters: set[str]) -> set[CaseKind]:
    """The kinds of cases of these meters in which a customer has usage above zero."""
    tables: tuple[tuple[str, Mapping[str, tuple[str, str]], tuple[str, ...]], ...] = (
        ("charges", PAAS_COMPONENTS, ("resource_type",)),
        ("clusters", BYOC_COMPONENTS, ()),
    )
    kinds = set()
    for name, components, types in tables:
        used = {meter: f"{quantity}_ms" for meter, quantity in components.values()}
        if not meters & used.keys():
            continue
        path = manifest.folder / f"{name}.parquet"
        content = read_checked(path, recorded_sha256(manifest, path.name))
        # pyarrow, as its start takes a fifth of that of a query: an hour has few rows, a year many.
        table = pq.read_table(
            pa.BufferReader(content), columns=["customer_id", *types, *used.values()]
        )
        for row in table.filter(pc.equal(table["customer_id"], customer)).to_pylist():
            kinds |= {
                CaseKind(meter, row.get("resource_type"))
                for meter, column in used.items()
                if row[column]
            }
    return kinds


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
