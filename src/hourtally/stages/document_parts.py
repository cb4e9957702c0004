"""The parts of documents that both have alike: figures, keys and names as text."""

from __future__ import annotations

import json
from collections.abc import Iterable
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
from hourtally.model.schemas import NANOHOURS

# The document in cents, and the usage document; also the columns of their texts.
DOCUMENT: Final = "document"
USAGE_DOCUMENT: Final = "usage_document"
BOTH: Final = (DOCUMENT, USAGE_DOCUMENT)
_PAAS_KEYS: Final = tuple(zip(PAAS_PRICES, PAAS_PRICES, strict=True))
_BYOC_KEYS: Final = tuple(zip(("total", *BYOC_COMPONENTS), BYOC_PRICES, strict=True))
_NEEDS_ESCAPE: Final = r'["\\\x00-\x1f]'
_OF_PRICES: Final = (CENTS_DIGITS, CURRENCY_DIGITS)
_OF_HOURS: Final = (HOURS_DIGITS,)
# Where numbers repeat at least so often, each is printed once: half the time of printing all.
_REPEATED: Final = 4


def paas_figures(table: pl.DataFrame, prefix: str = "") -> pl.DataFrame:
    """`BOTH` of each row: `"price":{…}`, and in the usage document also `"usage":{…}`.

    Args:
        table: with columns of prices and quantities.
        prefix: of these columns.
    """
    return _figures(table, _PAAS_KEYS, PAAS_HOURS, prefix)


def byoc_figures(table: pl.DataFrame, prefix: str = "") -> pl.DataFrame:
    """The same of clusters."""
    return _figures(table, _BYOC_KEYS, BYOC_HOURS, prefix)


def _figures(
    table: pl.DataFrame,
    prices: tuple[tuple[str, str], ...],
    hours: dict[str, tuple[str, str]],
    prefix: str,
) -> pl.DataFrame:
    texts: dict[str, pl.Series] = {}
    for key, name in prices:
        column = table[f"{prefix}{name}_nanocents"]
        texts[f"cents {key}"], texts[f"units {key}"] = _printed(column, _OF_PRICES)
    for name, (key, _) in hours.items():
        [texts[f"hours {key}"]] = _printed(table[f"{prefix}{name}{NANOHOURS}"], _OF_HOURS)
    keys = tuple(key for key, _ in prices), tuple(key for key, _ in hours.values())
    return pl.DataFrame(texts).select(_members(*keys))


@cache
def _members(prices: tuple[str, ...], hours: tuple[str, ...]) -> tuple[pl.Expr, ...]:
    usage = (*_object("price", "units", prices), pl.lit(","), *_object("usage", "hours", hours))
    return (
        pl.concat_str(_object("price", "cents", prices)).alias(DOCUMENT),
        pl.concat_str(usage).alias(USAGE_DOCUMENT),
    )


def _printed(numbers: pl.Series, digits: tuple[int, ...]) -> list[pl.Series]:
    """The texts of numbers, with so many digits behind the point each time."""
    texts = [format_decimal_expr(pl.col("number"), one).alias(str(one)) for one in digits]
    rows = numbers.to_frame("number")
    distinct = rows.unique()
    if len(distinct) * _REPEATED > len(rows):
        return rows.select(texts).get_columns()
    printed = distinct.with_columns(texts)
    return (
        rows.join(printed, on="number", how="left", validate="m:1", maintain_order="left")
        .drop("number")
        .get_columns()
    )


def _object(name: str, kind: str, keys: Iterable[str]) -> list[pl.Expr]:
    """The parts of a member that is an object of numbers, so that all is concatenated in one step.

    kind: of the columns of texts.
    """
    parts: list[pl.Expr] = []
    for number, key in enumerate(keys):
        mark = f'"{name}":{{' if number == 0 else ","
        parts += [pl.lit(f'{mark}"{key}":'), pl.col(f"{kind} {key}")]
    return [*parts, pl.lit("}")]


@cache
def object_head(id_column: str, name_column: str | None) -> pl.Expr:
    """A JSON object up to its figures: `head`."""
    if name_column is None:
        parts = [pl.lit('{"resourceType":"'), escaped(id_column)]
    else:
        names = [escaped(id_column), pl.lit('","name":"'), escaped(name_column)]
        parts = [pl.lit('{"id":"'), *names]
    return pl.concat_str(*parts, pl.lit('",')).alias("head")


@cache
def escaped(column: str) -> pl.Expr:
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
