"""Export published hours as trees of files that follow restatements."""

from hourtally.published.export.hours import ExportReport, export_hours

__all__ = ["ExportReport", "export_hours"]
