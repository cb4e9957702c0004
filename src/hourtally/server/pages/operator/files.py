"""Batches, with what became of each file; and the lines in quarantine."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final, NamedTuple

from hourtally.errors import Damaged
from hourtally.ingest.inbox import search_inbox
from hourtally.ingest.remarks import remarks
from hourtally.published.sql import run_query
from hourtally.runtime.sql_text import literal
from hourtally.server.pages.page_requests import PageRequest
from hourtally.server.pages.rendering import Page
from hourtally.server.pages.sources import PageSources
from hourtally.settings import usable_cores
from hourtally.store.batches import Batches, is_withdrawn, parse_record_name

PER_PAGE: Final = 50
_RAW_CHARACTERS: Final = 1_000


class BatchRow(NamedTuple):
    """A batch by its deciding record. became: what became of it since it was first ingested."""

    batch: str
    record: dict[str, Any]
    at: str
    became: str


def batches(sources: PageSources, request: PageRequest) -> Page:
    """All batches, the newest first, and what lies in the inbox besides."""
    request.allow("page")
    rows, damaged = _rows(sources)
    page = request.number("page") or 1
    inbox = search_inbox(sources.home)
    content = {
        "title": "Batches",
        "section": "Batches",
        "rows": rows[(page - 1) * PER_PAGE : page * PER_PAGE],
        "count": len(rows),
        "page": page,
        "pages": max(1, -(-len(rows) // PER_PAGE)),
        "damaged": damaged,
        "remarks": list(remarks(inbox.passed_over, inbox.quarantined, inbox.withdrawn)),
        "new": len(inbox.new),
        "refused": [str(one) for one in inbox.refused],
    }
    return Page("batches", content)


def _rows(sources: PageSources) -> tuple[list[BatchRow], list[str]]:
    """The batches, and the messages of those whose record is damaged."""
    rows, damaged = [], []
    for name in Batches(sources.home).names():
        try:
            record = sources.record(sources.home, name)
        except Damaged as damage:
            damaged.append(str(damage))
            continue
        batch, number = parse_record_name(name)
        if is_withdrawn(record):
            at, became = str(record.get("withdrawn_at")), f"withdrawn: {record.get('reason')}"
        else:
            at = str(record["ingested_at"])
            became = "ingested" if number == 1 else f"ingested again as record {number}"
        rows.append(BatchRow(batch, record, at, became))
    return sorted(rows, key=lambda row: (row.at, row.batch), reverse=True), damaged


def quarantine(sources: PageSources, request: PageRequest) -> Page:
    """How many lines break which rule, and the lines of a rule or a batch."""
    request.allow("rule", "batch", "page")
    rows, _ = _rows(sources)
    ingested = [row for row in rows if not is_withdrawn(row.record)]
    rules: Counter[str] = Counter()
    for row in ingested:
        rules.update(row.record.get("rules") or {})
    rule, batch = request.query.get("rule") or None, request.query.get("batch") or None
    page = request.number("page") or 1
    content: dict[str, Any] = {
        "title": "Quarantine",
        "section": "Quarantine",
        "rules": rules.most_common(),
        "files": [row for row in ingested if row.record["quarantined"]][:PER_PAGE],
        "file_count": sum(bool(row.record["quarantined"]) for row in ingested),
        "rule": rule,
        "batch": batch,
        "page": page,
        "most": _RAW_CHARACTERS,
        "lines": [],
        "has_more": False,
    }
    if rules:
        lines = _lines(sources, {"rule": rule, "batch": batch}, page)
        content |= {"lines": lines[:PER_PAGE], "has_more": len(lines) > PER_PAGE}
    return Page("quarantine", content)


def _lines(
    sources: PageSources, filters: dict[str, str | None], page: int
) -> list[tuple[Any, ...]]:
    """Batch, file, line, rule, message, the start of the raw line and its length; one too many."""
    where = " AND ".join(
        f"{name} = {literal(value)}" for name, value in filters.items() if value is not None
    )
    query = (
        f"SELECT batch, file, line, rule, message, left(raw, {_RAW_CHARACTERS}), length(raw) "
        f"FROM quarantined {f'WHERE {where}' if where else ''} "
        f"ORDER BY hour DESC, batch, line LIMIT {PER_PAGE + 1} OFFSET {(page - 1) * PER_PAGE}"
    )
    return run_query(sources.home, query, usable_cores()).rows
