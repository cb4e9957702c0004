"""The flow that shows what a rate card would do, for whoever has no shell; it publishes nothing."""

# No `from __future__ import annotations` here, see `flows`.
from pathlib import Path
from typing import Any, Final, Literal

from prefect import State, flow

from hourtally.errors import HourtallyError, InvalidArgument
from hourtally.model.hours import Hour, HourRange
from hourtally.orchestration.parameters import (
    DEFAULT_SETTLE_MINUTES,
    Count,
    Minutes,
    resolve_parameters,
)
from hourtally.orchestration.run_names import name_preview_run
from hourtally.orchestration.states import failed_state
from hourtally.ratecard import load_rate_card
from hourtally.runtime.interrupts import load_polars
from hourtally.settings import DEFAULT_MEMORY_MIB, Settings, usable_cores

_PREVIEW: Final = "hourtally-preview"


@flow(name=_PREVIEW, flow_run_name=name_preview_run, persist_result=False)
def preview(
    card: str,
    from_: str,
    to: str,
    by: Literal["customer", "team", "project", "type", "resource", "rate"] = "customer",
    customer: str | None = None,
    home: str | None = None,
    settle_minutes: Minutes = DEFAULT_SETTLE_MINUTES,
    now: str | None = None,
    threads: Count | None = None,
    memory_mib: Count = DEFAULT_MEMORY_MIB,
) -> State[Any]:
    """Show what closed hours would cost under another rate card, without publishing anything.

    Args:
        card: Path of the rate card, on the machine that runs the flow.
        from_: First hour: 2026-11-22T13, 2026-11-22, an RFC 3339 time or Unix seconds (in UTC).
        to: End of the range, exclusive; the same forms.
        by: Group rows by this, and by meter.
        customer: Look at this customer only.
        home: Home folder; by default HOURTALLY_HOME, else ./data, of the machine.
        settle_minutes: Minutes after its end at which an hour closes.
        now: Pretend it is this time (RFC 3339), such as 2026-11-22T14:15:00Z.
        threads: Cores to use; by default all cores of the machine.
        memory_mib: Memory for the engine, in MiB.
    """
    load_polars()
    from hourtally.build.rates.preview import PreviewRequest
    from hourtally.orchestration.preview_run import run_preview

    try:
        first, end = Hour.parse(from_), Hour.parse(to)
        if end <= first:
            message = f"to {to} is not after from {from_}"
            raise InvalidArgument(message)
        job = resolve_parameters(home, None, now, None)
        rates = load_rate_card(Path(card), "another card")
        settle_ms = round(settle_minutes * 60_000)
        within = HourRange(first, end)
        request = PreviewRequest(rates, within, job.now_ms, settle_ms, by, customer)
        settings = Settings(threads=threads or usable_cores(), memory_mib=memory_mib)
        return run_preview(_PREVIEW, job.home, request, card, settings)
    except HourtallyError as error:
        return failed_state(error)
