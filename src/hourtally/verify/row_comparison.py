"""Stored rows beside derived ones: two sorted streams, compared by key as they pass."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from hourtally.model.schemas import Schema
from hourtally.verify.findings import Findings

PARQUET: Final = "Parquet that can be read"
_ROWS_A_READ: Final = 16_384
_HEAD: Final = '{"customerId":'

Row = tuple[Any, ...]


class Stored:
    """A stored table, whose rows are to be those that are expected of it, one after the other."""

    def __init__(
        self, path: Path, columns: Sequence[str], keys: int, rows: Iterator[Row], findings: Findings
    ) -> None:
        self._path = path
        self._columns = columns
        self._keys = keys
        self._stored = rows
        self._findings = findings
        self._next = next(rows, None)

    def expect(self, row: Row) -> None:
        """The next row that is to be there; the keys of those expected ascend."""
        key = row[: self._keys]
        while self._next is not None and self._next[: self._keys] < key:
            self._report_next()
        if self._next is None or self._next[: self._keys] != key:
            self._findings.add(self._path, f"the row of {_named(key)}", "a row", "none")
            return
        if self._next != row:
            for column, expected, got in zip(self._columns, row, self._next, strict=True):
                self._findings.compare(self._path, f"{column} of {_named(key)}", expected, got)
        self._next = next(self._stored, None)

    def finish(self) -> None:
        """All that was to be there has been expected."""
        while self._next is not None:
            self._report_next()

    def _report_next(self) -> None:
        assert self._next is not None
        key = _named(self._next[: self._keys])
        self._findings.add(self._path, f"the row of {key}", "none in this place", "a row")
        self._next = next(self._stored, None)


def read_table(path: Path, schema: Schema, keys: int, findings: Findings) -> Iterator[Row]:
    """The rows of a Parquet file; none, and a difference, where it has another schema.

    Decimals are integers. A null in one of the first `keys` columns, where none may be, is an
    empty text, so that rows can be ordered.
    """
    try:
        stored = pl.read_parquet_schema(path)
        if stored != pl.Schema(schema) or list(stored) != list(schema):
            findings.add(path, "its schema", str(pl.Schema(schema)), str(stored))
            return
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=_ROWS_A_READ):
                columns = [_values(column) for column in batch.columns]
                columns[:keys] = [[value or "" for value in key] for key in columns[:keys]]
                yield from zip(*columns, strict=True)
    except (OSError, pa.ArrowException, pl.exceptions.PolarsError) as error:
        findings.add(path, "its rows", PARQUET, str(error))


def read_lines(path: Path, findings: Findings) -> Iterator[Row]:
    """Customer id and line of each document."""
    decoder = json.JSONDecoder()
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                customer_id, _ = decoder.raw_decode(line.decode().partition(_HEAD)[2])
            except ValueError:
                findings.add(path, f"line {number}", "one that begins with a customer's id", "none")
            else:
                yield str(customer_id), line


def _values(column: pa.Array) -> list[Any]:
    values: list[Any] = column.to_pylist()
    if pa.types.is_decimal(column.type):
        return [value if value is None else int(value) for value in values]
    return values


def _named(key: Row) -> str:
    return "/".join(map(str, key))
