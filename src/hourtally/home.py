"""Every path and file name of the home folder."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from hourtally.hours import Hour
from hourtally.storage import list_names


@dataclass(frozen=True)
class Home:
    """The home folder (contract, section 7) and what lies where in it."""

    root: Path

    @property
    def rates(self) -> Path:
        """The rate card that is used unless another is named."""
        return self.root / "rates.toml"

    @property
    def tokens(self) -> Path:
        """The tokens file of the server, unless another is named."""
        return self.root / "tokens.ndjson"

    @property
    def inbox(self) -> Path:
        """Event files that `run` ingests and leaves where they are."""
        return self.root / "inbox"

    # These two and an hour's name are asked for several times an hour, of a year's hours too.
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
    def statements(self) -> Path:
        """What `statement` is in."""
        return self.root / "rates"

    def statement(self, digest: str) -> Path:
        """The rates that were in force in hours whose manifests have this digest of them."""
        return self.statements / f"{digest}.txt"

    def quarantine(self, batch: str) -> Path:
        """The refused lines of a batch."""
        return self.root / "quarantine" / f"{batch}.ndjson"

    def hour(self, hour: Hour) -> Path:
        """The folder of an hour's revisions."""
        return self.hours / hour.name

    def manifest(self, hour: Hour, revision: int) -> Path:
        """The manifest of one revision: the commit point."""
        return self.hour(hour) / manifest_name(revision)

    def staging(self, name: str) -> Path:
        """A folder for unfinished work; nothing in it counts."""
        return self.root / ".staging" / name

    def spill(self, name: str) -> Path:
        """A folder that an engine makes when its memory is full; whoever named it removes it."""
        return self.root / f".spill-{name}"

    def batches_with_slices(self, hour: Hour) -> list[str]:
        """The batches that have slices in an hour, committed or not, sorted."""
        slices = list_names(self.events / f"hour={hour.name}")
        return [name.removesuffix(".parquet") for name in slices if name.endswith(".parquet")]


def manifest_name(revision: int) -> str:
    """Of a revision's manifest, in the folder of its hour."""
    return f"{revision:06d}.json"
