"""Read event files again that are where their ingest records say, and compare what is stored."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from hourtally.errors import Damaged, HourtallyError, StorageFault
from hourtally.model.hours import ALL_HOURS, Hour, HourRange
from hourtally.runtime.interrupts import as_keyboard_interrupt
from hourtally.runtime.progress import Progress
from hourtally.settings import Settings
from hourtally.store import durable
from hourtally.store.batches import Batches, is_withdrawn
from hourtally.store.layout import Home
from hourtally.store.places import path_at
from hourtally.verify.checksums import check_file
from hourtally.verify.engine import open_duckdb
from hourtally.verify.findings import Findings, shown_pair
from hourtally.verify.from_files.file_facts import SLICE, VOID, Differing, FileFacts, Kind
from hourtally.verify.from_files.judged import judge_file

Record = dict[str, Any]


def recheck_files(
    home: Home,
    hours: HourRange,
    settings: Settings,
    findings: Findings,
    progress: Progress | None = None,
) -> None:
    """Compare event files with the slices, voids and counts that are stored of them.

    Those of batches that count, which touch one of the hours. A file that is gone or has changed
    since is no difference: it is counted in `findings.files_left_out`.

    Args:
        home: the home folder.
        hours: which hours; without bounds all batches, also those without slices.
        settings: limits of DuckDB.
        findings: what is found is added to them.
        progress: called with how many files are done.

    Raises:
        StorageFault: the system refused a read.
    """
    with (
        durable.storage_faults(home.root, "verifying"),
        as_keyboard_interrupt(),
        open_duckdb(home, settings) as connection,
    ):
        records = list(_records(home, hours))
        for number, (name, record) in enumerate(records, 1):
            file = str(record.get("file"))
            try:
                path = path_at(file)
            except HourtallyError as error:
                findings.leave_out(file, f"it cannot be reached: {error}")
                continue
            if why := _why_left_out(path, record):
                findings.leave_out(path, why)
            else:
                _recheck(home, name, record, path, FileFacts(connection), findings)
                durable.release([path, *map(home.slices_of, map(Hour.parse, record["hours"]))])
            if progress:
                progress(number, len(records), path.name)


def _records(home: Home, hours: HourRange) -> Iterator[tuple[str, Record]]:
    """The deciding records that have slices, by name; damaged ones are found by `checksums`."""
    for name in Batches(home).names():
        try:
            record = durable.read_sealed_json(home.batch_record(name))
        except (Damaged, FileNotFoundError):
            continue
        touches = any(Hour.parse(hour) in hours for hour in record.get("hours", {}))
        if not is_withdrawn(record) and (touches or hours == ALL_HOURS):
            yield name, record


def _why_left_out(path: Path, record: Record) -> str | None:
    """Why an event file is not read again; None if it can be."""
    try:
        status = durable.local_file(path).stat()
        if not stat.S_ISREG(status.st_mode):
            return "it is no longer a regular file"
        if status.st_size != record.get("size") or durable.sha256_of(path) != record.get("sha256"):
            return "it has changed since it was ingested"
    except FileNotFoundError:
        return "it is no longer there"
    except OSError as error:
        return f"it cannot be read: {error.strerror or error}"
    return None


def _recheck(
    home: Home, name: str, record: Record, path: Path, facts: FileFacts, findings: Findings
) -> None:
    record_path = home.batch_record(name)
    entries = {Hour.parse(hour): entry for hour, entry in record["hours"].items()}
    slices = {
        home.slices(hour, name): entry for hour, entry in entries.items() if "sha256" in entry
    }
    voids = {
        home.voids(hour, name): entry["voids"]
        for hour, entry in entries.items()
        if "voids" in entry
    }
    if not all(
        check_file(stored, entry, Findings()) for stored, entry in {**slices, **voids}.items()
    ):
        findings.add(record_path, f"files that it lists are damaged: not compared with {path}")
        return
    try:
        facts.read(judge_file(path))
        for what, count in facts.counts().items():
            findings.compare(record_path, f"{what} of {path}", count, record.get(what))
        for kind, stored, file_of in ((SLICE, slices, home.slices), (VOID, voids, home.voids)):
            number, listed = facts.differences(kind, list(stored))
            for one in listed:
                findings.add(file_of(one.hour, name), _problem(kind, one, path))
            findings.differences += number - len(listed)
    except (OSError, EOFError, pa.ArrowException) as error:
        findings.leave_out(path, f"it cannot be read: {error}")
    except (duckdb.OutOfMemoryException, duckdb.IOException) as error:
        message = f"{path}: verification failed: {error}; free some space, then verify again"
        raise StorageFault(message) from error
    except duckdb.Error as error:
        findings.add(record_path, f"files that it lists cannot be read: {error}")
    else:
        findings.files += 1
        findings.lines += facts.lines


def _problem(kind: Kind, one: Differing, path: Path) -> str:
    """What differs, in a sentence."""
    what = f"{kind.noun} {' '.join(one.names)}"
    if not one.file:
        return f"{what}: {path} has no such line"
    where = f"{what} (line {one.line} of {path})"
    if not one.stored:
        return f"{where} is missing"
    changes = [
        "{}: expected {}, got {}".format(column, *shown_pair(expected, one.stored[0][column]))
        for column, expected in one.file[0].items()
        if expected != one.stored[0][column]
    ]
    return f"{where}: {'; '.join(changes) or 'stored a different number of times'}"
