"""Exports as the command line runs them: with progress, a report and exit status."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hourtally.cli.output.job_report import print_export
from hourtally.cli.output.json_text import print_json
from hourtally.cli.output.progress_bar import progress_bar
from hourtally.cli.output.reading_data import export_document
from hourtally.model.hours import HourRange
from hourtally.published.reader import published_hours
from hourtally.settings import Settings, usable_cores
from hourtally.store.layout import Home

if TYPE_CHECKING:
    from hourtally.jobs.focus import Format, Version
    from hourtally.published.export import ExportReport
    from hourtally.runtime.progress import Progress


@dataclass(frozen=True)
class ExportOptions:
    """What to export. focus: a version of FOCUS, with its format and the card that names it."""

    hours: HourRange
    customer: str | None = None
    usage: bool = False
    focus: Version | None = None
    form: Format = "parquet"
    rates: Path | None = None


def export(home: Home, directory: Path, options: ExportOptions, *, json: bool) -> int:
    """Write published hours as files; the exit status."""
    with progress_bar("exporting", "hours") as advance:
        report = _exported(home, directory, options, advance)
    if json:
        print_json(export_document(report, directory))
    else:
        print_export(report, directory, options.customer)
    return 0


def _exported(
    home: Home, directory: Path, options: ExportOptions, progress: Progress | None
) -> ExportReport:
    hours = published_hours(home, options.hours.first, options.hours.end)
    if options.focus is not None:
        from hourtally.jobs.focus import FocusExport, export_focus
        from hourtally.ratecard import load_rate_card

        names = load_rate_card(options.rates or home.rates).focus
        settings = Settings(threads=usable_cores())
        work = FocusExport(home, options.focus, options.form, names, settings)
        return export_focus(work, directory, hours, progress)
    from hourtally.published.export import export_hours
    from hourtally.published.export.sources import DOCUMENTS, USAGE

    source = USAGE if options.usage else DOCUMENTS
    return export_hours(home, directory, hours, options.customer, progress, source)
