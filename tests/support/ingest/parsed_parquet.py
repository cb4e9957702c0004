"""A Parquet file of events, read and parsed in one go."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hourtally.errors import FileRejected
from hourtally.ingest.parquet import reader
from hourtally.ingest.parsed import ParsedBlock


def read_parquet(path: Path) -> Iterator[ParsedBlock]:
    """The blocks of a Parquet file; its error where it is rejected."""
    return (parse(batch) for batch in reader.read_parquet(path))


def parse(batch: reader.RowBatch) -> ParsedBlock:
    """What a batch has, parsed alone; its file's error where it is rejected."""
    [parsed] = reader.parse_together([batch])
    if isinstance(parsed, FileRejected):
        raise parsed
    return parsed
