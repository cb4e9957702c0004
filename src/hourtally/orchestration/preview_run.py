"""One run of the preview flow: the preview, its table and its final state.

Apart from the flow, whose import must not load the engines: the schedule imports it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from prefect import State
from prefect.states import Completed, Failed

from hourtally.build.rates.preview import Preview, PreviewRequest, preview
from hourtally.build.rates.preview_sums import COMPARED, WAS_HELD, WOULD_BE_HELD
from hourtally.jobs.preview_notes import (
    SIDES,
    held_customers,
    preview_heading,
    preview_notes,
    row_label,
    sorted_rows,
    totals,
)
from hourtally.model.money import format_cents
from hourtally.model.printable import counted, printable_message
from hourtally.orchestration.artifacts import ProgressArtifact, show_table
from hourtally.orchestration.states import FAILED
from hourtally.settings import Settings
from hourtally.store.layout import Home

# The server keeps artifacts in its database, and a page shows some hundred rows well.
_MOST_ROWS: Final = 1_000
_MOST_FAILED: Final = 10


def run_preview(
    key: str, home: Home, request: PreviewRequest, card: str, settings: Settings
) -> State[Any]:
    """Preview a card, show the table, and return the final state.

    Args:
        key: of the artifact.
        home: the home folder.
        request: what is asked for.
        card: the card, for the text above the table.
        settings: threads and memory.

    Raises:
        HourtallyError: it could not be done.
    """
    progress = ProgressArtifact(f"{key}-progress")

    def advance(done: int, total: int, hour: str) -> None:
        if progress.artifact is None:
            progress.begin(total)
        progress.show(done, total, hour)

    found = preview(home, request, settings, advance)
    show_table(key, preview_table(found, request), _description(found, request, card))
    message = "\n".join([preview_heading(found, request), *_held(found)])
    if found.failed:
        return Failed(name=FAILED, message="\n".join([message, *_failed(found)]))
    return Completed(message=message)


def preview_table(found: Preview, request: PreviewRequest) -> list[dict[str, Any]]:
    """The totals, then the rows with the largest differences; at most 1,000 rows of a part.

    Amounts are text, because a JSON number would be read as a binary double.
    """
    compared = sorted_rows(found, COMPARED)
    table = [
        _row("total", "", currency, COMPARED, {"before": before, "after": after})
        for currency, before, after in totals(compared)
    ]
    for part, sides in SIDES.items():
        rows = sorted_rows(found, part)
        for row in rows.head(_MOST_ROWS).iter_rows(named=True):
            cents = {side: row[side] for side in sides}
            table.append(_row(row_label(row, request), row["meter"], row["currency"], part, cents))
        if len(rows) > _MOST_ROWS:
            table.append(_row(f"… and {len(rows) - _MOST_ROWS} smaller rows", "", "", part, {}))
    return table


def _row(of: str, meter: str, currency: str, part: str, cents: dict[str, int]) -> dict[str, Any]:
    known = {side: format_cents(nanocents) for side, nanocents in cents.items()}
    if part == COMPARED and cents:
        known["difference"] = format_cents(cents["after"] - cents["before"])
    sides = ("before", "after", "difference")
    columns = {f"{side}, cents": known.get(side, "") for side in sides}
    return {"of": of, "meter": meter, **columns, "currency": currency, "hours": part}


def _description(found: Preview, request: PreviewRequest, card: str) -> str:
    """Markdown above the table: what was priced, what to know of it, and the missing rates."""
    parts = [f"{card}: {preview_heading(found, request)}", *preview_notes(found, request)]
    text = "\n\n".join(map(printable_message, [*parts, *_held(found), *_failed(found)]))
    blocks = "\n\n".join(one.block for one in found.suggested)
    return f"{text}\n\n```toml\n{blocks}\n```" if blocks else text


def _held(found: Preview) -> Iterator[str]:
    sentences = {WOULD_BE_HELD: "would be held", WAS_HELD: "held now, and not under this card"}
    for part, sentence in sentences.items():
        customers = held_customers(found, part)
        if customers:
            yield f"{counted(len(customers), 'customer')} {sentence}, such as {customers[0][0]!r}"


def _failed(found: Preview) -> Iterator[str]:
    for hour, error in found.failed[:_MOST_FAILED]:
        yield f"hour {hour} could not be priced: {error}"
    if len(found.failed) > _MOST_FAILED:
        yield f"and {len(found.failed) - _MOST_FAILED} more hours"
