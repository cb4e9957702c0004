"""Price the stored usage of hours by any rates, with the stages of a build, and publish nothing."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl

from hourtally import BUILD_VERSION
from hourtally.build.grouping import group_hours
from hourtally.build.metered_hours import metered_hours
from hourtally.build.rates.asked_rates import look_up_rates
from hourtally.build.rates.held_customers import with_batches
from hourtally.build.staleness import StaleHour, known_hours, stale_reasons
from hourtally.errors import HourtallyError, StorageFault, without_traceback
from hourtally.model.hours import Hour, HourRange
from hourtally.model.schemas import HELD, conform, hourly
from hourtally.published.reader import read_current
from hourtally.ratecard import RatesByHour
from hourtally.runtime.interrupts import Stop
from hourtally.runtime.progress import Progress
from hourtally.settings import Settings
from hourtally.stages.holding import find_held
from hourtally.stages.rate_lookup import Lookup, held_customers
from hourtally.store import durable
from hourtally.store.batches import Batches
from hourtally.store.input_files import check_inputs
from hourtally.store.layout import Home
from hourtally.store.manifests import PendingRevision, current_manifest


@dataclass(frozen=True)
class PricingContext:
    """What hours are priced with.

    Attributes:
        scratch: a folder outside of the home for engines to spill to.
        customer: the only one to price; None: all of them.
    """

    home: Home
    scratch: Path
    settings: Settings
    customer: str | None = None
    stop: Stop = field(default_factory=Stop)


@dataclass(frozen=True)
class PricedUsage:
    """The usage of hours with its rates.

    Attributes:
        asked: the lookups of all usage.
        held_customers: `CUSTOMER_KEY` of those with usage that has no rate, sorted.
        held: `schemas.HELD`, hourly, sorted.
    """

    asked: list[Lookup]
    held_customers: pl.DataFrame
    held: pl.DataFrame

    @property
    def rated(self) -> list[Lookup]:
        """The lookups without the customers that are held."""
        if self.held_customers.is_empty():
            return self.asked
        return [lookup.without(self.held_customers) for lookup in self.asked]


def price_usage(
    context: PricingContext, rates: RatesByHour, revisions: Sequence[PendingRevision]
) -> PricedUsage:
    """Meter hours together and look up the rates of their usage.

    Args:
        context: what they are priced with.
        rates: of the hours.
        revisions: of the hours, in order, as a build would begin them.

    Raises:
        Damaged: a file of the inputs differs from its record.
        OSError: the system refused a read.
        KeyboardInterrupt: the work was aborted.
    """
    home, settings = context.home, context.settings
    hours = [one.hour for one in revisions]
    inputs = {one.hour: one.inputs["batches"] for one in revisions}
    files = check_inputs(home, inputs, settings.threads)
    checked = [replace(one, files=files[one.hour]) for one in revisions]
    spill = context.scratch / f"spill-{secrets.token_hex(8)}"
    with metered_hours(home, rates, checked, spill, settings, context.stop) as of:
        usage = of.metered.usage.hstack(of.metered.keys)
        if context.customer is not None:
            usage = usage.filter(pl.col("customer_id") == context.customer)
        asked = look_up_rates(usage, rates, hours)
        held = with_batches(find_held(of.connection, of.slices, asked), checked)
    held = held.select(list(hourly(HELD)))
    return PricedUsage(asked, held_customers(asked), conform(held, hourly(HELD)))


def hours_with_usage(home: Home, within: HourRange) -> list[Hour]:
    """The hours of a range that have slices, voids or a revision, in order."""
    return [hour for hour in known_hours(home) if hour in within]


def pending_revisions(home: Home, hours: Sequence[Hour]) -> Iterator[PendingRevision]:
    """The revisions of hours as a build would begin them, but for the rates.

    Hours that have neither slices nor a revision are left out: a build leaves them out too.

    Raises:
        Damaged: a manifest is damaged.
    """
    batches = Batches(home)
    for hour in hours:
        manifest, names = current_manifest(home, hour), batches.inputs(hour)
        if manifest is None and not batches.has_slices(hour, names):
            continue
        # Rates are none of the inputs here: which card is asked is the caller's to say.
        inputs = {"batches": names, "build": BUILD_VERSION}
        reasons = stale_reasons(manifest, inputs, batches, None)
        number = 1 if manifest is None else manifest.revision + 1
        yield PendingRevision(hour, number, manifest, reasons, inputs, home.hour(hour))


def for_each_group(
    home: Home,
    hours: Sequence[Hour],
    price: Callable[[list[PendingRevision]], None],
    progress: Progress | None = None,
) -> list[tuple[Hour, HourtallyError]]:
    """Price hours, small ones together, as builds do.

    Args:
        home: the home folder.
        hours: in order.
        price: prices a group and keeps what it found, all of it or nothing.
        progress: called after each group.

    Returns:
        The hours that could not be priced, each with the reason.

    Raises:
        StorageFault: the system refused a read.
    """
    failed: list[tuple[Hour, HourtallyError]] = []

    def attempt(group: Sequence[Hour]) -> None:
        what = f"pricing hour {group[0]}" if len(group) == 1 else f"pricing {len(group)} hours"
        try:
            with durable.storage_faults(home.hour(group[0]), what):
                # A revision that is pruned meanwhile has a newer one.
                read_current(lambda: price(list(pending_revisions(home, group))))
        except StorageFault:
            raise
        except HourtallyError as error:
            if len(group) == 1:
                failed.append((group[0], without_traceback(error)))
                return
            for hour in group:
                attempt([hour])

    done = 0
    for group in group_hours(home, [StaleHour(hour, ()) for hour in hours]):
        attempt([one.hour for one in group])
        durable.release([home.slices_of(one.hour) for one in group])
        done += len(group)
        if progress:
            progress(done, len(hours), group[-1].hour.name)
    return failed
