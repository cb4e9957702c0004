"""A customer's figures in published hours, under filters, as lists sum them; cached by revision.

The figures of a few hours are read from their documents, one after another (1.3 ms each). Those of
many are read together from the tables of their revisions, as `hourtally list` does (0.5 ms each).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import Final, NamedTuple

from cachetools import LRUCache

from hourtally.errors import NoQuantities
from hourtally.model.hours import HourRange
from hourtally.published.document_index import DOCUMENTS, USAGE_DOCUMENTS
from hourtally.published.document_shapes import Figures
from hourtally.published.reader import check_quantities, read_document
from hourtally.published.views import Filters, filtered_figures
from hourtally.server.revisions import Cache, CurrentRevisions, Revision, no_quantities_error
from hourtally.store.layout import Home

# 0.5 KB each.
_CACHED_HOURS: Final = 50_000
# Reading two days together takes as long as one after another.
_FEWEST_TOGETHER: Final = 48
# How many of the figures of either half are prices.
_PRICES: Final = 5


class HourFigures(NamedTuple):
    """A customer's figures in an hour, under filters; with quantities where they are asked for."""

    currency: str
    paas: Figures
    byoc: Figures


class Asked(NamedTuple):
    """Whose figures are asked for, and which. newer: with quantities."""

    customer: str
    filters: Filters
    newer: bool


class FiguresOfHours:
    """The figures of a home's hours; safe to share between threads."""

    def __init__(self, home: Home, revisions: CurrentRevisions) -> None:
        self._home = home
        self._revisions = revisions
        self._figures: Cache[HourFigures] = Cache(LRUCache(_CACHED_HOURS))

    def of(self, asked: Asked, revisions: Sequence[Revision]) -> Iterator[HourFigures]:
        """The figures of current revisions, in their order, none of which holds the customer.

        Raises:
            HttpError: quantities are asked for, and a revision has none.
            Damaged: a published file is missing or has changed.
        """
        if asked.newer:
            for one in revisions:
                _check_quantities(one)
        unknown = [one for one in revisions if self._figures.get(_key(one, asked)) is None]
        if len(unknown) >= _FEWEST_TOGETHER:
            self._read_together(asked, unknown)
        for one in revisions:
            yield self._figures.get(_key(one, asked)) or self._read(asked, one)

    def _read(self, asked: Asked, revision: Revision) -> HourFigures:
        kind = USAGE_DOCUMENTS if asked.newer else DOCUMENTS
        document = read_document(revision.manifest, asked.customer, kind)
        currency = str(revision.manifest.record["currency"])
        figures = HourFigures(currency, *filtered_figures(document, asked.filters))
        self._figures.put(_key(revision, asked), figures)
        return figures

    def _read_together(self, asked: Asked, revisions: Sequence[Revision]) -> None:
        """Cache the figures of revisions from the tables of their range."""
        # Imported here, as it loads Polars, which a server of single hours does without.
        from hourtally.published.listing.listing import BYOC_COLUMNS, PAAS_COLUMNS, list_range
        from hourtally.published.listing.question import Question

        hours = [one.manifest.hour for one in revisions]
        question = Question(
            asked.customer,
            *asked.filters,
            granularity="hour",
            hours=HourRange(min(hours), max(hours).following),
            quantities=asked.newer,
        )
        listing = list_range(self._home, question, self._revisions.read)
        paas_names, byoc_names = PAAS_COLUMNS, BYOC_COLUMNS
        if not asked.newer:
            paas_names, byoc_names = paas_names[:_PRICES], byoc_names[:_PRICES]
        of_byoc = listing.rows if question.table is None else listing.byoc
        # Rows as tuples: by names, five weeks take 30 ms more.
        byoc = {row[0]: row[1:] for row in of_byoc.select("period", *byoc_names).iter_rows()}
        nothing = (0,) * len(byoc_names)
        paas_rows = listing.rows.select("period", "currency", *paas_names).iter_rows()
        found = {
            period: HourFigures(currency, tuple(paas), byoc.get(period, nothing))
            for period, currency, *paas in paas_rows
        }
        for one in revisions:
            # Not if it was restated meanwhile.
            if one.is_current and one.manifest.hour.name in found:
                self._figures.put(_key(one, asked), found[one.manifest.hour.name])


def _key(revision: Revision, asked: Asked) -> Hashable:
    return (revision.key, asked)


def _check_quantities(revision: Revision) -> None:
    try:
        check_quantities(revision.manifest)
    except NoQuantities as lacking:
        raise no_quantities_error(lacking) from None
