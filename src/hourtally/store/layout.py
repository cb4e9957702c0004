"""Every path and file name of the home folder.

A batch has one ingest record or several, numbered from 1 (contract, section 2: withdrawal). The
files that belong to one record share its name: `<batch>` for number 1, `<batch>.N` for number N.
`store.batches` makes such names and takes them apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from hourtally.errors import with_urls
from hourtally.model.hours import Hour
from hourtally.store.durable import file_exists, has_folders, list_names
from hourtally.store.places import folder_of

RECORD_SUFFIX: Final = ".json"
_OWN_FOLDERS: Final = frozenset(
    {"inbox", "events", "batches", "quarantine", "hours", "rates", "cases", "exports"}
)
_SLICES: Final = ".parquet"
_VOIDS: Final = ".voids.parquet"


@dataclass(frozen=True)
class Home:
    """The home folder (contract, section 7): where everything in it is."""

    root: Path

    @classmethod
    def at(cls, place: str | Path) -> Home:
        """The home at a path or a URL.

        Raises:
            InvalidArgument: it is not a URL of a store that can be used.
        """
        return cls(folder_of(str(place)))

    @property
    def place(self) -> str:
        """Its path, absolute, or its URL."""
        return with_urls(str(self.root.absolute()))

    def __reduce__(self) -> tuple[Any, ...]:
        """In another process another folder stands for a URL."""
        return type(self).at, (with_urls(str(self.root)),)

    def is_own_folder(self, folder: Path) -> bool:
        """Whether a folder is the home, or in one that Hourtally or the inbox fills."""
        root = self.root
        if has_folders(root) and has_folders(folder):
            root, folder = root.resolve(), folder.resolve()
        else:
            # Several folders may stand for one place in a bucket.
            root, folder = Path(with_urls(str(root))), Path(with_urls(str(folder)))
        if not folder.is_relative_to(root):
            return False
        below = folder.relative_to(root).parts
        return not below or below[0] in _OWN_FOLDERS or below[0].startswith(".")

    @property
    def rates(self) -> Path:
        """The rate card, unless another is named."""
        return self.root / "rates.toml"

    @property
    def tokens(self) -> Path:
        """The tokens file of the server, unless another is named."""
        return self.root / "tokens.ndjson"

    @property
    def id_file(self) -> Path:
        """The home's id, which trees of exports bear."""
        return self.root / "home.json"

    @property
    def exports(self) -> Path:
        """The marks of exports, a folder for each tree: what it has."""
        return self.root / "exports"

    @property
    def inbox(self) -> Path:
        """Event files that `run` ingests; they stay there."""
        return self.root / "inbox"

    # Cached, and joined as strings below: making a path takes a fifth of the time of listing a
    # folder, and `status` of a year lists 17,520 of them.
    @cached_property
    def events(self) -> Path:
        """The slices, `hour=<name>/<record name>.parquet`."""
        return self.root / "events"

    @property
    def batches(self) -> Path:
        """The ingest records."""
        return self.root / "batches"

    @cached_property
    def hours(self) -> Path:
        """The published hours."""
        return self.root / "hours"

    def slices_of(self, hour: Hour) -> Path:
        """The folder of the slices and voids of an hour."""
        return self.events / f"hour={hour.name}"

    def slices(self, hour: Hour, name: str) -> Path:
        """The slices of one record in one hour."""
        return self.slices_of(hour) / f"{name}{_SLICES}"

    def voids(self, hour: Hour, name: str) -> Path:
        """The voids of one record that touch one hour."""
        return self.slices_of(hour) / f"{name}{_VOIDS}"

    def batch_record(self, name: str) -> Path:
        """The record of this name; a batch without any record does not exist."""
        return self.batches / f"{name}{RECORD_SUFFIX}"

    @property
    def rates_snapshots(self) -> Path:
        """The folder of `rates_snapshot`."""
        return self.root / "rates"

    def rates_snapshot(self, digest: str) -> Path:
        """The rates in force in the hours whose manifests have this digest."""
        return self.rates_snapshots / f"{digest}.txt"

    @property
    def cases(self) -> Path:
        """The folder of `cases_file`."""
        return self.root / "cases"

    def cases_file(self, digest: str) -> Path:
        """What the hours whose manifests have this digest ask of a rate card."""
        return self.cases / f"{digest}.ndjson"

    def quarantine(self, name: str) -> Path:
        """The lines that one record quarantined."""
        return self.root / "quarantine" / f"{name}.ndjson"

    def hour(self, hour: Hour) -> Path:
        """The folder of an hour's revisions."""
        return self.hours / hour.name

    def manifest(self, hour: Hour, revision: int) -> Path:
        """The manifest of one revision: the commit point."""
        return self.hours.joinpath(hour.name, _manifest_name(revision))

    def has_first_manifest(self, hour_name: str) -> bool:
        """Whether the first revision of an hour is committed."""
        return file_exists(f"{self.hours}/{hour_name}/{_manifest_name(1)}")

    def names_in_hour(self, hour_name: str) -> list[str]:
        """The names in the folder of an hour's revisions, sorted."""
        return list_names(f"{self.hours}/{hour_name}")

    def staging(self, name: str) -> Path:
        """A folder for unfinished work; readers ignore it."""
        return self.root / ".staging" / name

    def spill(self, name: str) -> Path:
        """A folder that an engine creates when its memory is full; the caller removes it."""
        return self.root / f".spill-{name}"

    def records_with_slices(self, hour: Hour) -> list[str]:
        """The names of records that have slices or voids in an hour, committed or not, sorted."""
        files = list_names(f"{self.events}/hour={hour.name}")
        slices = {name.removesuffix(_SLICES) for name in files if name.endswith(_SLICES)}
        return sorted({name.removesuffix(".voids") for name in slices})


def _manifest_name(revision: int) -> str:
    return f"{revision:06d}.json"
