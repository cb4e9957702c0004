"""An error as the JSON document of a command that ends with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hourtally.cli.output.json_text import print_json
from hourtally.errors import HourtallyError, InvalidArgument


def error_document(error: HourtallyError) -> dict[str, Any]:
    """The error that ended a command early."""
    return {"error": str(error), "exit_status": 1}


@contextmanager
def errors_as_json(*, json: bool) -> Iterator[None]:
    """Print the error that ends a command early as its document too; it is raised on."""
    try:
        yield
    except InvalidArgument:
        raise
    except HourtallyError as error:
        if json:
            print_json(error_document(error))
        raise
