"""Serving the flows on one machine: deployments, one with a schedule, without a work pool."""

from __future__ import annotations

import math
import time
import warnings
from typing import Any, Final

from prefect import Flow, serve
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentUpdate
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import ObjectNotFound
from prefect.logging import get_logger
from prefect.schedules import Cron, Schedule
from prefect.settings import PREFECT_API_URL
from prefect.types.entrypoint import EntrypointType

from hourtally.errors import InvalidArgument
from hourtally.orchestration.flows import backfill, hourly
from hourtally.orchestration.old_deployments import remove_old_deployments
from hourtally.orchestration.preview import preview
from hourtally.orchestration.server import server_answers

TAG: Final = "hourtally"
# One of each flow.
_MOST_RUNS: Final = 3
# What a preview has in common with the other two.
_SHARED: Final[tuple[str, ...]] = ("home", "settle_minutes")
# So that events which arrive at the last moment are in the inbox when the run starts.
_MINUTES_AFTER_CLOSING: Final = 2
_POLL_SECONDS: Final = 5.0

_log = get_logger("hourtally")


def cron_after(settle_minutes: float) -> str:
    """A cron expression: every hour, two minutes after hours close."""
    return f"{(math.ceil(settle_minutes) + _MINUTES_AFTER_CLOSING) % 60} * * * *"


def serve_flows(parameters: dict[str, Any], cron: str) -> None:
    """Serve the flows until SIGTERM or SIGINT, even if the server is down for a while.

    Each flow has one run at a time. A run that is due while another one is in progress waits for
    it, and then ingests the files that arrived in between. The schedule continues when this process
    ends: missed runs show as late, and the first one makes up for all once it is served again.

    Args:
        parameters: defaults of the runs of the flows.
        cron: when the hourly flow runs, in UTC; backfills and previews run on request.

    Raises:
        InvalidArgument: `cron` is not a cron expression.
    """
    try:
        schedule = Cron(cron, timezone="UTC")
    except ValueError as error:
        message = f"--cron {cron!r} is not a cron expression of five fields, such as '12 * * * *'"
        raise InvalidArgument(message) from error
    # Prefect's SIGTERM handler forgets to await this coroutine; the process is ending anyway.
    warnings.filterwarnings("ignore", "coroutine 'Runner.astop' was never awaited", RuntimeWarning)
    shared = {name: parameters[name] for name in _SHARED if name in parameters}
    while True:
        _wait_for_server()
        try:
            _free_slots()
            serve(
                _deployment(hourly, parameters, schedule),
                _deployment(backfill, parameters, None),
                _deployment(preview, shared, None),
                limit=_MOST_RUNS,
                pause_on_shutdown=False,
            )
        except Exception:
            # Prefect's loop ends once three requests in a row have failed.
            if server_answers():
                raise
        else:
            return


def _deployment(
    flow: Flow[..., Any], parameters: dict[str, Any], schedule: Schedule | None
) -> RunnerDeployment:
    """A flow's deployment, which has the flow's name."""
    deployment = flow.to_deployment(
        name=flow.name,
        schedule=schedule,
        parameters=parameters,
        tags=[TAG],
        concurrency_limit=ConcurrencyLimitConfig(
            limit=1,
            collision_strategy=ConcurrencyLimitStrategy.ENQUEUE,
            grace_period_seconds=600,
        ),
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    assert isinstance(deployment, RunnerDeployment)
    return deployment


def _wait_for_server() -> None:
    if server_answers():
        return
    _log.warning("no Prefect server answers at %s: waiting for it", PREFECT_API_URL.value())
    while not server_answers():
        time.sleep(_POLL_SECONDS)
    _log.warning("the Prefect server is back")


def _free_slots() -> None:
    """Free the concurrency slots of runs that died while their server was restarted.

    Deployments of the version before are removed too.

    By default a server keeps the leases of slots in memory but counts slots in its database. If
    it restarts while a run is in progress that then dies, the lease never expires and the slot
    is never freed. Removing the limit removes its count. Should that run be alive after all, two
    runs build at the same time, which is safe: each hour is locked.
    """
    with get_client(sync_client=True) as client:
        remove_old_deployments(client)
        for flow in (hourly, backfill, preview):
            try:
                deployment = client.read_deployment_by_name(f"{flow.name}/{flow.name}")
            except ObjectNotFound:
                continue
            client.update_deployment(deployment.id, DeploymentUpdate(concurrency_limit=None))
