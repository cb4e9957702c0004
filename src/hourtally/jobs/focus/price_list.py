"""Rates as FOCUS has them: SKUs, SKU prices and unit prices."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Final

import polars as pl

from hourtally.jobs.focus.columns import UNIT_PRICE
from hourtally.model.money import round_half_even
from hourtally.model.schemas import Schema
from hourtally.ratecard import Rate

_UNIT_PRICE_DIGITS: Final = 18
# The selectors that make a SKU: all but `customer`, which is a contract's. Keys of FOCUS's
# SkuPriceDetails in Pascal case; ours begin with x_.
_SKU_SELECTORS: Final = ("gpu_model", "gpu_capacity", "resource_type", "region")
_DETAIL_KEYS: Final = ("x_GpuModel", "x_GpuCapacity", "x_ResourceType", "x_Region")


def rates_frame(rates: Sequence[Rate]) -> pl.DataFrame:
    """By the number of a rate: its id, its unit price, and the details of its SKU price."""
    rows = [(n, one.id, _unit_price(one), _details(one)) for n, one in enumerate(rates)]
    schema: Schema = {
        "rate": pl.Int64,
        "sku_price_id": pl.String,
        "unit_price": UNIT_PRICE,
        "details": pl.String,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def list_frame(rates: Sequence[Rate]) -> pl.DataFrame:
    """By the number of a rate: its unit price, as that of the list."""
    rows = [(number, _unit_price(one)) for number, one in enumerate(rates)]
    return pl.DataFrame(
        rows, schema={"list_rate": pl.Int64, "list_unit_price": UNIT_PRICE}, orient="row"
    )


def skus_frame(rates: Sequence[Rate]) -> pl.DataFrame:
    """By the number of a rate: the id of its SKU."""
    rows = [(number, _sku(one)) for number, one in enumerate(rates)]
    return pl.DataFrame(rows, schema={"sku": pl.Int64, "sku_id": pl.String}, orient="row")


def _unit_price(one: Rate) -> Decimal:
    """Units of the currency per unit and hour, to 18 digits, half to even."""
    exact = Fraction(one.price_cents) / one.per_hours / 100
    return Decimal(round_half_even(exact * 10**_UNIT_PRICE_DIGITS)).scaleb(-_UNIT_PRICE_DIGITS)


def _selected(one: Rate) -> dict[str, str]:
    """The selectors of a rate but `customer`."""
    chosen = {name: getattr(one, name) for name in _SKU_SELECTORS}
    return {name: value for name, value in chosen.items() if value is not None}


def _sku(one: Rate) -> str:
    return "/".join([one.meter, *(f"{name}={value}" for name, value in _selected(one).items())])


def _details(one: Rate) -> str | None:
    selected = _selected(one)
    if not selected:
        return None
    keys = dict(zip(_SKU_SELECTORS, _DETAIL_KEYS, strict=True))
    return json.dumps({keys[name]: value for name, value in selected.items()}, ensure_ascii=False)
