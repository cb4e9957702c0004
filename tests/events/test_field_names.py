"""Which names of fields are taken for misspelt ones."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hourtally.events.event_types import EVENT_TYPES, RESOURCE_EVENT_TYPE
from hourtally.events.field_names import NearMiss, folded, is_one_edit, near_misses

_SHORT = st.text("abc", max_size=5)


def edits(word: str) -> set[str]:
    """All words of a, b and c that are one edit from a word."""
    cuts = [(word[:place], word[place:]) for place in range(len(word) + 1)]
    return {
        *(left + right[1:] for left, right in cuts if right),
        *(left + letter + right for (left, right), letter in itertools.product(cuts, "abc")),
        *(
            left + letter + right[1:]
            for (left, right), letter in itertools.product(cuts, "abc")
            if right
        ),
        *(left + right[1] + right[0] + right[2:] for left, right in cuts if len(right) > 1),
    } - {word}


@given(_SHORT, _SHORT)
def test_one_edit_is_a_letter_more_less_or_other_or_two_neighbours_swapped(
    one: str, other: str
) -> None:
    assert is_one_edit(one, other) == (other in edits(one)) == is_one_edit(other, one)


@pytest.mark.parametrize(
    "name",
    [
        "cpuMillicores",
        "CPU_MILLICORES",
        "data.cpu-millicores",
        "DATA.cpu.Millicores",
        "c_p_u_millicores_",
    ],
)
def test_case_marks_and_the_prefix_of_flattened_data_are_dropped(name: str) -> None:
    assert folded(name) == "cpumillicores"


def test_only_one_prefix_is_dropped() -> None:
    assert folded("data.data.region") == "dataregion"


def test_no_two_fields_of_a_type_are_near_each_other() -> None:
    for event_type in EVENT_TYPES.values():
        names = [folded(name) for name in event_type.known]
        assert len(set(names)) == len(names)
        assert not any(is_one_edit(*pair) for pair in itertools.combinations(names, 2))


def test_near_misses_come_in_the_order_of_the_keys() -> None:
    keys = ("vcpuMillicores", "x", "team_name", "region", "memoryMb")
    assert near_misses(keys, RESOURCE_EVENT_TYPE) == (
        NearMiss("vcpuMillicores", "cpuMillicores", is_respelt=False),
        NearMiss("team_name", "teamName", is_respelt=True),
        NearMiss("memoryMb", "memoryMiB", is_respelt=False),
    )


def test_many_and_long_keys_are_compared_too() -> None:
    keys = (*(f"key{number}" for number in range(100)), "x" * 5_000, "team_id")
    [near] = near_misses(keys, RESOURCE_EVENT_TYPE)
    assert (near.unknown, near.known) == ("team_id", "teamId")
