"""The instants of events: RFC 3339 texts, or counts from typed columns; floored, never rounded.

`start` and `end` are floored to the millisecond before any rule, so that adjacent intervals stay
adjacent; `time` is compared to the microsecond.
"""

from __future__ import annotations

from typing import Any, Final

from hourtally.events.recognised import name_instant
from hourtally.events.strict_json import RuleViolation, quoted
from hourtally.model.hours import DAY_MS, check_year, format_instant, parse_instant_ns

MAX_INTERVAL_MS: Final = 31 * DAY_MS
# Years 1970 to 9999 in UTC.
END_OF_TIME_MS: Final = 253_402_300_800_000
# Year 1 is the zero time of Go, which its SDKs write for an absent time.
ZERO_TIME_US: Final = -62_135_596_800_000_000
_MOST_DIGITS: Final = 9
_NS_PER_MS: Final = 1_000_000
_NS_PER_US: Final = 1_000


class ColumnInstant(int):
    """Nanoseconds since 1970, from a typed column."""


def check_instant_type(name: str, value: object) -> None:
    """Refuse an instant that is neither a text nor from a typed column; null is absent.

    Raises:
        RuleViolation: bad_type.
    """
    if value is not None and not isinstance(value, str | ColumnInstant):
        recognised = name_instant(value)
        hint = f": {recognised}" if recognised else ""
        message = f"{name} must be a string, but is {quoted(value)}{hint}"
        raise RuleViolation("bad_type", message)


class Interval:
    """`start` and `end` of an event, in nanoseconds and floored to milliseconds.

    Raises:
        RuleViolation: bad_timestamp.
    """

    def __init__(self, start: Any, end: Any) -> None:
        self._start_ns = _parse("start", start)
        self._end_ns = _parse("end", end)
        self.start_ms = self._start_ns // _NS_PER_MS
        self.end_ms = self._end_ns // _NS_PER_MS

    def check(self) -> None:
        """Check that it is not empty and not too long.

        Raises:
            RuleViolation: ends_before_start, interval_too_long.
        """
        length_ms = self.end_ms - self.start_ms
        if length_ms <= 0:
            raise RuleViolation("ends_before_start", self._why_empty())
        if length_ms > MAX_INTERVAL_MS:
            message = f"start and end are {length_ms} ms apart; the limit is 31 days"
            raise RuleViolation("interval_too_long", message)

    def _why_empty(self) -> str:
        start, end = format_instant(self.start_ms), format_instant(self.end_ms)
        if start == end and self._start_ns < self._end_ns:
            return f"start and end are both {start} once floored to the millisecond"
        return f"start ({start}) is not before end ({end})"


def parse_time_us(time: Any) -> int | None:
    """Microseconds since 1970 of an event's `time`; None for an absent one.

    Raises:
        RuleViolation: bad_timestamp.
    """
    if time is None:
        return None
    time_us = _parse_ns("time", time, None) // _NS_PER_US
    return None if time_us == ZERO_TIME_US else time_us


def _parse(name: str, value: Any) -> int:
    instant_ns = _parse_ns(name, value, _MOST_DIGITS)
    if not 0 <= instant_ns < END_OF_TIME_MS * _NS_PER_MS:
        message = f"{name} {quoted(value)} lies outside the years 1970 to 9999 in UTC"
        raise RuleViolation("bad_timestamp", message)
    return instant_ns


def _parse_ns(name: str, value: Any, most_digits: int | None) -> int:
    try:
        if isinstance(value, ColumnInstant):
            check_year(value // _NS_PER_MS)
            return int(value)
        return parse_instant_ns(value, most_digits)
    except ValueError as error:
        reason = name_instant(value) or error
        raise RuleViolation("bad_timestamp", f"{name} {quoted(value)}: {reason}") from None
