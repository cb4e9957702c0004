"""What the commands that read hours find, for programs: one JSON document each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from hourtally.cli.output.json_text import Cents
from hourtally.model.hours import format_instant
from hourtally.model.money import NANOCENTS_PER_CENT

if TYPE_CHECKING:
    from hourtally.published.diff import Changes
    from hourtally.published.explain import Component, Explanation, Piece
    from hourtally.published.explained_slices import SlicesOfCharge
    from hourtally.published.export import ExportReport
    from hourtally.ratecard import Rate
    from hourtally.store.manifests import Manifest
    from hourtally.verify import Findings

_IDS: Final = (
    *("team_id", "project_id", "resource_type", "resource_id", "resource_name"),
    *("cluster_id", "cluster_name"),
)


def explain_document(
    explanations: Sequence[Explanation],
    manifest: Manifest,
    customer: str,
    files: Mapping[str, str],
) -> dict[str, Any]:
    """Everything with one id in an hour. files: the event file of each batch."""
    return {
        **_revision(manifest),
        "customer_id": customer,
        "explanations": [_explanation(one) for one in explanations],
        "files": dict(sorted(files.items())),
    }


def _revision(manifest: Manifest) -> dict[str, Any]:
    return {
        "hour": manifest.hour.name,
        "revision": manifest.revision,
        "currency": manifest.record["currency"],
    }


def _explanation(one: Explanation) -> dict[str, Any]:
    from hourtally.events.ready_void import ready_void

    events = {
        (row["event_source"], row["event_id"], row["start_ms"], row["end_ms"])
        for row in (counted.row for counted in one.slices.counted)
    }
    return {
        "kind": "cluster" if one.is_cluster else "resource",
        **{name: one.charge[name] for name in _IDS if name in one.charge},
        "held": one.is_held,
        "cents": Cents(one.total) if one.is_charged else None,
        "slices": [
            {"number": counted.number, **_slice(counted.row), "batches": list(counted.batches)}
            for counted in one.slices.counted
        ],
        "not_counted": _not_counted(one.slices),
        "components": [_component(component) for component in one.components],
        "ready_voids": [ready_void(*event) for event in sorted(events)],
    }


def _slice(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "source": row["event_source"],
        "id": row["event_id"],
        **_interval(row["slice_start_ms"], row["slice_end_ms"]),
        "region": row["region"],
        "gpu_model": row["gpu_model"],
        "gpu_capacity": row["gpu_capacity"],
    }


def _interval(start_ms: int, end_ms: int) -> dict[str, Any]:
    return {
        "from": format_instant(start_ms),
        "until": format_instant(end_ms),
        "milliseconds": end_ms - start_ms,
    }


def _not_counted(slices: SlicesOfCharge) -> list[dict[str, Any]]:
    """Slices that conflict with one that counts, and slices that a void cancels."""
    losers = [
        {
            **_slice(one.row),
            "batch": one.batch,
            "why": "conflict",
            "counts": {"resource_id": one.winner["resource_id"], **_slice(one.winner)},
            "void": None,
        }
        for one in slices.conflict_losers
    ]
    voided = [
        {
            **_slice(one.row),
            "batch": one.batch,
            "why": "voided",
            "counts": None,
            "void": {
                **{name: one.void[name] for name in ("source", "id", "reason")},
                "batch": one.void_batch,
            },
        }
        for one in slices.voided
    ]
    return losers + voided


def _component(one: Component) -> dict[str, Any]:
    """exact: fractions as text. cents: null where some usage has no rate."""
    used = [piece for piece in one.pieces if piece.quantity]
    is_rated = all(piece.rate is not None for piece in used)
    return {
        "name": one.name,
        "meter": one.meter,
        "quantity": one.quantity,
        "pieces": [_piece(piece) for piece in used],
        "exact_cents": _fraction(one.exact) if is_rated else None,
        "cents": Cents(one.charge) if is_rated else None,
    }


def _piece(one: Piece) -> dict[str, Any]:
    return {
        "slice": one.slice_number,
        **_interval(one.start_ms, one.end_ms),
        "quantity": one.quantity,
        "rate": one.rate and _rate(one.rate),
        "exact_cents": _fraction(one.exact) if one.rate else None,
    }


def _rate(rate: Rate) -> dict[str, Any]:
    from hourtally.ratecard import format_price

    return {"id": rate.id, "price_cents": format_price(rate.price_cents), "per": rate.per}


def _fraction(nanocents: Fraction) -> str:
    return str(nanocents / NANOCENTS_PER_CENT)


def diff_document(
    changes: Changes | None, before: Manifest, after: Manifest, files: Mapping[str, str]
) -> dict[str, Any]:
    """What changed from one revision to another; of an hour that was never restated, nothing."""
    document: dict[str, Any] = {
        "hour": after.hour.name,
        "currency": after.record["currency"],
        "before": None if changes is None else _side(before),
        "after": _side(after),
        "reason": after.record.get("reason"),
    }
    if changes is None:
        return document | {"why": None, "total": None, "voids": None, "levels": {}}
    old, new = changes.total
    causes = changes.causes
    return document | {
        "why": {
            "batches_added": _batches(causes.batches_added, files),
            "batches_removed": _batches(causes.batches_removed, files),
            "rates": [
                {"id": id_, "before": was and _rate(was), "after": now and _rate(now)}
                for id_, was, now in causes.rates
            ],
            "build": {"before": causes.build[0], "after": causes.build[1]},
        },
        "total": {"before": Cents(old), "after": Cents(new), "delta": Cents(new - old)},
        "voids": changes.voids,
        "levels": {level: _level(level, rows) for level, rows in changes.levels.items()},
    }


def _side(manifest: Manifest) -> dict[str, Any]:
    return {
        "revision": manifest.revision,
        "published_at": manifest.record.get("published_at"),
        "held_customers": manifest.held_customers,
    }


def _batches(batches: Sequence[str], files: Mapping[str, str]) -> list[dict[str, Any]]:
    return [{"batch": batch, "file": files.get(batch)} for batch in batches]


def _level(level: str, rows: Any) -> list[dict[str, Any]]:
    from hourtally.published.diff import LEVELS

    _, _, key, name = LEVELS[level]
    return [
        {
            **{column: row[column] for column in key},
            **({"name": row["name"]} if name else {}),
            "before": None if row["before"] is None else Cents(row["before"]),
            "after": None if row["after"] is None else Cents(row["after"]),
            "delta": Cents(row["delta"]),
            "changed": row["what"],
        }
        for row in rows.iter_rows(named=True)
    ]


def verify_document(findings: Findings, *, from_files: bool) -> dict[str, Any]:
    """What was verified, and what differs."""
    left_out = [{"file": str(file), "reason": reason} for file, reason in findings.left_out]
    read_again = {
        "compared": findings.files,
        "lines": findings.lines,
        "not_compared": findings.files_left_out,
        "listed": left_out,
    }
    return {
        "hours": findings.hours,
        "documents": findings.documents,
        "charges": findings.charges,
        "differences": findings.differences,
        "listed": [{"file": str(one.file), "problem": one.problem} for one in findings.listed],
        "checksums_only": [
            {"hour": hour, "reason": reason} for hour, reason in findings.checksums_only
        ],
        "pruned_revisions": findings.pruned,
        "event_files": read_again if from_files else None,
    }


def export_document(report: ExportReport, directory: object) -> dict[str, Any]:
    """What an export wrote and removed."""
    return {
        "folder": str(directory),
        "written": report.written,
        "removed": report.removed,
        "hours": report.hours,
        "current": report.current,
    }
