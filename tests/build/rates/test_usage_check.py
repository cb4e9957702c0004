"""A card against usage: what has no rate, which rates nothing selects, names nearly spelt alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from hourtally.build.rates.usage_check import NEVER_CHOSEN, NO_MATCH, UsageCheck, check_usage
from hourtally.model.hours import HourRange
from hourtally.ratecard import parse_rate_card
from hourtally.settings import Settings
from hourtally.store.layout import Home
from tests.support.command_line import everything
from tests.support.homes.priced_home import FIRST, SECOND, hourly_rate, job, priced_home
from tests.support.ratecard.card_texts import card_text

CPU = hourly_rate("cpu", "120")
LATER = "2026-12-01T00:00:00Z"


def checked(home: Home, *rates: str) -> UsageCheck:
    before = everything(home.root)
    card = parse_rate_card(card_text(*rates), "card")
    found = check_usage(home, card, HourRange(FIRST, SECOND.following), Settings(threads=1))
    assert everything(home.root) == before
    assert found.failed == []
    return found


def unselected(found: UsageCheck) -> dict[str, str]:
    return {rate.id: why for rate, why in found.unselected}


def near_misses(found: UsageCheck) -> list[tuple[str, ...]]:
    return [tuple(miss) for miss in found.near_misses]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Never built: a card is checked before that."""
    gpu = {"cpuMillicores": None, "gpuMilli": 1_000, "gpuModel": "h100", "region": "eu"}
    events = [job(1, "acme"), job(2, "globex", 60, 90, **gpu)]
    return priced_home(tmp_path, *events, card=None)


def test_a_card_that_prices_all_usage_has_nothing_to_say(home: Home) -> None:
    found = checked(home, CPU, hourly_rate("gpu", "200", "paas.gpu", gpu_model="h100"))
    assert (found.hours, len(found.gaps), found.unselected, found.near_misses) == (2, 0, [], [])


def test_usage_without_a_rate_is_listed_with_the_rate_to_add(home: Home) -> None:
    found = checked(home, CPU, hourly_rate("gpu", "200", "paas.gpu", gpu_model="h10O"))
    [gap] = found.gaps.to_dicts()
    assert (gap["customer_id"], gap["meter"], gap["gpu_model"]) == ("globex", "paas.gpu", "h100")
    [suggested] = found.suggested
    assert suggested.spellings == (("gpu_model", "h100", "h10O"),)
    assert unselected(found) == {"gpu": NO_MATCH}
    assert near_misses(found) == [("gpu_model", "h100", "h10O")]


def test_a_name_that_the_card_has_is_not_taken_for_misspelt_where_its_rate_has_ended(
    home: Home,
) -> None:
    ended = hourly_rate(
        "gpu", "200", "paas.gpu", gpu_model="h100", active_until="2026-11-22T14:10:00Z"
    )
    other = hourly_rate("other", "200", "paas.gpu", gpu_model="h200")
    [suggested] = checked(home, CPU, ended, other).suggested
    assert suggested.spellings == ()


def test_a_pause_of_a_second_is_usage_without_a_rate(home: Home) -> None:
    end, start = "2026-11-22T13:10:00Z", "2026-11-22T13:10:01Z"
    gpu = hourly_rate("gpu", "200", "paas.gpu")
    cpu = [
        hourly_rate("cpu-1", "120", active_until=end),
        hourly_rate("cpu-2", "120", active_from=start),
    ]
    [gap] = checked(home, *cpu, gpu).gaps.to_dicts()
    assert (gap["customer_id"], gap["meter"]) == ("acme", "paas.cpu")
    ten_minutes = FIRST.start_ms + 600_000
    assert (gap["from_ms"], gap["until_ms"]) == (ten_minutes, ten_minutes + 1_000)


@pytest.mark.parametrize(
    ("rate", "why"),
    [
        # A customer without usage.
        (hourly_rate("own", "1", customer="initech"), NO_MATCH),
        # acme has no region.
        (hourly_rate("own", "1", region="eu"), NO_MATCH),
        (hourly_rate("own", "1", "byoc.cluster"), NO_MATCH),
        # Starts after all usage, and no usage is like it.
        (hourly_rate("own", "1", customer="initech", active_from=LATER), NO_MATCH),
        # It would be selected if it were in force, and it is not meant to be yet.
        (hourly_rate("own", "1", customer="acme", active_from=LATER), None),
        # Ended before the usage.
        (hourly_rate("own", "1", customer="initech", active_until="2026-02-01T00:00:00Z"), None),
        # In force in the range, but not while acme has usage.
        (
            hourly_rate("own", "1", customer="acme", active_from="2026-11-22T14:00:00Z"),
            NEVER_CHOSEN,
        ),
        (hourly_rate("own", "1", customer="acme"), None),
        (hourly_rate("own", "1", resource_type="job"), None),
    ],
)
def test_a_rate_that_nothing_selects_is_told_with_the_reason(
    home: Home, rate: str, why: str | None
) -> None:
    gpu = hourly_rate("gpu", "200", "paas.gpu")
    found = unselected(checked(home, CPU, gpu, rate))
    # All usage of acme then has its own rate.
    found.pop("cpu", None)
    assert found == ({} if why is None else {"own": why})


def test_a_rate_that_more_specific_ones_leave_nothing_is_told(home: Home) -> None:
    gpu = hourly_rate("gpu", "200", "paas.gpu")
    found = checked(home, CPU, gpu, hourly_rate("jobs", "1", resource_type="job"))
    assert unselected(found) == {"cpu": NEVER_CHOSEN}


def test_names_are_near_by_case_or_an_edit_unless_the_card_has_them(home: Home) -> None:
    gpu = hourly_rate("gpu", "200", "paas.gpu")
    found = checked(
        home,
        CPU,
        gpu,
        hourly_rate("a", "1", customer="Acme"),
        hourly_rate("b", "1", customer="globe"),
        hourly_rate("c", "1", "paas.gpu", region="eu"),
        hourly_rate("d", "1", "paas.gpu", region="EU"),
    )
    assert near_misses(found) == [("customer", "acme", "Acme"), ("customer", "globex", "globe")]


def test_a_range_without_usage_has_none(tmp_path: Path) -> None:
    found = checked(priced_home(tmp_path, job(1, "acme", 600, 601), card=None), CPU)
    assert (found.hours, found.unselected) == (0, [])
