"""Entrypoints of the Prefect deployments; the flows are in `hourtally.orchestration`."""
