"""Published rows against derived ones: two sorted streams, compared by key in one pass."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from hourtally.model.schemas import Schema
from hourtally.verify.engine import plain_values
from hourtally.verify.findings import Findings

_ROWS_PER_BATCH: Final = 16_384
_LINE_START: Final = '{"customerId":'

Row = tuple[Any, ...]


class RowComparison:
    """Compares a published file with the rows expected in it, in key order.

    keys: how many of the first columns are the key.
    """

    def __init__(
        self, path: Path, columns: Sequence[str], keys: int, rows: Iterator[Row], findings: Findings
    ) -> None:
        self._path = path
        self._columns = columns
        self._keys = keys
        self._rows = rows
        self._findings = findings
        self._next = next(rows, None)

    def expect(self, row: Row) -> None:
        """Compare the next expected row; expected keys must ascend."""
        key = row[: self._keys]
        while self._next is not None and self._next[: self._keys] < key:
            self._report_unexpected()
        if self._next is None or self._next[: self._keys] != key:
            self._findings.add(self._path, f"missing row {_joined(key)}")
            return
        if self._next != row:
            for column, expected, got in zip(self._columns, row, self._next, strict=True):
                self._findings.compare(self._path, f"{column} of {_joined(key)}", expected, got)
        self._next = next(self._rows, None)

    def finish(self) -> None:
        """Report the rows after the last expected one."""
        while self._next is not None:
            self._report_unexpected()

    def _report_unexpected(self) -> None:
        assert self._next is not None
        self._findings.add(self._path, f"unexpected row {_joined(self._next[: self._keys])}")
        self._next = next(self._rows, None)


def read_table(path: Path, schema: Schema, keys: int, findings: Findings) -> Iterator[Row]:
    """The rows of a Parquet file; none, and a difference, if its schema is another one.

    Decimals come as integers. Nulls in the first `keys` columns, where none may be, come as empty
    text so that rows can be ordered.
    """
    try:
        stored = pl.scan_parquet(path, glob=False).collect_schema()
        if stored != pl.Schema(schema) or list(stored) != list(schema):
            findings.add(path, f"schema: expected {pl.Schema(schema)}, got {stored}")
            return
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=_ROWS_PER_BATCH):
                columns = [plain_values(column) for column in batch.columns]
                columns[:keys] = [[value or "" for value in key] for key in columns[:keys]]
                yield from zip(*columns, strict=True)
    except (OSError, pa.ArrowException, pl.exceptions.PolarsError) as error:
        findings.add(path, f"not readable as Parquet: {error}")


def read_lines(path: Path, findings: Findings) -> Iterator[Row]:
    """Customer id and line of each document."""
    decoder = json.JSONDecoder()
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                customer_id, _ = decoder.raw_decode(line.decode().partition(_LINE_START)[2])
            except ValueError:
                findings.add(path, f"line {number} does not start with a customer id")
            else:
                yield str(customer_id), line


def _joined(key: Row) -> str:
    return "/".join(map(str, key))
