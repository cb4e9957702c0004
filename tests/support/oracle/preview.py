"""What a card would do to hours, from two oracles of each: today's card and the other one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from tests.support.oracle.hour import BYOC, PAAS, OracleHour

# How much of a resource's key is the key of a level.
LEVELS = {"customer": 1, "team": 2, "project": 3, "type": 4, "resource": 5}
Row = tuple[str, tuple[str | None, ...], str]
"""Part, key and meter."""


def preview_rows(
    hours: Sequence[tuple[OracleHour | None, OracleHour]], level: str
) -> dict[Row, tuple[int, int]]:
    """Before and after in nanocents, where one of them is above zero.

    Args:
        hours: of each hour what is published, if anything, and what the other card makes of it.
        level: one of `LEVELS`.
    """
    before: Counter[Row] = Counter()
    after: Counter[Row] = Counter()
    for published, other in hours:
        was_held = [] if published is None else published.held
        if published is not None:
            for key, meter, nanocents in _charges(published, level):
                part = "would be held" if key[0] in other.held else "compared"
                before[part, key, meter] += nanocents
        for key, meter, nanocents in _charges(other, level):
            part = "held before" if key[0] in was_held else "compared"
            after[part, key, meter] += nanocents
    rows = {row: (before[row], after[row]) for row in {*before, *after}}
    return {row: sides for row, sides in rows.items() if sides != (0, 0)}


def _charges(hour: OracleHour, level: str) -> list[tuple[tuple[Any, ...], str, int]]:
    depth = LEVELS[level]
    found: list[tuple[tuple[Any, ...], str, int]] = []
    for key, prices in hour.charges.items():
        found += [(key[:depth], PAAS[name][0], cents) for name, cents in prices.items()]
    for (customer, cluster), prices in hour.clusters.items():
        ids = (customer, None, None, None, cluster if level == "resource" else None)
        found += [(ids[:depth], BYOC[name][0], cents) for name, cents in prices.items()]
    return found
