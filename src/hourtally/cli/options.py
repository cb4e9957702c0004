"""Options that several commands have, and what they stand for."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from hourtally.errors import NotFound, WrongUse
from hourtally.model.hours import Hour, parse_instant_ms

CustomerId = Annotated[str, Parameter(help="Id of the customer, exactly as events have it.")]


@Parameter(name="*")
@dataclass
class HomeOption:
    """Where the data lies."""

    home: Path | None = None
    "Home folder; default: HOURTALLY_HOME, else ./data."

    def open(self) -> Any:
        """The home, which need not exist yet."""
        from hourtally.settings import default_home
        from hourtally.store.layout import Home

        return Home(self.home or default_home())

    def existing(self) -> Any:
        """The home, to be read.

        Raises:
            NotFound: there is no such folder, so that nothing said of it would be true.
        """
        home = self.open()
        if not home.root.is_dir():
            message = (
                f"{home.root}: there is no such home folder; give --home or set HOURTALLY_HOME"
            )
            raise NotFound(message)
        return home


@Parameter(name="*")
@dataclass
class NowOption:
    """What stands for now."""

    now: str | None = None
    "An RFC 3339 instant that stands for the clock."

    def read_ms(self) -> int:
        """Milliseconds since 1970."""
        if self.now is None:
            return time.time_ns() // 1_000_000
        try:
            return parse_instant_ms(self.now)
        except ValueError as error:
            message = f"--now {self.now!r} {error}"
            raise WrongUse(message) from None


@Parameter(name="*")
@dataclass
class BuildOptions:
    """How hours are built."""

    rates: Path | None = None
    "Rate card; default: rates.toml in the home folder."
    settle: float = 10
    "Minutes after an hour's end at which it closes."
    workers: int = 1
    "Processes that build hours."
    export: Path | None = None
    "Folder of one JSON file a customer and hour, to be kept in step."


def minutes_ms(minutes: float) -> int:
    """The milliseconds of a settle time."""
    if not 0 <= minutes <= 60 * 24 * 366:
        message = f"--settle {minutes} is not 0 minutes to a year of them"
        raise WrongUse(message)
    return round(minutes * 60_000)


def hour_range(first: str | None, end: str | None) -> tuple[Hour | None, Hour | None]:
    """The hours of --from and --to."""
    start_hour = None if first is None else Hour.parse(first)
    end_hour = None if end is None else Hour.parse(end)
    if start_hour and end_hour and end_hour <= start_hour:
        message = f"--to {end} is not after --from {first}"
        raise WrongUse(message)
    return start_hour, end_hour
