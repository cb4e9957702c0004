"""Human-readable diff of two revisions: why, then level by level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import polars as pl

from hourtally.cli.output.text_table import (
    console,
    counted,
    lines_of,
    print_lines,
    print_text,
    right_aligned,
    texts,
)
from hourtally.model.money import format_cents
from hourtally.published.diff import LEVELS, NO_LONGER_HELD, NOW_HELD, Changes
from hourtally.published.diff_text import cause_sentences, void_sentences
from hourtally.store.manifests import Manifest

MOST_SHOWN: Final = 1_000


def print_changes(
    changes: Changes, before: Manifest, after: Manifest, files: Mapping[str, str]
) -> None:
    """What changed at every level, largest change first.

    Args:
        changes: from `before` to `after`.
        before: the earlier manifest.
        after: the later manifest.
        files: the event file of each batch.
    """
    out = console()
    heading = (
        f"hour {after.hour} (UTC): revision {before.revision}, "
        f"{before.record['published_at']} → revision {after.revision}, "
        f"{after.record['published_at']}; cents, {after.record['currency']}"
    )
    print_text(out, heading, style="bold")
    if before.revision != after.revision:
        is_next = after.revision == before.revision + 1
        causes = cause_sentences(changes.causes, files, is_next=is_next)
        for line in (*causes, *void_sentences(changes.voids)):
            print_text(out, f"why: {line}")
    if after.record.get("reason"):
        print_text(out, f"Reason given: {after.record['reason']}")
    for when, manifest in (("before", before), ("after", after)):
        if manifest.held_customers:
            print_text(out, f"{when}: {counted(manifest.held_customers, 'customer')} held")
    old, new = changes.total
    print_text(out, f"total {format_cents(old)} → {format_cents(new)}, {_signed(new - old)}")
    if changes.is_empty:
        out.print("No differences in charges, names or usage.")
        return
    for level, rows in changes.levels.items():
        if len(rows):
            out.print()
            print_text(out, f"{level}: {len(rows)} changed", style="bold")
            print_lines(out, _lines(level, rows.head(MOST_SHOWN), out.width))
            if len(rows) > MOST_SHOWN:
                print_text(out, f"… and {len(rows) - MOST_SHOWN} smaller changes")


def print_never_restated(manifest: Manifest) -> None:
    """Say that the hour has a single revision."""
    print_text(
        console(),
        f"hour {manifest.hour} (UTC) was never restated: it has revision {manifest.revision} only.",
    )


def _lines(level: str, rows: pl.DataFrame, width: int | None) -> list[str]:
    _, _, key, name = LEVELS[level]
    labels = []
    for row in rows.iter_rows(named=True):
        label = "/".join(row[column] for column in key)
        is_named = name is not None and row["name"] != row[key[-1]]
        labels.append(f"{label} ({row['name']})" if is_named else label)
    held = {
        side: [word in words for words in rows["what"]]
        for side, word in (("before", NO_LONGER_HELD), ("after", NOW_HELD))
    }
    columns = [
        _cents("before", rows["before"].to_list(), held["before"]),
        _cents("after", rows["after"].to_list(), held["after"]),
        right_aligned("delta", [_signed(delta) for delta in rows["delta"]]),
        texts("changed", [", ".join(words) for words in rows["what"]]),
    ]
    return lines_of(["", *labels], columns, width)


def _cents(heading: str, nanocents: Sequence[int | None], held: Sequence[bool]) -> list[str]:
    """A column of totals; `none` if a revision lacks the row, `held` if it holds the customer."""
    texts_of = (
        ("held" if is_held else "none") if one is None else format_cents(one)
        for one, is_held in zip(nanocents, held, strict=True)
    )
    return right_aligned(heading, list(texts_of))


def _signed(nanocents: int) -> str:
    return f"+{format_cents(nanocents)}" if nanocents > 0 else format_cents(nanocents)
