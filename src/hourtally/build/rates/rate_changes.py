"""Whether today's rate card would give an hour other prices than its newest revision has.

Ids, spellings and rates that no usage of the hour selects make no difference (contract, section 7).
Cheap first: an hour whose rates in force are those it was built with is not looked at. Otherwise
its cases are asked again, once for all hours that share them and the rates.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from hourtally.errors import Damaged
from hourtally.model.hours import Hour
from hourtally.ratecard import Case, HourRates, RateCard, read_cases, read_rates_snapshot
from hourtally.ratecard.cases import WHOLE_HOUR
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
# To ask for so many takes less time than to look which of them have usage in an hour.
_FEW_CUSTOMERS: Final = 50


class _Comparison:
    """Two selections, of cases that are asked again and again: rates, and as whose usage each."""

    def __init__(self, one: HourRates, other: HourRates, customer: str | None = None) -> None:
        """`other` is asked as usage of `customer`, if one is given."""
        self._one = one
        self._other = other
        self._customer = customer
        self._shares: dict[tuple[object, ...], str] = {}

    def share(self, case: Case) -> str:
        """`ALL` or `SOME` of the instants of a case have another price, or "" for none."""
        selected_by = case[:-1]
        share = self._shares.get(selected_by)
        if share is None:
            share = self._shares[selected_by] = self._share(case._replace(used=WHOLE_HOUR))
        # Mostly a price holds all hour, so that it does not matter when there is usage.
        return self._share(case) if share == SOME else share

    def _share(self, case: Case) -> str:
        one, other = list(self._one.parts(case)), list(self._other.parts(case, self._customer))
        if one == other:
            return ""
        return ALL if len(one) == len(other) == 1 else SOME


class RateChanges:
    """Compares today's card with what hours were built with; remembers what it has read."""

    def __init__(self, home: Home, card: RateCard) -> None:
        self._home = home
        self._card = card
        self._rates: dict[str, HourRates] = {}
        self._built_with: dict[str, HourRates | None] = {}
        self._comparisons: dict[tuple[str, str, str | None], _Comparison] = {}
        # What is known of a file of cases, by its digest and those of the two rates.
        self._differ: dict[tuple[str, str, str], bool] = {}
        # Of the file of cases read last: mostly the next hour has the same one.
        self._last_cases: tuple[str, tuple[Case, ...]] = ("", ())
        self._apart: dict[str, dict[CaseKind, str]] = {}
        self._apart_of = ("", "")
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
            if self._selects_otherwise(manifest, digest):
                return True
            return may_read_slices and self._prices_newly_named(manifest, digest)
        except Damaged:
            # Building the hour again repairs it.
            return True

    def may_concern(self, manifest: Manifest, customer: str, meters: Collection[str]) -> bool:
        """Whether the change may give other prices to a customer's usage of these meters.

        A customer whom no rate names has its usage in one set of cases with all others like it, so
        a change that the usage of any of them asks for may concern it.
        """
        inputs, hour = manifest.inputs, manifest.hour
        before = self._rates_before(manifest)
        if manifest.record["currency"] != self._card.currency or before is None:
            return True
        digest = self._card.digest(hour)
        now = self._rates_now(digest, hour)
        try:
            cases = self._read_cases(str(inputs["cases"]))
            if customer in now.rates.customers - before.rates.customers:
                kinds = self._priced_apart(str(inputs["cases"]), digest, customer, now)
                if any(kind.meter in meters for kind in kinds):
                    return True
        except (Damaged, KeyError):
            # Build version 1 kept no cases.
            return True
        comparison = self._compared(str(inputs["rates"]), digest, before, now)
        asked_as = customer if customer in before.rates.customers else None
        return any(
            comparison.share(case)
            for case in cases
            if case.meter in meters and case.customer == asked_as
        )

    def _selects_otherwise(self, manifest: Manifest, digest: str) -> bool:
        inputs, hour = manifest.inputs, manifest.hour
        cases, rates = str(inputs["cases"]), str(inputs["rates"])
        differs = self._differ.get((cases, rates, digest))
        if differs is None:
            built_with, now = self._rates_before(manifest), self._rates_now(digest, hour)
            read = self._read_cases(cases)
            if built_with is None:
                # The rates are gone; the manifest has the digest of what they said.
                differs = now.selection(read) != inputs["selection"]
            else:
                comparison = self._compared(rates, digest, built_with, now)
                differs = any(comparison.share(case) for case in read)
            self._differ[cases, rates, digest] = differs
        return differs

    def _compared(
        self, one: str, other: str, one_rates: HourRates, other_rates: HourRates
    ) -> _Comparison:
        key = (one, other, None)
        if key not in self._comparisons:
            self._comparisons[key] = _Comparison(one_rates, other_rates)
        return self._comparisons[key]

    def _rates_now(self, digest: str, hour: Hour) -> HourRates:
        if digest not in self._rates:
            self._rates[digest] = HourRates.of(self._card, hour)
        return self._rates[digest]

    def _rates_before(self, manifest: Manifest) -> HourRates | None:
        """Those that the hour was built with; None if they are missing or damaged."""
        digest = manifest.inputs["rates"]
        if digest not in self._built_with:
            try:
                rates = read_rates_snapshot(self._home, digest, manifest.hour)
            except Damaged:
                self._built_with[digest] = None
            else:
                self._built_with[digest] = HourRates.kept(rates, manifest.hour)
        return self._built_with[digest]

    def _read_cases(self, digest: str) -> tuple[Case, ...]:
        if self._last_cases[0] != digest:
            self._last_cases = (digest, read_cases(self._home, digest))
        return self._last_cases[1]

    def _prices_newly_named(self, manifest: Manifest, digest: str) -> bool:
        """Whether a customer that a rate newly names has usage with another price than before.

        Before, its usage was in the cases of all customers without rates of their own.
        """
        rates, before = self._rates_now(digest, manifest.hour), self._rates_before(manifest)
        named_before = frozenset() if before is None else before.rates.customers
        named = rates.rates.customers - named_before
        if not named:
            return False
        if self._newly_named is None:
            # Imported here, as it loads the engines (0.3 s), and cards rarely name new customers.
            from hourtally.build.rates.newly_named import NewlyNamed

            self._newly_named = NewlyNamed(self._home, self._card)
        if len(named) > _FEW_CUSTOMERS:
            named = self._newly_named.with_usage(manifest, named)
        apart = {
            customer: kinds
            for customer in named
            if (kinds := self._priced_apart(manifest.inputs["cases"], digest, customer, rates))
        }
        return bool(apart) and self._newly_named.prices_differ(manifest, apart, rates)

    def _priced_apart(
        self, cases: str, digest: str, customer: str, rates: HourRates
    ) -> Mapping[CaseKind, str]:
        """The kinds of cases with other prices for the customer than for those not named."""
        if self._apart_of != (cases, digest):
            self._apart_of, self._apart = (cases, digest), {}
        found = self._apart.get(customer)
        if found is None:
            key = (digest, digest, customer)
            if key not in self._comparisons:
                self._comparisons[key] = _Comparison(rates, rates, customer)
            comparison = self._comparisons[key]
            shares: dict[CaseKind, set[str]] = {}
            for case in self._read_cases(cases):
                if case.customer is None:
                    kind = CaseKind(case.meter, case.resource_type)
                    shares.setdefault(kind, set()).add(comparison.share(case))
            found = self._apart[customer] = {
                kind: ALL if of_kind == {ALL} else SOME
                for kind, of_kind in shares.items()
                if of_kind != {""}
            }
        return found
