"""What writers that were killed have left in a bucket: uploads that no record names."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection
from typing import Final

from hourtally.store.files import FileState
from hourtally.store.objects.names import parse_owned, record_of
from hourtally.store.objects.owners import Owners

_RECORD: Final = re.compile(r"batches/([^/]+)\.json", re.ASCII)
_OF_REVISION: Final = re.compile(r"hours/([^/]+)/rev-(\d{6,})-([0-9a-f]+)/.*", re.ASCII)
_MANIFEST: Final = re.compile(r"hours/([^/]+)/(\d{6,})\.json", re.ASCII)
_FOLDER: Final = re.compile(rb'^ "folder": "rev-\d+-([0-9a-f]+)"', re.M)


def find_abandoned(
    below: Callable[[str], dict[str, FileState]], owners: Owners, before_ns: int
) -> dict[str, int]:
    """Uploads before some time that no record names: bytes by key.

    Args:
        below: the objects below a folder, by key.
        owners: whose files each record names.
        before_ns: Unix nanoseconds.
    """
    uploads, hours = below("events") | below("quarantine"), below("hours")
    records = _record_names(below("batches"))
    old = {key: one for key, one in uploads.items() if one.changed_ns < before_ns}
    found = _without_record(old, records, owners)
    old_hours = {
        key: one for key, one in hours.items() if one.changed_ns < before_ns or "/rev-" not in key
    }
    found += _without_manifest(old_hours, owners)
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
    names = {key: key.rpartition("/")[2] for key in uploads}
    found = []
    of_record = defaultdict(set)
    for key, name in names.items():
        owned = parse_owned(name)
        record = owned.record if owned else record_of(name)
        if record is not None:
            of_record[record].add((key, owned.owner if owned else ""))
    for record, files in of_record.items():
        if record not in records:
            found += [key for key, _ in files]
        else:
            # Of one owner all count, but for those in hours that the record does not list.
            found += [key for key, owner in files if owner != owners.of(record, key)]
    return found


def _without_manifest(hours: dict[str, FileState], read: Owners) -> list[str]:
    """Files of revisions that no manifest names; hours: what lies in `hours/`."""
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
            if nonce != named:
                found += keys
    return found


def _record_names(batches: Collection[str]) -> set[str]:
    """The names of the ingest records among the keys in `batches/`."""
    return {match[1] for key in batches if (match := _RECORD.fullmatch(key))}
