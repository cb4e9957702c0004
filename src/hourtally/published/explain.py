"""Explain a published charge: which slices counted or not, at which rate, how it was rounded.

Everything comes from what is stored (the revision's charges, the slices of its batches, the rates
stored with it) and is computed again in fractions, one slice after another, as section 4 of the
contract has it. If the result is not the published charge, that is an error.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

import polars as pl

from hourtally.errors import Damaged, NotFound
from hourtally.model.components import (
    BYOC_COMPONENTS,
    BYOC_PRICES,
    PAAS_COMPONENTS,
    PAAS_PRICES,
)
from hourtally.model.hours import Hour
from hourtally.model.money import round_half_even
from hourtally.model.schemas import CHARGES, CLUSTERS
from hourtally.published.checked_files import read_table
from hourtally.published.document_index import read_customers
from hourtally.published.explained_slices import Slice, SlicesOfCharge, SlicesOfId, slice_key
from hourtally.ratecard import Attributes, Rate, RatesInForce, read_rates_snapshot
from hourtally.settings import usable_cores
from hourtally.store.input_files import checked_inputs
from hourtally.store.layout import Home
from hourtally.store.manifests import Manifest


@dataclass(frozen=True)
class Piece:
    """A slice under one rate. exact: nanocents. rate: None if the quantity is zero."""

    slice_number: int
    start_ms: int
    end_ms: int
    quantity: int
    rate: Rate | None
    exact: Fraction


@dataclass(frozen=True)
class Component:
    """One price of a charge: its pieces, their exact sum in nanocents, the rounded charge."""

    name: str
    meter: str
    quantity: str
    pieces: tuple[Piece, ...]
    exact: Fraction
    charge: int


@dataclass(frozen=True)
class Explanation:
    """One resource or cluster of an hour.

    charge: its published row, or only its key columns where no slice counts or the hour holds the
    customer. components: of a charge, published or held.
    """

    is_cluster: bool
    charge: Mapping[str, Any]
    slices: SlicesOfCharge
    components: tuple[Component, ...]
    is_held: bool = False

    @property
    def is_charged(self) -> bool:
        """Whether the hour has a charge for it."""
        return bool(self.components) and not self.is_held

    @property
    def total(self) -> int:
        """Nanocents."""
        return sum(component.charge for component in self.components)


def explain(home: Home, manifest: Manifest, customer: str, resource: str) -> list[Explanation]:
    """Explain every charge of a customer for this id in the hour: resources first, then a cluster.

    Then those of which every slice is voided or lost to a conflicting one, without a charge. If the
    hour holds the customer, none has a charge; the pieces show which usage has no rate.

    Raises:
        NotFound: the hour has no slice with this id.
        Damaged: a file differs from its record, or the slices do not give the published charge.
    """
    hour, batches = manifest.hour, manifest.inputs["batches"]
    with checked_inputs(home, hour, batches, usable_cores()) as files:
        slices = SlicesOfId(files, customer, resource)
    charges = _published(manifest, customer, resource)
    charged = [slice_key(row, is_cluster=is_cluster) for is_cluster, row in charges]
    rates = read_rates_snapshot(home, manifest.inputs["rates"], hour)
    is_held = manifest.held_customers > 0 and read_customers(manifest).holds(customer)
    uncharged = [
        _uncharged(hour, key, slices.of(key, is_cluster=is_cluster), rates if is_held else None)
        for is_cluster, key in slices.charge_keys()
        if slice_key(key, is_cluster=is_cluster) not in charged
    ]
    if not charges and not uncharged:
        message = (
            f"hour {hour}: customer {customer!r} has no charge for a resource or cluster "
            f"{resource!r}; `hourtally show {hour} --customer {shlex.quote(customer)}` with "
            "--project or --type lists its resources, ids in brackets where names differ from them"
        )
        raise NotFound(message)
    explained = [
        _explain(manifest, charge, slices.of(charge, is_cluster=is_cluster), rates, is_cluster)
        for is_cluster, charge in charges
    ]
    return explained + uncharged


def _uncharged(
    hour: Hour, key: Mapping[str, Any], slices: SlicesOfCharge, rates: Sequence[Rate] | None
) -> Explanation:
    """A resource or cluster without a charge; rates: of the hour, if it holds the customer."""
    is_cluster = "cluster_id" in key
    if rates is None or not slices.counted:
        return Explanation(is_cluster, key, slices, ())
    components = tuple(_components(hour, is_cluster, slices.counted, rates))
    return Explanation(is_cluster, key, slices, components, is_held=True)


def _published(
    manifest: Manifest, customer: str, resource: str
) -> list[tuple[bool, dict[str, Any]]]:
    """The published rows of an id, each with whether it is a cluster's."""
    found: list[tuple[bool, dict[str, Any]]] = []
    tables = (("charges", CHARGES, "resource_id"), ("clusters", CLUSTERS, "cluster_id"))
    for name, schema, id_column in tables:
        # A surrogate, from a command line in Latin-1, is in no id.
        wanted = pl.all_horizontal(pl.col("customer_id") == customer, pl.col(id_column) == resource)
        rows = read_table(manifest, name, schema).filter(wanted)
        found += [(name == "clusters", row) for row in rows.iter_rows(named=True)]
    return found


