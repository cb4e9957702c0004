"""The files of revisions, each checked against the SHA-256 in its manifest before it is used."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hourtally.errors import Damaged, Pruned
from hourtally.store.durable import read_file, storage_faults
from hourtally.store.manifests import Manifest
from hourtally.store.pruning import missing_file

if TYPE_CHECKING:
    import polars as pl

    from hourtally.model.schemas import Schema

# The build version.
_QUANTITIES_SINCE: Final = 3

REPAIR = "so it is not used; run `hourtally backfill --force` over the hour to build it again"


def recorded_sha256(manifest: Manifest, name: str) -> str:
    """The SHA-256 that a manifest records for one of its files.

    Raises:
        Damaged: the manifest records none.
    """
    try:
        return str(manifest.record["files"][name]["sha256"])
    except (KeyError, TypeError):
        raise Damaged(manifest.path, f"it records no SHA-256 of {name}") from None


def read_checked(path: Path, sha256: str) -> bytes:
    """The bytes of a file of a revision.

    Raises:
        Damaged: it is missing or has another SHA-256.
    """
    with storage_faults(path, "reading"):
        try:
            content = read_file(path)
        except FileNotFoundError:
            raise missing_of_revision(path) from None
    if hashlib.sha256(content).hexdigest() != sha256:
        raise Damaged(path, f"its SHA-256 does not match the hour's manifest, {REPAIR}")
    return content


def read_table(manifest: Manifest, name: str, schema: Schema) -> pl.DataFrame:
    """A table of a revision, checked. Columns that build versions before lack are null.

    Raises:
        Damaged: its file is missing or differs from the manifest's record.
    """
    import polars as pl

    path = manifest.folder / f"{name}.parquet"
    content = read_checked(path, recorded_sha256(manifest, path.name))
    table = pl.read_parquet(io.BytesIO(content))
    if name == "customers" and "held" not in table.columns:
        # Of build version 1.
        table = table.with_columns(held=pl.lit(value=False))
    if not has_quantities(manifest):
        lacking = {column: schema[column] for column in schema if column not in table.columns}
        table = table.with_columns(pl.lit(None, of).alias(column) for column, of in lacking.items())
    return table.select(list(schema))


def has_quantities(manifest: Manifest) -> bool:
    """Whether a revision has reported quantities, which builds have since `_QUANTITIES_SINCE`."""
    return bool(manifest.inputs["build"] >= _QUANTITIES_SINCE)


def missing_of_revision(path: Path) -> Damaged | Pruned:
    """Why a file of a revision is not there."""
    return missing_file(path, f"it is missing, {REPAIR}")
