"""Which of several uploads of one name counts: the one whose owner the record names."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Final

from hourtally.store.objects.listing import ListedFolders, Listing
from hourtally.store.objects.names import owned_folder, parse_owned, record_of, with_owner

if TYPE_CHECKING:
    from hourtally.store.objects.files import ObjectFiles

_OWNER: Final = re.compile(rb'^ "owner": "([0-9a-f]+)"', re.M)
_QUARANTINE_OWNER: Final = re.compile(rb'^ "quarantine_owner": "([0-9a-f]+)"', re.M)
_QUARANTINE: Final = "quarantine/"
# Bytes of a quarantine file that is uploaded in one request.
_MOST_AT_ONCE: Final = 64 << 20
_KNOWN_RECORDS: Final = 100_000


class Owners:
    """The owners that the records of a home name; a record is read once."""

    def __init__(self, files: ObjectFiles) -> None:
        self._files = files
        self._lock = Lock()
        # Of each record, the owner of its slices and voids, and that of its quarantine file.
        self._known: dict[str, tuple[str | None, tuple[str, str]]] = {}

    def resolve(self, key: str) -> str:
        """The key of the object that a path's key stands for."""
        if not owned_folder(key):
            return key
        record = record_of(key.rpartition("/")[2])
        if record is None:
            return key
        owner = self._of_record(record)[key.startswith(_QUARANTINE)]
        return with_owner(key, owner) if owner else key

    def owned(self, key: str, owner: str) -> str:
        """The key of what an owner uploaded under a name."""
        return with_owner(key, owner)

    def upload(self, path: Path, key: str, owner: str) -> bool:
        """Upload a staged file; whether a quarantine file had to take its owner into its name."""
        client = self._files.client
        is_quarantine = key.startswith(_QUARANTINE)
        # Usually nobody else has the name, and then people find the file by it.
        may_be_plain = is_quarantine and path.stat().st_size <= _MOST_AT_ONCE
        if may_be_plain and client.create(key, path.read_bytes()).is_new:
            return False
        client.put(with_owner(key, owner), path)
        return is_quarantine

    def plain_names(
        self, folder: str, names: Collection[str], listing: Listing | ListedFolders | None
    ) -> Iterator[str]:
        """The names in a folder without owners; those that do not count are left out.

        Records are read only where several owners uploaded files of one name. A build, which lists
        some folders, reads its records anyway.
        """
        if not owned_folder(f"{folder}/"):
            yield from names
            return
        several = None if isinstance(listing, ListedFolders) else self._several(names, listing)
        for name in names:
            found = parse_owned(name)
            if found is None:
                yield name
            elif (
                several is not None and found.record not in several
            ) or found.owner == self._of_record(found.record)[folder == "quarantine"]:
                yield found.name

    def of(self, record: str, key: str) -> str:
        """The owner of a record's file; empty where it has none."""
        return self._of_record(record)[key.startswith(_QUARANTINE)]

    def nonce(self, key: str, pattern: re.Pattern[bytes]) -> str | None:
        """What a pattern finds in a manifest; None if it is not found."""
        match = pattern.search(self._files.read_key(key))
        return match[1].decode() if match else None

    def _several(self, names: Collection[str], listing: Listing | None) -> set[str]:
        """The records of which several owners have slices: of all, or of these names."""
        if listing is None:
            return _with_several_owners(names)

        def find() -> set[str]:
            return _with_several_owners(key.rpartition("/")[2] for key in listing.below("events"))

        several: set[str] = listing.derived("several owners", find)
        return several

    def _of_record(self, record: str) -> tuple[str, str]:
        key = f"batches/{record}.json"
        # Of a bucket that was emptied and filled anew, records of the same names are others.
        etag = self._files.known_etag(key)
        with self._lock:
            known = self._known.get(record)
        if known is not None and known[0] == etag:
            return known[1]
        try:
            content = self._files.read_key(key)
        except FileNotFoundError:
            return "", ""
        owners = (_text(_OWNER.search(content)), _text(_QUARANTINE_OWNER.search(content)))
        with self._lock:
            if len(self._known) >= _KNOWN_RECORDS:
                self._known.clear()
            self._known[record] = self._files.known_etag(key), owners
        return owners


def _text(match: re.Match[bytes] | None) -> str:
    return match[1].decode() if match else ""


def _with_several_owners(names: Iterable[str]) -> set[str]:
    owners = defaultdict(set)
    for name in names:
        if found := parse_owned(name):
            owners[found.record].add(found.owner)
    return {record for record, of in owners.items() if len(of) > 1}
