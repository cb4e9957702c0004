"""FOCUS: published charges as a dataset of the FinOps Open Cost and Usage Specification."""

from hourtally.jobs.focus.columns import VERSIONS, Format, Version
from hourtally.jobs.focus.dataset import FocusExport, export_focus

__all__ = ["VERSIONS", "FocusExport", "Format", "Version", "export_focus"]
