"""Nanocents and nano-hours: the one rounding, the one way to print.

Money is a whole number of nanocents (10^-9 cent) in a signed 64-bit column, `*_nanocents`.

Proven bounds. Nothing ever wraps; `tests/torture/test_bounds.py` stands at each of them.

- A slice: quantity <= 10^10, in one hour <= 3.6 * 10^6 ms, so its usage is <= 3.6 * 10^16,
  which is below 2^63 = 9.2 * 10^18. DuckDB refuses an int64 product that would be beyond.
- Usage of a resource: summed in 128 bits, kept as a decimal of 38 digits. It stays below 10^38
  up to 10^38 / (3.6 * 10^16) = 2.7 * 10^21 slices in an hour.
- A charge is `N / D`: N = sum of usage times multiplier over a resource's rows, D the rates'
  common denominator. `rating` bounds N from the hour itself, by greatest usage x greatest
  multiplier x number of rows. Where that or D reaches 2^126 the component is priced in Python's
  unbounded integers. Below it all fits 127 bits: N, the quotient and `quotient * D` are at most
  N, and twice the remainder, which decides the rounding, is below 2 * D < 2^127.
- A charge, the total of its four components (added once each is known to fit, so below 2^65)
  and every customer's sums (taken in 128 bits: exact up to 2^64 charges) are checked to be at
  most 2^63 - 1 nanocents, 92,233,720 dollars, before anything is published. Types, projects and
  teams are sums of some of a customer's charges, none negative, so at most the customer's.
- A reported quantity, in nano-hours, and every customer's sum of it are checked to be at most
  2^63 - 1 too: 9,223,372,036 unit-hours. The usage is checked before it is multiplied, so that no
  product passes 2^77.
- Sums over customers or hours are Python's integers or 128 bits; JSON has them exactly.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from hourtally.model.components import UNIT_SIZES
from hourtally.model.hours import HOUR_MS

NANOCENTS_PER_CENT = 1_000_000_000
NANOHOURS_PER_HOUR = 1_000_000_000
# Of nanocents and of nano-hours.
MAX_NANOCENTS = MAX_NANOHOURS = 2**63 - 1
# Digits behind the point: nanocents are printed as cents or in units of the currency.
CENTS_DIGITS: Final = 9
CURRENCY_DIGITS: Final = 11
HOURS_DIGITS: Final = 9
# Twice the remainder has to fit in 127 bits beside the sign.
MAX_NUMERATOR = 2**126


def round_half_even(exact: Fraction) -> int:
    """The nearest whole number; of two equally near the even one."""
    return round(exact)


def nanohours_per_unit_ms(quantity: str) -> Fraction:
    """How many nano-hours a millisecond of one of a quantity is: 5/18 for `cpu_millicores`."""
    return Fraction(NANOHOURS_PER_HOUR, UNIT_SIZES[quantity] * HOUR_MS)


def format_decimal(number: int, digits: int) -> str:
    """`number / 10^digits` as a JSON number: exact, no exponent, no trailing zeros."""
    sign = "-" if number < 0 else ""
    whole, rest = divmod(abs(number), 10**digits)
    fraction = f"{rest:0{digits}d}".rstrip("0")
    return f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"


def parse_decimal(text: bytes, digits: int) -> int:
    """The number that `format_decimal` printed, none negative; no float between."""
    whole, _, fraction = text.partition(b".")
    return int(whole + fraction.ljust(digits, b"0"))


def format_cents(nanocents: int) -> str:
    """Cents as a JSON number: exact, no exponent, no trailing zeros, `0` for nothing."""
    return format_decimal(nanocents, CENTS_DIGITS)


def format_currency(nanocents: int) -> str:
    """The same in units of the currency: `0.0125` for 1.25 cents."""
    return format_decimal(nanocents, CURRENCY_DIGITS)


def format_hours(nanohours: int) -> str:
    """A quantity in unit-hours, such as vCPU-hours, as `format_cents` prints a price."""
    return format_decimal(nanohours, HOURS_DIGITS)


def parse_cents(digits: bytes) -> int:
    """The nanocents of a price as `format_cents` prints it, none negative; no float between."""
    return parse_decimal(digits, CENTS_DIGITS)
