"""Whether a file that is judged anew comes out as it did before."""

from __future__ import annotations

import json
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final

import polars as pl
import pyarrow.parquet as pq

from hourtally.model.hours import Hour
from hourtally.model.schemas import SLICES, USAGE_KEY
from hourtally.store import durable
from hourtally.store.layout import Home
from hourtally.store.records import DecidingRecord

# As many as a row group has, so that both files are read in the same portions.
_ROWS_AT_A_TIME: Final = 131_072


def comes_out_equal(
    home: Home, found: DecidingRecord, record: dict[str, Any], staging: Path
) -> bool:
    """Whether the staged slices, voids and quarantined lines are those of an earlier record.

    Args:
        home: the home folder.
        found: the earlier record.
        record: describes what is staged.
        staging: the folder of staged files.
    """
    before, now = found.content["hours"], record["hours"]
    if record["rules"] != found.content["rules"] or now.keys() != before.keys():
        return False
    # Stored files that differ from their record are written anew.
    return all(
        _is_stored(home, found.name, Hour.parse(name), entry)
        and (entry == now[name] or _has_same_rows(home, found.name, Hour.parse(name), staging))
        for name, entry in before.items()
    ) and _same_quarantine(home.quarantine(found.name), staging / "quarantine.ndjson")


def _has_same_rows(home: Home, name: str, hour: Hour, staging: Path) -> bool:
    """Whether an hour's stored slices say what the staged ones say, in other bytes.

    Build version 1 wrote no column gpu_capacity. Slices without usage keys, which a build needs,
    are older still.
    """
    stored, staged = home.slices(hour, name), staging / f"{hour.name}.parquet"
    has_voids = durable.file_exists(home.voids(hour, name))
    if has_voids or not (durable.file_exists(stored) and staged.exists()):
        return False
    with pq.ParquetFile(durable.local_file(stored)) as before, pq.ParquetFile(staged) as now:
        if before.metadata.num_rows != now.metadata.num_rows:
            return False
        if not set(USAGE_KEY) <= set(before.schema_arrow.names):
            return False
        portions = (file.iter_batches(_ROWS_AT_A_TIME) for file in (before, now))
        return all(_facts(old).equals(_facts(new)) for old, new in zip_longest(*portions))


def _facts(portion: Any) -> pl.DataFrame:
    """What slices say, `schemas.SLICES`; a column that the file lacks is null."""
    rows = pl.DataFrame(portion)
    return rows.select(
        pl.col(name).cast(dtype) if name in rows.columns else pl.lit(None, dtype).alias(name)
        for name, dtype in SLICES.items()
    )


def _is_stored(home: Home, name: str, hour: Hour, entry: dict[str, Any]) -> bool:
    files = [(home.slices(hour, name), entry.get("sha256"))]
    if "voids" in entry:
        files.append((home.voids(hour, name), entry["voids"]["sha256"]))
    try:
        return all(sha256 in (None, durable.sha256_of(path)) for path, sha256 in files)
    except FileNotFoundError:
        return False


def _same_quarantine(stored: Path, staged: Path) -> bool:
    """Whether two quarantine files have the same lines, but for the name of the event file."""
    both = (stored, staged)
    if not all(map(durable.file_exists, both)):
        # Without such a line there is no file, except of build version 1.
        return not any(durable.file_exists(path) and durable.file_size(path) for path in both)
    with durable.local_file(stored).open("rb") as before, staged.open("rb") as after:
        return all(_same_line(*pair) for pair in zip_longest(before, after))


def _same_line(before: bytes | None, after: bytes | None) -> bool:
    if before == after:
        return True
    if before is None or after is None:
        return False
    try:
        old, new = json.loads(before), json.loads(after)
    except ValueError:
        return False
    return bool(old | {"file": ""} == new | {"file": ""})
