"""What writers that were killed have left in a bucket: uploads that no record names."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection
from typing import Final

from hourtally.store.files import ABANDONED_NS, FileState
from hourtally.store.objects.names import parse_owned, record_of
from hourtally.store.objects.owners import Owners

_RECORD: Final = re.compile(r"batches/([^/]+)\.json", re.ASCII)
_OF_REVISION: Final = re.compile(r"hours/([^/]+)/rev-(\d{6,})-([0-9a-f]+)/.*", re.ASCII)
_MANIFEST: Final = re.compile(r"hours/([^/]+)/(\d{6,})\.json", re.ASCII)
_FOLDER: Final = re.compile(rb'^ "folder": "rev-\d+-([0-9a-f]+)"', re.M)


def find_abandoned(
    below: Callable[[str], dict[str, FileState]], owners: Owners, before_ns: int | None
) -> dict[str, int]:
    """Uploads before some time that no record names: bytes by key.

    Args:
        below: the objects below a folder, by key.
        owners: whose files each record names.
        before_ns: Unix nanoseconds; None: a day before the newest object.
    """
    uploads, hours = below("events") | below("quarantine"), below("hours")
    batches = below("batches")
    records = _record_names(batches)
    if before_ns is None:
        times = (one.changed_ns for of in (uploads, hours, batches) for one in of.values())
        before_ns = max(times, default=0) - ABANDONED_NS
    found = [
        key
        for key in _without_record(uploads, records, owners)
        if uploads[key].changed_ns < before_ns
    ]
    found += _without_manifest(hours, owners, before_ns)
    every = uploads | hours
    return {key: every[key].size for key in sorted(found)}


def _without_record(
    uploads: dict[str, FileState], records: Collection[str], owners: Owners
) -> list[str]:
    """Slices, voids and quarantine files that no ingest record names.

    Args:
        uploads: what lies in `events/` and `quarantine/`.
        records: the names of the ingest records.
        owners: whose files each record names.
    """
    found = []
    # Of each record, apart: its slices and voids, and its quarantined lines.
    of_record = defaultdict(set)
    for key in uploads:
        folder, _, name = key.rpartition("/")
        owned = parse_owned(name)
        record = owned.record if owned else record_of(name)
        if record is not None:
            is_quarantine = folder == "quarantine"
            of_record[record, is_quarantine].add((key, owned.owner if owned else ""))
    for (record, _), files in of_record.items():
        if record not in records:
            found += [key for key, _ in files]
        elif len({owner for _, owner in files}) > 1:
            # Records are read only where it is in question which owner's files they name.
            found += [key for key, owner in files if owner != owners.of(record, key)]
    return found


def _without_manifest(hours: dict[str, FileState], read: Owners, before_ns: int) -> list[str]:
    """Files of revisions that no manifest names, of which none is new.

    hours: what lies in `hours/`.
    """
    folders: defaultdict[tuple[str, str], dict[str, list[str]]] = defaultdict(dict)
    manifests = set()
    for key in hours:
        if match := _OF_REVISION.fullmatch(key):
            folders[match[1], match[2]].setdefault(match[3], []).append(key)
        elif match := _MANIFEST.fullmatch(key):
            manifests.add((match[1], match[2]))
    found = []
    for revision, by_nonce in folders.items():
        named = None
        if revision in manifests:
            if len(by_nonce) == 1:
                continue
            named = read.nonce("hours/{}/{}.json".format(*revision), _FOLDER)
        for nonce, keys in by_nonce.items():
            if nonce != named and max(hours[key].changed_ns for key in keys) < before_ns:
                found += keys
    return found


def _record_names(batches: Collection[str]) -> set[str]:
    """The names of the ingest records among the keys in `batches/`."""
    return {match[1] for key in batches if (match := _RECORD.fullmatch(key))}
