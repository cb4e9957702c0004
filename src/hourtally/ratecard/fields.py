"""Read and check the fields of one table of a rate card."""

from __future__ import annotations

import datetime as dt
import difflib
import re
from collections.abc import Collection
from fractions import Fraction
from typing import Any

from hourtally.model.hours import parse_instant_ms
from hourtally.ratecard.card import SELECTORS

DEFAULT_MONTH_HOURS = 720
# No real card comes near these limits. They turn a wrong card into a message instead of numbers
# of thousands of digits.
MAX_MONTH_HOURS = 1_000_000
MAX_TEXT_BYTES = 256
MAX_PRICE_LENGTH = 64

_SHOWN_LENGTH = 64
_CURRENCY = re.compile(r"[A-Z]{3}")
_PRICE = re.compile(r"\d+(?:\.\d+)?|\d+/\d+", re.ASCII)
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_PRICE_FORM = 'decimal text in quotes, such as "1200" or "0.5", or a fraction, such as "5/3"'
_INSTANT_FORM = "a date-time with an offset and without quotes, such as 2025-01-01T00:00:00Z"


class Table:
    """One TOML table; its problems are collected under the table's name.

    A wrong or missing field reads as None or as a placeholder: the card is rejected anyway, and
    the rest of it can still be checked.
    """

    def __init__(self, values: dict[str, Any], name: str, problems: list[str]) -> None:
        self.values = values
        self.name = name
        self.problems = problems

    def reject(self, sentence: str) -> None:
        """Record a problem."""
        self.problems.append(f"{self.name}: {sentence}")

    def check_keys(self, known: Collection[str], required: Collection[str]) -> None:
        """Check that every key is known and the required ones are there."""
        for key in self.values:
            if key not in known:
                self.reject(f"unknown key {quoted(key)}{did_you_mean(key, known)}")
        for key in required:
            if key not in self.values:
                self.reject(f"{key} is missing")

    def text(self, key: str) -> str | None:
        """A text of 1 to 256 bytes without control characters."""
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, str):
            self.reject(f"{key} is {got(value)}: write a string")
        elif not value:
            advice = ": leave it out to match everything" if key in SELECTORS else ""
            self.reject(f"{key} is empty{advice}")
        elif _UNPRINTABLE.search(value):
            self.reject(f"{key} has a control character: {quoted(value)}")
        elif len(value.encode()) > MAX_TEXT_BYTES:
            self.reject(f"{key} is longer than {MAX_TEXT_BYTES} bytes: {quoted(value)}")
        else:
            return value
        return None

    def choice(self, key: str, known: Collection[str]) -> str | None:
        """One text of a list."""
        value = self.text(key)
        if value is None or value in known:
            return value
        self.reject(f"unknown {key} {quoted(value)}{did_you_mean(value, known)}")
        return None

    def price_cents(self) -> Fraction:
        """An exact price, 0 or more."""
        value = self.values.get("price_cents", "0")
        if isinstance(value, float):
            self.reject(f"price_cents is a float, which is not exact: write {_PRICE_FORM}")
        elif not isinstance(value, str):
            self.reject(f"price_cents is {got(value)}: write {_PRICE_FORM}")
        elif not value:
            # As in a block that `hourtally run` prints for usage without a rate.
            self.reject(f"price_cents is empty: fill in the price, {_PRICE_FORM}")
        elif len(value) > MAX_PRICE_LENGTH:
            size = f"{len(value)} characters long, at most {MAX_PRICE_LENGTH} are allowed"
            self.reject(f"price_cents is {size}: {quoted(value)}")
        elif value.startswith("-") and _PRICE.fullmatch(value[1:]):
            self.reject(f"price_cents is negative: {quoted(value)}")
        elif not _PRICE.fullmatch(value):
            self.reject(f"price_cents is {quoted(value)}: write {_PRICE_FORM}")
        elif "/" in value and not int(value.partition("/")[2]):
            self.reject(f"price_cents is divided by 0: {quoted(value)}")
        else:
            return Fraction(value)
        return Fraction(0)

    def instant_ms(self, key: str) -> int | None:
        """An instant of millisecond precision at most."""
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, dt.datetime) or value.tzinfo is None:
            self.reject(f"{key} is {got(value)}: write {_INSTANT_FORM}")
            return None
        if value.microsecond % 1_000:
            self.reject(f"{key} is finer than a millisecond: {value.isoformat()}")
            return None
        try:
            return parse_instant_ms(value.isoformat(timespec="milliseconds"))
        except ValueError as error:
            self.reject(f"{key} {error}: {value.isoformat()}")
            return None

    def currency(self) -> str:
        """Three capital letters."""
        value = self.values.get("currency")
        if isinstance(value, str) and _CURRENCY.fullmatch(value):
            return value
        if value is not None:
            self.reject(f'currency is {got(value)}: write three capital letters, such as "USD"')
        return ""

    def month_hours(self) -> int:
        """The length of a month."""
        value = self.values.get("month_hours", DEFAULT_MONTH_HOURS)
        if isinstance(value, bool) or not isinstance(value, int):
            self.reject(f"month_hours is {got(value)}: write a whole number without quotes")
        elif not 1 <= value <= MAX_MONTH_HOURS:
            self.reject(f"month_hours is not from 1 to {MAX_MONTH_HOURS:,}")
        else:
            return value
        return DEFAULT_MONTH_HOURS


def is_selectable(value: str) -> bool:
    """Whether a card may have this text as a selector."""
    return 0 < len(value.encode()) <= MAX_TEXT_BYTES and not _UNPRINTABLE.search(value)


def did_you_mean(word: str, known: Collection[str]) -> str:
    """The known word closest to a wrong one, as the end of a sentence."""
    nearest = difflib.get_close_matches(word, known, n=1)
    return f", did you mean {nearest[0]!r}?" if nearest else f"; known: {', '.join(known)}"


def quoted(text: str) -> str:
    """A text quoted for one line of a message, cut off if it is long."""
    return repr(text) if len(text) <= _SHOWN_LENGTH else f"{text[:_SHOWN_LENGTH]!r}…"


def got(value: object) -> str:
    """What the card has instead: a string is quoted, anything else is named by its type.

    Numbers and tables are not quoted: they may be too long or too deep to print.
    """
    match value:
        case str():
            return quoted(value)
        case bool():
            return "a boolean"
        case int():
            return "an integer"
        case float():
            return "a float"
        case dt.datetime() if value.tzinfo is None:
            return "a date-time without an offset"
        case dt.datetime():
            return "a date-time"
        case dt.date():
            return "a date without a time of day"
        case dt.time():
            return "a time without a date"
        case list():
            return "an array"
        case _:
            return "a table"
