"""What pages are made from: a home, its rate card, the clock, and what a server has cached."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cachetools import LRUCache

from hourtally.build.batch_summary import read_record
from hourtally.build.status import HourStatus, Span, hour_spans
from hourtally.errors import HourtallyError
from hourtally.metrics import HomeFacts, gather
from hourtally.model.hours import Hour, HourRange
from hourtally.published.restatements import was_restated
from hourtally.published.views import Filters
from hourtally.ratecard import RateCard, load_rate_card
from hourtally.server.hour_figures import Asked, HourFigures
from hourtally.server.revisions import Cache, Revision
from hourtally.server.usage import PublishedUsage
from hourtally.settings import DEFAULT_SETTLE_MS
from hourtally.store.layout import Home
from hourtally.store.manifests import Manifest

if TYPE_CHECKING:
    from hourtally.build.own_staleness import OwnStaleness

# 2 KB each.
_KNOWN_RECORDS: Final = 20_000
# A year of hours for ten customers.
_KNOWN_RESTATEMENTS: Final = 100_000

Revisions = Mapping[Hour, Revision]


@dataclass(frozen=True)
class PageSources:
    """A home as pages read it.

    Attributes:
        rates: the rate card; without one, hours are not held against any.
        now_ms: the clock.
        settle_ms: how long after its end an hour closes.
        usage: the published hours, shared with the API.
    """

    home: Home
    now_ms: Callable[[], int]
    rates: Path | None = None
    settle_ms: int = DEFAULT_SETTLE_MS
    usage: PublishedUsage = field(kw_only=True)
    _records: Cache[dict[str, Any]] = field(default_factory=lambda: Cache(LRUCache(_KNOWN_RECORDS)))
    _restated: Cache[bool] = field(default_factory=lambda: Cache(LRUCache(_KNOWN_RESTATEMENTS)))

    def card(self) -> RateCard:
        """The rate card as it is now.

        Raises:
            RateCardError: it is wrong. HourtallyError: it cannot be read.
        """
        return load_rate_card(self.rates or self.home.rates)

    def spans(self, within: HourRange, revisions: Revisions | None = None) -> Iterator[Span]:
        """The states of all hours of a range, as `status` has them; revisions: if they are known.

        That saves looking through the folder of each hour once more.
        """
        read = self.usage.revisions.read if revisions is None else _reader(revisions)
        return hour_spans(
            self.home, self._card_if_any(), self.now_ms(), self.settle_ms, within, read
        )

    def _card_if_any(self) -> RateCard | None:
        """The rate card; what is published can be read without one, as by `show`."""
        try:
            return self.card()
        except HourtallyError:
            return None

    def own_staleness(self) -> OwnStaleness:
        """What tells a customer of staleness that may concern it, as things are now."""
        # Imported here, as it loads Polars.
        from hourtally.build.own_staleness import OwnStaleness

        return OwnStaleness(self.home, self._card_if_any())

    def facts(self) -> HomeFacts:
        """The facts for metrics."""
        read = (self.usage.revisions.read, self.record)
        return gather(self.home, self._card_if_any(), self.now_ms(), self.settle_ms, read)

    def status(self, hour: Hour) -> HourStatus:
        """The status of one hour."""
        [span] = self.spans(HourRange(hour, hour.following))
        return span.status

    def revisions(self, within: HourRange) -> Revisions:
        """The current revisions of a range by hour, in order."""
        start = None if within.first is None else within.first.timestamp
        end = None if within.end is None else within.end.timestamp
        hours = self.usage.revisions.hours(start, end, newest_first=False)
        found = ((hour, self.usage.revisions.current(hour.timestamp)) for hour in hours)
        return {hour: one for hour, one in found if one is not None}

    def record(self, home: Home, name: str) -> dict[str, Any]:
        """A batch's record, as `read_record` reads it; records never change."""
        known = self._records.get(name)
        if known is None:
            known = read_record(home, name)
            self._records.put(name, known)
        return known

    def was_restated(self, revision: Revision, customer: str) -> bool:
        """Whether a restatement changed what the hour says of the customer."""
        if revision.manifest.revision == 1:
            return False
        key = (revision.key, customer)
        known = self._restated.get(key)
        if known is None:
            known = was_restated(self.home, revision.manifest, customer)
            self._restated.put(key, known)
        return known

    def figures(self, customer: str, revisions: Sequence[Revision]) -> Iterator[HourFigures]:
        """A customer's figures in revisions, none of which holds it; as `list` sums them."""
        return self.usage.figures.of(Asked(customer, Filters(), newer=False), revisions)


def single_hours(spans: Iterable[Span]) -> Iterator[HourStatus]:
    """Each hour of some spans."""
    for span in spans:
        for number in range(span.hours):
            yield span.part(number, 1).status


def _reader(revisions: Revisions) -> Callable[[Home, Hour], Manifest | None]:
    def read(_: Home, hour: Hour) -> Manifest | None:
        return revisions[hour].manifest if hour in revisions else None

    return read
