"""The Prefect server that flows are recorded in: whether it is there, and what if it is not."""

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
    of_flows = get_logger("prefect.flow_runs")
    of_flows.addFilter(_is_no_failed_request)
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
    finally:
        of_flows.removeFilter(_is_no_failed_request)


def _is_no_failed_request(record: logging.LogRecord) -> bool:
    """Leaves out the trace of a request to a server that went away; a sentence tells of it."""
    return not (record.exc_info and isinstance(record.exc_info[1], httpx.HTTPError))
