"""The current revisions of a range in chunks, each file checked before any number of it is used.

While one chunk is summed, the files of the next one are read and checked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import starmap
from typing import Final

from hourtally.model.hours import Hour
from hourtally.published.checked_files import has_quantities, read_checked, recorded_sha256
from hourtally.published.reader import read_current
from hourtally.runtime.concurrency import ordered_map
from hourtally.store.durable import reads_at_once
from hourtally.store.layout import Home
from hourtally.store.manifests import Manifest, current_manifest, fetch_current

# Two chunks are held at a time, and summing one takes about ten times its size: an hour of 100
# customers has 16 KB, one of 20,000 resources 2.4 MB.
_BYTES_A_CHUNK: Final = 24 << 20
_HOURS_A_CHUNK: Final = 1_000

ReadManifest = Callable[[Home, Hour], Manifest | None]


@dataclass(frozen=True)
class Revision:
    """A published hour. files: the content of tables by name; rows: how many each has.

    has_quantities: whether its build reported quantities.
    """

    hour: Hour
    currency: str
    has_quantities: bool
    held_customers: int
    files: dict[str, bytes]
    rows: dict[str, int]


def revision_chunks(
    home: Home,
    hours: Sequence[Hour],
    tables: Sequence[str],
    read: ReadManifest = current_manifest,
) -> Iterator[list[Revision]]:
    """The current revisions of the published ones of these hours, with these tables.

    `read` finds an hour's newest manifest. All of a chunk have quantities, or none.

    Raises:
        Damaged: a manifest or a table differs from its record.
    """
    chunks = _chunks(home, hours, partial(_read, home, tables, read))
    with ThreadPoolExecutor(1) as reader:
        following = reader.submit(next, chunks, None)
        while (chunk := following.result()) is not None:
            following = reader.submit(next, chunks, None)
            yield chunk


def _chunks(
    home: Home, hours: Sequence[Hour], read: Callable[[Hour], Revision | None]
) -> Iterator[list[Revision]]:
    chunk: list[Revision] = []
    size = 0
    fetch_current(home, hours)
    at_once = reads_at_once(home.root)
    work = ((partial(read, hour),) for hour in hours)
    for one in (
        ordered_map(at_once, read_current, work) if at_once > 1 else starmap(read_current, work)
    ):
        if one is None:
            continue
        if chunk and chunk[-1].has_quantities != one.has_quantities:
            yield chunk
            chunk, size = [], 0
        chunk.append(one)
        size += sum(map(len, one.files.values()))
        if size >= _BYTES_A_CHUNK or len(chunk) == _HOURS_A_CHUNK:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _read(home: Home, tables: Sequence[str], read: ReadManifest, hour: Hour) -> Revision | None:
    manifest = read(home, hour)
    if manifest is None:
        return None
    record = manifest.record
    files = {
        name: read_checked(
            manifest.folder / f"{name}.parquet", recorded_sha256(manifest, f"{name}.parquet")
        )
        for name in tables
    }
    return Revision(
        hour=hour,
        currency=str(record["currency"]),
        has_quantities=has_quantities(manifest),
        held_customers=manifest.held_customers,
        files=files,
        rows={name: int(record["rows"][name]) for name in tables},
    )
