"""Whether what makes an hour stale may change what it says of one customer.

An hour is stale for all of its customers at once; that others have a late file or a new price is
not for a customer to know.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Final

import polars as pl

from hourtally.build.rates.rate_changes import RateChanges
from hourtally.build.staleness import OF_BATCHES, RATES_CHANGED
from hourtally.errors import HourtallyError
from hourtally.ratecard import RateCard
from hourtally.store.batches import Batches
from hourtally.store.input_files import checked_inputs
from hourtally.store.layout import Home
from hourtally.store.manifests import Manifest
from hourtally.store.slice_files import scan_slices
from hourtally.store.void_files import read_voids

_IDENTITY: Final = ("event_source", "event_id")


class OwnStaleness:
    """Answers for hours of a home as its batches and card are at one moment."""

    def __init__(self, home: Home, card: RateCard | None) -> None:
        self._home = home
        self._batches = Batches(home)
        self._rates = None if card is None else RateChanges(home, card)

    def reasons(
        self, manifest: Manifest, why: Collection[str], customer: str, meters: Collection[str]
    ) -> tuple[str, ...]:
        """Those of an hour's reasons that may concern a customer.

        What cannot be told, as a file is missing or damaged, may.

        Args:
            manifest: of its newest revision.
            why: why it is stale.
            customer: the customer.
            meters: the meters by which the revision charges it; what others use of other meters
                has prices that do not concern it.
        """
        own = set(why)
        if self._rates is not None and not self._rates.may_concern(manifest, customer, meters):
            own.discard(RATES_CHANGED)
        if not own.isdisjoint(OF_BATCHES):
            own = own.difference(OF_BATCHES) | self._of_batches(manifest, customer)
        return tuple(reason for reason in why if reason in own)

    def _of_batches(self, manifest: Manifest, customer: str) -> set[str]:
        before = set(manifest.inputs["batches"])
        now = set(self._batches.inputs(manifest.hour))
        try:
            own = self._own_records(manifest, before ^ now, before | now, customer)
        except (HourtallyError, OSError):
            own = before ^ now
        return self._batches.reasons(
            [one for one in before if one in own or one in now],
            [one for one in now if one in own or one in before],
        )

    def _own_records(
        self, manifest: Manifest, changed: set[str], every: set[str], customer: str
    ) -> set[str]:
        """The changed records with slices of the customer, or with voids of any of its slices."""
        home, hour = self._home, manifest.hour
        with checked_inputs(home, hour, sorted(changed), threads=1) as files:
            own = _own_slices(files.slices, customer)
            voids = {path: read_voids([path]) for path in files.voids}
        paths = set(own["path"])
        if voids:
            with checked_inputs(home, hour, sorted(every), threads=1) as files:
                own = _own_slices(files.slices, customer)
            paths |= {str(path) for path, of_path in voids.items() if _cancels(of_path, own)}
        return {
            name
            for name in changed
            if not paths.isdisjoint(map(str, (home.slices(hour, name), home.voids(hour, name))))
        }


def _cancels(voids: pl.DataFrame, slices: pl.DataFrame) -> bool:
    identity = ["voided_source", "voided_id"]
    return not voids.join(slices, left_on=identity, right_on=_IDENTITY, how="semi").is_empty()


def _own_slices(paths: list[Path], customer: str) -> pl.DataFrame:
    own = scan_slices(paths).filter(pl.col("customer_id") == customer)
    return own.select(*_IDENTITY, "path").collect()
