"""The entrypoint of the backfill flow, which prefect.yaml names."""

from hourtally.orchestration.flows import backfill

__all__ = ["backfill"]
