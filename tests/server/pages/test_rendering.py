"""Shares, bars and shades: whole numbers to the last digit, however large."""

from __future__ import annotations

import pytest

from hourtally.model.hours import Hour
from hourtally.server.pages.heat_map import HourCell, heat_map
from hourtally.server.pages.rendering import share, signed_cents, stacked
from hourtally.server.pages.sessions import SESSION_SECONDS, Sessions

NINE = Hour.parse("2026-11-22T09")


@pytest.mark.parametrize(
    ("part", "whole", "expected"),
    [
        (1, 3, "33.3 %"),
        (2, 3, "66.7 %"),
        (0, 5, "0.0 %"),
        (5, 5, "100.0 %"),
        # Half a tenth goes to the even one: 0.05 to 0.0, 0.15 to 0.2.
        (1, 2_000, "0.0 %"),
        (3, 2_000, "0.2 %"),
        # Binary floats would have it all.
        (10**30 - 1, 10**30, "100.0 %"),
        (0, 0, "-"),
    ],
)
def test_a_share_has_one_digit_half_to_even(part: int, whole: int, expected: str) -> None:
    assert share(part, whole) == expected


def test_the_parts_of_a_bar_follow_one_another_to_its_end() -> None:
    parts = list(stacked([("a", 1), ("b", 1), ("c", 1)], 3))

    assert parts == [("0.000%", "33.333%"), ("33.333%", "33.333%"), ("66.666%", "33.334%")]
    assert list(stacked([("a", 0)], 0)) == [("0.000%", "0.000%")]


def test_a_difference_has_its_sign() -> None:
    assert [signed_cents(n * 10**9) for n in (1, 0, -1)] == ["+1", "0", "-1"]


def test_what_costs_anything_is_shaded_and_the_dearest_hour_darkest() -> None:
    cells = [
        HourCell(Hour(NINE.timestamp + number * 3_600), "current", nanocents=nanocents)
        for number, nanocents in enumerate((0, 1, 10**17, 5 * 10**17))
    ]
    [row] = heat_map(cells, lambda hour: f"/hours/{hour}").rows

    shades = [part[:6] for part in str(row.cells).split('class="')[1:]]
    assert shades == ["shade0", "shade1", "shade1", "shade5"]
    assert row.bar == "100.0%"
    # 9 of 24: 37.5 %.
    assert 'x="37.500%"' in row.cells


def test_an_address_in_the_map_cannot_end_its_attribute() -> None:
    [row] = heat_map([HourCell(NINE, "open")], lambda _: '/"><script>').rows

    assert "<script>" not in row.cells


def test_sessions_end_and_are_kept_by_digests_of_their_keys() -> None:
    now = 0.0
    sessions = Sessions(lambda: now)
    key = sessions.sign_in(b"token")

    assert sessions.token_of(key) == b"token"
    assert sessions.token_of(key + "x") is None
    assert key not in repr(vars(sessions))
    now = float(SESSION_SECONDS)
    assert sessions.token_of(key) is None
    assert sessions.form_token(key) != Sessions(lambda: 0).form_token(key)


def test_signing_in_over_and_over_ends_own_sessions_only() -> None:
    sessions = Sessions(lambda: 0)
    other, *own = [sessions.sign_in(b"other"), *(sessions.sign_in(b"own") for _ in range(102))]

    assert sessions.token_of(other) == b"other"
    assert [sessions.token_of(key) for key in own] == [None] * 2 + [b"own"] * 100
    sessions.sign_out(own[2])
    assert sessions.token_of(sessions.sign_in(b"own")) == sessions.token_of(own[3]) == b"own"
