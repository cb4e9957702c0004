"""Names of data fields: which are unknown, and which of those look like a misspelt known one.

A misspelt quantity would count as zero, so a line with one is quarantined (contract, section 2).
Names are compared once for each set of keys, not for each line.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from typing import Any, Final, NamedTuple

from hourtally.events.event_types import EventType
from hourtally.events.strict_json import RuleViolation, quoted

_MARKS: Final = str.maketrans("", "", "_-.")
# Sets of keys whose near misses are remembered; only short ones, so that they take little memory.
_REMEMBERED: Final = 256
_MAX_REMEMBERED_KEYS: Final = 64
_MAX_REMEMBERED_CHARACTERS: Final = 4_096


class NearMiss(NamedTuple):
    """An unknown field whose name is nearly that of a known one.

    is_respelt: the names are equal but for case, `_`, `-`, `.` and a prefix `data.`; otherwise they
    are one edit apart.
    """

    unknown: str
    known: str
    is_respelt: bool


def check_spelling(data: dict[str, Any], event_type: EventType) -> None:
    """Refuse data that has a misspelt field where the right one is absent; null is absent.

    Raises:
        RuleViolation: misspelt_field.
    """
    for near in near_misses(tuple(data), event_type):
        value = data[near.unknown]
        if value is None or data.get(near.known) is not None:
            continue
        if near.is_respelt or near.known not in event_type.quantities or _is_number(value):
            message = (
                f"the field {quoted(near.unknown)} is unknown and {near.known} is absent: "
                f"rename it to {near.known}"
            )
            raise RuleViolation("misspelt_field", message)


def unknown_fields(data: dict[str, Any], event_type: EventType) -> list[str]:
    """The fields that are ignored, but for those that are null."""
    known = event_type.known
    return [name for name, value in data.items() if name not in known and value is not None]


def near_misses(keys: tuple[str, ...], event_type: EventType) -> tuple[NearMiss, ...]:
    """The near misses among the keys of an event's data, in their order."""
    if len(keys) > _MAX_REMEMBERED_KEYS or sum(map(len, keys)) > _MAX_REMEMBERED_CHARACTERS:
        return _near_misses(keys, event_type)
    return _remembered_near_misses(keys, event_type)


@lru_cache(_REMEMBERED)
def _remembered_near_misses(keys: tuple[str, ...], event_type: EventType) -> tuple[NearMiss, ...]:
    return _near_misses(keys, event_type)


def _near_misses(keys: tuple[str, ...], event_type: EventType) -> tuple[NearMiss, ...]:
    one_edit = (*event_type.required, *event_type.quantities)
    return tuple(find_near_misses(keys, event_type.known, one_edit))


def find_near_misses(
    names: Iterable[str], known: Collection[str], one_edit: Iterable[str]
) -> Iterator[NearMiss]:
    """The near misses among names, in their order.

    Args:
        names: of fields or columns.
        known: the right names.
        one_edit: those of them that a name may also miss by one edit.
    """
    folded_known = {folded(name): name for name in known}
    folded_one_edit = [folded(name) for name in one_edit]
    for name in names:
        if name in known:
            continue
        key = folded(name)
        if key in folded_known:
            yield NearMiss(name, folded_known[key], is_respelt=True)
        for other in folded_one_edit:
            if is_one_edit(key, other):
                yield NearMiss(name, folded_known[other], is_respelt=False)


def folded(name: str) -> str:
    """A name without what producers spell differently: case, a prefix `data.`, `_`, `-`, `.`."""
    return name.casefold().removeprefix("data.").translate(_MARKS)


def is_one_edit(one: str, other: str) -> bool:
    """Whether one letter more, less or other, or two neighbours swapped, make them equal."""
    if abs(len(one) - len(other)) > 1 or one == other:
        return False
    shorter, longer = sorted((one, other), key=len)
    place = next((n for n, letter in enumerate(shorter) if letter != longer[n]), len(shorter))
    if len(shorter) < len(longer):
        return shorter[place:] == longer[place + 1 :]
    if shorter[place + 1 :] == longer[place + 1 :]:
        return True
    swapped = shorter[place + 1 : place + 2] + shorter[place]
    return swapped == longer[place : place + 2] and shorter[place + 2 :] == longer[place + 2 :]


def _is_number(value: object) -> bool:
    # In Python, True and False are integers too.
    return isinstance(value, int | float) and not isinstance(value, bool)
