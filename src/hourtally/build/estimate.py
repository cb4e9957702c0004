"""Estimate how long builds will take from the latest ones, for `backfill --dry-run`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hourtally.build.staleness import StaleHour
from hourtally.errors import Damaged
from hourtally.model.hours import Hour
from hourtally.store import durable
from hourtally.store.batches import slices_bytes
from hourtally.store.layout import Home
from hourtally.store.manifests import current_manifest

# A day: enough to even out, few enough to come from the same machine and load.
_LAST_BUILDS: Final = 24


@dataclass(frozen=True)
class Estimate:
    """seconds: of all the builds together. builds: how many earlier ones the estimate uses."""

    seconds: float
    builds: int


@durable.at_one_moment
def estimate(home: Home, stale: Sequence[StaleHour], workers: int) -> Estimate | None:
    """The time that building these hours will take; None if nothing was built before.

    An hour takes time in proportion to the bytes of its slices, at the pace of the latest builds,
    and at least as long as the shortest of them. Several workers slow each other down, so the
    estimate is best if the latest builds used as many.
    """
    took = _last_builds(home)
    if not took:
        return None
    whole_ms = sum(ms for ms, _ in took)
    whole_bytes = max(1, sum(size for _, size in took))
    least_ms = min(ms for ms, _ in took)
    sizes = [slices_bytes(home, one.hour) for one in stale]
    ms = sum(max(least_ms, size * whole_ms / whole_bytes) for size in sizes)
    return Estimate(ms / 1_000 / max(1, min(workers, len(stale))), len(took))


def _last_builds(home: Home) -> list[tuple[int, int]]:
    """Milliseconds and slices bytes of the latest builds."""
    # An hour's folder was last changed by a manifest, or by what a failed build left there.
    folders = [(durable.changed_ns(folder), folder) for folder in durable.list_folder(home.hours)]
    took = []
    for _, folder in sorted(folders, reverse=True)[:_LAST_BUILDS]:
        hour = Hour.parse(folder.name)
        try:
            manifest = current_manifest(home, hour)
        except Damaged:
            continue
        # Revisions of earlier versions do not record it.
        if manifest is not None and "build_ms" in manifest.record:
            took.append((manifest.record["build_ms"], slices_bytes(home, hour)))
    return took
