"""The Hour value and instants: the only date arithmetic there is. Half-open, UTC.

An instant is an integer count of milliseconds since 1970-01-01T00:00:00Z, `*_ms`; an
event's `time`, which only orders conflicts, is counted in microseconds, `*_us`.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal, NamedTuple

from hourtally.errors import InvalidArgument

Granularity = Literal["hour", "day", "month", "total"]
"""How long a period is for which hours are added up; days and months are UTC."""

HOUR_SECONDS = 3_600
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_FIRST_SECOND = (dt.datetime(1, 1, 1, tzinfo=dt.UTC) - _EPOCH).days * 86_400
_END_SECOND = (dt.datetime(9999, 12, 31, tzinfo=dt.UTC) - _EPOCH).days * 86_400 + 86_400
# The hour may be left out: a date stands for its first hour.
_NAME = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?:T(\d{2}))?", re.ASCII)
_UNIX_SECONDS = re.compile(r"-?\d{1,12}", re.ASCII)
# The calendar repeats after 400 years, so years past 9999 can be printed by those before them.
_FOUR_CENTURIES_MS = 146_097 * DAY_MS
HOUR_FORMS: Final = "2026-11-22T13, 2026-11-22, 2026-11-22T13:00:00Z or Unix seconds"
"""The forms in which an hour is given, for messages and help; the first two are UTC."""
# RFC 3339, section 5.6; "T" and "Z" may be lower case there. 23:59:60 is refused: POSIX
# time, in which everything here is counted, has no such second.
_INSTANT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))",
    re.ASCII,
)


def parse_instant_ns(text: str, most_digits: int | None = None) -> int:
    """Nanoseconds since 1970 of an RFC 3339 instant; digits past nanoseconds are cut off.

    Args:
        text: the instant.
        most_digits: how many digits of a second it may have; None for any number.

    Raises:
        ValueError: not of that form, no such date or time of day, or no offset.
    """
    match = _INSTANT.fullmatch(text)
    if match is None:
        message = "is not an RFC 3339 instant with an offset, such as 2026-11-22T13:00:00Z"
        raise ValueError(message)
    year, month, day, hour, minute, second = (int(group) for group in match.groups()[:6])
    fraction, sign, offset_hours, offset_minutes = match.groups()[6:]
    if most_digits is not None and len(fraction or "") > most_digits:
        message = f"has more than {most_digits} digits after the second"
        raise ValueError(message)
    local_seconds = _seconds_of(year, month, day, hour, minute, second)
    nanoseconds = int((fraction or "0").ljust(9, "0")[:9])
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
    return whole_seconds * 1_000_000_000 + nanoseconds


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
        ValueError: as `parse_instant_ns`, or more than three digits of a second.
    """
    return parse_instant_ns(text, most_digits=3) // 1_000_000


def format_instant(instant_ms: int) -> str:
    """RFC 3339 in UTC, with milliseconds only where there are any.

    The last hour of 9999 ends, and closes, in a year of five digits, which RFC 3339 lacks.
    """
    if instant_ms >= _END_SECOND * 1_000:
        text = format_instant(instant_ms - _FOUR_CENTURIES_MS)
        return f"{int(text[:4]) + 400}{text[4:]}"
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
        """An hour from any of `HOUR_FORMS`.

        Raises:
            InvalidArgument: none of them, not a whole hour, or outside the years 0001 to 9999.
        """
        try:
            timestamp = _timestamp_of(text)
            check_year(timestamp * 1_000)
        except ValueError:
            message = f"{text!r} is not an hour: use {HOUR_FORMS}"
            raise InvalidArgument(message) from None
        if timestamp % HOUR_SECONDS:
            message = f"{text!r} is not the start of an hour: use {HOUR_FORMS}"
            raise InvalidArgument(message)
        return cls(timestamp)

    @classmethod
    def containing(cls, instant_ms: int) -> Hour:
        """The hour in which an instant lies."""
        return cls(instant_ms // HOUR_MS * HOUR_SECONDS)

    @cached_property
    def name(self) -> str:
        """`2026-11-22T13`."""
        return format_instant(self.start_ms).removesuffix(":00:00Z")

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
    """Unix seconds of any of `HOUR_FORMS`.

    Raises:
        ValueError: none of them, or an instant between two seconds.
    """
    match = _NAME.fullmatch(text)
    if match is not None:
        year, month, day, hour = (int(group or 0) for group in match.groups())
        return _seconds_of(year, month, day, hour)
    if _UNIX_SECONDS.fullmatch(text):
        return int(text)
    instant = _INSTANT.fullmatch(text)
    if instant is not None and (instant[7] or "").strip("0"):
        raise ValueError(text)
    return parse_instant_ns(text) // 1_000_000_000


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


class HourRun(NamedTuple):
    """Hours in a row of which one thing is to be said. last: the last of them, inclusive."""

    first: Hour
    last: Hour
    hours: int
    what: str

    def __str__(self) -> str:
        """`2026-11-22T13`, or the first and the last with their number."""
        if self.hours == 1:
            return self.first.name
        return f"{self.first} to {self.last} ({self.hours} hours)"


def runs_of_hours(hours: Iterable[tuple[Hour, str]]) -> list[HourRun]:
    """Hours, in order and each with what is to be said of it, as runs without a break."""
    runs: list[HourRun] = []
    for hour, what in hours:
        if runs and runs[-1].what == what and runs[-1].last.following == hour:
            run = runs.pop()
            runs.append(run._replace(last=hour, hours=run.hours + 1))
        else:
            runs.append(HourRun(hour, hour, 1, what))
    return runs