def _explain(
    manifest: Manifest,
    charge: Mapping[str, Any],
    slices: SlicesOfCharge,
    rates: Sequence[Rate],
    is_cluster: bool,  # noqa: FBT001 - part of a pair with its row
) -> Explanation:
    table = "clusters" if is_cluster else "charges"
    components = tuple(_components(manifest.hour, is_cluster, slices.counted, rates))
    names = BYOC_PRICES if is_cluster else PAAS_PRICES
    expected = [charge[f"{name}_nanocents"] for name in names]
    charges = [component.charge for component in components]
    if [sum(charges), *charges] != expected:
        reason = (
            f"hour {manifest.hour}: the charge of {charge['customer_id']!r} for "
            f"{charge['cluster_id' if is_cluster else 'resource_id']!r} is published as "
            f"{expected} nanocents ({', '.join(names)}), but its slices and rates give "
            f"{[sum(charges), *charges]}; `hourtally verify` finds what is wrong"
        )
        raise Damaged(manifest.folder / f"{table}.parquet", reason)
    return Explanation(is_cluster, charge, slices, components)


def _components(
    hour: Hour,
    is_cluster: bool,  # noqa: FBT001 - it selects the table of meters
    slices: Sequence[Slice],
    rates: Sequence[Rate],
) -> Iterator[Component]:
    meters = BYOC_COMPONENTS if is_cluster else PAAS_COMPONENTS
    index = RatesInForce(rates)
    instants = {hour.start_ms, hour.end_ms}
    for rate in rates:
        instants |= {rate.active_from_ms, rate.active_until_ms or hour.end_ms}
    periods = list(pairwise(sorted(instants)))
    for name, (meter, quantity) in meters.items():
        pieces = tuple(
            piece for one in slices for piece in _pieces(index, meter, quantity, one, periods)
        )
        exact = sum((piece.exact for piece in pieces), Fraction(0))
        yield Component(name, meter, quantity, pieces, exact, round_half_even(exact))


def _pieces(
    index: RatesInForce,
    meter: str,
    quantity: str,
    one: Slice,
    periods: Sequence[tuple[int, int]],
) -> Iterator[Piece]:
    """The slice, cut where its rate changes."""
    used, end_ms = one.row[quantity], one.row["slice_end_ms"]
    from_ms = one.row["slice_start_ms"]
    inside = [(b, e) for b, e in periods if b < end_ms and e > from_ms]
    chosen = [_select(index, meter, one.row, begins) for begins, _ in inside]
    for number, ((_, ends), rate) in enumerate(zip(inside, chosen, strict=True)):
        if number + 1 < len(chosen) and chosen[number + 1] == rate:
            continue
        until_ms = min(ends, end_ms)
        per_unit_ms = Fraction(0) if rate is None else rate.nanocents_per_unit_ms
        exact = used * (until_ms - from_ms) * per_unit_ms
        yield Piece(one.number, from_ms, until_ms, used, rate, exact)
        from_ms = until_ms


def _select(
    index: RatesInForce, meter: str, row: Mapping[str, Any], instant_ms: int
) -> Rate | None:
    attributes = Attributes(
        row["customer_id"],
        row["resource_type"],
        row["region"],
        row["gpu_model"],
        row["gpu_capacity"],
    )
    return index.select(meter, attributes, instant_ms)
