"""Write the dataset: a file an hour under its billing month, and `metadata.json`.

`billing_period=2026-11/2026-11-02T09.parquet`, replaced whole after a restatement. The home's mark
of an hour says which revision its file is of, so a file is written only where another revision is
current, or the names in the card's `[focus]` are others.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from hourtally import __version__
from hourtally.errors import BoundExceeded, Damaged, HourtallyError, NoQuantities, without_traceback
from hourtally.jobs.focus.columns import INSTANT, Format, Version, columns_of
from hourtally.jobs.focus.priced_usage import price_revision
from hourtally.jobs.focus.rows import Dataset, focus_rows, month_of
from hourtally.model.hours import Hour, parse_instant_ms
from hourtally.published.document_index import read_customers
from hourtally.published.export import ExportReport
from hourtally.published.export.failures import not_exported
from hourtally.published.export.identity import Kind
from hourtally.published.export.marks import Mark
from hourtally.published.export.tree import ExportTree, open_tree
from hourtally.published.reader import check_quantities, read_current
from hourtally.ratecard import FocusNames
from hourtally.runtime.interrupts import Stop
from hourtally.runtime.progress import Progress
from hourtally.settings import Settings
from hourtally.store import durable
from hourtally.store.layout import Home
from hourtally.store.manifests import Manifest, current_manifest

METADATA_FILE: Final = "metadata.json"
# Raised when the same revision would give other rows, so that files are written anew.
_ROWS_VERSION: Final = 1


@dataclass(frozen=True)
class FocusExport:
    """What is exported, from which home, and in which form."""

    home: Home
    version: Version
    form: Format
    names: FocusNames
    settings: Settings

    @property
    def kind(self) -> Kind:
        """The kind of the tree."""
        return Kind("focus", (("version", self.version), ("format", self.form)))

    @property
    def fingerprint(self) -> str:
        """Of what rows depend on, beside the revision."""
        names = {**vars(self.names), "service_categories": dict(self.names.service_categories)}
        text = json.dumps([_ROWS_VERSION, names], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def export_focus(
    export: FocusExport,
    directory: Path,
    hours: Sequence[Hour],
    progress: Progress | None = None,
) -> ExportReport:
    """Export published hours as a FOCUS dataset.

    Raises:
        ForeignTree: the folder belongs to another home or kind of export.
        Damaged, NotExported: a file of a revision or of its inputs differs from its record, an
            earlier version built some hours, or a list price exceeds its bound; the other hours
            are exported.
        StorageFault: the system refused a write.
    """
    report = ExportReport()
    failed: list[tuple[Hour, HourtallyError]] = []
    with (
        durable.storage_faults(directory, "exporting", "another folder"),
        open_tree(export.home, directory, export.kind) as tree,
    ):
        for number, hour in enumerate(hours, 1):
            try:
                read_current(partial(_export_newest, export, tree, hour, report))
            except (BoundExceeded, Damaged, NoQuantities) as error:
                failed.append((hour, without_traceback(error)))
            if progress:
                progress(number, len(hours), hour.name)
        tree.write_marks()
        tree.write_held()
        _write_metadata(export, tree)
    if failed:
        raise not_exported(failed) from failed[0][1]
    return report


def _export_newest(export: FocusExport, tree: ExportTree, hour: Hour, report: ExportReport) -> None:
    manifest = current_manifest(export.home, hour)
    if manifest is None:
        return
    tree.held.replace(hour, read_customers(manifest).held_ids if manifest.held_customers else ())
    before = tree.mark_of(hour)
    source = {"folder": manifest.folder.name, "fingerprint": export.fingerprint}
    if before is not None and source.items() <= before.items():
        report.current += 1
        return
    check_quantities(manifest)
    is_correction = _is_correction(manifest, before)
    dataset = Dataset(export.version, export.names, is_correction)
    usage = price_revision(export.home, manifest, export.settings, Stop())
    rows = focus_rows(manifest, usage, dataset)
    # The manifest may not be on disk yet if its builder was killed.
    durable.fsync_folder(export.home.hour(hour))
    folder, name = f"billing_period={hour.name[:7]}", f"{hour.name}.{export.form}"
    tree.write(folder, name, _content(rows, export.form))
    tree.mark(
        hour,
        {
            **source,
            "revision": manifest.revision,
            "published_at": manifest.record["published_at"],
            "is_correction": is_correction,
            "rows": len(rows),
        },
        files=1,
    )
    durable.release([manifest.folder, export.home.slices_of(hour)])
    report.written += 1
    report.hours += 1


def _is_correction(manifest: Manifest, before: Mark | None) -> bool:
    """Whether the file replaces that of a revision after its billing period had ended.

    A file that is written again for another reason stays what it was.
    """
    if before is None:
        return False
    if before.get("folder") == manifest.folder.name:
        return bool(before.get("is_correction"))
    published_ms = parse_instant_ms(str(manifest.record["published_at"]))
    return published_ms >= month_of(manifest.hour)[1]


def _content(rows: pl.DataFrame, form: Format) -> bytes:
    if form == "csv":
        text = rows.with_columns(
            pl.col(name).dt.strftime("%Y-%m-%dT%H:%M:%SZ")
            for name, dtype in rows.schema.items()
            if dtype == INSTANT
        )
        written = io.BytesIO()
        text.write_csv(written)
        return written.getvalue()
    content = pa.BufferOutputStream()
    pq.write_table(pa.table(rows), content, compression="zstd", store_schema=False)
    return bytes(content.getvalue())


def _write_metadata(export: FocusExport, tree: ExportTree) -> None:
    """Describe the columns, the version, the generator, and how recent each file is."""
    columns = [_column_definition(one.name, one.dtype) for one in columns_of(export.version)]
    schema_id = hashlib.sha256(json.dumps([export.version, columns]).encode()).hexdigest()[:32]
    record = {
        "FocusVersion": export.version,
        "Format": export.form,
        "DataGenerator": "Hourtally",
        "DataGeneratorVersion": __version__,
        "SchemaId": schema_id,
        "ColumnDefinition": columns,
        "Files": [_file_entry(export, mark) for mark in tree.marks.all()],
    }
    tree.write_top_if_changed(METADATA_FILE, durable.to_json(record))


def _column_definition(name: str, dtype: pl.DataType) -> dict[str, Any]:
    if isinstance(dtype, pl.Decimal):
        return {
            "ColumnName": name,
            "DataType": "DECIMAL",
            "NumericPrecision": dtype.precision,
            "NumberScale": dtype.scale,
        }
    if dtype == INSTANT:
        return {"ColumnName": name, "DataType": "DATETIME"}
    if dtype == pl.Int64:
        return {"ColumnName": name, "DataType": "INTEGER"}
    return {"ColumnName": name, "DataType": "STRING", "StringEncoding": "UTF-8"}


def _file_entry(export: FocusExport, mark: Mark) -> dict[str, Any]:
    hour = str(mark["hour"])
    return {
        "Path": f"billing_period={hour[:7]}/{hour}.{export.form}",
        "Hour": hour,
        "Revision": mark["revision"],
        "PublishedAt": mark["published_at"],
        "ChargeClass": "Correction" if mark["is_correction"] else None,
        "Rows": mark["rows"],
    }
