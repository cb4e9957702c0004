"""An hour's newest revision: its records, its bytes, and all that it says, derived once more."""

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
from hourtally.verify.checksums import Batches, check_chain, check_files, check_index
from hourtally.verify.derive import derive
from hourtally.verify.findings import Findings
from hourtally.verify.pricing import Pricing
from hourtally.verify.revision import StoredHour
from hourtally.verify.row_comparison import PARQUET
from hourtally.verify.slices import Slices


def verify_hours(
    home: Home,
    card: RateCard,
    hours: Sequence[Hour],
    settings: Settings,
    progress: Progress | None = None,
) -> Findings:
    """Verify the newest revision of each hour, and the bytes of all that a home has stored.

    An hour that has no revision is passed over; its slices are held to their records by a build.

    Raises:
        StorageFault: the system refused a read.
    """
    findings = Findings()
    batches = Batches(home, findings)
    with durable.storage_faults(home.root, "verifying"):
        for number, hour in enumerate(hours, 1):
            _verify_hour(home, card, hour, settings, batches, findings)
            if progress:
                progress(number, len(hours), hour.name)
        batches.check_others()
    return findings


def _verify_hour(
    home: Home,
    card: RateCard,
    hour: Hour,
    settings: Settings,
    batches: Batches,
    findings: Findings,
) -> None:
    if not revisions_of(home, hour):
        return
    findings.hours += 1
    manifest = check_chain(home, hour, findings)
    if manifest is None:
        return
    whole = check_files(manifest, findings)
    check_index(manifest, whole, findings)
    batches.check_statement(str(manifest.inputs["rates"]))
    inputs = manifest.inputs["batches"]
    are_whole = [batches.check_slices(hour, batch) for batch in inputs]
    if reasons := _inputs_of_another_build(card, manifest):
        findings.checksums_only.append((hour.name, reasons))
    elif all(are_whole):
        paths = [home.slices(hour, batch) for batch in inputs]
        try:
            # One for each hour: a damaged file may put an end to it.
            with as_keyboard_interrupt(), _duckdb(home, settings) as connection:
                slices = Slices(connection, hour, paths)
                _derive_anew(card, manifest, slices, whole, findings)
        except (duckdb.OutOfMemoryException, duckdb.IOException) as error:
            message = f"hour {hour}: verifying failed: {error}; free space, then verify again"
            raise StorageFault(message) from error
        except duckdb.Error as error:
            folder = home.slices(hour, "").parent
            findings.add(folder, "the slices", PARQUET, str(error))


def _inputs_of_another_build(card: RateCard, manifest: Manifest) -> str:
    """Why today's rates and code need not give what was published; nothing if they must."""
    inputs = manifest.inputs
    reasons = {
        "rates changed": inputs["rates"] != card.digest(manifest.hour),
        "build version": inputs["build"] != BUILD_VERSION,
    }
    return ", ".join(reason for reason, applies in reasons.items() if applies)


def _derive_anew(
    card: RateCard, manifest: Manifest, slices: Slices, whole: set[str], findings: Findings
) -> None:
    """Derive the hour customer by customer, beside what is stored of it."""
    hour, path = manifest.hour, manifest.path
    if slices.misfits:
        what = "slices that break a rule of events or lie outside the hour"
        findings.compare(path, what, 0, slices.misfits)
        return
    stored = StoredHour(manifest, whole, findings)
    conflicts = stored.expect_conflicts(slices.conflicts())
    pricing = Pricing(card, hour)
    usage = slices.usage(pricing.stretches())
    for customer_id, rows in groupby(usage, attrgetter("customer_id")):
        stored.expect(derive(hour.timestamp, customer_id, rows, pricing))
    stored.finish()
    for gap in pricing.gaps:
        findings.add(path, gap, "a rate in force", "none")
    expected = {
        "currency": card.currency,
        "rows": {"slices": slices.counted, **stored.rows},
        "totals": stored.totals(),
        "duplicates": slices.duplicates,
        "conflicts": conflicts,
    }
    recorded = {name: manifest.record.get(name) for name in expected}
    findings.compare_records(path, expected, recorded)


@contextlib.contextmanager
def _duckdb(home: Home, settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB of bounded memory; only where it has to spill is anything written to the home."""
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
