"""Event files against the slices stored of them, read with the strict validator alone.

The fast readers of `ingest` are not used: a fault in one of them shows up as a difference.
"""

from hourtally.verify.from_files.recheck import recheck_files

__all__ = ["recheck_files"]
