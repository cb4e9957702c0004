"""Verify published hours: check every stored file by its record, and recompute every charge.

Verification is a second opinion: it shares no stage with builds, so an error in one of them shows
up as a difference. Duplicates and conflicts are decided in SQL by source and id (`slices`), rates
are looked up and charges computed in exact integers (`pricing`), every level is summed from
resources (`derive`) and the JSON is written by hand (`documents`). The published rows are compared
in the same pass (`revision`, `row_comparison`), customer by customer, so the largest customer
bounds memory.
Event files that are still there are read with the strict validator (`from_files`).
"""

from hourtally.verify.findings import MAX_LISTED, Difference, Findings
from hourtally.verify.from_files import recheck_files
from hourtally.verify.runner import verify_hours

__all__ = ["MAX_LISTED", "Difference", "Findings", "recheck_files", "verify_hours"]
