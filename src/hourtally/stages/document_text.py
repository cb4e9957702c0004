"""The text of the two documents of each customer's hour, column by column (contract, section 5).

A piece for each resource: its own object, preceded by whatever starts with it, such as a project
or a type. The pieces of a customer's resources, in the order of the frames, which are sorted by id,
are its teams. Both documents have the same structure and the same ids and names; they differ in the
figures of each object.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Final

import polars as pl

from hourtally.model.components import (
    BYOC_COMPONENTS,
    BYOC_HOURS,
    BYOC_PRICES,
    PAAS_HOURS,
    PAAS_PRICES,
)
from hourtally.model.money import CENTS_DIGITS, CURRENCY_DIGITS, HOURS_DIGITS
from hourtally.model.money_expressions import format_decimal_expr
from hourtally.model.schemas import CUSTOMER_KEY, HOUR, NANOHOURS

# The document in cents, and the usage document; also the columns of their texts.
DOCUMENT: Final = "document"
USAGE_DOCUMENT: Final = "usage_document"
BOTH: Final = (DOCUMENT, USAGE_DOCUMENT)
# The end of a line, behind its document.
LINE_END: Final = "}\n"
_BYOC_KEYS: Final = ("total", *BYOC_COMPONENTS)
_NEEDS_ESCAPE: Final = r'["\\\x00-\x1f]'


@dataclass(frozen=True)
class Levels:
    """The rows of some customers at every level, all sorted, and their clusters."""

    customers: pl.DataFrame
    teams: pl.DataFrame
    projects: pl.DataFrame
    types: pl.DataFrame
    charges: pl.DataFrame
    clusters: pl.DataFrame


def customer_lines(levels: Levels, currency: str) -> pl.DataFrame:
    """The lines of customers, one row each: `BOTH`, and `head_length`, the bytes before either.

    Args:
        levels: of these customers.
        currency: the rate card's.
    """
    customers = levels.customers
    for inner in (_teams(levels), _clusters(levels.clusters)):
        customers = customers.join(
            inner, on=CUSTOMER_KEY, how="left", validate="1:1", maintain_order="left"
        )
    head = pl.concat_str(pl.lit('{"customerId":"'), "id", pl.lit('","document":')).alias("head")
    return (
        customers.with_columns(
            pl.col(*BOTH, "clusters").fill_null(""), _escaped("customer_id").alias("id")
        )
        .with_columns(head)
        .select(
            _document_line(),
            _usage_document_line(currency),
            pl.col("head").str.len_bytes().cast(pl.Int64).alias("head_length"),
        )
    )


@cache
def _document_line() -> pl.Expr:
    return pl.concat_str(
        "head",
        pl.lit('{"data":{"timestamp":'),
        HOUR,
        pl.lit(',"paasUsage":{'),
        *_paas_figures(DOCUMENT, "paas_"),
        pl.lit(',"teams":['),
        DOCUMENT,
        pl.lit(']},"byocUsage":{'),
        *_byoc_figures(DOCUMENT, "byoc_"),
        pl.lit("}}}" + LINE_END),
    ).alias(DOCUMENT)


@cache
def _usage_document_line(currency: str) -> pl.Expr:
    totals = (pl.col(f"{kind}_total_nanocents").cast(pl.Int128) for kind in ("paas", "byoc"))
    return pl.concat_str(
        "head",
        pl.lit('{"data":{"timestamp":'),
        HOUR,
        pl.lit(f',"currency":{json.dumps(currency.lower())},"scope":{{"entityType":"team",'),
        pl.lit('"entityId":"'),
        "id",
        pl.lit('"},"total":'),
        format_decimal_expr(pl.sum_horizontal(totals), CURRENCY_DIGITS),
        pl.lit(',"paas":{'),
        *_paas_figures(USAGE_DOCUMENT, "paas_"),
        pl.lit(',"teams":['),
        USAGE_DOCUMENT,
        pl.lit(']},"byoc":{'),
        *_byoc_figures(USAGE_DOCUMENT, "byoc_"),
        pl.lit(',"clusters":['),
        "clusters",
        pl.lit("]}}}" + LINE_END),
    ).alias(USAGE_DOCUMENT)


def _teams(levels: Levels) -> pl.DataFrame:
    """`BOTH` by hour and customer: the objects of the customer's teams, joined by commas.

    Every row of a level has resources. So the text of a resource that is the first of its team,
    project or type first closes what was open before, then opens the new objects.
    """
    opened = {
        "team_id": _opened(levels.teams, "team_id", "team_name", "projects"),
        "project_id": _opened(levels.projects, "project_id", "project_name", "resourceTypes"),
        "resource_type": _opened(levels.types, "resource_type", None, "resources"),
    }
    begins = levels.charges.select(_begins())
    before = begins.select(
        _ends(),
        *(
            pl.when(column)
            .then(texts[document].gather(_numbers(begins[column])))
            .otherwise(pl.lit(""))
            .alias(f"{column} {document}")
            for column, texts in opened.items()
            for document in BOTH
        ),
    )
    head = levels.charges.select(pl.concat_str(_head("resource_id", "resource_name")).alias("head"))
    pieces = levels.charges.hstack(before).hstack(head).select(_piece(one) for one in BOTH)
    # Joining lists of texts takes a quarter of the time of a string aggregate.
    joined = (
        pieces.group_by(_numbers(begins["customer_id"]), maintain_order=True)
        .agg(BOTH)
        .select(pl.concat_str(pl.col(one).list.join(""), pl.lit("]}]}]}")) for one in BOTH)
    )
    return levels.teams.select(CUSTOMER_KEY).unique(maintain_order=True).hstack(joined)


def _opened(
    level: pl.DataFrame, id_column: str, name_column: str | None, array: str
) -> pl.DataFrame:
    """`BOTH` of each row of a level: its object up to its first child."""
    return level.with_columns(pl.concat_str(_head(id_column, name_column)).alias("head")).select(
        pl.concat_str("head", *_paas_figures(one), pl.lit(f',"{array}":[')).alias(one)
        for one in BOTH
    )


def _clusters(clusters: pl.DataFrame) -> pl.DataFrame:
    """`clusters` by hour and customer: the objects of its clusters, joined by commas."""
    head = _head("cluster_id", "cluster_name")
    return (
        clusters.select(
            *CUSTOMER_KEY,
            pl.concat_str(*head, *_byoc_figures(USAGE_DOCUMENT), pl.lit("}")).alias("clusters"),
        )
        .group_by(CUSTOMER_KEY, maintain_order=True)
        .agg("clusters")
        .with_columns(pl.col("clusters").list.join(","))
    )


@cache
def _piece(document: str) -> pl.Expr:
    """A resource, and before it what starts with it."""
    opened = (f"{column} {document}" for column in ("team_id", "project_id", "resource_type"))
    figures = _paas_figures(document)
    return pl.concat_str("ends", *opened, "head", *figures, pl.lit("}")).alias(document)


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
def _head(id_column: str, name_column: str | None) -> tuple[pl.Expr, ...]:
    """The parts of a JSON object up to its figures."""
    if name_column is None:
        return pl.lit('{"resourceType":"'), _escaped(id_column), pl.lit('",')
    names = (_escaped(id_column), pl.lit('","name":"'), _escaped(name_column))
    return (pl.lit('{"id":"'), *names, pl.lit('",'))


@cache
def _paas_figures(document: str, prefix: str = "") -> tuple[pl.Expr, ...]:
    """The parts of the members of an object that are figures; prefix: of their columns."""
    return _figures(document, zip(PAAS_PRICES, PAAS_PRICES, strict=True), PAAS_HOURS, prefix)


@cache
def _byoc_figures(document: str, prefix: str = "") -> tuple[pl.Expr, ...]:
    return _figures(document, zip(_BYOC_KEYS, BYOC_PRICES, strict=True), BYOC_HOURS, prefix)


def _figures(
    document: str,
    prices: Iterable[tuple[str, str]],
    hours: dict[str, tuple[str, str]],
    prefix: str,
) -> tuple[pl.Expr, ...]:
    """`"price":{…}`, and in the usage document also `"usage":{…}`."""
    charges = [(key, f"{prefix}{name}_nanocents") for key, name in prices]
    if document == DOCUMENT:
        return _object("price", charges, CENTS_DIGITS)
    quantities = [(key, f"{prefix}{name}{NANOHOURS}") for name, (key, _) in hours.items()]
    return (
        *_object("price", charges, CURRENCY_DIGITS),
        pl.lit(","),
        *_object("usage", quantities, HOURS_DIGITS),
    )


def _object(name: str, members: Iterable[tuple[str, str]], digits: int) -> tuple[pl.Expr, ...]:
    """The parts of a member that is an object of numbers, so that all is concatenated in one step.

    members: keys and columns. digits: of the numbers, behind the point.
    """
    parts: list[pl.Expr] = []
    for number, (key, column) in enumerate(members):
        mark = f'"{name}":{{' if number == 0 else ","
        parts += [pl.lit(f'{mark}"{key}":'), format_decimal_expr(pl.col(column), digits)]
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
