"""The difference of two revisions of an hour, largest first, and why: what `diff` prints."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import polars as pl

from hourtally.errors import HourHeld, HourtallyError
from hourtally.model.hours import Hour
from hourtally.published.diff import (
    LEVELS,
    NO_LONGER_HELD,
    NOW_HELD,
    Causes,
    Changes,
    changes_between,
)
from hourtally.published.diff_text import cause_sentences, void_sentences
from hourtally.published.document_shapes import shape_of
from hourtally.published.own_inputs import own_causes, own_inputs
from hourtally.published.reader import read_document
from hourtally.published.views import Filters, filtered_figures
from hourtally.server.pages.hour_revisions import ListedRevision, Viewer, chosen, listed_revisions
from hourtally.server.pages.rendering import Page
from hourtally.server.pages.sources import PageSources
from hourtally.server.parameters import HttpError
from hourtally.store.batches import Batches, event_file_names, parse_record_name
from hourtally.store.manifests import Manifest

MOST_SHOWN: Final = 100
_NOT_TOLD: Final = "what it was built from"


class ChangedRow(NamedTuple):
    """A row of a level. before, after: nanocents, or a word where there is none."""

    ids: list[str]
    name: str
    before: int | str
    after: int | str
    delta: int
    what: str


class ChangedLevel(NamedTuple):
    """A level. changed: how many rows of it differ."""

    name: str
    rows: list[ChangedRow]
    changed: int


def changes_page(
    sources: PageSources, viewer: Viewer, hour: Hour, before: int | None, after: int | None
) -> Page:
    """The page of the difference; without numbers of the newest two revisions.

    Raises:
        HttpError: there are no such revisions.
        HourtallyError: a file of them was pruned or is damaged.
    """
    listed = listed_revisions(sources, hour, viewer)
    new = chosen(listed, after)
    if before is None and new.number == listed[0].number:
        message = f"Hour {hour} was never restated: it has revision {new.number} only."
        raise HttpError(404, "revision_not_found", message)
    old = chosen(listed, before or _one_before(listed, new))
    changes = changes_between(sources.home, old.manifest, new.manifest)
    content: dict[str, Any] = {
        "title": f"Difference · {hour.name}",
        "hour": hour,
        "before": old,
        "after": new,
        "currency": str(new.manifest.record["currency"]),
        "whose": viewer.customer,
        "total": _totals(changes, old.manifest, new.manifest, viewer),
        "why": list(_why(sources, viewer, changes, (old, new))),
        "levels": [one for one in _levels(changes, viewer) if one.changed],
        "most": MOST_SHOWN,
    }
    return Page("changes", content)


def _one_before(listed: list[ListedRevision], new: ListedRevision) -> int:
    return listed[listed.index(new) - 1].number


def _levels(changes: Changes, viewer: Viewer) -> Iterator[ChangedLevel]:
    for level, rows in changes.levels.items():
        _, _, key, _ = LEVELS[level]
        own = rows
        if viewer.customer is not None:
            own = rows.filter(pl.col("customer_id") == viewer.customer)
            if not viewer.is_operator and level == "customers":
                # Its total stands above.
                own = own.filter(
                    pl.col("what").list.get(0, null_on_oob=True).is_in([NOW_HELD, NO_LONGER_HELD])
                )
        ids = key if viewer.customer is None or level == "customers" else key[1:]
        shown = [_row(row, ids) for row in own.head(MOST_SHOWN).iter_rows(named=True)]
        yield ChangedLevel(level, shown, len(own))


def _row(row: dict[str, Any], ids: tuple[str, ...]) -> ChangedRow:
    what = list(row["what"])
    before: int | str = "none" if row["before"] is None else int(row["before"])
    after: int | str = "none" if row["after"] is None else int(row["after"])
    if NO_LONGER_HELD in what:
        before = "held"
    if NOW_HELD in what:
        after = "held"
    delta = int(row["delta"])
    return ChangedRow([row[one] for one in ids], row["name"], before, after, delta, ", ".join(what))


def _what_became(sources: PageSources, causes: Causes) -> dict[str, str]:
    """What became of batches, without the names of their files and the reasons given."""
    batches = Batches(sources.home)
    notes = dict.fromkeys(causes.batches_added, "")
    for name in causes.batches_removed:
        batch, number = parse_record_name(name)
        is_again = batches.number(batch) > number
        withdrawn = "(withdrawn)" if batches.is_withdrawn(batch) else ""
        notes[name] = withdrawn or ("(ingested again)" if is_again else "")
    return notes


def _totals(
    changes: Changes, before: Manifest, after: Manifest, viewer: Viewer
) -> tuple[int | None, int | None]:
    """Of the customer, or of all; None where the customer is held."""
    if viewer.customer is None:
        return changes.total
    return _total(before, viewer.customer), _total(after, viewer.customer)


def _total(manifest: Manifest, customer: str) -> int | None:
    try:
        document = read_document(manifest, customer)
    except HourHeld:
        return None
    assert not shape_of(document).has_total
    paas, byoc = filtered_figures(document, Filters())
    return paas[0] + byoc[0]


def _why(
    sources: PageSources,
    viewer: Viewer,
    changes: Changes,
    revisions: tuple[ListedRevision, ListedRevision],
) -> Iterator[str]:
    """The reasons; a customer learns of its own batches, rates and voids, and of no file's name."""
    before, after = (one.manifest for one in revisions)
    is_next = after.revision == before.revision + 1
    if viewer.is_operator:
        inputs = {*before.inputs["batches"], *after.inputs["batches"]}
        files = event_file_names(sources.home, inputs)
        yield from cause_sentences(changes.causes, files, is_next=is_next)
        yield from void_sentences(changes.voids)
        if after.record.get("reason"):
            yield f"reason given: {after.record['reason']}"
        return
    assert viewer.customer is not None
    try:
        had, has = (own_inputs(sources.home, one, viewer.customer) for one in (before, after))
    except HourtallyError:
        yield f"{_NOT_TOLD} is not there any more"
        return
    causes = own_causes(changes.causes, viewer.customer, had, has)
    is_others = causes != changes.causes and not (
        causes.batches_added or causes.batches_removed or causes.rates
    )
    if not is_others or causes.build[0] != causes.build[1]:
        yield from cause_sentences(causes, _what_became(sources, causes), is_next=is_next)
    voids = {
        "voids": {"before": had.voids, "after": has.voids},
        "slices_voided": {"before": had.slices_voided, "after": has.slices_voided},
    }
    yield from void_sentences(voids)
