"""Documents: the JSON of each customer's hour, in canonical bytes (contract, section 5).

Both documents of an hour, in cents and with quantities, are made in one pass over the same rows
(`document_text`), and located and hashed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import polars as pl

from hourtally.model.schemas import (
    CUSTOMER_KEY,
    CUSTOMERS,
    HOUR,
    PLACE,
    USAGE_PLACE,
    conform,
    hourly,
    of_hours,
)
from hourtally.runtime.concurrency import ordered_map
from hourtally.stages.document_parts import DOCUMENT, USAGE_DOCUMENT
from hourtally.stages.document_text import LINE_END, Levels, line_pieces
from hourtally.stages.rating import Rated
from hourtally.stages.rollup import Rollup

# Documents are built for this many resources at a time, about 2 KB of memory each.
_BLOCK_RESOURCES: Final = 25_000
_OFFSETS: Final = ("offset", "usage_offset")


@dataclass(frozen=True)
class DocumentBlock:
    """Lines of an hour's documents. customers: `schemas.CUSTOMERS`, one row per line of either.

    timestamp: of the hour. lines: of `documents.ndjson`. usage_lines: of `usage.ndjson`.
    """

    timestamp: int
    lines: memoryview
    usage_lines: memoryview
    customers: pl.DataFrame


def documents(
    rated: Rated, rollup: Rollup, currency: str, threads: int = 1
) -> Iterator[DocumentBlock]:
    """The documents of hours in blocks, sorted by hour and customer id, one line per customer."""
    whole = Levels(
        rollup.customers, rollup.teams, rollup.projects, rollup.types, rated.charges, rated.clusters
    )
    timestamp, offsets = None, (0, 0)
    work = ((part, currency) for part in _parts(whole))
    for blocks in ordered_map(threads, _documents_of, work):
        for block in blocks:
            if block.timestamp == timestamp:
                moved = [pl.col(c) + by for c, by in zip(_OFFSETS, offsets, strict=True)]
                yield replace(block, customers=block.customers.with_columns(moved))
            else:
                timestamp, offsets = block.timestamp, (0, 0)
                yield block
            offsets = (offsets[0] + len(block.lines), offsets[1] + len(block.usage_lines))


def _parts(whole: Levels) -> Iterator[Levels]:
    """Split customers into runs with about `_BLOCK_RESOURCES` resources each."""
    counted = (whole.customers, whole.charges, whole.clusters)
    if sum(map(len, counted)) < _BLOCK_RESOURCES:
        # Nearly all hours are this small, and the rest would take a fifth of their time here.
        if len(whole.customers):
            yield whole
        return
    # All levels are sorted by customer, so a run of customers is a run of rows in each.
    ends = whole.customers.select(CUSTOMER_KEY)
    for name, level in vars(whole).items():
        rows = level.group_by(CUSTOMER_KEY).agg(pl.len().alias(name))
        ends = ends.join(rows, on=CUSTOMER_KEY, how="left", validate="1:1", maintain_order="left")
    ends = ends.select(pl.exclude(CUSTOMER_KEY).fill_null(0).cast(pl.Int64).cum_sum())
    number = pl.sum_horizontal("customers", "charges", "clusters") // _BLOCK_RESOURCES
    begin = [0] * len(ends.columns)
    for _, *end in ends.group_by(number.alias("part"), maintain_order=True).last().iter_rows():
        bounds = zip(vars(whole).values(), begin, end, strict=True)
        yield Levels(*(level[first:last] for level, first, last in bounds))
        begin = end


def _documents_of(levels: Levels, currency: str) -> list[DocumentBlock]:
    """The documents of a run of customers, one block per hour; offsets start at 0 in each block."""
    pieces, head_lengths = line_pieces(levels, currency)
    of_hour = levels.customers[HOUR]
    lines = _Lines(of_hour, pieces, DOCUMENT, head_lengths)
    usage_lines = _Lines(of_hour, pieces, USAGE_DOCUMENT, head_lengths)
    located = levels.customers.with_columns(
        *(place.alias(name) for name, place in zip(PLACE, lines.places, strict=True)),
        *(place.alias(name) for name, place in zip(USAGE_PLACE, usage_lines.places, strict=True)),
        pl.lit(value=False).alias("held"),
    )
    conform(located.select(HOUR, *CUSTOMERS), hourly(CUSTOMERS))
    timestamps = list(lines.spans)
    return [
        DocumentBlock(
            timestamp,
            lines.content[slice(*lines.spans[timestamp])],
            usage_lines.content[slice(*usage_lines.spans[timestamp])],
            customers,
        )
        for timestamp, customers in zip(timestamps, of_hours(located, timestamps), strict=True)
    ]


class _Lines:
    """The lines of one of the documents, located and hashed.

    Attributes: content. spans: where in it the lines of each hour begin and end. places: the
    columns of `schemas.PLACE`, offsets from the beginning of each hour.
    """

    def __init__(
        self, of_hour: pl.Series, pieces: pl.DataFrame, document: str, head_lengths: pl.Series
    ) -> None:
        length = (
            pieces.group_by("customer", maintain_order=True)
            .agg(pl.col(document).str.len_bytes().cast(pl.Int64).sum())
            .get_column(document)
        )
        begin = length.cum_sum() - length
        # A document starts behind the head of its line.
        places = pl.DataFrame(
            {
                HOUR: of_hour,
                "begin": begin,
                "offset": begin + head_lengths,
                "length": length - head_lengths - len(LINE_END),
            }
        )
        # In this Arrow layout the texts of a column are contiguous.
        column = pieces[document].rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
        self.content = memoryview(column.buffers()[2])
        digests = [
            hashlib.sha256(self.content[offset : offset + length]).hexdigest()
            for offset, length in places.select("offset", "length").iter_rows()
        ]
        begins = places.group_by(HOUR, maintain_order=True).agg(pl.col("begin").first())
        ends = [*begins["begin"][1:], length.sum()]
        spans = zip(begins["begin"], ends, strict=True)
        self.spans = dict(zip(begins[HOUR], spans, strict=True))
        offsets = places.select(pl.col("offset") - pl.col("begin").first().over(HOUR)).to_series()
        self.places = (offsets, places["length"], pl.Series(digests, dtype=pl.String))
