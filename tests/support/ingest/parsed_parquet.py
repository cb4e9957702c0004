"""A Parquet file of events, read and parsed in one go."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hourtally.ingest.parquet import reader
from hourtally.ingest.parsed import ParsedBlock


def read_parquet(path: Path) -> Iterator[ParsedBlock]:
    """What is parsed of each batch of rows, in order."""
    return (batch.parse() for batch in reader.read_parquet(path))
