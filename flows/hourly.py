"""The entrypoint of the hourly flow, which prefect.yaml names.

`python flows/hourly.py` serves it on this machine every hour with all defaults;
`hourtally schedule` does the same and takes options.
"""

from hourtally.orchestration.flows import hourly
from hourtally.orchestration.parameters import DEFAULT_SETTLE_MINUTES
from hourtally.orchestration.schedule import cron_after, serve_hourly

__all__ = ["hourly"]

if __name__ == "__main__":
    serve_hourly({}, cron_after(DEFAULT_SETTLE_MINUTES))
