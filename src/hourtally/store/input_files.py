"""The files of an hour's inputs: slices and voids, checked against the ingest records."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, Final

from hourtally.errors import Damaged
from hourtally.model.hours import Hour
from hourtally.runtime.concurrency import ordered_map
from hourtally.store import durable
from hourtally.store.layout import Home

_one_caller: Final = Lock()


@dataclass(frozen=True)
class HourFiles:
    """What the inputs of one hour have in it: slices files and voids files, in order of inputs."""

    slices: list[Path] = field(default_factory=list)
    voids: list[Path] = field(default_factory=list)


def check_inputs(
    home: Home, inputs_by_hour: Mapping[Hour, Iterable[str]], threads: int = 1
) -> dict[Hour, HourFiles]:
    """Compare the slices and voids files of some hours with the digests in their ingest records.

    Do this before reading any of them: a flipped bit can make a Parquet reader do anything, a
    panic included. One thread checks 1.8 GB/s.

    Args:
        home: the home folder.
        inputs_by_hour: for each hour its inputs.
        threads: how many batches to check at a time.

    Returns:
        The files that the records list, for each hour.

    Raises:
        Damaged: a file differs from its record, or the record does not list the hour.
    """
    durable.fetch(sorted({home.batch_record(one) for of in inputs_by_hour.values() for one in of}))
    durable.fetch_files([home.slices(h, name) for h, of in inputs_by_hour.items() for name in of])
    hours_of = defaultdict(list)
    for hour, names in inputs_by_hour.items():
        for name in names:
            hours_of[name].append(hour)
    work = ((home, name, hours) for name, hours in hours_of.items())
    checked: dict[tuple[Hour, str], HourFiles] = {}
    for name, found in zip(hours_of, ordered_map(threads, _check, work), strict=True):
        checked |= {(hour, name): files for hour, files in found}
    of_hours = {}
    for hour, names in inputs_by_hour.items():
        every = [checked[hour, name] for name in names]
        slices = [path for files in every for path in files.slices]
        of_hours[hour] = HourFiles(slices, [path for files in every for path in files.voids])
    return of_hours


@contextmanager
def checked_inputs(
    home: Home, hour: Hour, names: Iterable[str], threads: int
) -> Iterator[HourFiles]:
    """As `check_inputs`, of one hour. Downloads are dropped at the end: a server's would pile up.

    So where files are downloaded, one caller in a process has them at a time.
    """
    if durable.has_folders(home.root):
        yield check_inputs(home, {hour: names}, threads)[hour]
        return
    with _one_caller:
        try:
            yield check_inputs(home, {hour: names}, threads)[hour]
        finally:
            durable.release([home.slices_of(hour)])


def _check(home: Home, name: str, hours: Iterable[Hour]) -> list[tuple[Hour, HourFiles]]:
    record = durable.read_sealed_json(home.batch_record(name))
    return [(hour, check_record_files(home, name, record, hour)) for hour in hours]


def check_record_files(home: Home, name: str, record: Mapping[str, Any], hour: Hour) -> HourFiles:
    """The files that an ingest record lists for an hour.

    Raises:
        Damaged: as `check_inputs`.
    """
    entry = record.get("hours", {}).get(hour.name)
    if entry is None:
        folder = home.slices(hour, name).parent
        raise Damaged(home.batch_record(name), f"it does not list its files in {folder}")
    files = HourFiles()
    # An hour may have voids only, and hours without any have no entry for them.
    for kept, path, expected in (
        (files.slices, home.slices(hour, name), entry if "sha256" in entry else None),
        (files.voids, home.voids(hour, name), entry.get("voids")),
    ):
        if expected is not None:
            _check_file(path, record, expected["sha256"])
            kept.append(path)
    return files


def _check_file(path: Path, record: Mapping[str, Any], sha256: str) -> None:
    if sha256 != durable.sha256_of(path):
        reason = (
            "its SHA-256 does not match its ingest record; "
            f"`hourtally ingest --again {record.get('file')}` writes it anew"
        )
        raise Damaged(path, reason)
