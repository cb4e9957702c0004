"""The floor of a build: every column of the hour's slices read, the documents' bytes written.

python floor.py 'home/events/*/*.parquet' 'home/hours/*/rev-*/documents.ndjson' OUT
"""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl


def main() -> None:
    """Read and write."""
    home, out = (Path(argument) for argument in sys.argv[1:])
    pl.read_parquet(home / "events/*/*.parquet", hive_partitioning=False)
    (documents,) = home.glob("hours/*/rev-*/documents.ndjson")
    out.write_bytes(documents.read_bytes())


if __name__ == "__main__":
    main()
