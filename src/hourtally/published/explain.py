"""Explain a published charge: which slices counted, at which rate, and how it was rounded.

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
from pathlib import Path
from typing import Any, Final

import polars as pl

from hourtally.errors import Damaged, NotFound
from hourtally.model.components import (
    BYOC_COMPONENTS,
    BYOC_PRICES,
    CLUSTER_EVENT,
    PAAS_COMPONENTS,
    PAAS_PRICES,
    RESOURCE_EVENT,
)
from hourtally.model.hours import Hour
from hourtally.model.money import round_half_even
from hourtally.model.schemas import CHARGES, CLUSTERS, CONTENT, SLICES
from hourtally.published.reader import read_table
from hourtally.ratecard import Rate, RatesInForce, read_rates_snapshot
from hourtally.settings import usable_cores
from hourtally.stages.deduplication import decide, with_digests
from hourtally.store.batches import check_slices
from hourtally.store.layout import Home
from hourtally.store.manifests import Manifest
from hourtally.store.slice_files import scan_slices

_IDENTITY: Final = ("event_source", "event_id")
_KEY: Final = ("team_id", "project_id", "resource_type", "resource_id")


@dataclass(frozen=True)
class Slice:
    """A slice that counts. row: its columns. batches: those that have this slice."""

    number: int
    row: Mapping[str, Any]
    batches: tuple[str, ...]


@dataclass(frozen=True)
class ConflictLoser:
    """A slice that does not count because a conflicting one of its identity does."""

    row: Mapping[str, Any]
    batch: str
    winner: Mapping[str, Any]


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
    """One resource or cluster of an hour. charge: its published row."""

    is_cluster: bool
    charge: Mapping[str, Any]
    slices: tuple[Slice, ...]
    conflict_losers: tuple[ConflictLoser, ...]
    components: tuple[Component, ...]

    @property
    def total(self) -> int:
        """Nanocents."""
        return sum(component.charge for component in self.components)


def explain(home: Home, manifest: Manifest, customer: str, resource: str) -> list[Explanation]:
    """Explain every charge of a customer for this id in the hour: resources first, then a cluster.

    Raises:
        NotFound: no charge is for this id.
        Damaged: a file differs from its record, or the slices do not give the published charge.
    """
    hour = manifest.hour
    charges = _published(manifest, customer, resource)
    if not charges:
        message = (
            f"hour {hour}: customer {customer!r} has no charge for a resource or cluster "
            f"{resource!r}; `hourtally show {hour} --customer {shlex.quote(customer)}` with "
            "--project or --type lists its resources, ids in brackets where names differ from them"
        )
        raise NotFound(message)
    batches = manifest.inputs["batches"]
    paths = [home.slices(hour, batch) for batch in batches]
    check_slices(home, {hour: batches}, usable_cores())
    related = _related_slices(paths, customer, resource)
    counted = decide(related).slices
    rates = read_rates_snapshot(home, manifest.inputs["rates"], hour)
    return [
        _explain(manifest, is_cluster, charge, related, counted, rates)
        for is_cluster, charge in charges
    ]


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


def _related_slices(paths: list[Path], customer: str, resource: str) -> pl.DataFrame:
    """The slices of a resource, and all others that share an identity with one of them."""
    slices = scan_slices(paths)
    is_own = pl.all_horizontal(pl.col("customer_id") == customer, pl.col("resource_id") == resource)
    own = slices.filter(is_own).select("identity").collect()
    return with_digests(slices, own["identity"].unique(), (*SLICES, "path"))


def _explain(
    manifest: Manifest,
    is_cluster: bool,  # noqa: FBT001 - part of a pair with its row
    charge: Mapping[str, Any],
    related: pl.DataFrame,
    counted: pl.DataFrame,
    rates: Sequence[Rate],
) -> Explanation:
    table = "clusters" if is_cluster else "charges"
    key = {"customer_id": charge["customer_id"]}
    if is_cluster:
        key |= {"event_type": CLUSTER_EVENT, "resource_id": charge["cluster_id"]}
    else:
        key |= {"event_type": RESOURCE_EVENT, **{name: charge[name] for name in _KEY}}
    is_own = pl.all_horizontal(pl.col(name) == value for name, value in key.items())
    slices = _counted_slices(counted.filter(is_own), related)
    components = tuple(_components(manifest.hour, is_cluster, slices, rates))
    names = BYOC_PRICES if is_cluster else PAAS_PRICES
    expected = [charge[f"{name}_nanocents"] for name in names]
    charges = [component.charge for component in components]
    if [sum(charges), *charges] != expected:
        reason = (
            f"hour {manifest.hour}: the charge of {charge['customer_id']!r} for "
            f"{key['resource_id']!r} is published as {expected} nanocents ({', '.join(names)}), "
            f"but its slices and rates give {[sum(charges), *charges]}; `hourtally verify` finds "
            "what is wrong"
        )
        raise Damaged(manifest.folder / f"{table}.parquet", reason)
    losers = _conflict_losers(related.filter(is_own), counted)
    return Explanation(is_cluster, charge, slices, tuple(losers), components)


def _counted_slices(own: pl.DataFrame, related: pl.DataFrame) -> tuple[Slice, ...]:
    """The slices that count, in order of time, each with the batches that have it."""
    holders: dict[tuple[Any, ...], set[str]] = {}
    for row in related.iter_rows(named=True):
        holders.setdefault(_content(row), set()).add(Path(row["path"]).stem)
    rows = own.sort("slice_start_ms", "slice_end_ms", *_IDENTITY).iter_rows(named=True)
    return tuple(
        Slice(number, row, tuple(sorted(holders[_content(row)])))
        for number, row in enumerate(rows, 1)
    )


def _conflict_losers(own: pl.DataFrame, counted: pl.DataFrame) -> Iterator[ConflictLoser]:
    """The losers of conflicts, each with the slice that counts instead of it."""
    winners = {_identity(row): row for row in counted.iter_rows(named=True)}
    for row in own.sort(*_IDENTITY, "path").iter_rows(named=True):
        winner = winners[_identity(row)]
        if _content(row) != _content(winner):
            yield ConflictLoser(row, Path(row["path"]).stem, winner)


def _identity(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in _IDENTITY)


def _content(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in (*_IDENTITY, *CONTENT))


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
    return index.select(
        meter=meter,
        customer=row["customer_id"],
        resource_type=row["resource_type"],
        region=row["region"],
        gpu_model=row["gpu_model"],
        instant_ms=instant_ms,
    )
