"""The entrypoint of the preview flow, which prefect.yaml names."""

from hourtally.orchestration.preview import preview

__all__ = ["preview"]
