"""What a whole job did: the command line prints it, and a flow returns it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hourtally.build.builder import BuildReport
from hourtally.errors import HourtallyError
from hourtally.ingest.files import IngestReport

if TYPE_CHECKING:
    from hourtally.published.export import ExportReport


@dataclass
class JobReport:
    """What a whole job did.

    Attributes:
        exported: what was exported, the error that prevented it, or None if nothing was due.
    """

    ingested: IngestReport = field(default_factory=IngestReport)
    built: BuildReport = field(default_factory=BuildReport)
    exported: ExportReport | HourtallyError | None = None

    @property
    def interrupted(self) -> bool:
        """Whether it was stopped before it was done."""
        return bool(self.ingested.undone or self.built.undone)
