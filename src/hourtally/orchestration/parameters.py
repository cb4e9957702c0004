"""The parameters of the flows: what a person types into a form or a deployment file."""

from __future__ import annotations

import time
from typing import Annotated, Final

from pydantic import Field

from hourtally.errors import InvalidArgument
from hourtally.jobs.job import Job
from hourtally.model.hours import parse_instant_ms
from hourtally.settings import DEFAULT_SETTLE_MS, default_home, usable_cores
from hourtally.store.layout import Home
from hourtally.store.places import path_at

Minutes = Annotated[float, Field(ge=0, le=366 * 24 * 60)]
Count = Annotated[int, Field(ge=1)]
DEFAULT_SETTLE_MINUTES: Final = DEFAULT_SETTLE_MS / 60_000


def resolve_parameters(
    home: str | None,
    rates: str | None,
    now: str | None,
    export: str | None,
    inbox: str | None = None,
) -> Job:
    """A job with its defaults: of this machine and this moment where a parameter is None.

    Raises:
        InvalidArgument: `now` is not an instant.
    """
    try:
        now_ms = time.time_ns() // 1_000_000 if now is None else parse_instant_ms(now)
    except ValueError as error:
        message = f"now {now!r} {error}"
        raise InvalidArgument(message) from error
    place = Home.at(home or default_home())
    folder = Home(place.root.absolute())
    return Job(
        home=folder,
        rates=path_at(rates).absolute() if rates else folder.rates,
        now_ms=now_ms,
        is_now_given=now is not None,
        threads=usable_cores(),
        export=path_at(export).absolute() if export else None,
        inbox=path_at(inbox).absolute() if inbox else None,
    )
