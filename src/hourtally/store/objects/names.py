"""Names of objects that several writers may upload at once.

Nobody is locked out of a bucket, so two ingests of one file would give their slices one name. There
the writer's owner, a random text, is part of the name: `<record>@<owner>.parquet`. The record that
is created says whose count, and the code above knows only `<record>.parquet`.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_OWNED: Final = re.compile(r"([^@/]+)@([0-9a-f]+)(\.(?:voids\.)?parquet|\.ndjson)", re.ASCII)
_PLAIN: Final = re.compile(r"([0-9a-f]{16}(?:\.\d+)?)(\.(?:voids\.)?parquet|\.ndjson)", re.ASCII)
_FOLDERS: Final = re.compile(r"(?:events/hour=[^/]+|quarantine)/", re.ASCII)


class Owned(NamedTuple):
    """An object's name without its owner, and the owner; the record whose file it is."""

    name: str
    owner: str
    record: str


def owned_folder(key: str) -> bool:
    """Whether a key is of a folder whose objects have owners."""
    return _FOLDERS.match(key) is not None


def parse_owned(name: str) -> Owned | None:
    """The parts of an object's name; None if it has no owner."""
    match = _OWNED.fullmatch(name)
    return Owned(match[1] + match[3], match[2], match[1]) if match else None


def record_of(name: str) -> str | None:
    """The record whose file a name is, by a name without an owner; None for other names."""
    match = _PLAIN.fullmatch(name)
    return match[1] if match else None


def with_owner(key: str, owner: str) -> str:
    """The key of an owner's object of this name."""
    folder, _, name = key.rpartition("/")
    match = _PLAIN.fullmatch(name)
    assert match is not None
    return f"{folder}/{match[1]}@{owner}{match[2]}"
