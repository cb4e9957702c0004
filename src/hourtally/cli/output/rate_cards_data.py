"""Facts of rate cards for programs, as JSON documents."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hourtally.build.rates.card_restatements import Restatements
from hourtally.build.rates.usage_check import UsageCheck
from hourtally.cli.output.job_data import suggested_entry
from hourtally.cli.output.preview_data import gap_entries, run_entry
from hourtally.cli.output.rate_cards import describe_change
from hourtally.model.hours import format_instant, runs_of_hours
from hourtally.ratecard import (
    RateCard,
    RateChange,
    describe_rate,
    meters_without_rate,
    pauses,
    rate_state,
    rates_at,
)


def rates_at_document(card: RateCard, instant_ms: int, path: Path) -> dict[str, Any]:
    """The facts that `print_rates_at` prints."""
    return {
        "card": str(path),
        "at": format_instant(instant_ms),
        "currency": card.currency,
        "month_hours": card.month_hours,
        "rates": [describe_rate(rate) for rate in rates_at(card, instant_ms)],
        "meters_without_rate": meters_without_rate(card, instant_ms),
    }


def check_document(
    card: RateCard, now_ms: int, path: Path, usage: UsageCheck | None, exit_status: int
) -> dict[str, Any]:
    """The facts of `rates check`; `usage` is None where there is none to check against."""
    return {
        "card": str(path),
        "now": format_instant(now_ms),
        "currency": card.currency,
        "month_hours": card.month_hours,
        "rates": [
            {**describe_rate(rate), "state": rate_state(rate, now_ms)} for rate in card.rates
        ],
        "meters_without_rate": meters_without_rate(card, now_ms),
        "pauses": [
            {
                "from": format_instant(before.active_until_ms or 0),
                "until": format_instant(after.active_from_ms),
                "between": [before.id, after.id],
            }
            for before, after in pauses(card)
        ],
        "usage": usage and _usage_entry(usage),
        "exit_status": exit_status,
    }


def _usage_entry(usage: UsageCheck) -> dict[str, Any]:
    within = usage.within
    return {
        "from": within.first and within.first.name,
        "to": within.end and within.end.name,
        "hours": usage.hours,
        "without_rate": gap_entries(usage.gaps),
        "suggested_rates": [suggested_entry(one) for one in usage.suggested],
        "never_selected": [{"id": rate.id, "reason": why} for rate, why in usage.unselected],
        "near_misses": [miss._asdict() for miss in usage.near_misses],
        "near_miss_count": usage.near_miss_count,
        "failed": [{"hour": hour.name, "error": str(error)} for hour, error in usage.failed],
    }


def diff_document(
    cards: tuple[RateCard, RateCard],
    changes: Sequence[RateChange],
    names: tuple[Path, Path],
    found: Restatements | None,
) -> dict[str, Any]:
    """The facts of `rates diff`; `found` is None where there is no home."""
    old, new = cards
    return {
        "old": str(names[0]),
        "new": str(names[1]),
        "currency": {"old": old.currency, "new": new.currency},
        "rates": [
            {
                "id": change.id,
                "change": change.kind,
                "what": describe_change(change),
                "old": change.old and describe_rate(change.old),
                "new": change.new and describe_rate(change.new),
                "matters": [
                    {
                        "from": format_instant(from_ms),
                        "until": None if until_ms is None else format_instant(until_ms),
                    }
                    for from_ms, until_ms in change.windows
                ],
            }
            for change in changes
        ],
        "restated": found
        and {
            "count": len(found.restated),
            "hours": [run_entry(run) for run in runs_of_hours((h, "") for h in found.restated)],
        },
        "stale_already": found
        and [run_entry(run) | {"reason": run.what} for run in runs_of_hours(found.stale_already)],
        "damaged_manifests": found and found.damaged,
    }
