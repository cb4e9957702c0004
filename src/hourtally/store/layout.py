"""Every path and file name of the home folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from hourtally.model.hours import Hour
from hourtally.store.durable import list_names


@dataclass(frozen=True)
class Home:
    """The home folder (contract, section 7): where everything in it is."""

    root: Path

    @property
    def rates(self) -> Path:
        """The rate card, unless another is named."""
        return self.root / "rates.toml"

    @property
    def tokens(self) -> Path:
        """The tokens file of the server, unless another is named."""
        return self.root / "tokens.ndjson"

    @property
    def inbox(self) -> Path:
        """Event files that `run` ingests; they stay there."""
        return self.root / "inbox"

    # Cached, and joined as strings below: making a path takes a fifth of the time of listing a
    # folder, and `status` of a year lists 17,520 of them.
    @cached_property
    def events(self) -> Path:
        """The slices, `hour=<name>/<batch>.parquet`."""
        return self.root / "events"

    @property
    def batches(self) -> Path:
        """The ingest records."""
        return self.root / "batches"

    @cached_property
    def hours(self) -> Path:
        """The published hours."""
        return self.root / "hours"

    def slices(self, hour: Hour, batch: str) -> Path:
        """The slices of one batch in one hour."""
        return self.events / f"hour={hour.name}" / f"{batch}.parquet"

    def batch_record(self, batch: str) -> Path:
        """The ingest record of a batch; without it the batch does not exist."""
        return self.batches / f"{batch}.json"

    @property
    def rates_snapshots(self) -> Path:
        """The folder of `rates_snapshot`."""
        return self.root / "rates"

    def rates_snapshot(self, digest: str) -> Path:
        """The rates in force in the hours whose manifests have this digest."""
        return self.rates_snapshots / f"{digest}.txt"

    def quarantine(self, batch: str) -> Path:
        """The quarantined lines of a batch."""
        return self.root / "quarantine" / f"{batch}.ndjson"

    def hour(self, hour: Hour) -> Path:
        """The folder of an hour's revisions."""
        return self.hours / hour.name

    def manifest(self, hour: Hour, revision: int) -> Path:
        """The manifest of one revision: the commit point."""
        return self.hours.joinpath(hour.name, _manifest_name(revision))

    def has_first_manifest(self, hour_name: str) -> bool:
        """Whether the first revision of an hour is committed."""
        return os.path.exists(f"{self.hours}/{hour_name}/{_manifest_name(1)}")  # noqa: PTH110

    def names_in_hour(self, hour_name: str) -> list[str]:
        """The names in the folder of an hour's revisions, sorted."""
        return list_names(f"{self.hours}/{hour_name}")

    def staging(self, name: str) -> Path:
        """A folder for unfinished work; readers ignore it."""
        return self.root / ".staging" / name

    def spill(self, name: str) -> Path:
        """A folder that an engine creates when its memory is full; the caller removes it."""
        return self.root / f".spill-{name}"

    def batches_with_slices(self, hour: Hour) -> list[str]:
        """The batches that have slices in an hour, committed or not, sorted."""
        slices = list_names(f"{self.events}/hour={hour.name}")
        return [name.removesuffix(".parquet") for name in slices if name.endswith(".parquet")]


def _manifest_name(revision: int) -> str:
    return f"{revision:06d}.json"
