"""Remove the files of superseded revisions; their manifests stay, marked as pruned."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from hourtally.build.leftovers import Leftovers
from hourtally.build.staleness import known_hours
from hourtally.errors import Damaged, InvalidArgument
from hourtally.model.hours import Hour, format_instant
from hourtally.store import durable
from hourtally.store.layout import Home
from hourtally.store.manifests import Manifest, fetch_current, read_manifest, revisions_of
from hourtally.store.pruning import is_pruned, mark_pruned
from hourtally.store.symlinks import reject_symlinks


@dataclass(frozen=True)
class PrunedRevision:
    """A revision whose files were removed. size: of the files, in bytes."""

    hour: Hour
    revision: int
    size: int


@dataclass
class PruneReport:
    """What a prune removed, or would remove.

    Attributes:
        leftovers: what no record names: its path and its size in bytes.
        skipped: hours, and what is wrong with their manifests; nothing of them was removed.
    """

    revisions: list[PrunedRevision] = field(default_factory=list)
    leftovers: list[tuple[Path, int]] = field(default_factory=list)
    skipped: list[Damaged] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Bytes of all that was removed."""
        return sum(one.size for one in self.revisions) + sum(size for _, size in self.leftovers)


def prune(
    home: Home, keep: int, before: Hour | None, now_ms: int, *, dry_run: bool = False
) -> PruneReport:
    """Remove the files of superseded revisions, and what no record names.

    Args:
        home: the home folder.
        keep: how many of the newest revisions of an hour stay, the current one among them.
        before: only revisions of hours before this one are removed; None: of all.
        now_ms: the current time; leftovers are removed once they are over a day old.
        dry_run: remove nothing.

    Raises:
        InvalidArgument: `keep` is less than 1.
        StorageFault: the system refused a write; run it again to complete it.
    """
    if keep < 1:
        message = f"--keep {keep}: the current revision always stays, so it is 1 or more"
        raise InvalidArgument(message)
    report = PruneReport()
    with durable.storage_faults(home.root, "pruning"):
        with durable.one_listing(home.root):
            hours = known_hours(home)
            fetch_current(home, hours)
            for hour in hours:
                if before is None or hour < before:
                    try:
                        _prune_hour(home, hour, keep, now_ms, report, dry_run=dry_run)
                    except Damaged as damage:
                        report.skipped.append(damage)
        leftovers = Leftovers(home, now_ms, dry_run=dry_run)
        leftovers.remove()
        report.leftovers = leftovers.removed
    return report


def _prune_hour(
    home: Home, hour: Hour, keep: int, now_ms: int, report: PruneReport, *, dry_run: bool
) -> None:
    """Remove the files of an hour's superseded revisions.

    Raises:
        Damaged: a manifest is; the older revisions may be needed to mend it.
    """
    revisions = revisions_of(home, hour)
    superseded = revisions[:-keep]
    if not superseded:
        return
    reject_symlinks(home, home.hour(hour))
    newest = [read_manifest(home, hour, number) for number in revisions[-keep:]]
    _check_complete(newest[-1])
    for number in superseded:
        manifest = read_manifest(home, hour, number)
        # A prune that was killed may have left some of the files behind its mark.
        if not durable.folder_exists(manifest.folder):
            continue
        files = [one for one in durable.list_folder(manifest.folder) if durable.file_exists(one)]
        size = sum(map(durable.file_size, files))
        if not dry_run:
            if not is_pruned(home, hour, number):
                mark_pruned(home, hour, number, {"pruned_at": format_instant(now_ms)})
            durable.remove_folder(manifest.folder)
        report.revisions.append(PrunedRevision(hour, number, size))


def _check_complete(newest: Manifest) -> None:
    """Check that the newest revision has all its files, by their sizes.

    Raises:
        Damaged: it has not; the older revisions then stay.
    """
    for name, described in newest.record["files"].items():
        path = newest.folder / name
        if not durable.file_exists(path) or durable.file_size(path) != described["size"]:
            reason = (
                "it is not as its manifest says, so the older revisions of its hour are kept; run "
                "`hourtally backfill --force` over the hour, then prune again"
            )
            raise Damaged(path, reason)
