"""Parse TOML into a checked rate card, or report everything that is wrong with it at once.

The rules are those of the contract, section 3. Unknown keys are rejected as well, because a
misspelt selector or end would silently change what is charged.
"""

from __future__ import annotations

import tomllib
from codecs import BOM_UTF8
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from hourtally.errors import RateCardError, StorageFault
from hourtally.model.components import GPU_CAPACITIES, RESOURCE_TYPES
from hourtally.model.hours import format_instant
from hourtally.ratecard.card import GPU_METER, METERS, SELECTORS, Rate, RateCard, format_selectors
from hourtally.ratecard.fields import MAX_TEXT_BYTES, Table, got, quoted
from hourtally.ratecard.focus_table import read_focus
from hourtally.store.durable import read_file
from hourtally.store.faults import StoreFault

# 40,000 rates; read in three seconds.
MAX_CARD_BYTES: Final = 8 << 20
_MAX_DOTS: Final = 200
_RATE_REQUIRED = ("id", "meter", "price_cents", "per", "active_from")
_RATE_KEYS = (*_RATE_REQUIRED, "active_until", *SELECTORS)
# The units of each meter.
_UNITS = {meter: (f"{noun}-hour", f"{noun}-month") for meter, (noun, _) in METERS.items()}
_CHOICES: Final = {"resource_type": RESOURCE_TYPES, "gpu_capacity": GPU_CAPACITIES}
_ALL_UNITS = tuple(dict.fromkeys(unit for units in _UNITS.values() for unit in units))


def load_rate_card(path: Path, other: str = "another with --rates FILE") -> RateCard:
    """The card in a file; `other` is what a message suggests to name instead.

    Raises:
        RateCardError: the file cannot be read, or is not a rate card; lists all problems.
        StorageFault: the object store that it is in refused the read, or did not answer.
    """
    try:
        content = read_file(path, MAX_CARD_BYTES + 1)
    except StoreFault as fault:
        message = f"{path}: the rate card cannot be read: {fault.strerror}; {fault.advice}"
        raise StorageFault(message) from fault
    except OSError as error:
        reason = f"the rate card cannot be read: {error.strerror or error}"
        cure = (
            "give this user permission"
            if isinstance(error, PermissionError)
            else "put a card there"
        )
        problem = f"{reason}; {cure}, or name {other}"
        raise RateCardError(str(path), [problem]) from error
    if len(content) > MAX_CARD_BYTES:
        problem = f"is larger than {MAX_CARD_BYTES} bytes: this is not a rate card"
        raise RateCardError(str(path), [problem])
    content = content.removeprefix(BOM_UTF8)
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        byte = content[error.start]
        problem = f"line {line}: byte 0x{byte:02x} is not UTF-8; save the file as UTF-8"
        raise RateCardError(str(path), [problem]) from error
    return parse_rate_card(text, str(path))


def parse_rate_card(text: str, source: str) -> RateCard:
    """The card in a text; `source` is what messages call it.

    TOML cuts off an instant's digits below a microsecond, so they cannot be rejected here.

    Raises:
        RateCardError: it is not a rate card; lists all problems.
    """
    problems: list[str] = []
    card = Table(_parse_toml(text, source), "the card", problems)
    card.check_keys(("currency", "month_hours", "rate", "focus"), required=("currency",))
    currency = card.currency()
    month_hours = card.month_hours()
    tables = _rate_tables(card)
    focus = read_focus(card)
    rates = [rate for table in tables if (rate := _read_rate(table, month_hours)) is not None]
    problems += _duplicate_ids(tables)
    resolved: list[Rate] = []
    for group in _by_meter_and_selectors(rates):
        windows = _with_default_ends(group)
        problems += _overlaps(windows)
        resolved += windows
    if problems:
        raise RateCardError(source, problems)
    by_id = tuple(sorted(resolved, key=lambda rate: rate.id))
    return RateCard(currency, month_hours, by_id, focus=focus)


def _parse_toml(text: str, source: str) -> dict[str, Any]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.count(".") > _MAX_DOTS:
            # A key of n parts takes tomllib n^2 steps: 40,000 parts take 13 seconds.
            problem = f"line {number} has over {_MAX_DOTS} dots: split it into several lines"
            raise RateCardError(source, [problem])
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        problem = f"is not TOML: {error}"
    except RecursionError:
        problem = "is nested too deeply to be read"
    except ValueError:
        # The only other cause: Python does not parse decimal integers of over 4,300 digits.
        problem = "has a number of thousands of digits"
    raise RateCardError(source, [problem])


