"""Which of contradicting statements counts in an hour."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import pytest

from tests.support.events.one_resource import built_of, make_event
from tests.support.events.random_events import Json
from tests.support.homes.small_home import Built, many_small_builds
from tests.support.oracle.events import CLUSTER


@pytest.fixture(autouse=True, scope="module")
def _quickly() -> Iterator[None]:
    with many_small_builds():
        yield


class Conflict(NamedTuple):
    """The statement that counts, and those that do not, by what is special about each."""

    rule: str
    counts: Json
    others: Sequence[Json]


def _cluster(**data: Any) -> Json:
    return {"type_": CLUSTER, **data}


CONFLICTS = [
    Conflict("the earliest time", {"time": 1, "memoryMiB": 99}, [{"time": 2}]),
    Conflict("a time 1 µs earlier", {"time": 999_999, "memoryMiB": 99}, [{"time": 1_000_000}]),
    Conflict("any time before none", {"time": 9, "memoryMiB": 99}, [{}]),
    Conflict(
        "the content whose earliest copy is earliest",
        {"time": 1, "memoryMiB": 99},
        [{"time": 3, "memoryMiB": 99}, {"time": 2}, {"memoryMiB": 99}],
    ),
    Conflict("the smallest type", _cluster(clusterId="z", memoryMiB=99), [{}]),
    # Each field before the next one of the table: smaller by the first, greater by the second.
    Conflict(
        "customerId before teamId",
        {"customerId": "a", "teamId": "t2"},
        [{"customerId": "b", "teamId": "t1"}],
    ),
    Conflict("teamId before projectId", {"projectId": "p2"}, [{"teamId": "t2", "projectId": "p1"}]),
    Conflict(
        "projectId before resourceId",
        {"resourceId": "r2"},
        [{"projectId": "p2", "resourceId": "r1"}],
    ),
    Conflict(
        "resourceId before teamName", {"teamName": "B"}, [{"resourceId": "r2", "teamName": "A"}]
    ),
    Conflict(
        "teamName before projectName",
        {"teamName": "A", "projectName": "B"},
        [{"teamName": "B", "projectName": "A"}],
    ),
    Conflict(
        "projectName before resourceName",
        {"projectName": "A", "resourceName": "B"},
        [{"projectName": "B", "resourceName": "A"}],
    ),
    Conflict(
        "resourceName before resourceType",
        {"resourceName": "A", "resourceType": "volume"},
        [{"resourceName": "B", "resourceType": "job"}],
    ),
    Conflict(
        "resourceType before region",
        {"resourceType": "job", "region": "us"},
        [{"resourceType": "service", "region": "eu"}],
    ),
    Conflict("region before start", {"region": "eu", "start": 10}, [{"region": "us", "start": 5}]),
    Conflict("start before end", {"start": 0, "end": 50}, [{"start": 5, "end": 40}]),
    Conflict(
        "end before cpuMillicores",
        {"end": 40, "cpuMillicores": 2_000},
        [{"end": 50, "cpuMillicores": 1_000}],
    ),
    Conflict(
        "cpuMillicores before memoryMiB",
        {"cpuMillicores": 1, "memoryMiB": 99},
        [{"cpuMillicores": 2, "memoryMiB": 10}],
    ),
    Conflict(
        "memoryMiB before storageMiB",
        {"memoryMiB": 10, "storageMiB": 99},
        [{"memoryMiB": 11, "storageMiB": 10}],
    ),
    Conflict(
        "storageMiB before gpuMilli",
        {"storageMiB": 10, "gpuMilli": 99, "gpuModel": "a100"},
        [{"storageMiB": 11, "gpuMilli": 10, "gpuModel": "a100"}],
    ),
    Conflict(
        "gpuMilli before gpuModel",
        {"gpuMilli": 10, "gpuModel": "h100"},
        [{"gpuMilli": 11, "gpuModel": "a100"}],
    ),
    Conflict(
        "customerId before clusterId",
        _cluster(customerId="c", clusterId="k2"),
        [_cluster(customerId="d", clusterId="k1")],
    ),
    Conflict(
        "clusterId before clusterName",
        _cluster(clusterName="B"),
        [_cluster(clusterId="k2", clusterName="A")],
    ),
    Conflict(
        "clusterName before region",
        _cluster(clusterName="A", region="us"),
        [_cluster(clusterName="B", region="eu")],
    ),
    Conflict(
        "region before start, of a cluster",
        _cluster(region="eu", start=10),
        [_cluster(region="us", start=5)],
    ),
    Conflict("start before end, of a cluster", _cluster(end=50), [_cluster(start=5, end=40)]),
    Conflict(
        "end before vcpuMillicores",
        _cluster(end=40, vcpuMillicores=2),
        [_cluster(end=50, vcpuMillicores=1)],
    ),
    Conflict(
        "vcpuMillicores before memoryMiB",
        _cluster(vcpuMillicores=1, memoryMiB=99),
        [_cluster(vcpuMillicores=2, memoryMiB=10)],
    ),
    Conflict(
        "memoryMiB before gpuMemoryMiB",
        _cluster(memoryMiB=10, gpuMemoryMiB=99),
        [_cluster(memoryMiB=11, gpuMemoryMiB=10)],
    ),
    Conflict(
        "gpuMemoryMiB before clusterCount",
        _cluster(gpuMemoryMiB=10, clusterCount=2),
        [_cluster(gpuMemoryMiB=11, clusterCount=1)],
    ),
    Conflict("an absent name before any", {"cpuMillicores": 9}, [{"teamName": "A"}]),
    Conflict("an absent region before any", {"cpuMillicores": 9}, [{"region": "us"}]),
    Conflict("an absent quantity as 0", {"memoryMiB": 99}, [{"cpuMillicores": 1}]),
    Conflict("an absent count as 1", _cluster(), [_cluster(clusterCount=2)]),
    Conflict("a count of 0 before an absent one", _cluster(clusterCount=0), [_cluster()]),
    Conflict("numbers by value", {"memoryMiB": 9}, [{"memoryMiB": 10}]),
    Conflict("upper case before lower case", {"resourceId": "Z"}, [{"resourceId": "a"}]),
    Conflict("a text before those it begins", {"resourceId": "a"}, [{"resourceId": "a "}]),
    # In UTF-8 U+FF5E is EF BD 9E and U+1F600 F0 9F 98 80; in UTF-16 it is the other way round.
    Conflict("text by UTF-8", {"resourceId": "\uff5e"}, [{"resourceId": "\U0001f600"}]),
]


@pytest.fixture(scope="module")
def hours(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Built]:
    """The hour of those that count alone, and with the others in files before and after."""
    folder = tmp_path_factory.mktemp("conflicts")
    counting = [make_event(n, **case.counts) for n, case in enumerate(CONFLICTS)]
    others = [make_event(n, **o) for n, case in enumerate(CONFLICTS) for o in case.others]
    return {
        "alone": built_of(folder, counting),
        "first": built_of(folder, counting, others),
        "last": built_of(folder, others, counting),
        "in one file": built_of(folder, [*others, *counting]),
    }


def customers_of(number: int) -> set[str]:
    case = CONFLICTS[number]
    return {make_event(number, **one)["data"]["customerId"] for one in (case.counts, *case.others)}


@pytest.mark.parametrize("order", ["first", "last", "in one file"])
@pytest.mark.parametrize("number", range(len(CONFLICTS)), ids=[c.rule for c in CONFLICTS])
def test_of_contradicting_statements_one_counts(
    number: int, order: str, hours: dict[str, Built]
) -> None:
    alone, hour = hours["alone"], hours[order]
    assert customers_of(number) & alone.documents.keys()
    for customer in customers_of(number):
        assert hour.documents.get(customer) == alone.documents.get(customer)
        for table in ("charges", "clusters"):
            rows = hour.tables[table].filter(customer_id=customer)
            assert rows.equals(alone.tables[table].filter(customer_id=customer))


@pytest.mark.parametrize("order", ["first", "last", "in one file"])
def test_every_contradicted_identity_is_counted_once(order: str, hours: dict[str, Built]) -> None:
    assert hours[order].manifest["conflicts"]["count"] == len(CONFLICTS)
    losers = sum(one["contents"] - 1 for one in hours[order].manifest["conflicts"]["listed"])
    assert hours[order].manifest["conflicts"]["slices_not_counted"] == losers >= len(CONFLICTS)
    nothing = {"count": 0, "slices_not_counted": 0, "listed": []}
    assert hours["alone"].manifest["conflicts"] == nothing
