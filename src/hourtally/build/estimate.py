"""How long builds will take, judged by the last ones: what `backfill --dry-run` says at its end."""

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

# A day: enough to even out, few enough to be of the same machine and load.
_LAST_BUILDS: Final = 24


@dataclass(frozen=True)
class Estimate:
    """seconds: of all the builds. builds: how many earlier ones they were judged by."""

    seconds: float
    builds: int


def estimate(home: Home, stale: Sequence[StaleHour], workers: int) -> Estimate | None:
    """The time that building these hours will take; None where nothing was built before.

    An hour takes as long as its slices are large, at the pace of the last builds, and at least
    as long as the shortest of them. A build with several workers is slower than one alone, so
    the pace is best known where the last builds had as many.
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
    """Milliseconds and bytes of slices of the newest revisions made last."""
    # A folder changes last when a manifest, or what a failed build leaves, comes into it.
    folders = [(folder.stat().st_mtime_ns, folder) for folder in durable.list_folder(home.hours)]
    took = []
    for _, folder in sorted(folders, reverse=True)[:_LAST_BUILDS]:
        hour = Hour.parse(folder.name)
        try:
            manifest = current_manifest(home, hour)
        except Damaged:
            continue
        # Revisions of earlier versions do not say it.
        if manifest is not None and "build_ms" in manifest.record:
            took.append((manifest.record["build_ms"], slices_bytes(home, hour)))
    return took
