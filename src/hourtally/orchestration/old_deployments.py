"""Deployments of the version before, which would run beside those of this one."""

from __future__ import annotations

from typing import Final

from prefect.client.orchestration import SyncPrefectClient
from prefect.exceptions import ObjectNotFound
from prefect.logging import get_logger

OLD_NAMES: Final = ("hourly/hourly", "backfill/backfill")
# Others may have a flow called hourly too.
_ENTRYPOINTS: Final = ("hourtally.", "flows.hourly.", "flows.backfill.")

_log = get_logger("hourtally")


def remove_old_deployments(client: SyncPrefectClient) -> None:
    """Remove the deployments that the version before served or deployed; their runs stay."""
    for name in OLD_NAMES:
        try:
            deployment = client.read_deployment_by_name(name)
        except ObjectNotFound:
            continue
        if str(deployment.entrypoint).startswith(_ENTRYPOINTS):
            client.delete_deployment(deployment.id)
            _log.info("Removed the deployment %s of the version before.", name)
