"""Verify the newest revision of each hour: its records, its files and its figures."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import attrgetter

import duckdb

from hourtally import BUILD_VERSION
from hourtally.errors import StorageFault
from hourtally.model.hours import Hour
from hourtally.ratecard import RateCard
from hourtally.runtime.interrupts import as_keyboard_interrupt
from hourtally.runtime.progress import Progress
from hourtally.settings import Settings
from hourtally.store import durable
from hourtally.store.layout import Home
from hourtally.store.manifests import Manifest, revisions_of
from hourtally.verify.checksums import (
    StoredInputs,
    check_files,
    check_index,
    check_manifests,
)
from hourtally.verify.derive import derive
from hourtally.verify.findings import Findings
from hourtally.verify.pricing import Pricing
from hourtally.verify.revision import RevisionComparison
from hourtally.verify.slices import Slices


def verify_hours(
    home: Home,
    card: RateCard,
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
            _verify_hour(home, card, hour, settings, inputs, findings)
            if progress:
                progress(number, len(hours), hour.name)
        inputs.check_remaining_records()
    return findings


def _verify_hour(
    home: Home,
    card: RateCard,
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
    inputs.check_rates(str(manifest.inputs["rates"]))
    batches = manifest.inputs["batches"]
    slices_intact = [inputs.check_slices(hour, batch) for batch in batches]
    if reasons := _why_stale(card, manifest):
        findings.checksums_only.append((hour.name, reasons))
    elif all(slices_intact):
        paths = [home.slices(hour, batch) for batch in batches]
        try:
            # A connection per hour: a damaged file may break it.
            with as_keyboard_interrupt(), _duckdb(home, settings) as connection:
                slices = Slices(connection, hour, paths)
                _recompute(card, manifest, slices, intact, findings)
        except (duckdb.OutOfMemoryException, duckdb.IOException) as error:
            message = (
                f"hour {hour}: verification failed: {error}; free some space, then verify again"
            )
            raise StorageFault(message) from error
        except duckdb.Error as error:
            folder = home.slices(hour, "").parent
            findings.add(folder, f"unreadable slices: {error}")


def _why_stale(card: RateCard, manifest: Manifest) -> str:
    """Why today's rates and code may give other figures; empty if they must give the same."""
    inputs = manifest.inputs
    reasons = {
        "rates changed": inputs["rates"] != card.digest(manifest.hour),
        "build version": inputs["build"] != BUILD_VERSION,
    }
    return ", ".join(reason for reason, applies in reasons.items() if applies)


def _recompute(
    card: RateCard, manifest: Manifest, slices: Slices, intact: set[str], findings: Findings
) -> None:
    """Derive the hour customer by customer and compare it with the revision."""
    hour, path = manifest.hour, manifest.path
    if slices.violations:
        what = "slices that break a rule of events or lie outside the hour"
        findings.compare(path, what, 0, slices.violations)
        return
    comparison = RevisionComparison(manifest, intact, findings)
    conflicts = comparison.expect_conflicts(slices.conflicts())
    pricing = Pricing(card, hour)
    usage = slices.usage(pricing.rate_periods())
    for customer_id, rows in groupby(usage, attrgetter("customer_id")):
        comparison.expect(derive(hour.timestamp, customer_id, rows, pricing))
    comparison.finish()
    for gap in pricing.gaps:
        findings.add(path, gap)
    expected = {
        "currency": card.currency,
        "rows": {"slices": slices.counted, **comparison.rows},
        "totals": comparison.totals(),
        "duplicates": slices.duplicates,
        "conflicts": conflicts,
    }
    recorded = {name: manifest.record.get(name) for name in expected}
    findings.compare_records(path, expected, recorded)


@contextlib.contextmanager
def _duckdb(home: Home, settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB with bounded memory; it writes to the home only if it has to spill."""
    spill = home.spill(secrets.token_hex(8))
    connection = duckdb.connect(
        config={
            "threads": settings.threads,
            "memory_limit": f"{settings.memory_mib}MiB",
            "temp_directory": str(spill),
            "preserve_insertion_order": False,
        }
    )
    try:
        yield connection
    finally:
        connection.close()
        durable.remove_folder(spill)
