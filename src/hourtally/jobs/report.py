"""What a whole job did: the command line prints it, and a flow returns it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hourtally.build.builder import BuildReport
from hourtally.build.empty_hours import EmptyHours
from hourtally.build.rates.held_hours import HeldHours
from hourtally.errors import HourtallyError
from hourtally.ingest.files import IngestReport

if TYPE_CHECKING:
    from hourtally.published.export import ExportReport


@dataclass
class JobReport:
    """What a whole job did.

    Attributes:
        empty: the closed hours without events; None if nobody looked.
        held: who is held when the job is done; in a backfill, in its range.
        exported: what was exported, the error that prevented it, or None if nothing was due.
    """

    ingested: IngestReport = field(default_factory=IngestReport)
    built: BuildReport = field(default_factory=BuildReport)
    empty: EmptyHours | None = None
    held: HeldHours = field(default_factory=HeldHours)
    exported: ExportReport | HourtallyError | None = None

    @property
    def interrupted(self) -> bool:
        """Whether it was stopped before it was done."""
        return bool(self.ingested.undone or self.built.undone)
