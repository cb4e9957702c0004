"""Take a batch back: write its next record, which says that none of its events count."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hourtally.errors import Damaged, NotFound
from hourtally.ingest.discovery import path_text
from hourtally.ingest.event_file import BATCH_DIGITS
from hourtally.model.hours import format_instant
from hourtally.store import durable
from hourtally.store.batches import WITHDRAWN, Batches, record_name
from hourtally.store.layout import Home
from hourtally.store.places import path_at
from hourtally.store.records import (
    DecidingRecord,
    StagedBatch,
    commit_records,
    deciding_record,
    finish,
    locked_batch,
    remove_leftovers,
)

_BATCH: Final = re.compile(rf"[0-9a-f]{{{BATCH_DIGITS}}}", re.ASCII)


@dataclass(frozen=True)
class WithdrawalReceipt:
    """A withdrawn batch.

    Attributes:
        file: as its record names it.
        number: of the record that withdraws it.
        hours: names of the hours that lose events, in order.
        accepted: events that no longer count.
        already: it was withdrawn before, and nothing was written; then there are no hours.
    """

    batch: str
    file: str
    number: int
    withdrawn_at: str
    reason: str
    hours: tuple[str, ...] = ()
    accepted: int = 0
    already: bool = False


def withdraw(home: Home, target: str, reason: str, now_ms: int) -> WithdrawalReceipt:
    """Withdraw a batch; its hours are stale then. A withdrawn batch stays as it is.

    Args:
        home: the home folder.
        target: the batch, or its event file.
        reason: why; it is kept in the record.
        now_ms: the current time.

    Raises:
        NotFound: there is no such batch or file.
        Damaged: the batch's record is damaged, so that its hours are not known.
    """
    with durable.storage_faults(home.root, "withdrawing"):
        batch = _batch_of(home, target)
    with locked_batch(home, batch, "withdrawing") as staging:
        while True:
            found = deciding_record(home, batch)
            assert found is not None, "records are never removed"
            if found.damage:
                raise found.damage
            if found.is_withdrawn:
                finish(home, staging)
                return _already(found)
            remove_leftovers(home, batch, staging)
            record = _withdrawal(found, reason, now_ms)
            name = record_name(batch, record["number"])
            [is_ours] = commit_records(home, [StagedBatch(name, staging, record)])
            if is_ours:
                durable.remove_folder(staging)
                return WithdrawalReceipt(
                    batch=batch,
                    file=str(found.content.get("file")),
                    number=record["number"],
                    withdrawn_at=record["withdrawn_at"],
                    reason=reason,
                    hours=found.hours,
                    accepted=int(found.content.get("accepted", 0)),
                )


def _withdrawal(found: DecidingRecord, reason: str, now_ms: int) -> dict[str, Any]:
    """The record that withdraws a batch: as an ingest record in which nothing counts."""
    return {
        "batch": found.batch,
        "number": found.number + 1,
        "status": WITHDRAWN,
        "sha256": found.content.get("sha256"),
        "size": found.content.get("size"),
        "file": found.content.get("file"),
        "withdrawn_at": format_instant(now_ms),
        "reason": reason,
        "lines": 0,
        "accepted": 0,
        "duplicates": 0,
        "quarantined": 0,
        "rules": {},
        "quarantine": None,
        "hours": {},
    }


def _already(found: DecidingRecord) -> WithdrawalReceipt:
    return WithdrawalReceipt(
        batch=found.batch,
        file=str(found.content.get("file")),
        number=found.number,
        withdrawn_at=str(found.content.get("withdrawn_at")),
        reason=str(found.content.get("reason")),
        already=True,
    )


def _batch_of(home: Home, target: str) -> str:
    """The batch that a name or an event file stands for."""
    if _BATCH.fullmatch(target) and deciding_record(home, target):
        return target
    path = path_at(target)
    if not durable.file_exists(path) or path.is_dir():
        is_folder = durable.folder_exists(path)
        what = "is a folder: withdraw its files one by one" if is_folder else "is not a file"
        if _BATCH.fullmatch(target):
            what = f"is neither a batch of {home.root} nor a file"
        message = f"{target}: {what}; {_hint(home, path)}"
        raise NotFound(message)
    batch = durable.sha256_of(path)[:BATCH_DIGITS]
    if deciding_record(home, batch) is None:
        what = f"its present bytes were never ingested into {home.root}"
        message = f"{target}: {what}; {_hint(home, path)}"
        raise NotFound(message)
    return batch


def _hint(home: Home, path: Path) -> str:
    """Which batches were ingested from files of this name."""
    named = []
    for name in Batches(home).names():
        try:
            record = durable.read_sealed_json(home.batch_record(name))
        except (Damaged, FileNotFoundError):
            continue
        if Path(str(record.get("file"))).name == path_text(Path(path.name)):
            named.append(str(record["batch"]))
    if not named:
        return f"{home.batches} has the records of all batches, each with its file"
    return f"files of that name were ingested as batch {', '.join(named[:3])}"
