"""The entrypoint of the hourly flow, which prefect.yaml names.

`python flows/hourly.py` serves it on this machine every hour with all defaults, and the backfill
flow on request; `hourtally schedule` does the same and takes options.
"""

from hourtally.orchestration.flows import hourly
from hourtally.orchestration.parameters import DEFAULT_SETTLE_MINUTES
from hourtally.orchestration.schedule import cron_after, serve_flows

__all__ = ["hourly"]

if __name__ == "__main__":
    serve_flows({}, cron_after(DEFAULT_SETTLE_MINUTES))
