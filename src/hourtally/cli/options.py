"""Options that several commands share, and what they resolve to."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter, Token

from hourtally.errors import InvalidArgument, NotFound
from hourtally.model.hours import Hour, parse_instant_ms

# Homes of commands that tell their requests at the end.
told_of: list[Any] = []


def read_id(_: Any, tokens: Sequence[Token]) -> str:
    """An id.

    Raises:
        InvalidArgument: it is empty, as of a shell variable that is not set; no id is.
    """
    if not tokens[0].value:
        message = f"{tokens[0].keyword} is empty: give an id, exactly as in the events"
        raise InvalidArgument(message)
    return tokens[0].value


Id = Annotated[str, Parameter(converter=read_id)]
CustomerId = Annotated[
    str, Parameter(converter=read_id, help="Id of the customer, exactly as in its events.")
]


def read_place(_: Any, tokens: Sequence[Token]) -> Path:
    """The path of what a token names by a path or a URL."""
    from hourtally.store.places import path_at

    return path_at(tokens[0].value)


Place = Annotated[Path, Parameter(converter=read_place)]
"""A file or a folder, by its path or URL."""


def read_local_file(_: Any, tokens: Sequence[Token]) -> Path:
    """The path of a file that cannot be in an object store.

    Raises:
        InvalidArgument: it is a URL.
    """
    place = tokens[0].value
    if "://" in place:
        message = f"{tokens[0].keyword} {place}: give the path of a local file, not a URL"
        raise InvalidArgument(message)
    return Path(place)


LocalFile = Annotated[Path, Parameter(converter=read_local_file)]
"""A file on this machine, by its path."""


@Parameter(name="*")
@dataclass
class HomeOption:
    """The home folder."""

    home: str | None = None
    "Home folder or URL; default: HOURTALLY_HOME, else ./data."
    verbose: Annotated[bool, Parameter(negative="")] = False
    "Say on standard error how many requests were made to an object store."

    def open(self) -> Any:
        """The home folder, which may not exist yet."""
        from hourtally.settings import default_home
        from hourtally.store.layout import Home

        home = Home.at(self.home or default_home())
        if self.verbose:
            told_of.append(home)
        return home

    def existing(self) -> Any:
        """The home folder, for commands that only read it.

        Raises:
            NotFound: there is no such folder.
        """
        from hourtally.store.durable import has_folders

        home = self.open()
        # In an object store a home begins with its first object, and looking takes a request.
        if has_folders(home.root) and not home.root.is_dir():
            message = f"{home.root}: no such home folder; give --home or set HOURTALLY_HOME"
            raise NotFound(message)
        return home


@Parameter(name="*")
@dataclass
class NowOption:
    """The time that the command runs at."""

    now: str | None = None
    "Pretend it is this time (RFC 3339), such as 2026-11-22T14:15:00Z."

    def read_ms(self) -> int:
        """The time in milliseconds since 1970; the clock if --now is not given."""
        if self.now is None:
            return time.time_ns() // 1_000_000
        try:
            return parse_instant_ms(self.now)
        except ValueError as error:
            message = f"--now {self.now!r} {error}"
            raise InvalidArgument(message) from None


@Parameter(name="*")
@dataclass
class BuildOptions:
    """How to build hours."""

    rates: Place | None = None
    "Rate card; default: rates.toml in the home folder."
    settle: float = 10
    "Minutes after its end at which an hour closes."
    workers: int = 1
    "Number of processes that build hours."
    export: Place | None = None
    "Export to update after the build: a folder or URL of JSON files."


def minutes_ms(minutes: float) -> int:
    """The milliseconds of --settle.

    Raises:
        InvalidArgument: it is negative or longer than a year.
    """
    if not 0 <= minutes <= 60 * 24 * 366:
        message = f"--settle {minutes} is not between 0 and 527040 minutes (366 days)"
        raise InvalidArgument(message)
    return round(minutes * 60_000)


def hour_range(first: str | None, end: str | None) -> tuple[Hour | None, Hour | None]:
    """The hours of --from and --to.

    Raises:
        InvalidArgument: one of them is not an hour, or --to is not after --from.
    """
    start_hour = None if first is None else Hour.parse(first)
    end_hour = None if end is None else Hour.parse(end)
    if start_hour and end_hour and end_hour <= start_hour:
        message = f"--to {end} is not after --from {first}"
        raise InvalidArgument(message)
    return start_hour, end_hour