def _rate_tables(card: Table) -> list[Table]:
    """The `[[rate]]` tables in their order, each named by its id or else by its place."""
    listed = card.values.get("rate", [])
    if not isinstance(listed, list):
        card.reject(f"rate is {got(listed)}: write each rate under [[rate]], in double brackets")
        return []
    tables = []
    for number, values in enumerate(listed, 1):
        place = f"[[rate]] number {number}"
        if not isinstance(values, dict):
            card.reject(f"{place} is {got(values)}: write each rate under [[rate]]")
            continue
        rate_id = values.get("id")
        # An id too long to be one is too long to stand before each of the rate's problems.
        named = isinstance(rate_id, str) and 0 < len(rate_id) <= MAX_TEXT_BYTES
        name = f"rate {rate_id!r}" if named else place
        tables.append(Table(values, name, card.problems))
    return tables


def _read_rate(table: Table, month_hours: int) -> Rate | None:
    """The rate of a table, its end as it is written.

    None where its window or what it applies to is in doubt, so that no overlap is told that
    may not be one. With only its id, price or unit wrong, it takes part with a stand-in.
    """
    table.check_keys(_RATE_KEYS, _RATE_REQUIRED)
    rate_id = table.text("id")
    price_cents = table.price_cents()
    known_problems = len(table.problems)
    meter = table.choice("meter", METERS)
    selectors = {
        name: table.choice(name, _CHOICES[name]) if name in _CHOICES else table.text(name)
        for name in SELECTORS
    }
    if selectors["gpu_capacity"] and meter not in {None, GPU_METER}:
        table.reject(f"gpu_capacity is a selector of {GPU_METER!r} only: leave it out")
    from_ms = table.instant_ms("active_from")
    until_ms = table.instant_ms("active_until")
    if from_ms is not None and until_ms is not None and until_ms <= from_ms:
        ends, starts = format_instant(until_ms), format_instant(from_ms)
        table.reject(f"active_until {ends} is not after active_from {starts}")
    comparable = len(table.problems) == known_problems and table.values.keys() <= set(_RATE_KEYS)
    per = _read_unit(table, meter)
    if meter is None or from_ms is None or not comparable:
        return None
    return Rate(
        id=rate_id or table.name,
        meter=meter,
        price_cents=price_cents,
        per=per,
        per_hours=month_hours if per.endswith("-month") else 1,
        active_from_ms=from_ms,
        active_until_ms=until_ms,
        **selectors,
    )


def _read_unit(table: Table, meter: str | None) -> str:
    """The unit, which must be one of the meter's; of any meter if the meter is wrong."""
    if meter is None:
        return table.choice("per", _ALL_UNITS) or ""
    per = table.text("per")
    if per and per not in _UNITS[meter]:
        wrong = "is a unit of other meters" if per in _ALL_UNITS else "is not a unit"
        usable = " or ".join(repr(unit) for unit in _UNITS[meter])
        table.reject(f"per {quoted(per)} {wrong}: {meter!r} has {usable}")
    return per or ""


def _duplicate_ids(tables: list[Table]) -> Iterator[str]:
    """A problem for each id that more than one rate has."""
    counts = Counter(table.name for table in tables)
    for name, count in counts.items():
        if count > 1:
            yield f"{name}: {count} rates have this id: give each rate its own id"


def _by_meter_and_selectors(rates: list[Rate]) -> Iterator[list[Rate]]:
    """Groups of rates that must not overlap each other, sorted by start."""
    groups = defaultdict(list)
    for rate in rates:
        groups[rate.meter, rate.selectors].append(rate)
    for group in groups.values():
        yield sorted(group, key=lambda rate: rate.active_from_ms)


def _with_default_ends(group: list[Rate]) -> list[Rate]:
    """Let a rate without an end of its own end where the next one starts, if there is one."""
    starts = sorted({rate.active_from_ms for rate in group})
    next_start = dict(pairwise(starts))
    return [
        replace(rate, active_until_ms=next_start.get(rate.active_from_ms))
        if rate.active_until_ms is None
        else rate
        for rate in group
    ]


def _overlaps(group: list[Rate]) -> Iterator[str]:
    """A problem for each rate that starts before an earlier one has ended.

    One pass: each rate is compared with the one before it that ends last.
    """
    last_to_end = group[0]
    for rate in group[1:]:
        ends = [r.active_until_ms for r in (last_to_end, rate) if r.active_until_ms is not None]
        if last_to_end.active_until_ms is None or rate.active_from_ms < last_to_end.active_until_ms:
            until = f"until {format_instant(min(ends))}" if ends else "without an end"
            selectors = format_selectors(rate) or "none"
            yield (
                f"rates {last_to_end.id!r} and {rate.id!r} are both active from "
                f"{format_instant(rate.active_from_ms)} {until}, for meter {rate.meter!r} and "
                f"equal selectors ({selectors}): end one where the other starts"
            )
        if last_to_end.active_until_ms is not None and (
            rate.active_until_ms is None or rate.active_until_ms > last_to_end.active_until_ms
        ):
            last_to_end = rate
