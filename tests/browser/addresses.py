"""The pages of the busy home that tests visit and screenshots are made of."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from tests.support.homes.busy_home import (
    EMPTY_HOUR,
    HELD_HOUR,
    HOSTILE_CUSTOMER,
    HOSTILE_HOUR,
    MISSING_HOUR,
    RESTATED_HOUR,
    STALE_HOUR,
)

_ACME: Final = "/customers/acme"
_HOSTILE: Final = f"/customers/{quote(HOSTILE_CUSTOMER, safe='')}"

# By the name of the screenshot.
OPERATOR_PAGES: Final = {
    "hours": "/",
    "hours-earlier": "/?until=2026-10-19T00",
    "day": "/days/2026-11-21",
    "hour-held": f"/hours/{HELD_HOUR}",
    "hour-stale": f"/hours/{STALE_HOUR}",
    "hour-missing": f"/hours/{MISSING_HOUR}",
    "hour-empty": f"/hours/{EMPTY_HOUR}",
    "hour-difference": f"/hours/{RESTATED_HOUR}/changes",
    "customers": "/customers",
    "customers-found": "/customers?search=em&from=2026-11-01&to=2026-11-22",
    "quarantine": "/quarantine",
    "batches": "/batches",
    "rates": "/rates",
    "rates-later": "/rates?at=2027-01-01",
    "customer": _ACME,
    "customer-day": f"{_ACME}/days/2026-11-12",
    "customer-held": f"/customers/initech/hours/{HELD_HOUR}",
    "customer-byoc": f"/customers/umbrella/hours/{RESTATED_HOUR}",
    "teams": f"{_ACME}/hours/{RESTATED_HOUR}",
    "projects": f"{_ACME}/hours/{RESTATED_HOUR}?teamId=web",
    "types": f"{_ACME}/hours/{RESTATED_HOUR}?teamId=web&projectId=shop",
    "resources": f"{_ACME}/hours/{RESTATED_HOUR}?teamId=web&projectId=shop&resourceType=service",
    "absent": f"{_ACME}/hours/{EMPTY_HOUR}",
    "difference": f"{_ACME}/hours/{RESTATED_HOUR}/changes",
    "explanation": f"{_ACME}/hours/{RESTATED_HOUR}/explain?resourceId=api",
    "explanation-held": f"/customers/initech/hours/{HELD_HOUR}/explain?resourceId=train",
    "explanation-void": f"{_ACME}/hours/{RESTATED_HOUR}/explain?resourceId=debug",
    "hostile-customer": _HOSTILE,
    "hostile-teams": f"{_HOSTILE}/hours/{HOSTILE_HOUR}",
    "hostile-explanation": f"{_HOSTILE}/hours/{HOSTILE_HOUR}/explain?resourceId=r%260%3D%2500",
    "hostile-cluster": f"{_HOSTILE}/hours/{HOSTILE_HOUR}/explain?resourceId=..",
    "error": "/nothing",
}
