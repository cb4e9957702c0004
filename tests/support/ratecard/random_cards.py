"""Random rate cards that leave no usage without a rate and change inside the hour."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from hypothesis import strategies as st

from tests.support.events.event_files import written_instant
from tests.support.events.random_events import CUSTOMERS, GPU_MODELS, HOUR_START_MS, TYPES, Json
from tests.support.oracle.events import HOUR_MS

METERS = {
    "paas.cpu": "vcpu",
    "paas.memory": "gib",
    "paas.storage": "gib",
    "paas.gpu": "gpu",
    "byoc.vcpu": "vcpu",
    "byoc.memory": "gib",
    "byoc.gpu_memory": "gib",
    "byoc.cluster": "cluster",
}
PAAS_METERS = tuple(meter for meter in METERS if meter.startswith("paas."))
SELECTOR_VALUES: dict[str, tuple[str, ...]] = {
    "customer": CUSTOMERS,
    "gpu_model": GPU_MODELS,
    "gpu_capacity": ("on-demand", "spot"),
    "resource_type": TYPES[:2],
    "region": ("eu", "us"),
}
# At most 1/50 cent an hour: 10^10 clusters for an hour are 2 * 10^17 nanocents, and a dozen
# such events stay below the 2^63 that a sum may come to.
# The third makes a millicore for an hour half a nanocent, the fourth does by the month; the
# fifth makes a MiB one.
PRICES = (
    "0",
    "0.02",
    "0.0000005",
    "0.00036",
    "0.000000512",
    "1/60",
    "0.000000001",
    "5/3000",
    "0.0123456789012345678901234567890123456789",
    "12345678901234567890123/987654321098765432109876543",
)
# Offsets from the hour's start at which a rate may change: inside the hour and around it.
CHANGES_MS = (-HOUR_MS, -1, 0, 1, 600_000, 1_800_000, 1_800_001, HOUR_MS - 1, HOUR_MS, 2 * HOUR_MS)
LONG_AGO_MS = HOUR_START_MS - 1_000 * HOUR_MS


Groups = dict[tuple[Any, ...], list[str]]
"""The lines of the rates of each meter and set of selectors."""


@st.composite
def rate_cards(draw: st.DrawFn, *, gaps: bool = False) -> str:
    """A rate card as TOML in which every meter has a rate without selectors at all times.

    With `gaps` some meters have none, or only for some of the time.
    """
    return _card(draw(_groups("rate", gaps=gaps)).values())


@st.composite
def card_pairs(draw: st.DrawFn) -> tuple[str, str]:
    """A card and a change of it: other rates of some selectors, other ids, another order."""
    before = draw(_groups("rate", gaps=True))
    other = draw(_groups("other", gaps=True))
    after: Groups = {}
    for key in [*before, *(key for key in other if key not in before)]:
        source = draw(st.sampled_from((before, before, before, other)))
        if key in source:
            after[key] = source[key]
    card = _card(draw(st.permutations(list(after.values()))))
    if draw(st.booleans()):
        card = card.replace('id = "', 'id = "renamed-')
    return _card(before.values()), card


def _card(groups: Iterable[list[str]]) -> str:
    lines = ['currency = "USD"', "month_hours = 720", *(line for of in groups for line in of)]
    return "\n".join(lines) + "\n"


@st.composite
def _groups(draw: st.DrawFn, prefix: str, *, gaps: bool) -> Groups:
    selector_sets = st.lists(
        st.tuples(st.sampled_from(tuple(METERS)), st.sets(st.sampled_from(tuple(SELECTOR_VALUES)))),
        max_size=8,
    )
    chosen: dict[tuple[Any, ...], tuple[str, Json]] = {
        (meter,): (meter, {}) for meter in METERS if not (gaps and draw(st.integers(0, 3)) == 0)
    }
    for meter, selectors in draw(selector_sets):
        fitting = selectors if meter in PAAS_METERS else selectors & {"customer", "region"}
        if meter != "paas.gpu":
            fitting = fitting - {"gpu_capacity"}
        values = {name: draw(st.sampled_from(SELECTOR_VALUES[name])) for name in sorted(fitting)}
        chosen[meter, *values.items()] = (meter, values)
    return {
        key: _rates_of(draw, f"{prefix}-{number}", meter, values, gaps or bool(values))
        for number, (key, (meter, values)) in enumerate(chosen.items())
    }


def _rates_of(
    draw: st.DrawFn,
    name: str,
    meter: str,
    values: Json,
    has_gaps: bool,
) -> list[str]:
    """The consecutive rates of one meter and set of selectors."""
    changes = draw(st.lists(st.sampled_from(CHANGES_MS), max_size=2, unique=True))
    starts = sorted(HOUR_START_MS + change for change in changes)
    if not has_gaps or not starts or draw(st.booleans()):
        starts.insert(0, LONG_AGO_MS)
    lines = []
    for index, start in enumerate(starts):
        per = f"{METERS[meter]}-{draw(st.sampled_from(('hour', 'month')))}"
        lines += [
            "[[rate]]",
            f'id = "{name}-{index}"',
            f'meter = "{meter}"',
            f'price_cents = "{draw(st.sampled_from(PRICES))}"',
            f'per = "{per}"',
            f"active_from = {written_instant(start, 0, 3)}",
        ]
        # A rate that ends early leaves the rest to the one without selectors.
        if has_gaps and index + 1 == len(starts) and draw(st.booleans()):
            lines.append(f"active_until = {written_instant(start + 900_000, 60, 3)}")
        lines += [
            f"{selector} = {json.dumps(value, ensure_ascii=False)}"
            for selector, value in values.items()
        ]
    return lines
