"""The DuckDB that builds work with: one a thread, kept from hour to hour.

To open one takes 13 ms of a core, as much as the rest of metering does for 20,000 slices.
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

_of_this_thread: Final = threading.local()


@contextlib.contextmanager
def connected(spill: Path, settings: Settings, stop: Stop) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB of bounded memory that spills to this folder, which is removed afterwards.

    What is registered with the connection goes with it. The database itself stays for the next
    hour, unless it has spilled, which binds it to that folder, or the work failed.

    Raises:
        KeyboardInterrupt: the work is abandoned by `stop`.
    """
    with contextlib.ExitStack() as stack:
        stack.callback(durable.remove_folder, spill)
        database = stack.enter_context(_taken(settings))
        with database.cursor() as connection, _abandoned_by(stop, connection):
            connection.execute(f"SET temp_directory = {literal(str(spill))}")
            yield connection
        if not spill.exists():
            _of_this_thread.kept = (settings, database)
            stack.pop_all()


@contextlib.contextmanager
def _abandoned_by(stop: Stop, connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    def interrupt() -> None:
        # Where another thread works with it, it may be closed by now.
        with contextlib.suppress(duckdb.ConnectionException):
            connection.interrupt()

    with stop.ending(interrupt):
        try:
            yield
        except duckdb.InterruptException as error:
            raise KeyboardInterrupt from error


def _taken(settings: Settings) -> duckdb.DuckDBPyConnection:
    """The database of this thread if it has these settings, else a new one; it is not kept."""
    of_settings: Settings | None
    database: duckdb.DuckDBPyConnection
    of_settings, database = vars(_of_this_thread).pop("kept", (None, None))
    if of_settings == settings:
        return database
    if of_settings is not None:
        database.close()
    return duckdb.connect(
        config={
            "threads": settings.threads,
            "memory_limit": f"{settings.memory_mib}MiB",
            "preserve_insertion_order": False,
            # Files are read once each; what it would keep of them is of no use to another hour.
            "enable_external_file_cache": False,
        }
    )
