"""What became of one ingested file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hourtally.errors import Damaged
from hourtally.ingest.discovery import path_text
from hourtally.ingest.event_file import EventFile
from hourtally.ingest.observations import Observations
from hourtally.store.batches import record_name


@dataclass(frozen=True)
class IngestReceipt:
    """The counts of one file.

    Attributes:
        file: the file that was read now, also where its batch bears another name.
        hours: how many hours it touches.
        skipped: its batch exists already, and the counts are that batch's.
        number: of the record that has the counts.
        again: the file was judged anew (`--again`).
        known: `skipped`, and an earlier run had taken it from the inbox.
        rules: quarantined lines by rule.
        hour_names: of the hours that it touches, in order.
        observations: what counts nothing, or not yet.
        conflicts: identities with several contents in one hour of the file.
        conflict_losers: slices that do not count because of it.
    """

    file: str
    batch: str
    lines: int
    accepted: int
    duplicates: int
    quarantined: int
    hours: int
    skipped: bool
    number: int = 1
    again: bool = False
    known: bool = False
    rules: Mapping[str, int] = field(default_factory=dict)
    hour_names: tuple[str, ...] = ()
    observations: Observations = field(default_factory=Observations)
    conflicts: int = 0
    conflict_losers: int = 0

    @property
    def record(self) -> str:
        """The name of the record, which its quarantine file bears too."""
        return record_name(self.batch, self.number)


def receipt_of(file: EventFile, record: dict[str, Any]) -> IngestReceipt:
    """The receipt of a file whose batch has this record.

    Raises:
        Damaged: the record lacks something.
    """
    try:
        return IngestReceipt(
            file=path_text(file.path),
            batch=record["batch"],
            lines=record["lines"],
            accepted=record["accepted"],
            duplicates=record["duplicates"],
            quarantined=record["quarantined"],
            hours=len(record["hours"]),
            skipped=False,
            number=record.get("number", 1),
            rules=record["rules"],
            hour_names=tuple(sorted(record["hours"])),
            observations=Observations.of_record(record),
            # Records of build version 1 have no conflicts.
            conflicts=record.get("conflicts", {}).get("identities", 0),
            conflict_losers=record.get("conflicts", {}).get("slices_not_counted", 0),
        )
    except KeyError as error:
        path = Path(f"batches/{record.get('batch')}.json")
        raise Damaged(path, f"the ingest record lacks {error}") from error
