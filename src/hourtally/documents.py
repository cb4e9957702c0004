"""Rollups to the customers' documents, in canonical bytes (contract, section 5).

The JSON text is put together column by column and level by level: a resource's object from
its columns, a type's from its own and its resources' texts, and so on up to the line of a
customer. Objects are joined in the order of the frames, which are sorted by id.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

import polars as pl

from hourtally.components import BYOC_COMPONENTS, BYOC_PRICES, PAAS_PRICES
from hourtally.concurrency import in_turn
from hourtally.hours import Hour
from hourtally.money_columns import format_cents_expr
from hourtally.rollup import Rollup, parent_numbers
from hourtally.schemas import CUSTOMERS, conform

# Documents are made for this many resources at a time; about 1 KB a resource while it lasts.
_BLOCK_RESOURCES: Final = 50_000
# Of a line, behind its document.
_END: Final = "}\n"
_NEEDS_ESCAPE: Final = r'["\\\x00-\x1f]'


@dataclass(frozen=True)
class DocumentBlock:
    """Lines of `documents.ndjson`. customers: `schemas.CUSTOMERS`, one row a line."""

    lines: memoryview
    customers: pl.DataFrame


def documents(
    hour: Hour, charges: pl.DataFrame, rollup: Rollup, threads: int = 1
) -> Iterator[DocumentBlock]:
    """The hour's documents, one line a customer, by customer id, some customers at a time."""
    work = ((hour, charges, rollup, customers) for customers in _blocks(charges, rollup.customers))
    offset = 0
    for block in in_turn(threads, _documents_of, work):
        yield DocumentBlock(block.lines, block.customers.with_columns(pl.col("offset") + offset))
        offset += len(block.lines)


