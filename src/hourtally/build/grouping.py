"""Group small hours to build them together: their queries take longer to start than to run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from hourtally.build.staleness import StaleHour
from hourtally.store import durable
from hourtally.store.batches import slices_bytes
from hourtally.store.layout import Home

# Bytes of slices files; memory for so many is a small part of what one large hour may need.
_MOST_BYTES: Final = 16 << 20
# Also of a worker's or a Prefect task's hours. Few enough that an interrupt, which finishes or
# aborts a group as a whole, takes effect soon.
MAX_GROUP_HOURS: Final = 24


def group_hours(home: Home, stale: Sequence[StaleHour]) -> Iterator[list[StaleHour]]:
    """Split hours, in their order, into groups of bounded number and bytes.

    Raises:
        StorageFault: the system refused to give the size of a file.
    """
    if not durable.has_folders(home.root):
        # One listing tells all sizes.
        with durable.one_listing(home.root):
            groups = list(_groups(home, stale))
        return iter(groups)
    return _groups(home, stale)


def _groups(home: Home, stale: Sequence[StaleHour]) -> Iterator[list[StaleHour]]:
    group: list[StaleHour] = []
    size = 0
    for one in stale:
        doing = f"reading the sizes of the slices of hour {one.hour}"
        with durable.storage_faults(home.events, doing):
            of_hour = slices_bytes(home, one.hour)
        if group and (len(group) == MAX_GROUP_HOURS or size + of_hour > _MOST_BYTES):
            yield group
            group, size = [], 0
        group.append(one)
        size += of_hour
    if group:
        yield group
