"""When a client is too slow, in seconds of a clock that stands still."""

from __future__ import annotations

import pytest

from hourtally.server.slow_clients import Pace


def test_a_request_is_late_ten_seconds_after_the_connection_or_the_last_response() -> None:
    pace = Pace(100.0)

    assert [pace.is_late(now) for now in (100.0, 110.0, 110.1)] == [False, False, True]
    pace.responded(120.0)
    assert [pace.is_late(now) for now in (130.0, 130.1)] == [False, True]


@pytest.mark.parametrize(
    ("unsent_after_ten_seconds", "is_slow"), [(89_760, False), (89_761, True), (200_000, True)]
)
def test_a_client_reads_ten_kibibytes_in_ten_seconds(
    unsent_after_ten_seconds: int, is_slow: bool
) -> None:
    pace = Pace(0.0)

    # 100,000 - 10,240 = 89,760
    assert not pace.reads_slowly(0.0, 100_000)
    assert not pace.reads_slowly(9.9, 100_000)
    assert pace.reads_slowly(10.0, unsent_after_ten_seconds) == is_slow


def test_each_period_counts_by_itself() -> None:
    pace = Pace(0.0)

    assert not pace.reads_slowly(0.0, 100_000)
    assert not pace.reads_slowly(10.0, 50_000)
    assert pace.reads_slowly(20.0, 49_999)


def test_a_client_that_reads_for_long_has_ten_seconds_for_its_next_request() -> None:
    pace = Pace(0.0)
    pace.responded(0.0)
    for second in range(60):
        assert not pace.reads_slowly(float(second), 1_000_000 - second * 10_240)

    assert not pace.reads_slowly(60.0, 0)
    assert [pace.is_late(now) for now in (69.0, 69.1)] == [False, True]