def _documents_of(
    hour: Hour, charges: pl.DataFrame, rollup: Rollup, customers: pl.DataFrame
) -> DocumentBlock:
    """The documents of a run of customers, with offsets as if nothing were before them."""
    first, last = customers["customer_id"][0], customers["customer_id"][-1]

    def within(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.filter(pl.col("customer_id").is_between(pl.lit(first), pl.lit(last)))

    texts = _teams_text(
        within(charges), within(rollup.types), within(rollup.projects), within(rollup.teams)
    )
    texts = customers.join(
        texts, on="customer_id", how="left", validate="1:1", maintain_order="left"
    ).select(
        pl.concat_str(
            pl.lit('{"customerId":'), _quoted("customer_id"), pl.lit(',"document":')
        ).alias("head"),
        pl.concat_str(
            pl.lit(f'{{"data":{{"timestamp":{hour.timestamp},"paasUsage":{{"price":'),
            *_price(PAAS_PRICES, PAAS_PRICES, "paas_"),
            pl.lit(',"teams":['),
            pl.col("inner").fill_null(""),
            pl.lit(']},"byocUsage":{"price":'),
            *_price(("total", *BYOC_COMPONENTS), BYOC_PRICES, "byoc_"),
            pl.lit("}}}"),
        ).alias("document"),
    )
    return _block(customers, texts)


def _blocks(charges: pl.DataFrame, customers: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Runs of customers that have about `_BLOCK_RESOURCES` resources together."""
    if len(charges) + len(customers) < _BLOCK_RESOURCES:
        # As nearly every hour has; what is below takes a fifth of its documents' time.
        if len(customers):
            yield customers
        return
    counts = charges.group_by("customer_id").agg(pl.len().alias("resources"))
    sized = customers.join(
        counts, on="customer_id", how="left", validate="1:1", maintain_order="left"
    )
    number = (pl.col("resources").fill_null(0) + 1).cum_sum() // _BLOCK_RESOURCES
    for block in sized.with_columns(number.alias("block")).partition_by(
        "block", maintain_order=True, include_key=False
    ):
        yield block.drop("resources")


def _teams_text(
    charges: pl.DataFrame, types: pl.DataFrame, projects: pl.DataFrame, teams: pl.DataFrame
) -> pl.DataFrame:
    """`customer_id` and `inner`: the objects of its teams, joined by commas."""
    price = _price(PAAS_PRICES, PAAS_PRICES)
    named = ('{"id":', ',"name":', ',"price":')
    texts = charges.select(_object(named, "resource_id", "resource_name", price, None))
    inner = _joined(texts, charges, types.columns[:4])
    typed = ('{"resourceType":', None, ',"price":')
    texts = types.with_columns(inner).select(
        _object(typed, "resource_type", None, price, ',"resources":[')
    )
    inner = _joined(texts, types, projects.columns[:3])
    texts = projects.with_columns(inner).select(
        _object(named, "project_id", "project_name", price, ',"resourceTypes":[')
    )
    inner = _joined(texts, projects, teams.columns[:2])
    texts = teams.with_columns(inner).select(
        _object(named, "team_id", "team_name", price, ',"projects":[')
    )
    inner = _joined(texts, teams, ["customer_id"])
    return teams.select(pl.col("customer_id").unique(maintain_order=True)).with_columns(inner)


def _object(
    marks: tuple[str, str | None, str],
    id_column: str,
    name_column: str | None,
    price: tuple[pl.Expr, ...],
    children: str | None,
) -> pl.Expr:
    """One JSON object as `text`; its children's texts, if it has any, are in `inner`."""
    parts = [pl.lit(marks[0]), _quoted(id_column)]
    if name_column is not None:
        parts += [pl.lit(marks[1]), _quoted(name_column)]
    parts += [pl.lit(marks[2]), *price]
    if children is not None:
        parts += [pl.lit(children), pl.col("inner"), pl.lit("]")]
    return pl.concat_str(*parts, pl.lit("}")).alias("text")


def _joined(texts: pl.DataFrame, children: pl.DataFrame, key: list[str]) -> pl.Series:
    """The texts of each parent's children, in order, one row a parent, as `inner`.

    Every level is sorted and every parent has children, so the rows are those of the level
    above.
    """
    return (
        texts.group_by(parent_numbers(children, key), maintain_order=True)
        .agg("text")
        # A list's texts are joined in a quarter of the time that the same as an aggregate takes.
        .select(pl.col("text").list.join(",").alias("inner"))
        .get_column("inner")
    )


@cache
def _price(
    keys: tuple[str, ...], columns: tuple[str, ...], prefix: str = ""
) -> tuple[pl.Expr, ...]:
    """The parts of a price's object, for the object around it to be put together in one go."""
    parts: list[pl.Expr] = []
    for number, (key, column) in enumerate(zip(keys, columns, strict=True)):
        mark = "{" if number == 0 else ","
        parts += [
            pl.lit(f'{mark}"{key}":'),
            format_cents_expr(pl.col(f"{prefix}{column}_nanocents")),
        ]
    return (*parts, pl.lit("}"))


@cache
def _quoted(column: str) -> pl.Expr:
    """A JSON string: only what must be escaped is, and few texts have any of it."""
    text = pl.col(column)
    quoted = pl.concat_str(pl.lit('"'), text, pl.lit('"'))
    escaped = text.map_batches(_escape, return_dtype=pl.String)
    return pl.when(text.str.contains(_NEEDS_ESCAPE)).then(escaped).otherwise(quoted)


def _escape(texts: pl.Series) -> pl.Series:
    """Those texts that need it, as JSON strings; the others are null."""
    needed = texts.str.contains(_NEEDS_ESCAPE).fill_null(value=False)
    if not needed.any():
        return pl.repeat(None, len(texts), dtype=pl.String, eager=True)
    values = [
        json.dumps(text, ensure_ascii=False) if needs else None
        for text, needs in zip(texts, needed, strict=True)
    ]
    return pl.Series(texts.name, values, dtype=pl.String)


def _block(customers: pl.DataFrame, texts: pl.DataFrame) -> DocumentBlock:
    """Join `head` and `document` to lines; where each document lies, and its digest."""
    line = pl.concat_str("head", "document", pl.lit(_END)).alias("line")
    length = pl.col("document").str.len_bytes().cast(pl.Int64).alias("length")
    written = texts.select(line, length).with_columns(
        end=pl.col("line").str.len_bytes().cast(pl.Int64).cum_sum()
    )
    # In this form of a column its texts lie one behind the other.
    column = written["line"].rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
    lines = memoryview(column.buffers()[2])[: written["end"][-1]]
    places = written.select(
        (pl.col("end") - len(_END) - pl.col("length")).alias("offset"), "length"
    )
    digests = [
        hashlib.sha256(lines[offset : offset + length]).hexdigest()
        for offset, length in places.iter_rows()
    ]
    located = customers.with_columns(*places, pl.Series("sha256", digests, dtype=pl.String))
    return DocumentBlock(lines, conform(located.select(CUSTOMERS.keys()), CUSTOMERS))
