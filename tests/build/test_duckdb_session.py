"""The DuckDB that a thread keeps: no hour finds anything of the one before it."""

from __future__ import annotations

import threading
from pathlib import Path

import duckdb
import pytest

from hourtally.build.duckdb_session import connected
from hourtally.runtime.interrupts import Stop
from hourtally.settings import Settings

SETTINGS = Settings(threads=1, memory_mib=64)
# 500,000 rows of 200 bytes, which 64 MiB do not hold while they are sorted.
LARGE = """
    SELECT i, repeat(chr((97 + i % 26)::INTEGER), 200) AS t
    FROM range(500_000) AS r(i)
    ORDER BY t, i
"""


def test_what_one_hour_registers_is_unknown_to_the_next(tmp_path: Path) -> None:
    with connected(tmp_path / "a", SETTINGS, Stop()) as connection:
        connection.execute("CREATE TEMP TABLE suspects AS SELECT 1 AS identity")
    with (
        connected(tmp_path / "b", SETTINGS, Stop()) as connection,
        pytest.raises(duckdb.CatalogException, match="suspects"),
    ):
        connection.sql("SELECT * FROM suspects")


def test_each_hour_spills_into_its_own_folder_which_is_removed(tmp_path: Path) -> None:
    for name in ("one", "it's another"):
        with connected(tmp_path / name, SETTINGS, Stop()) as connection:
            connection.execute(LARGE)
            assert (tmp_path / name).is_dir()
        assert list(tmp_path.iterdir()) == []


def test_other_settings_are_those_of_the_hour_that_asks_for_them(tmp_path: Path) -> None:
    for threads in (1, 2, 1):
        with connected(tmp_path / "spill", Settings(threads=threads), Stop()) as connection:
            assert connection.sql("SELECT current_setting('threads')").fetchall() == [(threads,)]


def test_an_hour_that_failed_leaves_nothing_to_the_next(tmp_path: Path) -> None:
    def fail() -> None:
        with connected(tmp_path / "a", SETTINGS, Stop()) as connection:
            connection.execute("SELECT list(repeat(i::VARCHAR, 3_000)) FROM range(50_000) AS r(i)")

    with pytest.raises(duckdb.OutOfMemoryException):
        fail()
    assert list(tmp_path.iterdir()) == []
    with connected(tmp_path / "b", SETTINGS, Stop()) as connection:
        assert connection.sql("SELECT 1").fetchall() == [(1,)]


@pytest.mark.parametrize("threads", [1, 2])
def test_a_query_that_goes_on_ends_when_its_hour_is_abandoned(tmp_path: Path, threads: int) -> None:
    stop = Stop()
    threading.Timer(0.3, stop.abort).start()
    long = "SELECT count(*) FROM range(3_000_000_000) AS t(n) WHERE n % 7 = sqrt(n)"
    with (
        pytest.raises(KeyboardInterrupt) as told,
        connected(tmp_path / "a", Settings(threads=threads), stop) as connection,
    ):
        connection.execute(long)
    assert isinstance(told.value.__cause__, duckdb.InterruptException)
    with pytest.raises(KeyboardInterrupt):
        stop.check()
