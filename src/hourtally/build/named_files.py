"""Which files of a home its records name: ingest records and manifests.

Where a record is damaged nobody can say what it names, so everything that it might name counts as
named.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any, Final

from hourtally.build.staleness import known_hours
from hourtally.errors import Damaged
from hourtally.model.hours import Hour
from hourtally.store import durable
from hourtally.store.layout import Home
from hourtally.store.manifests import read_manifest, revisions_of
from hourtally.store.pruning import marks_in

_HOUR_FOLDER: Final = "hour="
_SLICES: Final = ".parquet"
_VOIDS: Final = ".voids.parquet"
_QUARANTINE: Final = ".ndjson"


def record_of_file(path: Path) -> str:
    """The name of the record that a file of slices, voids or quarantined lines belongs to."""
    for suffix in (_VOIDS, _SLICES, _QUARANTINE):
        if path.name.endswith(suffix):
            return path.name.removesuffix(suffix)
    return path.name


class NamedFiles:
    """What the records of a home name, as they are read now; each record is read once."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._records: dict[str, dict[str, Any] | None] = {}

    def has_slices(self, path: Path) -> bool:
        """Whether a record names a file of slices or voids in the folder of an hour."""
        record = self._record(record_of_file(path))
        if not record:
            return record is not None
        hour = path.parent.name.removeprefix(_HOUR_FOLDER)
        entry = record.get("hours", {}).get(hour, {})
        if path.name.endswith(_VOIDS):
            return "voids" in entry
        return path.name.endswith(_SLICES) and "sha256" in entry

    def has_quarantine(self, path: Path) -> bool:
        """Whether a record names a file of quarantined lines."""
        record = self._record(record_of_file(path))
        if not record:
            return record is not None
        return path.name.endswith(_QUARANTINE) and bool(record.get("quarantined"))

    def has_in_hour(self, hour: Hour) -> set[str] | None:
        """What the manifests of an hour account for in its folder; None if one is damaged."""
        names = set(marks_in(self._home, hour))
        for number in revisions_of(self._home, hour):
            try:
                manifest = read_manifest(self._home, hour, number)
            except Damaged:
                return None
            names |= {manifest.path.name, manifest.folder.name}
        return names

    @cached_property
    def digests(self) -> set[str] | None:
        """All digests in the inputs of manifests, pruned ones included; None if one is damaged."""
        digests: set[str] = set()
        for hour in known_hours(self._home):
            for number in revisions_of(self._home, hour):
                try:
                    inputs = read_manifest(self._home, hour, number).inputs
                except Damaged:
                    return None
                digests.update(one for one in inputs.values() if isinstance(one, str))
        return digests

    def _record(self, name: str) -> dict[str, Any] | None:
        """An ingest record; empty if it is damaged, None if there is none."""
        if name not in self._records:
            try:
                self._records[name] = durable.read_sealed_json(self._home.batch_record(name))
            except Damaged:
                self._records[name] = {}
            except FileNotFoundError:
                self._records[name] = None
        return self._records[name]
