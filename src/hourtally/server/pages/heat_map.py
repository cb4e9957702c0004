"""A heat map of hours: a row a day, newest first, with 24 cells, the day's total and its bar."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from markupsafe import Markup, escape

from hourtally.build.status import CURRENT, HELD
from hourtally.model.hours import DAY_MS, HOUR_MS, Hour
from hourtally.model.money import format_cents
from hourtally.model.printable import counted
from hourtally.server.pages.addresses import Addresses

WEEKS: Final = 5
DAYS: Final = 7 * WEEKS
_DAY_HOURS: Final = 24
_DAY_SECONDS: Final = DAY_MS // 1_000
# Shades of a total: 1 to this; 0 is nothing used.
_SHADES: Final = 5
_BAR_PARTS: Final = 1_000
# Widths are per cent with three digits, from whole numbers.
_WHOLE: Final = 100_000
_RESTATED: Final = "restated"


@dataclass(frozen=True)
class HourCell:
    """An hour of the map.

    Attributes:
        state: one of `build.status.STATES`.
        why: of the state, if there is more to say.
        nanocents: its total; None where nothing is published, or the customer is held.
        restated: whether it says otherwise than its first revision.
        held: whether it holds somebody, in whatever state.
    """

    hour: Hour
    state: str
    why: str = ""
    nanocents: int | None = None
    currency: str = ""
    restated: bool = False
    held: bool = False

    @property
    def words(self) -> str:
        """Its state in words."""
        parts = [self.state]
        if self.held and self.state != HELD:
            parts.append(HELD)
        if self.restated:
            parts.append(_RESTATED)
        return ", ".join(parts)

    @property
    def label(self) -> str:
        """What a person hears of it, or sees below the pointer."""
        total = "" if self.nanocents is None else f", {format_cents(self.nanocents)} cents"
        return f"{self.hour.name[11:]}:00 {self.words}{total}"


@dataclass(frozen=True)
class DayRow:
    """A day. cells: as SVG. totals: by currency. bar: its width beside the largest day's."""

    day: str
    cells: Markup
    totals: dict[str, int]
    bar: str
    words: str


@dataclass(frozen=True)
class HeatMap:
    """Rows of days, newest first, and the states and marks that occur in them."""

    rows: list[DayRow]
    present: frozenset[str]


def window_end(now_ms: int, asked: Hour | None) -> Hour:
    """The end of the five weeks to show: midnight after now, or after the hour before `asked`."""
    last_ms = now_ms if asked is None else asked.start_ms - HOUR_MS
    return Hour((last_ms // DAY_MS + 1) * _DAY_SECONDS)


def window_start(end: Hour) -> Hour:
    """The first hour of the five weeks before an hour."""
    return Hour(end.timestamp - DAYS * _DAY_SECONDS)


def later_window(addresses: Addresses, end: Hour, now_ms: int) -> str:
    """The five weeks from an hour on; the first page where they are the newest."""
    later = Hour(end.timestamp + DAYS * _DAY_SECONDS)
    return addresses.top if later.start_ms > now_ms else addresses.window(later)


def heat_map(cells: Iterable[HourCell], address: Callable[[Hour], str]) -> HeatMap:
    """The map of cells, in order; `address` is that of an hour's page."""
    days = [(day, list(of_day)) for day, of_day in groupby(cells, lambda one: one.hour.name[:10])]
    largest = max((one.nanocents or 0 for _, of_day in days for one in of_day), default=0)
    sums = {day: sums_of(of_day) for day, of_day in days}
    largest_day = max((sum(of_day.values()) for of_day in sums.values()), default=0)
    rows = [
        DayRow(
            day,
            Markup("").join(_drawn(one, largest, address(one.hour)) for one in of_day),
            sums[day],
            _percent(sum(sums[day].values()) * _BAR_PARTS // largest_day if largest_day else 0),
            _day_words(of_day),
        )
        for day, of_day in reversed(days)
    ]
    return HeatMap(rows, _present([one for _, of_day in days for one in of_day]))


def sums_of(cells: Iterable[HourCell]) -> dict[str, int]:
    """The sum of the totals of cells by currency."""
    sums: dict[str, int] = {}
    for one in cells:
        if one.nanocents is not None:
            sums[one.currency] = sums.get(one.currency, 0) + one.nanocents
    return dict(sorted(sums.items()))


def _drawn(one: HourCell, largest: int, address: str) -> Markup:
    """A cell as SVG. In a template 840 of them would take 60 ms."""
    place = one.hour.timestamp // 3_600 % _DAY_HOURS
    left, rest = divmod(place * _WHOLE // _DAY_HOURS, 1_000)
    where = f'x="{left}.{rest:03d}%" y="1" width="3.7%" height="16"'
    signs = "".join(f'<use href="#m-{sign}" {where}/>' for sign in _signs(one))
    return Markup(
        f'<a href="{escape(address)}" tabindex="-1"><title>{escape(one.label)}</title>'
        f'<rect class="{_shade(one, largest)}" {where} rx="2"/>{signs}</a>'
    )


def _signs(one: HourCell) -> list[str]:
    """What is drawn over the shade of a cell."""
    signs = [] if one.state in {CURRENT, HELD} else [one.state]
    if one.held:
        signs.append(HELD)
    return [*signs, _RESTATED] if one.restated else signs


def _shade(one: HourCell, largest: int) -> str:
    """The class of a cell's fill: of its state where that is to be seen, else of its total."""
    if one.state != CURRENT:
        return one.state
    # Rounded up: what costs anything is shaded.
    return f"shade{-(-(one.nanocents or 0) * _SHADES // largest) if largest else 0}"


def _percent(parts: int) -> str:
    whole, rest = divmod(parts, 10)
    return f"{whole}.{rest}%"


def _day_words(cells: Sequence[HourCell]) -> str:
    """How many hours of a day are in which state."""
    numbers: dict[str, int] = {}
    for one in cells:
        numbers[one.words] = numbers.get(one.words, 0) + 1
    return "; ".join(f"{counted(number, 'hour')} {words}" for words, number in numbers.items())


def _present(cells: Iterable[HourCell]) -> frozenset[str]:
    found = set()
    for one in cells:
        found.add(one.state)
        if one.held:
            found.add(HELD)
        if one.restated:
            found.add(_RESTATED)
    return frozenset(found)
