"""What is asked of a range, and which tables of its revisions answer it.

A question has filters, a level to list by, and periods. BYOC clusters belong to a customer and to
none of the levels below: where a level below or a filter is asked for, their sums stand apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, get_args

from hourtally.model.hours import ALL_HOURS, Granularity, HourRange
from hourtally.model.schemas import RESOURCE_KEY

Level = Literal["customer", "team", "project", "type", "resource"]
LEVELS: Final[tuple[Level, ...]] = get_args(Level)

# How much of an hour's name, 2026-11-22T13, names the period that it lies in.
_NAME_LENGTHS: Final = {"hour": 13, "day": 10, "month": 7, "total": 0}


class LevelTable(NamedTuple):
    """A table of a revision. key: of its rows. name: the column with the name of the last of it."""

    table: str
    key: tuple[str, ...]
    name: str | None


_TABLES: Final[dict[Level, LevelTable]] = {
    "team": LevelTable("teams", RESOURCE_KEY[:2], "team_name"),
    "project": LevelTable("projects", RESOURCE_KEY[:3], "project_name"),
    "type": LevelTable("types", RESOURCE_KEY[:4], None),
    "resource": LevelTable("charges", RESOURCE_KEY, "resource_name"),
}


# Of the levels that there are filters for.
_IDS: Final = {"team": "team_id", "project": "project_id", "type": "resource_type"}


@dataclass(frozen=True)
class Question:
    """What is asked of a range. None is no filter, and no level lists one customer's totals.

    components: whether the prices of components are asked for; of customers they take a third of
    the time. quantities: likewise, of one customer's totals and of customers.

    Resources of one id may lie in several projects, so a level lists the ids above it too; but a
    type is the same one in all of them.
    """

    customer: str | None = None
    team: str | None = None
    project: str | None = None
    resource_type: str | None = None
    by: Level | None = None
    granularity: Granularity = "total"
    hours: HourRange = ALL_HOURS
    components: bool = True
    quantities: bool = True

    @property
    def filters(self) -> dict[str, str]:
        """The filters below customers: value by column."""
        wanted = {
            "team_id": self.team,
            "project_id": self.project,
            "resource_type": self.resource_type,
        }
        return {column: value for column, value in wanted.items() if value is not None}

    @property
    def filters_by_name(self) -> dict[str, str | None]:
        """All filters below customers, by the names of the options; None is no filter."""
        return {"team": self.team, "project": self.project, "type": self.resource_type}

    @property
    def key(self) -> tuple[str, ...]:
        """The columns of ids that a row of the answer has."""
        if self.by is None:
            return ()
        if self.by == "customer":
            return ("customer_id",)
        return ("resource_type",) if self.by == "type" else _TABLES[self.by].key

    @property
    def table(self) -> LevelTable | None:
        """The table with PaaS rows for it; None where `customers` has all that is asked for.

        It is the one of the lowest level that is listed or filtered by.
        """
        levels = [level for level in _TABLES if level == self.by or _IDS.get(level) in self.filters]
        return _TABLES[levels[-1]] if levels else None

    def period(self, hour_name: str) -> str:
        """The name of the period in which an hour lies; the empty text for all of them."""
        return hour_name[: _NAME_LENGTHS[self.granularity]]
