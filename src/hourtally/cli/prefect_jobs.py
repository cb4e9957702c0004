"""The command line with a Prefect server: whether there is one, and its deployments.

What only one job needs is imported there: an import of Prefect alone takes 1.3 s.
"""

from __future__ import annotations

import os
import signal

from hourtally.errors import InvalidArgument
from hourtally.jobs.job import Job
from hourtally.jobs.prefect_environment import quiet_environment
from hourtally.runtime.interrupts import raise_interrupt
from hourtally.settings import prefect_api_url
from hourtally.store.layout import Home


def schedule(job: Job, cron: str | None) -> int:
    """Serve the deployments of both flows until it is stopped; the exit status.

    Raises:
        InvalidArgument: PREFECT_API_URL is not set, or `cron` is not a cron expression.
    """
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "INFO")
    if not configure_prefect(job.home):
        message = (
            "PREFECT_API_URL is not set. Start a Prefect server (`prefect server start`) and set "
            "PREFECT_API_URL=http://127.0.0.1:4200/api. To schedule without a server, call "
            "`hourtally run` from cron or systemd."
        )
        raise InvalidArgument(message)
    from hourtally.orchestration.schedule import cron_after, serve_flows

    if signal.getsignal(signal.SIGINT) is raise_interrupt:
        # With Python's own handler asyncio installs one that ends Prefect's tasks in order.
        signal.signal(signal.SIGINT, signal.default_int_handler)

    # Each run takes the time at its start.
    parameters = {name: value for name, value in job.flow_parameters.items() if name != "now"}
    serve_flows(parameters, cron or cron_after(job.settle_ms / 60_000))
    return 0


def configure_prefect(home: Home) -> bool:
    """Whether PREFECT_API_URL names a server; if so, quiet Prefect before it is imported."""
    if prefect_api_url() is None:
        return False
    for name, value in quiet_environment(home).items():
        os.environ.setdefault(name, value)
    return True
