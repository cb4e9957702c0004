"""Nanocents: the one rounding, the one way to print.

Money is a whole number of nanocents (10^-9 cent) in a signed 64-bit column, `*_nanocents`.

Proven bounds. A slice has quantity <= 10^10 and lies in one hour, <= 3.6 * 10^6 ms, so its
usage is <= 3.6 * 10^16 < 2^63 and never wraps an int64 product; sums of usage are taken in
128 bits, where 4 * 10^21 such slices fit. A charge is `numerator / denominator` with the
numerator in 128 bits: `rating` proves from the hour's own maxima that it stays below 2^126,
and works in Python's unbounded integers where it does not. A charge, and every sum of
charges, is checked to be below 2^63 before anything is published: about 92 million dollars
for a customer's hour. Nothing ever wraps.
"""

from __future__ import annotations

from fractions import Fraction

NANOCENTS_PER_CENT = 1_000_000_000
MAX_NANOCENTS = 2**63 - 1
# Twice the remainder has to fit in 127 bits beside the sign.
MAX_NUMERATOR = 2**126


def round_half_even(exact: Fraction) -> int:
    """The nearest whole number; of two equally near the even one."""
    return round(exact)


def format_cents(nanocents: int) -> str:
    """Cents as a JSON number: exact, no exponent, no trailing zeros, `0` for nothing."""
    sign = "-" if nanocents < 0 else ""
    whole, rest = divmod(abs(nanocents), NANOCENTS_PER_CENT)
    digits = f"{rest:09d}".rstrip("0")
    return f"{sign}{whole}.{digits}" if digits else f"{sign}{whole}"


def parse_cents(digits: bytes) -> int:
    """The nanocents of a price as `format_cents` prints it, none negative; no float between."""
    whole, _, fraction = digits.partition(b".")
    return int(whole) * NANOCENTS_PER_CENT + int(fraction.ljust(9, b"0"))
