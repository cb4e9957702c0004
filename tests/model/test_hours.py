from __future__ import annotations

import pytest

from hourtally.errors import InvalidArgument
from hourtally.model.hours import (
    Hour,
    format_instant,
    hours_between,
    parse_instant_ms,
    parse_instant_ns,
)

# 2026-11-22T13:00:00Z, as `date -u -d 2026-11-22T13:00 +%s` says.
THIRTEEN = 1_795_352_400


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("2026-11-22T13:00:00Z", THIRTEEN * 1_000),
        ("2026-11-22t13:00:00z", THIRTEEN * 1_000),
        ("2026-11-22T13:00:00.1Z", THIRTEEN * 1_000 + 100),
        ("2026-11-22T13:00:00.001Z", THIRTEEN * 1_000 + 1),
        ("2026-11-22T15:30:00+02:30", THIRTEEN * 1_000),
        ("2026-11-22T10:30:00-02:30", THIRTEEN * 1_000),
        ("2026-11-22T13:00:00-00:00", THIRTEEN * 1_000),
        # A leap day: 60 + 59 days after 1 January 1972 it is 29 February.
        ("1972-02-29T00:00:00Z", (2 * 365 + 31 + 28) * 86_400_000),
        ("1969-12-31T23:59:59.999Z", -1),
    ],
)
def test_an_instant_counts_milliseconds_since_1970(text: str, ms: int) -> None:
    assert parse_instant_ms(text) == ms


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-22T13:00:00",
        "2026-11-22 13:00:00Z",
        "2026-11-22T13:00Z",
        "2026-11-22T23:59:60Z",
        "2026-11-22T24:00:00Z",
        "2026-02-29T00:00:00Z",
        "2026-11-22T13:00:00.Z",
        "2026-11-22T13:00:00.0000Z",
        "2026-11-22T13:00:00+24:00",
        "2026-11-22T13:00:00+01:60",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "0000-01-01T00:00:00Z",
        "\uff12026-11-22T13:00:00Z",
        "",
    ],
)
def test_what_is_no_instant_of_millisecond_precision_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_instant_ms(text)


def test_digits_past_nanoseconds_are_cut_off_or_refused() -> None:
    text = "1970-01-01T00:00:00.123456789999Z"
    assert parse_instant_ns(text) == 123_456_789
    with pytest.raises(ValueError, match="more than 9 digits"):
        parse_instant_ns(text, most_digits=9)


@pytest.mark.parametrize(
    ("text", "name"),
    [("-62135596800", "0001-01-01T00"), ("-3600", "1969-12-31T23"), ("0", "1970-01-01T00")],
)
def test_an_hour_may_be_of_any_year_from_1_on(text: str, name: str) -> None:
    assert Hour.parse(text).name == name
    assert Hour.parse(name).timestamp == int(text)


@pytest.mark.parametrize(
    "text",
    [
        *("2026-11-22T13", str(THIRTEEN)),
        *("2026-11-22T13:00:00Z", "2026-11-22t13:00:00.000000000z", "2026-11-22T18:30:00+05:30"),
    ],
)
def test_an_hour_is_its_name_an_instant_or_unix_seconds(text: str) -> None:
    hour = Hour.parse(text)
    assert (hour.timestamp, hour.name) == (THIRTEEN, "2026-11-22T13")
    assert (hour.start_ms, hour.end_ms) == (THIRTEEN * 1_000, (THIRTEEN + 3_600) * 1_000)


def test_a_date_is_its_first_hour() -> None:
    assert Hour.parse("2026-11-22").name == "2026-11-22T00"


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "2026-11",
            "2026-02-30",
            "20261122",
            "22.11.2026",
            "2026-11-22T24",
            "2026-02-30T00",
            "1795352401",
            "1e9",
            "2026-11-22T1",
        ),
        *("2026-11-22t13", " 2026-11-22T13", "\u0661\u0667\u0669\u0665\u0663\u0665\u0662\u0664"),
        *("2026-11-22T13:00", "2026-11-22T13:00:00", "2026-11-22T13:00:00+05:30"),
        *("2026-11-22T13:00:00.000000001Z", "2026-11-22T13:00:01Z", "0000-12-31"),
        # The last hour of the year 0, the first of 10000, and one of 13378.
        *("-62135600400", "253402300800", "360000000000"),
    ],
)
def test_what_is_no_hour_is_wrong_use_and_the_message_names_the_four_forms(text: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        Hour.parse(text)
    for form in ("2026-11-22T13,", "2026-11-22,", "2026-11-22T13:00:00Z", "Unix seconds"):
        assert form in str(refused.value)


def test_the_last_hour_of_9999_is_an_hour_and_its_end_can_be_printed() -> None:
    last = Hour.parse("9999-12-31T23")
    assert Hour.parse(str(last.timestamp)) == last
    assert last.following.name == "10000-01-01T00"
    assert format_instant(last.end_ms + 600_001) == "10000-01-01T00:10:00.001Z"


def test_an_hour_closes_when_its_settle_time_is_over() -> None:
    hour = Hour(THIRTEEN)
    assert not hour.is_closed(hour.end_ms + 599_999, 600_000)
    assert hour.is_closed(hour.end_ms + 600_000, 600_000)


def test_a_range_of_hours_is_half_open() -> None:
    end = Hour(THIRTEEN + 2 * 3_600)
    assert [hour.name for hour in hours_between(Hour(THIRTEEN), end)] == [
        "2026-11-22T13",
        "2026-11-22T14",
    ]


def test_an_instant_containing_hour_is_before_1970_too() -> None:
    assert Hour.containing(-1).name == "1969-12-31T23"


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1, "1970-01-01T00:00:00.001Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
    ],
)
def test_an_instant_is_printed_with_milliseconds_where_it_has_some(ms: int, text: str) -> None:
    assert format_instant(ms) == text
