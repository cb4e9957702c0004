"""Verify the newest revision of each hour: its records, its files and its figures."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from typing import Final

import duckdb

from hourtally.errors import StorageFault
from hourtally.model.hours import Hour
from hourtally.runtime.interrupts import as_keyboard_interrupt
from hourtally.runtime.progress import Progress
from hourtally.settings import Settings
from hourtally.store import durable
from hourtally.store.layout import Home
from hourtally.store.manifests import Manifest, revisions_of
from hourtally.store.pruning import marks_in
from hourtally.verify.checksums import (
    KeptRates,
    StoredInputs,
    check_files,
    check_index,
    check_manifests,
)
from hourtally.verify.derive import derive
from hourtally.verify.engine import open_duckdb
from hourtally.verify.findings import Findings
from hourtally.verify.held import held_rows
from hourtally.verify.pricing import Pricing
from hourtally.verify.revision import RevisionComparison
from hourtally.verify.slices import Slices

# Builds whose rules are today's: an hour built by another is checked by checksums only.
_RECOMPUTED: Final = (1, 2, 3)


def verify_hours(
    home: Home,
    hours: Sequence[Hour],
    settings: Settings,
    progress: Progress | None = None,
) -> Findings:
    """Verify the newest revision of each hour, and all batch records of the home.

    Hours without a revision are skipped; a build checks their slices.

    Raises:
        StorageFault: the system refused a read.
    """
    findings = Findings()
    inputs = StoredInputs(home, findings)
    with durable.storage_faults(home.root, "verifying"):
        for number, hour in enumerate(hours, 1):
            findings.merge(_verify_unpruned(home, hour, settings, inputs))
            if progress:
                progress(number, len(hours), hour.name)
        inputs.check_remaining_records()
        inputs.check_remaining_cases()
    return findings


def _verify_unpruned(home: Home, hour: Hour, settings: Settings, inputs: StoredInputs) -> Findings:
    """What is found in an hour; once more if some of it was pruned while it was read."""
    while True:
        marks = marks_in(home, hour)
        findings = Findings()
        _verify_hour(home, hour, settings, inputs, findings)
        if marks_in(home, hour) == marks:
            return findings


def _verify_hour(
    home: Home,
    hour: Hour,
    settings: Settings,
    inputs: StoredInputs,
    findings: Findings,
) -> None:
    if not revisions_of(home, hour):
        return
    findings.hours += 1
    manifest = check_manifests(home, hour, findings)
    if manifest is None:
        return
    intact = check_files(manifest, findings)
    check_index(manifest, intact, findings)
    rates = inputs.kept_rates(manifest)
    batches = manifest.inputs["batches"]
    stored = inputs.check_hour(hour, batches)
    if manifest.inputs["build"] not in _RECOMPUTED:
        findings.checksums_only.append((hour.name, "build version"))
    elif rates is not None and stored is not None:
        try:
            # A connection per hour: a damaged file may break it.
            with as_keyboard_interrupt(), open_duckdb(home, settings) as connection:
                slices = Slices(connection, hour, stored.slices, stored.voids)
                _recompute(rates, manifest, slices, intact, findings)
        except (duckdb.OutOfMemoryException, duckdb.IOException) as error:
            message = (
                f"hour {hour}: verification failed: {error}; free some space, then verify again"
            )
            raise StorageFault(message) from error
        except duckdb.Error as error:
            folder = home.slices(hour, "").parent
            findings.add(folder, f"unreadable slices: {error}")


def _recompute(
    rates: KeptRates, manifest: Manifest, slices: Slices, intact: set[str], findings: Findings
) -> None:
    """Derive the hour customer by customer and compare it with the revision."""
    hour, path = manifest.hour, manifest.path
    if slices.violations:
        what = "slices that break a rule of events or lie outside the hour"
        findings.compare(path, what, 0, slices.violations)
        return
    comparison = RevisionComparison(manifest, intact, rates.currency, findings)
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
