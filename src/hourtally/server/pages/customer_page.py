"""A customer: five weeks of hours, the days, the months, and what the total is made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final

from hourtally.build.status import CURRENT, HELD, OPEN, STALE, HourStatus
from hourtally.model.components import BYOC_COMPONENTS, PAAS_COMPONENTS
from hourtally.model.hours import Hour, HourRange
from hourtally.model.printable import counted
from hourtally.published.document_shapes import Figures
from hourtally.server.hour_figures import HourFigures
from hourtally.server.pages.addresses import Addresses
from hourtally.server.pages.heat_map import (
    HourCell,
    heat_map,
    later_window,
    window_end,
    window_start,
)
from hourtally.server.pages.hour_revisions import Viewer
from hourtally.server.pages.rendering import Page
from hourtally.server.pages.sources import PageSources, single_hours

if TYPE_CHECKING:
    from hourtally.build.own_staleness import OwnStaleness

# Behind the total of PaaS.
_COMPONENTS: Final = ("CPU", "memory", "storage", "GPU")


@dataclass
class Sums:
    """A customer's sums over some hours, by currency. held: hours that are in no sum."""

    paas: dict[str, Figures] = field(default_factory=dict)
    byoc: dict[str, Figures] = field(default_factory=dict)
    hours: int = 0
    held: int = 0

    def add(self, one: HourFigures) -> None:
        """Add an hour."""
        self.hours += 1
        for sums, figures in ((self.paas, one.paas), (self.byoc, one.byoc)):
            before = sums.get(one.currency, (0,) * len(figures))
            sums[one.currency] = tuple(map(sum, zip(before, figures, strict=True)))

    @property
    def totals(self) -> dict[str, int]:
        """Of PaaS and BYOC together, by currency."""
        return {currency: self.paas[currency][0] + self.byoc[currency][0] for currency in self.paas}

    def parts(self, currency: str) -> list[tuple[str, int]]:
        """What a total is made of, in the order of the document."""
        parts = list(zip(_COMPONENTS, self.paas[currency][1:], strict=True))
        return [*parts, ("BYOC", self.byoc[currency][0])]


@dataclass(frozen=True)
class Period:
    """A headline: its name, and its sums."""

    name: str
    sums: Sums


class CustomerHours:
    """A customer's current revisions of a range, its figures in them, and where it is held."""

    def __init__(self, sources: PageSources, viewer: Viewer, within: HourRange) -> None:
        assert viewer.customer is not None
        customer = viewer.customer
        self._sources, self._customer, self._viewer = sources, customer, viewer
        self.revisions = sources.revisions(within)
        unheld = [one for one in self.revisions.values() if not one.holds(customer)]
        found = sources.figures(customer, unheld)
        self.figures = {
            one.manifest.hour: figures for one, figures in zip(unheld, found, strict=True)
        }

    def sums(self, within: HourRange) -> Sums:
        """The sums over a range."""
        sums = Sums()
        for hour in self.revisions:
            if hour not in within:
                continue
            if hour in self.figures:
                sums.add(self.figures[hour])
            else:
                sums.held += 1
        return sums

    def cells(self, within: HourRange) -> list[HourCell]:
        """The hours of a part of the range, as cells of the map."""
        spans = self._sources.spans(within, self.revisions)
        return [self._cell(status) for status in single_hours(spans)]

    @cached_property
    def _own_staleness(self) -> OwnStaleness:
        return self._sources.own_staleness()

    def _cell(self, status: HourStatus) -> HourCell:
        """An hour of the map."""
        hour = status.hour
        revision = self.revisions.get(hour)
        if revision is None:
            return HourCell(hour, status.state, ", ".join(status.why))
        figures = self.figures.get(hour)
        state, why = status.state, status.why
        if state == STALE and not self._viewer.is_operator:
            why = self._own_staleness.reasons(
                revision.manifest, why, self._customer, _meters_of(figures)
            )
        if state not in {OPEN, STALE} or (state == STALE and not why):
            state = HELD if figures is None else CURRENT
        return HourCell(
            hour,
            state,
            ", ".join(why),
            None if figures is None else figures.paas[0] + figures.byoc[0],
            "" if figures is None else figures.currency,
            restated=self._sources.was_restated(revision, self._customer),
            held=figures is None,
        )


def _meters_of(figures: HourFigures | None) -> set[str]:
    """The meters that charge something; where it is held and nothing is charged, all of them."""
    names = [meter for of in (PAAS_COMPONENTS, BYOC_COMPONENTS) for meter, _ in of.values()]
    if figures is None:
        return set(names)
    charges = (*figures.paas[1:], *figures.byoc[1:])
    return {name for name, charge in zip(names, charges, strict=True) if charge}


def customer_page(
    sources: PageSources, viewer: Viewer, addresses: Addresses, until: Hour | None
) -> Page:
    """The page of a customer; until: the end of the five weeks that are shown."""
    now = Hour.containing(sources.now_ms())
    end = window_end(sources.now_ms(), until)
    start = window_start(end)
    months = _months(now)
    shown, recent = HourRange(start, end), HourRange(months[-1][1].first, now.following)
    hours, of_months = _hours_of(sources, viewer, shown, recent)
    cells = hours.cells(shown)
    whole = hours.sums(shown)
    content = {
        "title": viewer.customer,
        "map": heat_map(cells, addresses.hour),
        "periods": [Period(name, of_months.sums(within)) for name, within in months],
        "window": Period(f"{start.name[:10]} to {_day_before(end)}", whole),
        "components": [(c, whole.totals[c], whole.parts(c)) for c in sorted(whole.paas)],
        "earlier": addresses.window(start),
        "later": None if until is None else later_window(addresses, end, sources.now_ms()),
        "notes": list(_notes(whole, cells)),
    }
    return Page("customer", content)


def _hours_of(
    sources: PageSources, viewer: Viewer, shown: HourRange, recent: HourRange
) -> tuple[CustomerHours, CustomerHours]:
    """The hours that are shown and those of the months; what lies between them may be years."""
    assert shown.first is not None
    assert shown.end is not None
    assert recent.first is not None
    assert recent.end is not None
    if shown.end < recent.first or shown.first > recent.end:
        return CustomerHours(sources, viewer, shown), CustomerHours(sources, viewer, recent)
    whole = HourRange(min(shown.first, recent.first), max(shown.end, recent.end))
    both = CustomerHours(sources, viewer, whole)
    return both, both


def _months(now: Hour) -> Sequence[tuple[str, HourRange]]:
    """The month to date and the last month."""
    this = Hour.parse(f"{now.name[:7]}-01")
    last = Hour.parse(f"{Hour(this.timestamp - 3_600).name[:7]}-01")
    return [
        (f"Month to date ({this.name[:7]})", HourRange(this, now.following)),
        (f"Last month ({last.name[:7]})", HourRange(last, this)),
    ]


def _day_before(end: Hour) -> str:
    return Hour(end.timestamp - 3_600).name[:10]


def _notes(sums: Sums, cells: Sequence[HourCell]) -> Iterator[str]:
    """What the sums leave out."""
    if sums.held:
        yield f"{counted(sums.held, 'held hour')}: some usage has no rate, so no sum has them."
    missing = sum(one.state == "missing" for one in cells)
    if missing:
        yield f"{counted(missing, 'hour')} with events not built yet, in no sum."
