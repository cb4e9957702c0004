"""The DuckDB database of a build: one per thread, reused from hour to hour.

Opening one takes 13 ms of CPU, as much as the rest of metering takes for 20,000 slices.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import duckdb

from hourtally.runtime.interrupts import Stop
from hourtally.runtime.sql_text import literal
from hourtally.settings import Settings
from hourtally.store import durable

_thread: Final = threading.local()


@contextlib.contextmanager
def connected(spill: Path, settings: Settings, stop: Stop) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to a DuckDB of bounded memory, which spills to the folder `spill`.

    The folder is removed afterwards, and so is what was registered with the connection. The
    database is reused for the next hour unless it has spilled, which binds it to the folder, or
    the work failed.

    Raises:
        KeyboardInterrupt: `stop` aborted the work.
    """
    with contextlib.ExitStack() as stack:
        stack.callback(durable.remove_folder, spill)
        database = stack.enter_context(_take_database(settings))
        with database.cursor() as connection, _interrupted_by(stop, connection):
            connection.execute(f"SET temp_directory = {literal(str(spill))}")
            yield connection
        if not spill.exists():
            _thread.cached = (settings, database)
            stack.pop_all()


@contextlib.contextmanager
def _interrupted_by(stop: Stop, connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    def interrupt() -> None:
        # The thread that works with it may have closed it by now.
        with contextlib.suppress(duckdb.ConnectionException):
            connection.interrupt()

    with stop.interrupting(interrupt):
        try:
            yield
        except duckdb.InterruptException as error:
            raise KeyboardInterrupt from error


def _take_database(settings: Settings) -> duckdb.DuckDBPyConnection:
    """This thread's database if it has these settings, else a new one; out of the cache."""
    cached_settings: Settings | None
    database: duckdb.DuckDBPyConnection
    cached_settings, database = vars(_thread).pop("cached", (None, None))
    if cached_settings == settings:
        return database
    if cached_settings is not None:
        database.close()
    return duckdb.connect(
        config={
            "threads": settings.threads,
            "memory_limit": f"{settings.memory_mib}MiB",
            "preserve_insertion_order": False,
            # Each file is read once: a cache of them is of no use to another hour.
            "enable_external_file_cache": False,
        }
    )
