"""Documents: the JSON of each customer's hour, in canonical bytes (contract, section 5).

The text is built column by column, a piece for each resource: its own object, preceded by
whatever starts with it, such as a project or a type. A customer's line is the pieces of its
resources, in the order of the frames, which are sorted by id.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

import polars as pl

from hourtally.model.components import BYOC_COMPONENTS, BYOC_PRICES, PAAS_PRICES
from hourtally.model.money_expressions import format_cents_expr
from hourtally.model.schemas import CUSTOMER_KEY, CUSTOMERS, HOUR, conform, hourly, of_hours
from hourtally.runtime.concurrency import ordered_map
from hourtally.stages.rollup import Rollup

# Documents are built for this many resources at a time, about 1 KB of memory each.
_BLOCK_RESOURCES: Final = 50_000
# The end of a line, behind its document.
_LINE_END: Final = "}\n"
_TYPED: Final = ('{"resourceType":"', None, '","price":')
_TYPES: Final = ',"resourceTypes":['
_NEEDS_ESCAPE: Final = r'["\\\x00-\x1f]'


@dataclass(frozen=True)
class DocumentBlock:
    """Lines of an hour's `documents.ndjson`. customers: `schemas.CUSTOMERS`, one row per line.

    timestamp: of the hour.
    """

    timestamp: int
    lines: memoryview
    customers: pl.DataFrame


@dataclass(frozen=True)
class _Levels:
    """The rows of some customers at every level, all sorted."""

    customers: pl.DataFrame
    teams: pl.DataFrame
    projects: pl.DataFrame
    types: pl.DataFrame
    charges: pl.DataFrame


def documents(charges: pl.DataFrame, rollup: Rollup, threads: int = 1) -> Iterator[DocumentBlock]:
    """The documents of hours in blocks, sorted by hour and customer id, one line per customer."""
    whole = _Levels(rollup.customers, rollup.teams, rollup.projects, rollup.types, charges)
    timestamp, offset = None, 0
    for blocks in ordered_map(threads, _documents_of, ((part,) for part in _parts(whole))):
        for block in blocks:
            if block.timestamp == timestamp:
                customers = block.customers.with_columns(pl.col("offset") + offset)
                yield replace(block, customers=customers)
            else:
                timestamp, offset = block.timestamp, 0
                yield block
            offset += len(block.lines)


def _documents_of(levels: _Levels) -> list[DocumentBlock]:
    """The documents of a run of customers, one block per hour; offsets start at 0 in each block."""
    customers = levels.customers
    texts = _teams_text(levels)
    head = pl.concat_str(
        pl.lit('{"customerId":"'), _escaped("customer_id"), pl.lit('","document":')
    )
    lines = (
        customers.join(texts, on=CUSTOMER_KEY, how="left", validate="1:1", maintain_order="left")
        .with_columns(head=head)
        .select(
            pl.concat_str(
                "head",
                pl.lit('{"data":{"timestamp":'),
                HOUR,
                pl.lit(',"paasUsage":{"price":'),
                *_price(PAAS_PRICES, PAAS_PRICES, "paas_"),
                pl.lit(',"teams":['),
                pl.col("inner").fill_null(""),
                pl.lit(']},"byocUsage":{"price":'),
                *_price(("total", *BYOC_COMPONENTS), BYOC_PRICES, "byoc_"),
                pl.lit("}}}" + _LINE_END),
            ).alias("line"),
            pl.col("head").str.len_bytes().cast(pl.Int64).alias("head_length"),
        )
    )
    return _blocks(customers, lines)


def _parts(whole: _Levels) -> Iterator[_Levels]:
    """Split customers into runs with about `_BLOCK_RESOURCES` resources each."""
    if len(whole.charges) + len(whole.customers) < _BLOCK_RESOURCES:
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
    number = (pl.col("customers") + pl.col("charges")) // _BLOCK_RESOURCES
    begin = [0] * len(ends.columns)
    for _, *end in ends.group_by(number.alias("part"), maintain_order=True).last().iter_rows():
        bounds = zip(vars(whole).values(), begin, end, strict=True)
        yield _Levels(*(level[first:last] for level, first, last in bounds))
        begin = end


def _teams_text(levels: _Levels) -> pl.DataFrame:
    """`inner` by hour and customer: the objects of the customer's teams, joined by commas.

    Every row of a level has resources. So the text of a resource that is the first of its team,
    project or type first closes what was open before, then opens the new objects.
    """
    named = ('{"id":"', '","name":"', '","price":')
    opened = {
        "team_id": (levels.teams, _object(named, "team_id", "team_name", ',"projects":[')),
        "project_id": (levels.projects, _object(named, "project_id", "project_name", _TYPES)),
        "resource_type": (levels.types, _object(_TYPED, "resource_type", None, ',"resources":[')),
    }
    begins = levels.charges.select(_begins())
    before = begins.select(
        _ends(),
        *(
            pl.when(column)
            .then(level.select(pl.concat_str(*parts)).to_series().gather(_numbers(begins[column])))
            .otherwise(pl.lit(""))
            .alias(f"{column} begins")
            for column, (level, parts) in opened.items()
        ),
    )
    resource = _object(named, "resource_id", "resource_name", "}")
    texts = levels.charges.hstack(before).select(
        pl.concat_str(*before.columns, *resource).alias("text")
    )
    # Joining lists of texts takes a quarter of the time of a string aggregate.
    inner = (
        texts.group_by(_numbers(begins["customer_id"]), maintain_order=True)
        .agg("text")
        .select(pl.concat_str(pl.col("text").list.join(""), pl.lit("]}]}]}")).alias("inner"))
    )
    return levels.teams.select(CUSTOMER_KEY).unique(maintain_order=True).hstack(inner)


@cache
def _begins() -> tuple[pl.Expr, ...]:
    """Whether each resource is the first of its customer, team, project and type."""
    columns = (HOUR, "customer_id", "team_id", "project_id", "resource_type")
    changes = [(pl.col(c) != pl.col(c).shift()).fill_null(value=True) for c in columns]
    return tuple(
        pl.any_horizontal(changes[: depth + 1]).alias(column)
        for depth, column in enumerate(columns)
        if depth
    )


@cache
def _ends() -> pl.Expr:
    """The closing brackets before a resource that is the first of something."""
    return (
        pl.when("customer_id")
        .then(pl.lit(""))
        .when("team_id")
        .then(pl.lit("]}]}]},"))
        .when("project_id")
        .then(pl.lit("]}]},"))
        .when("resource_type")
        .then(pl.lit("]},"))
        .otherwise(pl.lit(","))
        .alias("ends")
    )


def _numbers(begins: pl.Series) -> pl.Series:
    """The number, from 0, of the customer (or team …) of each resource, from where each starts."""
    return begins.cum_sum() - 1


@cache
def _object(
    marks: tuple[str, str | None, str], id_column: str, name_column: str | None, end: str
) -> tuple[pl.Expr, ...]:
    """The parts of a JSON object up to its price, and what follows the price."""
    parts = [pl.lit(marks[0]), _escaped(id_column)]
    if name_column is not None:
        parts += [pl.lit(marks[1]), _escaped(name_column)]
    return (*parts, pl.lit(marks[2]), *_price(PAAS_PRICES, PAAS_PRICES), pl.lit(end))


@cache
def _price(
    keys: tuple[str, ...], columns: tuple[str, ...], prefix: str = ""
) -> tuple[pl.Expr, ...]:
    """The parts of a price object, so that the object around it is concatenated in one step."""
    parts: list[pl.Expr] = []
    for number, (key, column) in enumerate(zip(keys, columns, strict=True)):
        mark = "{" if number == 0 else ","
        parts += [
            pl.lit(f'{mark}"{key}":'),
            format_cents_expr(pl.col(f"{prefix}{column}_nanocents")),
        ]
    return (*parts, pl.lit("}"))


@cache
def _escaped(column: str) -> pl.Expr:
    """The text between the quotes of a JSON string."""
    return pl.col(column).map_batches(_escape, return_dtype=pl.String)


def _escape(texts: pl.Series) -> pl.Series:
    """Escape only what JSON requires; few texts need it."""
    needed = texts.str.contains(_NEEDS_ESCAPE)
    if not needed.any():
        return texts
    values = [
        json.dumps(text, ensure_ascii=False)[1:-1] if needs else text
        for text, needs in zip(texts, needed, strict=True)
    ]
    return pl.Series(texts.name, values, dtype=pl.String)


def _blocks(customers: pl.DataFrame, written: pl.DataFrame) -> list[DocumentBlock]:
    """Cut lines into blocks of hours; locate and hash the document in each line.

    A document starts behind `head_length` bytes of its line.
    """
    length = pl.col("line").str.len_bytes().cast(pl.Int64)
    begin = length.cum_sum() - length
    places = written.select(
        customers[HOUR],
        begin.alias("begin"),
        (begin + pl.col("head_length")).alias("offset"),
        (length - pl.col("head_length") - len(_LINE_END)).alias("length"),
    )
    # In this Arrow layout the texts of a column are contiguous.
    column = written["line"].rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
    lines = memoryview(column.buffers()[2])
    digests = [
        hashlib.sha256(lines[offset : offset + length]).hexdigest()
        for offset, length in places.select("offset", "length").iter_rows()
    ]
    located = customers.hstack(
        places.select(pl.col("offset") - pl.col("begin").first().over(HOUR), "length")
    ).with_columns(pl.Series("sha256", digests, dtype=pl.String), held=pl.lit(value=False))
    conform(located.select(HOUR, *CUSTOMERS), hourly(CUSTOMERS))
    begins = places.group_by(HOUR, maintain_order=True).agg(pl.col("begin").first())
    timestamps = begins[HOUR].to_list()
    ends = [*begins["begin"][1:], written.select(length.sum()).item()]
    return [
        DocumentBlock(timestamp, lines[first:end], of_hour)
        for timestamp, first, end, of_hour in zip(
            timestamps, begins["begin"], ends, of_hours(located, timestamps), strict=True
        )
    ]
