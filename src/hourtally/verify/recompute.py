"""Published hours derived anew from their slices, in this process or in several."""

from __future__ import annotations

import contextlib
import gc
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from itertools import groupby
from operator import attrgetter
from typing import Final

import duckdb

from hourtally.errors import StorageFault
from hourtally.runtime.interrupts import Stop, as_keyboard_interrupt
from hourtally.runtime.worker_pool import this_worker_stop, worker_processes
from hourtally.settings import Settings
from hourtally.store import durable
from hourtally.store.input_files import HourFiles
from hourtally.store.layout import Home
from hourtally.store.manifests import Manifest
from hourtally.verify.checksums import KeptRates
from hourtally.verify.derive import derive
from hourtally.verify.engine import open_duckdb
from hourtally.verify.findings import Findings
from hourtally.verify.held import held_rows
from hourtally.verify.pricing import Pricing
from hourtally.verify.revision import RevisionComparison
from hourtally.verify.slices import Slices

# Hours that are derived by one task. Opening a DuckDB takes as long as 500 charges.
HOURS_TOGETHER: Final = 6
_LOST: Final = "Nothing was changed; verify fewer hours at a time."


@dataclass(frozen=True)
class PublishedHour:
    """What an hour is derived from, and what is compared. intact: names of the revision's files."""

    manifest: Manifest
    rates: KeptRates
    stored: HourFiles
    intact: set[str]


Recompute = Callable[[Iterable[Sequence[PublishedHour]]], Iterator[list[Findings]]]
"""Derives groups of hours; yields what is found in each hour of a group, in order."""


@contextlib.contextmanager
def recomputing(home: Home, groups: int, settings: Settings) -> Iterator[Recompute]:
    """Yields what derives so many groups of hours: in several processes if there are many."""
    workers = min(settings.threads, groups)
    if workers < 2:
        yield lambda work: (recompute_hours(home, group, settings, Stop()) for group in work)
        return
    threads = settings.threads // workers
    with worker_processes(workers, None, threads, _LOST) as pool:

        def recompute(work: Iterable[Sequence[PublishedHour]]) -> Iterator[list[Findings]]:
            pending: deque[Future[list[Findings]]] = deque()
            for group in work:
                of_worker = replace(settings, threads=threads)
                pending.append(pool.submit(_recompute_in_worker, home, group, of_worker))
                if len(pending) > workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()

        yield recompute


def _recompute_in_worker(
    home: Home, group: Sequence[PublishedHour], settings: Settings
) -> list[Findings]:
    with durable.storage_faults(home.root, "verifying"):
        return recompute_hours(home, group, settings, this_worker_stop())


def recompute_hours(
    home: Home, group: Sequence[PublishedHour], settings: Settings, stop: Stop
) -> list[Findings]:
    """Derive some hours and compare them with their revisions; what is found in each.

    Raises:
        StorageFault: the system refused memory or a read.
        KeyboardInterrupt: `stop` is set.
    """
    found: list[Findings] = []
    while len(found) < len(group):
        with (
            _without_search_for_cycles(),
            as_keyboard_interrupt(),
            open_duckdb(home, settings) as connection,
        ):
            for hour in group[len(found) :]:
                if stop.is_set():
                    raise KeyboardInterrupt
                findings = Findings()
                found.append(findings)
                if not _is_readable(hour, connection, findings):
                    # A damaged file may have broken the connection.
                    break
    return found


@contextlib.contextmanager
def _without_search_for_cycles() -> Iterator[None]:
    """Rows have no cycles; looking for some took 5 of 32 s in an hour of 200,000 charges."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _is_readable(
    hour: PublishedHour, connection: duckdb.DuckDBPyConnection, findings: Findings
) -> bool:
    """Derive an hour; False if its slices cannot be read."""
    name = hour.manifest.hour
    try:
        with as_keyboard_interrupt():
            slices = Slices(connection, name, hour.stored.slices, hour.stored.voids)
            _recompute(hour, slices, findings)
    except (duckdb.OutOfMemoryException, duckdb.IOException) as error:
        message = f"hour {name}: verification failed: {error}; free some space, then verify again"
        raise StorageFault(message) from error
    except duckdb.Error as error:
        # As this process was told: in a worker another folder stands for a home's URL.
        folder = next(iter((*hour.stored.slices, *hour.stored.voids, hour.manifest.path))).parent
        findings.add(folder, f"unreadable slices: {error}")
        return False
    return True


def _recompute(published: PublishedHour, slices: Slices, findings: Findings) -> None:
    """Derive the hour customer by customer and compare it with the revision."""
    manifest, rates = published.manifest, published.rates
    hour, path = manifest.hour, manifest.path
    if slices.violations:
        what = "slices that break a rule of events or lie outside the hour"
        findings.compare(path, what, 0, slices.violations)
        return
    comparison = RevisionComparison(manifest, published.intact, rates.currency, findings)
    conflicts = comparison.expect_conflicts(slices.conflicts(), slices.losers)
    pricing = Pricing(rates.rates, hour)
    usage = slices.usage(pricing.rate_periods())
    held = []
    for customer_id, rows in groupby(usage, attrgetter("customer_id")):
        pricing.has_gap = False
        derived = derive(hour.timestamp, customer_id, rows, pricing)
        if pricing.has_gap:
            comparison.expect_held(customer_id)
            held.append(customer_id)
        else:
            comparison.expect(derived)
    comparison.finish()
    periods = pricing.rate_periods()
    gaps = [row for one in held for row in held_rows(slices.of_customer(one), periods, pricing)]
    expected = {
        "currency": rates.currency,
        "totals": comparison.totals(),
        "duplicates": slices.duplicates,
        "conflicts": conflicts,
    }
    if manifest.inputs["build"] > 1:
        expected["voids"] = slices.voids
        expected["held"] = comparison.expect_gaps(gaps, held)
    else:
        # Build version 1 did not count the slices that conflicts leave out.
        del conflicts["slices_not_counted"]
    expected["rows"] = {"slices": slices.counted, **comparison.rows}
    recorded = {name: manifest.record.get(name) for name in expected}
    findings.compare_records(path, expected, recorded)
