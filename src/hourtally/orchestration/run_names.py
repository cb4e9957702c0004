"""Names of flow runs: they say which hours a run is about."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Final

from prefect.context import FlowRunContext

from hourtally.errors import InvalidArgument
from hourtally.model.hours import Hour, parse_instant_ms
from hourtally.model.printable import printable
from hourtally.orchestration.parameters import DEFAULT_SETTLE_MINUTES

_HOUR_MINUTES: Final = 60


def name_hourly_run() -> str:
    """`up to 2026-11-22T13`: the newest hour that is closed when the run starts."""
    parameters = _parameters()
    try:
        now = parameters.get("now")
        now_ms = time.time_ns() // 1_000_000 if now is None else parse_instant_ms(str(now))
    except ValueError:
        # The run itself says what is wrong with it.
        return f"up to {printable(str(parameters['now']))}"
    settle_minutes = parameters.get("settle_minutes", DEFAULT_SETTLE_MINUTES)
    closed_ms = now_ms - round((settle_minutes + _HOUR_MINUTES) * 60_000)
    return f"up to {Hour.containing(closed_ms)}"


def name_backfill_run() -> str:
    """`2026-11-01T00 to 2026-12-01T00`, with `, forced` if all hours are built."""
    parameters = _parameters()
    name = f"{_hour(parameters.get('from_'))} to {_hour(parameters.get('to'))}"
    return f"{name}, forced" if parameters.get("force") else name


def name_preview_run() -> str:
    """`new.toml, 2026-11-01T00 to 2026-12-01T00`."""
    parameters = _parameters()
    card = printable(Path(str(parameters.get("card"))).name)
    return f"{card}, {_hour(parameters.get('from_'))} to {_hour(parameters.get('to'))}"


def _parameters() -> dict[str, Any]:
    context = FlowRunContext.get()
    return {} if context is None else context.parameters or {}


def _hour(text: Any) -> str:
    """An hour in whichever form it was given."""
    try:
        return Hour.parse(str(text)).name
    except InvalidArgument:
        return printable(str(text))
