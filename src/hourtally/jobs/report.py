"""What a whole job did: the command line prints it, a flow run keeps it."""

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
    """What a whole job did. exported: None where nothing was to be exported, or why it was not."""

    ingested: IngestReport = field(default_factory=IngestReport)
    built: BuildReport = field(default_factory=BuildReport)
    exported: ExportReport | HourtallyError | None = None

    @property
    def interrupted(self) -> bool:
        """Whether it was asked to stop before its end."""
        return bool(self.ingested.undone or self.built.undone)
