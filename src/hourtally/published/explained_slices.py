"""The slices that an explanation is about: which of them count, and why the others do not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

from hourtally.model.components import CLUSTER_EVENT, RESOURCE_EVENT
from hourtally.model.schemas import CONTENT, SLICES, STORED_VOIDS
from hourtally.stages.deduplication import decide, with_digests
from hourtally.store.input_files import HourFiles
from hourtally.store.slice_files import scan_slices
from hourtally.store.void_files import read_voids

_IDENTITY: Final = ("event_source", "event_id")
_KEY: Final = ("team_id", "project_id", "resource_type", "resource_id")
_VOIDS_SUFFIX: Final = ".voids.parquet"


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
class VoidedSlice:
    """A slice that a void cancels. void: `source`, `id` and `reason` of the first such void."""

    row: Mapping[str, Any]
    batch: str
    void: Mapping[str, Any]
    void_batch: str


@dataclass(frozen=True)
class SlicesOfCharge:
    """The slices of one resource or cluster: counted ones in order of time, and the others."""

    counted: tuple[Slice, ...]
    conflict_losers: tuple[ConflictLoser, ...]
    voided: tuple[VoidedSlice, ...]


class SlicesOfId:
    """The slices of an hour with one id of a customer, and all that share an identity with one.

    Any resource and cluster with this id.
    """

    def __init__(self, files: HourFiles, customer: str, resource: str) -> None:
        # A surrogate, from a command line in Latin-1, is in no id.
        self._is_own = pl.all_horizontal(
            pl.col("customer_id") == customer, pl.col("resource_id") == resource
        )
        slices = scan_slices(files.slices)
        digests = slices.filter(self._is_own).select("identity").collect()["identity"].unique()
        self._related = with_digests(slices, digests, (*SLICES, "path"))
        self._voided = _voided_slices(self._related, files.voids)
        is_voided = pl.col("slice_row").is_in(self._voided["slice_row"].implode())
        self._unvoided = self._related.filter(~is_voided)
        self._counted = decide(self._unvoided).slices

    def charge_keys(self) -> Iterator[tuple[bool, dict[str, Any]]]:
        """The key columns of each charge these slices may belong to; whether it is a cluster's."""
        of_charge = ("event_type", "customer_id", *_KEY)
        own = self._related.filter(self._is_own).select(of_charge).unique().sort(of_charge)
        for row in own.iter_rows(named=True):
            if row.pop("event_type") == CLUSTER_EVENT:
                yield True, {"customer_id": row["customer_id"], "cluster_id": row["resource_id"]}
            else:
                yield False, row

    def of(self, key: Mapping[str, Any], *, is_cluster: bool) -> SlicesOfCharge:
        """The slices of the charge with these key columns."""
        columns = slice_key(key, is_cluster=is_cluster)
        is_own = pl.all_horizontal(pl.col(name) == value for name, value in columns.items())
        counted = _counted_slices(self._counted.filter(is_own), self._unvoided)
        losers = tuple(_conflict_losers(self._unvoided.filter(is_own), self._counted))
        return SlicesOfCharge(counted, losers, tuple(_voided(self._voided.filter(is_own))))


def slice_key(charge: Mapping[str, Any], *, is_cluster: bool) -> dict[str, Any]:
    """The columns of slices by which they belong to a row of charges or clusters."""
    key = {"customer_id": charge["customer_id"]}
    if is_cluster:
        return key | {"event_type": CLUSTER_EVENT, "resource_id": charge["cluster_id"]}
    return key | {"event_type": RESOURCE_EVENT, **{name: charge[name] for name in _KEY}}


def _voided_slices(related: pl.DataFrame, paths: Sequence[Path]) -> pl.DataFrame:
    """The slices that a void cancels, each with the columns of the first such void."""
    voids = [
        read_voids([path]).select(
            *(pl.col(name).alias(f"void_{name}") for name in STORED_VOIDS),
            pl.lit(path.name.removesuffix(_VOIDS_SUFFIX)).alias("void_batch"),
        )
        for path in paths
    ]
    if not voids:
        return related.clear()
    voided = ("void_voided_source", "void_voided_id")
    first = pl.concat(voids).sort("void_source", "void_id", "void_batch")
    first = first.unique(voided, keep="first", maintain_order=True)
    return related.join(first, left_on=_IDENTITY, right_on=voided, how="inner", validate="m:1")


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


def _voided(own: pl.DataFrame) -> Iterator[VoidedSlice]:
    for row in own.sort("slice_start_ms", *_IDENTITY, "path").iter_rows(named=True):
        void = {name: row[f"void_{name}"] for name in ("source", "id", "reason")}
        yield VoidedSlice(row, Path(row["path"]).stem, void, row["void_batch"])


def _identity(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in _IDENTITY)


def _content(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in (*_IDENTITY, *CONTENT))
