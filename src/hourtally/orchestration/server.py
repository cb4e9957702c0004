"""The Prefect server that records the flows: whether it answers, and what to do if it does not."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from prefect.client.orchestration import get_client
from prefect.logging import get_logger
from prefect.settings import PREFECT_API_URL

from hourtally.errors import HourtallyError


def server_answers() -> bool:
    """Whether the server answers its health check."""
    with get_client(sync_client=True) as client:
        return client.api_healthcheck() is None


@contextmanager
def recorded() -> Iterator[None]:
    """Around a flow that is run from the command line.

    Raises:
        HourtallyError: the server does not answer, or stopped answering before the flow's end.
    """
    what_next = "or unset PREFECT_API_URL, then run the same command again"
    if not server_answers():
        message = (
            f"no Prefect server answers at {PREFECT_API_URL.value()}: nothing was done. "
            f"Start it {what_next}."
        )
        raise HourtallyError(message)
    flow_logger = get_logger("prefect.flow_runs")
    flow_logger.addFilter(_is_not_failed_request)
    try:
        yield
    except (httpx.TransportError, httpx.HTTPStatusError) as error:
        if isinstance(error, httpx.HTTPStatusError) and not error.response.is_server_error:
            raise
        message = (
            f"the Prefect server at {PREFECT_API_URL.value()} stopped answering ({error}). Hours "
            f"published so far are complete. Start it {what_next}."
        )
        raise HourtallyError(message) from error
    finally:
        flow_logger.removeFilter(_is_not_failed_request)


def _is_not_failed_request(record: logging.LogRecord) -> bool:
    """Drops the trace of a failed request to the server: the error message reports it."""
    return not (record.exc_info and isinstance(record.exc_info[1], httpx.HTTPError))
