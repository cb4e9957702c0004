"""The arithmetic of `money` on columns; apart from it, because Polars takes 0.16 s to import."""

from __future__ import annotations

from decimal import Decimal

import polars as pl

from hourtally.model.money import nanohours_per_unit_ms


def round_half_even_expr(numerator: pl.Expr, denominator: pl.Expr | int) -> pl.Expr:
    """`numerator / denominator`, half to even, for Int128 with `0 <= numerator < 2^126`."""
    quotient = numerator // denominator
    twice_rest = 2 * (numerator - quotient * denominator)
    up = (twice_rest > denominator) | ((twice_rest == denominator) & (quotient % 2 == 1))
    return quotient + up.cast(pl.Int128)


def nanohours_expr(usage: pl.Expr, quantity: str) -> pl.Expr:
    """Reported nano-hours of an exact usage in Int128, `0 <= usage < 2^100`; rounded once."""
    factor = nanohours_per_unit_ms(quantity)
    return round_half_even_expr(usage * factor.numerator, factor.denominator)


def format_decimal_expr(numbers: pl.Expr, digits: int) -> pl.Expr:
    """The text of `money.format_decimal` for a column of integers, none negative."""
    # A decimal of scale 9 always prints nine digits behind its point, so zeros before the
    # point are safe from the first of the two strips.
    scaled = numbers.cast(pl.Decimal(38, 0)) * pl.lit(Decimal(1).scaleb(-digits))
    return scaled.cast(pl.String).str.strip_chars_end("0").str.strip_chars_end(".")
