"""The addresses of pages, and of what they link to. Ids are percent-encoded, slashes too."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, urlencode

from hourtally.model.hours import HOUR_SECONDS, Hour
from hourtally.published.views import Filters

DOCUMENT: Final = "document.json"
USAGE: Final = "usage.json"
CHANGES: Final = "changes"
EXPLAIN: Final = "explain"
# No event lies before 1970, and years have four digits.
FIRST_HOUR: Final = Hour(0)
LAST_HOUR: Final = Hour.parse("9999-12-31T23")
DAY_HOURS: Final = 24


class Addresses:
    """The addresses of one customer's pages, or with an empty base of those at the top."""

    def __init__(self, customer: str | None = None) -> None:
        """Without a customer those of whoever has signed in, or of the operator."""
        self.base = "" if customer is None else f"/customers/{_segment(customer)}"

    @property
    def top(self) -> str:
        """The first page."""
        return self.base or "/"

    def window(self, end: Hour) -> str:
        """The five weeks before an hour."""
        return f"{self.top}?{urlencode({'until': end.name})}"

    def day(self, day: str) -> str:
        """The hours of a day, such as 2026-11-22."""
        return f"{self.base}/days/{day}"

    def hour(
        self, hour: Hour, filters: Filters | None = None, revision: int | None = None, page: int = 1
    ) -> str:
        """An hour under filters, with the names that the API gives them."""
        query = _filters(filters or Filters())
        if revision is not None:
            query["revision"] = str(revision)
        if page > 1:
            query["page"] = str(page)
        return _with(f"{self.base}/hours/{hour.name}", query)

    def hours_beside(self, hour: Hour) -> dict[str, str | None]:
        """Those of the hour before (`previous`) and after it (`next`); None where there is none."""
        return {
            "previous": self.hour(hours_before(hour, 1)) if hour > FIRST_HOUR else None,
            "next": self.hour(hour.following) if hour < LAST_HOUR else None,
        }

    def days_beside(self, first: Hour) -> dict[str, str | None]:
        """Those of the day before and after the one that begins with an hour."""
        end = hours_before(first, -DAY_HOURS)
        return {
            "previous": self.day(hours_before(first, 1).name[:10]) if first > FIRST_HOUR else None,
            "next": self.day(end.name[:10]) if end < LAST_HOUR else None,
        }

    def json(self, hour: Hour, name: str, filters: Filters) -> str:
        """The same view as JSON: `DOCUMENT` or `USAGE`."""
        return _with(f"{self.base}/hours/{hour.name}/{name}", _filters(filters))

    def changes(self, hour: Hour, before: int, after: int) -> str:
        """The difference of two revisions."""
        query = {"before": str(before), "after": str(after)}
        return _with(f"{self.base}/hours/{hour.name}/{CHANGES}", query)

    def explain(self, hour: Hour, resource: str) -> str:
        """The explanation of a resource or cluster."""
        return _with(f"{self.base}/hours/{hour.name}/{EXPLAIN}", {"resourceId": resource})


def hours_before(end: Hour, hours: int) -> Hour:
    """The hour so many hours before another."""
    return Hour(end.timestamp - hours * HOUR_SECONDS)


def _segment(text: str) -> str:
    """A part of a path. `.` and `..` would be steps, however a browser finds them encoded."""
    if text in {".", ".."}:
        return "%1F" + text
    return quote(text, safe="")


def _filters(filters: Filters) -> dict[str, str]:
    wanted = {
        "teamId": filters.team,
        "projectId": filters.project,
        "resourceType": filters.resource_type,
    }
    return {name: value for name, value in wanted.items() if value is not None}


def _with(path: str, query: dict[str, str]) -> str:
    return f"{path}?{urlencode(query)}" if query else path
