"""The Prefect server that flows are recorded in: whether it is there, and what if it is not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL

from hourtally.errors import HourtallyError


def server_answers() -> bool:
    """Whether the server does."""
    with get_client(sync_client=True) as client:
        return client.api_healthcheck() is None


@contextmanager
def recorded() -> Iterator[None]:
    """Around a flow that is run from the command line.

    Raises:
        HourtallyError: the server does not answer, or was gone before the flow's end.
    """
    otherwise = "or unset PREFECT_API_URL, then run the same command again"
    if not server_answers():
        message = (
            f"no Prefect server answers at {PREFECT_API_URL.value()}, nothing was done. "
            f"Start it {otherwise}."
        )
        raise HourtallyError(message)
    try:
        yield
    except (httpx.TransportError, httpx.HTTPStatusError) as error:
        if isinstance(error, httpx.HTTPStatusError) and not error.response.is_server_error:
            raise
        message = (
            f"the Prefect server at {PREFECT_API_URL.value()} went away ({error}). What was "
            f"published is whole. Start it {otherwise}."
        )
        raise HourtallyError(message) from error
