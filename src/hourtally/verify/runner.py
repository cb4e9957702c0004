"""Verify the newest revision of each hour: its records, its files and its figures."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from hourtally.model.hours import Hour
from hourtally.runtime.progress import Progress
from hourtally.settings import Settings
from hourtally.store import durable
from hourtally.store.layout import Home
from hourtally.store.manifests import fetch_current, revisions_of
from hourtally.store.pruning import marks_in
from hourtally.verify.checksums import StoredInputs, check_files, check_index, check_manifests
from hourtally.verify.findings import Findings
from hourtally.verify.recompute import HOURS_TOGETHER, PublishedHour, recomputing

# Builds whose rules are today's: an hour built by another is checked by checksums only.
_RECOMPUTED: Final = (1, 2, 3)


@dataclass
class _Checked:
    """An hour whose stored files are checked. derivable: if its figures can be derived anew.

    pruned: what was pruned of it before.
    """

    hour: Hour
    pruned: object
    findings: Findings = field(default_factory=Findings)
    derivable: PublishedHour | None = None


@durable.at_one_moment
def verify_hours(
    home: Home,
    hours: Sequence[Hour],
    settings: Settings,
    progress: Progress | None = None,
) -> Findings:
    """Verify the newest revision of each hour, and all batch records of the home.

    Hours without a revision are skipped; a build checks their slices. Stored files are checked
    here, while worker processes derive the figures of earlier hours.

    Raises:
        StorageFault: the system refused a read.
    """
    findings = Findings()
    inputs = StoredInputs(home, findings)
    done = 0
    with durable.storage_faults(home.root, "verifying"):
        fetch_current(home, hours)
        for part in _verified(home, hours, settings, inputs):
            while marks_in(home, part.hour) != part.pruned:
                # Some of it was pruned while it was read.
                [part] = _verified(home, [part.hour], settings, inputs)
            durable.release([home.hour(part.hour), home.slices_of(part.hour)])
            findings.merge(part.findings)
            done += 1
            if progress:
                progress(done, len(hours), part.hour.name)
        inputs.check_remaining_records()
        inputs.check_remaining_cases()
    return findings


def _verified(
    home: Home, hours: Sequence[Hour], settings: Settings, inputs: StoredInputs
) -> Iterator[_Checked]:
    """What is found in each hour, in order."""
    waiting: deque[list[_Checked]] = deque()

    def derivable() -> Iterator[list[PublishedHour]]:
        for first in range(0, len(hours), HOURS_TOGETHER):
            group = [_check(home, one, inputs) for one in hours[first : first + HOURS_TOGETHER]]
            waiting.append(group)
            yield [one.derivable for one in group if one.derivable is not None]

    with recomputing(home, -(-len(hours) // HOURS_TOGETHER), settings) as recompute:
        for found in recompute(derivable()):
            of_hours = iter(found)
            for one in waiting.popleft():
                if one.derivable is not None:
                    one.findings.merge(next(of_hours))
                yield one


def _check(home: Home, hour: Hour, inputs: StoredInputs) -> _Checked:
    """Check the stored files of an hour."""
    checked = _Checked(hour, marks_in(home, hour))
    findings = checked.findings
    if not revisions_of(home, hour):
        return checked
    findings.hours += 1
    manifest = check_manifests(home, hour, findings)
    if manifest is None:
        return checked
    intact = check_files(manifest, findings)
    check_index(manifest, intact, findings)
    rates = inputs.kept_rates(manifest)
    stored = inputs.check_hour(hour, manifest.inputs["batches"])
    if manifest.inputs["build"] not in _RECOMPUTED:
        findings.checksums_only.append((hour.name, "build version"))
    elif rates is not None and stored is not None:
        checked.derivable = PublishedHour(manifest, rates, stored, intact)
    return checked
