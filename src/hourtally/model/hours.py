"""The Hour value and instants: the only date arithmetic there is. Half-open, UTC.

An instant is an integer count of milliseconds since 1970-01-01T00:00:00Z, `*_ms`; an
event's `time`, which only orders conflicts, is counted in microseconds, `*_us`.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from hourtally.errors import InvalidArgument

HOUR_SECONDS = 3_600
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_FIRST_SECOND = (dt.datetime(1, 1, 1, tzinfo=dt.UTC) - _EPOCH).days * 86_400
_END_SECOND = (dt.datetime(9999, 12, 31, tzinfo=dt.UTC) - _EPOCH).days * 86_400 + 86_400
_NAME = re.compile(r"(\d{4})-(\d{2})-(\d{2})T(\d{2})", re.ASCII)
# RFC 3339, section 5.6; "T" and "Z" may be lower case there. 23:59:60 is refused: POSIX
# time, in which everything here is counted, has no such second.
_INSTANT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))",
    re.ASCII,
)


def parse_instant_us(text: str) -> int:
    """Microseconds since 1970 of an RFC 3339 instant; digits past microseconds are cut off.

    Raises:
        ValueError: not of that form, no such date or time of day, or no offset.
    """
    match = _INSTANT.fullmatch(text)
    if match is None:
        message = "is not an RFC 3339 instant with an offset, such as 2026-11-22T13:00:00Z"
        raise ValueError(message)
    year, month, day, hour, minute, second = (int(group) for group in match.groups()[:6])
    fraction, sign, offset_hours, offset_minutes = match.groups()[6:]
    local_seconds = _seconds_of(year, month, day, hour, minute, second)
    microseconds = int((fraction or "0").ljust(6, "0")[:6])
    offset_seconds = 0
    if sign:
        if int(offset_hours) > 23 or int(offset_minutes) > 59:
            message = "has an offset from UTC beyond 23:59"
            raise ValueError(message)
        offset_seconds = int(offset_hours) * 3_600 + int(offset_minutes) * 60
        if sign == "-":
            offset_seconds = -offset_seconds
    whole_seconds = local_seconds - offset_seconds
    check_year(whole_seconds * 1_000)
    return whole_seconds * 1_000_000 + microseconds


def check_year(instant_ms: int) -> None:
    """Refuse an instant that has no four-digit year.

    Raises:
        ValueError: it lies outside the years 0001 to 9999 in UTC.
    """
    if not _FIRST_SECOND <= instant_ms // 1_000 < _END_SECOND:
        message = "lies outside the years 0001 to 9999 in UTC"
        raise ValueError(message)


def parse_instant_ms(text: str) -> int:
    """Milliseconds since 1970 of an RFC 3339 instant of millisecond precision at most.

    Raises:
        ValueError: as `parse_instant_us`, or more than three digits of a second.
    """
    match = _INSTANT.fullmatch(text)
    if match is not None and len(match[7] or "") > 3:
        message = "is finer than a millisecond"
        raise ValueError(message)
    return parse_instant_us(text) // 1_000


def format_instant(instant_ms: int) -> str:
    """RFC 3339 in UTC, with milliseconds only where there are any."""
    moment = _EPOCH + dt.timedelta(milliseconds=instant_ms)
    digits = f".{instant_ms % 1_000:03d}" if instant_ms % 1_000 else ""
    return moment.isoformat()[:19] + digits + "Z"


@dataclass(frozen=True, order=True)
class Hour:
    """One UTC hour, half-open `[start, start + 1 h)`, by its start in Unix seconds."""

    timestamp: int

    def __post_init__(self) -> None:
        """Reject a timestamp that is not the start of an hour."""
        if self.timestamp % HOUR_SECONDS:
            message = f"{self.timestamp} is not the start of a UTC hour (a multiple of 3600)"
            raise InvalidArgument(message)

    @classmethod
    def parse(cls, text: str) -> Hour:
        """An hour from `2026-11-22T13` or from Unix seconds.

        Raises:
            InvalidArgument: neither of the two, not a whole hour, or outside the years 0001 to
                9998: the instant at which it closes must have a four-digit year as well.
        """
        try:
            hour = cls(_timestamp_of(text))
            check_year(hour.start_ms)
            check_year(hour.end_ms + 366 * DAY_MS)
        except ValueError:
            message = f"{text!r} is not an hour: use 2026-11-22T13 (UTC) or Unix seconds"
            raise InvalidArgument(message) from None
        return hour

    @classmethod
    def containing(cls, instant_ms: int) -> Hour:
        """The hour in which an instant lies."""
        return cls(instant_ms // HOUR_MS * HOUR_SECONDS)

    @cached_property
    def name(self) -> str:
        """`2026-11-22T13`."""
        return format_instant(self.start_ms)[:13]

    @property
    def start_ms(self) -> int:
        """First millisecond, inclusive."""
        return self.timestamp * 1_000

    @property
    def end_ms(self) -> int:
        """First millisecond after it, exclusive."""
        return self.start_ms + HOUR_MS

    @property
    def following(self) -> Hour:
        """The hour after it."""
        return Hour(self.timestamp + HOUR_SECONDS)

    def is_closed(self, now_ms: int, settle_ms: int) -> bool:
        """Whether the hour's end and the settle time after it have passed."""
        return now_ms >= self.end_ms + settle_ms

    def __str__(self) -> str:
        """The name."""
        return self.name


def _timestamp_of(text: str) -> int:
    if re.fullmatch(r"-?\d{1,12}", text, re.ASCII):
        return int(text)
    match = _NAME.fullmatch(text)
    if match is None:
        raise ValueError(text)
    year, month, day, hour = (int(group) for group in match.groups())
    return _seconds_of(year, month, day, hour)


def _seconds_of(
    year: int, month: int, day: int, hour: int, minute: int = 0, second: int = 0
) -> int:
    """Unix seconds of a date and time of day in UTC."""
    elapsed = dt.datetime(year, month, day, hour, minute, second, tzinfo=dt.UTC) - _EPOCH
    return elapsed.days * 86_400 + elapsed.seconds


def hours_between(first: Hour, end: Hour) -> Iterator[Hour]:
    """The hours of `[first, end)`, in order."""
    for timestamp in range(first.timestamp, end.timestamp, HOUR_SECONDS):
        yield Hour(timestamp)


@dataclass(frozen=True)
class HourRange:
    """Hours `[first, end)`; without `first` or `end` there is no bound on that side."""

    first: Hour | None = None
    end: Hour | None = None

    def __contains__(self, hour: Hour) -> bool:
        """Whether the hour lies within the bounds."""
        return (self.first is None or hour >= self.first) and (self.end is None or hour < self.end)


ALL_HOURS: Final = HourRange()
