"""Whether today's rate card would give an hour other prices than its newest revision has.

Ids, spellings and rates that no usage of the hour selects make no difference (contract, section 7).
Cheap first: an hour whose rates in force are those it was built with is not looked at. Otherwise
its cases are asked again, once for all hours that share them and the rates.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from hourtally.errors import Damaged
from hourtally.model.hours import Hour
from hourtally.ratecard import Case, HourRates, RateCard, read_cases, read_rates_snapshot
from hourtally.store.layout import Home
from hourtally.store.manifests import Manifest

if TYPE_CHECKING:
    from hourtally.build.rates.newly_named import NewlyNamed


class CaseKind(NamedTuple):
    """What `charges.parquet` and `clusters.parquet` tell of a customer's cases."""

    meter: str
    resource_type: str | None


# How many of the instants of a kind's cases have another price for one customer.
ALL: Final = "all"
SOME: Final = "some"


class RateChanges:
    """Compares today's card with what hours were built with; remembers what it has read."""

    def __init__(self, home: Home, card: RateCard) -> None:
        self._home = home
        self._card = card
        self._cases: dict[str, tuple[Case, ...]] = {}
        self._rates: dict[str, HourRates] = {}
        self._selections: dict[tuple[str, str], str] = {}
        self._named: dict[str, frozenset[str]] = {}
        self._priced_apart: dict[tuple[str, str, str], dict[CaseKind, str]] = {}
        self._newly_named: NewlyNamed | None = None

    def has_changed(self, manifest: Manifest, *, may_read_slices: bool = True) -> bool:
        """Whether building the hour again with today's card would publish something else.

        Args:
            manifest: of its newest revision.
            may_read_slices: whether its slices are those of the revision; if not, customers that
                a rate newly names are not looked at.
        """
        inputs, hour = manifest.inputs, manifest.hour
        if manifest.record["currency"] != self._card.currency:
            return True
        digest = self._card.digest(hour)
        if inputs["rates"] == digest:
            return False
        if "cases" not in inputs:
            # Build version 1 did not record them.
            return True
        try:
            if self._selection(inputs["cases"], digest, hour) != inputs["selection"]:
                return True
            return may_read_slices and self._prices_newly_named(manifest, digest)
        except Damaged:
            # Building the hour again repairs it.
            return True

    def _selection(self, cases: str, digest: str, hour: Hour) -> str:
        selection = self._selections.get((cases, digest))
        if selection is None:
            selection = self._hour_rates(digest, hour).selection(self._read_cases(cases))
            self._selections[cases, digest] = selection
        return selection

    def _hour_rates(self, digest: str, hour: Hour) -> HourRates:
        if digest not in self._rates:
            self._rates[digest] = HourRates.of(self._card, hour)
        return self._rates[digest]

    def _read_cases(self, digest: str) -> tuple[Case, ...]:
        if digest not in self._cases:
            self._cases[digest] = read_cases(self._home, digest)
        return self._cases[digest]

    def _prices_newly_named(self, manifest: Manifest, digest: str) -> bool:
        """Whether a customer that a rate newly names has usage with another price than before.

        Before, its usage was in the cases of all customers without rates of their own.
        """
        rates = self._hour_rates(digest, manifest.hour)
        newly_named = rates.rates.customers - self._named_before(manifest)
        apart = {
            customer: kinds
            for customer in newly_named
            if (kinds := self._apart(manifest.inputs["cases"], digest, customer, rates))
        }
        if not apart:
            return False
        if self._newly_named is None:
            # Imported here, as it loads the engines (0.3 s), and cards rarely name new customers.
            from hourtally.build.rates.newly_named import NewlyNamed

            self._newly_named = NewlyNamed(self._home, self._card)
        return self._newly_named.prices_differ(manifest, apart, rates)

    def _named_before(self, manifest: Manifest) -> frozenset[str]:
        digest = manifest.inputs["rates"]
        if digest not in self._named:
            try:
                before = read_rates_snapshot(self._home, digest, manifest.hour)
            except Damaged:
                before = ()
            self._named[digest] = frozenset(rate.customer for rate in before if rate.customer)
        return self._named[digest]

    def _apart(
        self, cases: str, digest: str, customer: str, rates: HourRates
    ) -> Mapping[CaseKind, str]:
        """The kinds of cases with other prices for the customer than for those not named."""
        key = (cases, digest, customer)
        if key not in self._priced_apart:
            of_others = [case for case in self._read_cases(cases) if case.customer is None]
            self._priced_apart[key] = _apart(of_others, customer, rates)
        return self._priced_apart[key]


def _apart(cases: Iterable[Case], customer: str, rates: HourRates) -> dict[CaseKind, str]:
    shares: dict[CaseKind, set[str]] = {}
    for case in cases:
        others, own = list(rates.parts(case)), list(rates.parts(case, customer))
        equal = set(others) & set(own)
        if len(equal) == len(others) == len(own):
            share = ""
        elif len(others) == len(own) == 1:
            share = ALL
        else:
            share = SOME
        shares.setdefault(CaseKind(case.meter, case.resource_type), set()).add(share)
    return {
        kind: ALL if found == {ALL} else SOME for kind, found in shares.items() if found != {""}
    }
