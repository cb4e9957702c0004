"""The arithmetic of `money` on columns; apart from it, because Polars takes 0.16 s to import."""

from __future__ import annotations

from decimal import Decimal

import polars as pl

from hourtally.model.money import NANOCENTS_PER_CENT


def round_half_even_expr(numerator: pl.Expr, denominator: pl.Expr | int) -> pl.Expr:
    """`numerator / denominator`, half to even, for Int128 with `0 <= numerator < 2^126`."""
    quotient = numerator // denominator
    twice_rest = 2 * (numerator - quotient * denominator)
    up = (twice_rest > denominator) | ((twice_rest == denominator) & (quotient % 2 == 1))
    return quotient + up.cast(pl.Int128)


def format_cents_expr(nanocents: pl.Expr) -> pl.Expr:
    """The text of `money.format_cents` for a column of Int64 nanocents, none negative."""
    # A decimal of scale 9 always prints nine digits behind its point, so zeros before the
    # point are safe from the first of the two strips.
    cents = nanocents.cast(pl.Decimal(38, 0)) * pl.lit(Decimal(1) / NANOCENTS_PER_CENT)
    return cents.cast(pl.String).str.strip_chars_end("0").str.strip_chars_end(".")
