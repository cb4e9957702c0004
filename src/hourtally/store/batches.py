"""Committed batches: which of their numbered records count.

A batch is one event file; its records are numbered (contract, section 2: withdrawal). Each says
`ingested` or `withdrawn`, and the highest number decides. A record without a number or status,
from the version before, is number 1, `ingested`.

An input of an hour is a record whose slices count there. Manifests, slices files and quarantine
files bear its name: `<batch>` for number 1, `<batch>.N` for number N.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from hourtally.errors import Damaged
from hourtally.model.hours import Hour
from hourtally.store import durable
from hourtally.store.layout import RECORD_SUFFIX, Home

INGESTED: Final = "ingested"
WITHDRAWN: Final = "withdrawn"
# Why the batches of an hour are not those of its newest revision.
NEW_BATCH: Final = "new batch"
BATCH_REMOVED: Final = "batch removed"
BATCH_WITHDRAWN: Final = "batch withdrawn"
INGESTED_AGAIN: Final = "batch ingested again"

_NUMBERED: Final = re.compile(r"([^.]+)\.([2-9]|[1-9]\d+)", re.ASCII)


def record_name(batch: str, number: int) -> str:
    """The name of a batch's record with this number."""
    return batch if number == 1 else f"{batch}.{number}"


def parse_record_name(name: str) -> tuple[str, int]:
    """The batch and number of a record's name."""
    # Nearly all names have no number, and the pattern takes five times as long.
    if "." in name and (match := _NUMBERED.fullmatch(name)):
        return match[1], int(match[2])
    return name, 1


def is_withdrawn(record: Mapping[str, Any]) -> bool:
    """Whether a record says that its batch is withdrawn."""
    return bool(record.get("status", INGESTED) == WITHDRAWN)


class Batches:
    """The batches of a home, as listed at one moment."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._highest: dict[str, int] = {}
        self._withdrawn: dict[str, bool] = {}
        for file in durable.list_names(home.batches):
            if file.endswith(RECORD_SUFFIX) and not file.startswith("."):
                batch, number = parse_record_name(file.removesuffix(RECORD_SUFFIX))
                self._highest[batch] = max(number, self._highest.get(batch, 0))

    def names(self) -> list[str]:
        """The name of each batch's deciding record, sorted."""
        return sorted(record_name(batch, number) for batch, number in self._highest.items())

    def number(self, batch: str) -> int:
        """The number of a batch's deciding record; 0 if the batch does not exist."""
        return self._highest.get(batch, 0)

    def is_withdrawn(self, batch: str) -> bool:
        """Whether a batch is withdrawn. A batch whose record is damaged counts as ingested.

        A build of its hours then fails on the record, and other hours go on.
        """
        number = self.number(batch)
        if number < 2:  # Only a later record withdraws a batch, so few are read.
            return False
        if batch not in self._withdrawn:
            try:
                record = durable.read_sealed_json(
                    self._home.batch_record(record_name(batch, number))
                )
            except Damaged:
                self._withdrawn[batch] = False
            else:
                self._withdrawn[batch] = is_withdrawn(record)
        return self._withdrawn[batch]

    def inputs(self, hour: Hour) -> list[str]:
        """The inputs of an hour: names of records whose slices and voids count there, sorted."""
        return [name for name in self._home.records_with_slices(hour) if self._counts(name)]

    def has_slices(self, hour: Hour, inputs: Iterable[str]) -> bool:
        """Whether any of an hour's inputs has slices there; others have voids only."""
        return any(durable.file_exists(self._home.slices(hour, name)) for name in inputs)

    def _counts(self, name: str) -> bool:
        batch, number = parse_record_name(name)
        return number == self.number(batch) and not self.is_withdrawn(batch)

    def reasons(self, built: Iterable[str], inputs: Iterable[str]) -> set[str]:
        """Why an hour that was built from some inputs has these inputs now."""
        before, now = set(built), set(inputs)
        reasons = set()
        for name in now - before:
            batch, number = parse_record_name(name)
            reasons.add(NEW_BATCH if number == 1 else INGESTED_AGAIN)
        for name in before - now:
            batch, number = parse_record_name(name)
            if self.is_withdrawn(batch):
                reasons.add(BATCH_WITHDRAWN)
            elif self.number(batch) > number:
                reasons.add(INGESTED_AGAIN)
            else:
                reasons.add(BATCH_REMOVED)
        return reasons


def slices_bytes(home: Home, hour: Hour) -> int:
    """The total size of the slices files of an hour."""
    size = 0
    for name in home.records_with_slices(hour):
        # An aborted ingest removes what it has not committed.
        with contextlib.suppress(FileNotFoundError):
            size += durable.file_size(home.slices(hour, name))
    return size


def event_file_names(home: Home, names: Iterable[str]) -> dict[str, str]:
    """The event file of each record, and what became of it since; missing records are left out.

    That is that the batch was ingested again, or withdrawn and why, by the record after it.
    """
    files = {}
    for name in names:
        try:
            files[name] = str(durable.read_sealed_json(home.batch_record(name))["file"])
        except FileNotFoundError:
            continue
        batch, number = parse_record_name(name)
        with contextlib.suppress(FileNotFoundError, Damaged):
            later = durable.read_sealed_json(home.batch_record(record_name(batch, number + 1)))
            files[name] += f" ({_what_became(later)})"
    return files


def _what_became(later: Mapping[str, Any]) -> str:
    if is_withdrawn(later):
        return f"withdrawn at {later.get('withdrawn_at')}: {later.get('reason')}"
    return f"ingested again at {later.get('ingested_at')}"
