"""Run the hourly flow once and print its summary: `python -m hourtally.orchestration.demo`."""

from __future__ import annotations

import sys

from hourtally.errors import HourtallyError
from hourtally.orchestration.flows import hourly
from hourtally.orchestration.parameters import unwrap
from hourtally.orchestration.summary import summary_of


def main(home: str, now: str) -> None:
    """Run the flow on a home as of an instant, without a server."""
    try:
        report = unwrap(hourly(home, now=now, return_state=True))
    except HourtallyError as error:
        sys.exit(str(error))
    print(summary_of(report))


if __name__ == "__main__":
    main(*sys.argv[1:])
