"""Serving the hourly flow on one machine: a deployment with a schedule, without a work pool."""

from __future__ import annotations

import math
import time
import warnings
from typing import Any, Final

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentUpdate
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.exceptions import ObjectNotFound
from prefect.logging import get_logger
from prefect.schedules import Cron
from prefect.settings import PREFECT_API_URL
from prefect.types.entrypoint import EntrypointType

from hourtally.errors import WrongUse
from hourtally.orchestration.flows import hourly
from hourtally.orchestration.server import server_answers

NAME: Final = "hourly"
# So that events which come at the last moment are in the inbox when the run looks.
_MINUTES_AFTER_CLOSING: Final = 2
_SECONDS_BETWEEN_LOOKS: Final = 5.0

_log = get_logger("hourtally")


def cron_after(settle_minutes: float) -> str:
    """Every hour, some minutes after hours close."""
    return f"{(math.ceil(settle_minutes) + _MINUTES_AFTER_CLOSING) % 60} * * * *"


def serve_hourly(parameters: dict[str, Any], cron: str) -> None:
    """Serve the flow until SIGTERM or SIGINT, also where the server is away for a while.

    One run at a time; one that finds another going waits for it, because then it looks at
    files that came meanwhile. The schedule goes on where this process ends: the runs that it
    misses show as late, and the first of them makes up for all when it is served again.

    Raises:
        WrongUse: `cron` is none.
    """
    try:
        schedule = Cron(cron, timezone="UTC")
    except ValueError as error:
        message = f"--cron {cron!r} is no cron expression of five fields, such as '12 * * * *'"
        raise WrongUse(message) from error
    # What Prefect's handler of SIGTERM forgets to wait for is over with the process.
    warnings.filterwarnings("ignore", "coroutine 'Runner.astop' was never awaited", RuntimeWarning)
    while True:
        _wait_for_server()
        try:
            _free_slots()
            hourly.serve(
                name=NAME,
                schedule=schedule,
                parameters=parameters,
                global_limit=ConcurrencyLimitConfig(
                    limit=1,
                    collision_strategy=ConcurrencyLimitStrategy.ENQUEUE,
                    grace_period_seconds=600,
                ),
                limit=1,
                pause_on_shutdown=False,
                entrypoint_type=EntrypointType.MODULE_PATH,
            )
        except Exception:
            # Prefect's loop ends where three requests in a row have failed.
            if server_answers():
                raise
        else:
            return


def _wait_for_server() -> None:
    if server_answers():
        return
    _log.warning("no Prefect server answers at %s; waiting for it", PREFECT_API_URL.value())
    while not server_answers():
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    _log.warning("the Prefect server answers again")


def _free_slots() -> None:
    """Give back the slot of a run that died together with its server's memory of it.

    A server keeps the leases of slots in memory, unless told otherwise, but counts the slots in
    its database: where it was restarted while a run was going that has died since, no lease
    ever ends and the slot is never free. A limit that is taken away takes its count with it.
    Should that run live after all, two runs build at a time, which hours allow.
    """
    with get_client(sync_client=True) as client:
        try:
            deployment = client.read_deployment_by_name(f"{hourly.name}/{NAME}")
        except ObjectNotFound:
            return
        client.update_deployment(deployment.id, DeploymentUpdate(concurrency_limit=None))
