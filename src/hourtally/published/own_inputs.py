"""What of the inputs of a revision is one customer's own: it may be told that, and no more."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import polars as pl

from hourtally.published.diff import Causes
from hourtally.ratecard import Rate
from hourtally.settings import usable_cores
from hourtally.store.input_files import HourFiles, checked_inputs
from hourtally.store.layout import Home
from hourtally.store.manifests import Manifest
from hourtally.store.slice_files import scan_slices
from hourtally.store.void_files import read_voids

_VOIDS_SUFFIX = ".voids.parquet"


class OwnInputs(NamedTuple):
    """A customer's part of the inputs of a revision.

    batches: the records that have slices of its, or voids of them. voids: how many of those;
    slices_voided: how many slices they cancel.
    """

    batches: frozenset[str]
    voids: int
    slices_voided: int


def own_inputs(home: Home, manifest: Manifest, customer: str) -> OwnInputs:
    """The customer's part of a revision's inputs.

    Raises:
        Damaged: a file of the inputs is missing or differs from its record.
    """
    hour, inputs = manifest.hour, manifest.inputs["batches"]
    with checked_inputs(home, hour, inputs, usable_cores()) as files:
        return _own_inputs(files, customer)


def _own_inputs(files: HourFiles, customer: str) -> OwnInputs:
    own = (
        scan_slices(files.slices)
        .filter(pl.col("customer_id") == customer)
        .select("event_source", "event_id", "path")
        .collect()
    )
    batches = {Path(path).stem for path in own["path"].unique()}
    voided_key = ("voided_source", "voided_id")
    found = []
    for path in files.voids:
        voids = read_voids([path]).join(
            own, left_on=voided_key, right_on=("event_source", "event_id"), how="semi"
        )
        if len(voids):
            batches.add(path.name.removesuffix(_VOIDS_SUFFIX))
            found.append(voids)
    if not found:
        return OwnInputs(frozenset(batches), 0, 0)
    every = pl.concat(found).unique(("source", "id", *voided_key))
    voided = own.join(every, left_on=("event_source", "event_id"), right_on=voided_key, how="semi")
    return OwnInputs(frozenset(batches), len(every), len(voided))


def own_causes(causes: Causes, customer: str, before: OwnInputs, after: OwnInputs) -> Causes:
    """The causes of a difference that are the customer's own: its batches, and rates for it."""
    return Causes(
        batches_added=tuple(one for one in causes.batches_added if one in after.batches),
        batches_removed=tuple(one for one in causes.batches_removed if one in before.batches),
        rates=tuple(
            (id_, was, now)
            for id_, was, now in causes.rates
            if _may_select(was, customer) and _may_select(now, customer)
        ),
        build=causes.build,
    )


def _may_select(rate: Rate | None, customer: str) -> bool:
    return rate is None or rate.customer in {None, customer}
