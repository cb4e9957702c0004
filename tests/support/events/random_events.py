"""Small random sets of events that provoke collisions."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.support.oracle.events import CLUSTER, HOUR_MS, RESOURCE, VOID

Json = dict[str, Any]

# The hour in the middle of all that is drawn: 2026-11-22T13.
HOUR = 1_795_352_400
HOUR_START_MS = HOUR * 1_000
# Long after every drawn event: nothing is in the future, every hour is closed.
NOW_MS = HOUR_START_MS + 48 * HOUR_MS

# Few of each, so that they meet. In UTF-8 bytes U+FF5E sorts before U+1F600, in UTF-16 after.
CUSTOMERS = ("acme", "Acme", 'q"u\\o/te', "客\U0001f600")
TEAMS = ("t1", "T1", "\uff5e", "\U0001f600")
PROJECTS = ("p1", "p 2", "é")
RESOURCES = ("r1", "r10", "r2")
TYPES = ("service", "job", "addon", "volume", "opentofu-job", "llm-model-deployment", "harness")
CLUSTERS = ("k1", "k2")
REGIONS = (None, None, "eu", "us", "")
GPU_MODELS = ("a100", "h100", "é")
GPU_CAPACITIES = (None, None, "on-demand", "spot")
NAMES = (
    None,
    None,
    "",
    "Blue",
    "blue",
    "\uff5e",
    "\U0001f600",
    'a"b\\c/',
    "\n\t\x01\x1f",
    "\x7f\u2028",
)
# The last two would be one text if source and id were joined by NUL.
IDENTITIES = (
    ("meter/a", "1"),
    ("meter/a", "2"),
    ("meter/a", "3"),
    ("meter/b", "1"),
    ("meter/b", "2"),
    ("a\0b", "c"),
    ("a", "b\0c"),
)
TIMES_US = (None, None, 0, 1, 500_000, 999_999, 1_000_000)

MOST = 10**10
# For an hour they are 10^17 nano-hours, 92 of which fit; 10^10 clusters would not fit once.
MOST_CLUSTERS = 10**8

identities = st.sampled_from(IDENTITIES) | st.integers(4, 20).map(lambda n: ("meter/a", str(n)))
names = st.sampled_from((None, "Blue", "blue")) | st.sampled_from(NAMES)
regions = st.sampled_from(REGIONS)
# None: absent.
quantities = st.one_of(
    st.sampled_from((None, 0, 0, 1, 3, 250, 1_000, 1_024)),
    st.sampled_from((MOST, MOST - 1)),
    st.integers(0, 100_000),
)


@st.composite
def intervals(draw: st.DrawFn) -> tuple[int, int]:
    """Start and end in milliseconds: inside the hour, over its borders, over three hours."""
    quarter = HOUR_MS // 4
    start = draw(
        st.one_of(
            st.just(0),
            st.integers(-4, 4).map(lambda n: n * quarter),
            st.sampled_from((-1, 1, quarter + 1, HOUR_MS - 1)),
            st.integers(-HOUR_MS, HOUR_MS),
        )
    )
    length = draw(
        st.one_of(
            st.just(HOUR_MS),
            st.sampled_from((1, 2, quarter, 2 * quarter, HOUR_MS + 1, 2 * HOUR_MS + 2)),
            st.integers(1, HOUR_MS),
        )
    )
    return HOUR_START_MS + start, HOUR_START_MS + start + length


@st.composite
def resource_data(draw: st.DrawFn) -> Json:
    """The data of a PaaS event, absent fields as None and instants in milliseconds."""
    start, end = draw(intervals())
    gpu = draw(st.sampled_from((None, 0, 0, 500, 1_000, 8_000, MOST)))
    models = GPU_MODELS if gpu else (None, None, "", *GPU_MODELS)
    return {
        "customerId": draw(st.sampled_from(CUSTOMERS)),
        "teamId": draw(st.sampled_from(TEAMS)),
        "projectId": draw(st.sampled_from(PROJECTS)),
        "resourceId": draw(st.sampled_from(RESOURCES)),
        "teamName": draw(names),
        "projectName": draw(names),
        "resourceName": draw(names),
        "resourceType": draw(st.sampled_from(TYPES)),
        "region": draw(regions),
        "start": start,
        "end": end,
        "cpuMillicores": draw(quantities),
        "memoryMiB": draw(quantities),
        "storageMiB": draw(quantities),
        "gpuMilli": gpu,
        "gpuModel": draw(st.sampled_from(models)),
        "gpuCapacity": draw(st.sampled_from(GPU_CAPACITIES)),
    }


@st.composite
def cluster_data(draw: st.DrawFn) -> Json:
    """The data of a BYOC event, in the same form."""
    start, end = draw(intervals())
    return {
        "customerId": draw(st.sampled_from(CUSTOMERS)),
        "clusterId": draw(st.sampled_from(CLUSTERS)),
        "clusterName": draw(names),
        "region": draw(regions),
        "start": start,
        "end": end,
        "vcpuMillicores": draw(quantities),
        "memoryMiB": draw(quantities),
        "gpuMemoryMiB": draw(quantities),
        "clusterCount": draw(st.sampled_from((None, 0, 1, 2, 1_000, MOST_CLUSTERS))),
    }


@st.composite
def fresh_events(draw: st.DrawFn) -> Json:
    """One event as a CloudEvent whose instants (`start`, `end`, `time`) are still numbers."""
    source, id_ = draw(identities)
    cluster = draw(st.integers(0, 3)) == 0
    return {
        "specversion": "1.0",
        "source": source,
        "id": id_,
        "time": draw(st.sampled_from(TIMES_US)),
        "type": CLUSTER if cluster else RESOURCE,
        "data": draw(cluster_data() if cluster else resource_data()),
    }


@st.composite
def variants(draw: st.DrawFn, event: Json) -> Json:
    """An event about what another one is about.

    The same statement at another time, or contradicting it in up to three fields, or a replica
    of the resource by another identity, perhaps at other hours and by other names.
    """
    fresh = draw(cluster_data() if event["type"] == CLUSTER else resource_data())
    what = draw(st.sampled_from(("time", "contradiction", "replica", "rename", "rename")))
    if what == "time":
        return {**event, "time": draw(st.sampled_from(TIMES_US))}
    if what == "contradiction":
        changed = draw(st.sets(st.sampled_from(list(fresh)), min_size=1, max_size=3))
        for together in ({"start", "end"}, {"gpuMilli", "gpuModel"}):
            changed |= together & fresh.keys() if together & changed else set()
        return {**event, "data": {**event["data"], **{name: fresh[name] for name in changed}}}
    source, id_ = draw(identities)
    changed = {name for name in fresh if name in {"start", "end"} or name.endswith("Name")}
    data = {name: fresh[name] for name in changed} if what == "rename" else {}
    return {**event, "source": source, "id": id_, "data": {**event["data"], **data}}


@st.composite
def event_sets(draw: st.DrawFn, max_fresh: int = 6, max_variants: int = 6) -> list[Json]:
    """Events in the form of `fresh_events`, many of them about the same fact or resource."""
    events = draw(st.lists(fresh_events(), min_size=1, max_size=max_fresh))
    for _ in range(draw(st.integers(0, max_variants))):
        events.append(draw(variants(draw(st.sampled_from(events)))))
    return events


@st.composite
def voids_of(draw: st.DrawFn, events: list[Json]) -> Json:
    """A void in the form of `fresh_events`.

    Of one of the events and its interval, of its identity at other hours, or of what may be
    nothing; by an identity of its own, which may be an event's.
    """
    event = draw(st.sampled_from(events))
    source, id_ = draw(identities)
    what = draw(st.sampled_from(("event", "event", "identity", "anything")))
    start, end = draw(intervals())
    if what == "event":
        start, end = event["data"]["start"], event["data"]["end"]
    voided = (event["source"], event["id"]) if what != "anything" else draw(identities)
    return {
        "specversion": "1.0",
        "source": source,
        "id": id_,
        "time": draw(st.sampled_from(TIMES_US)),
        "type": VOID,
        "data": {
            "voidedSource": voided[0],
            "voidedId": voided[1],
            "start": start,
            "end": end,
            "reason": draw(st.sampled_from((None, "", "sent twice", "\u2028"))),
        },
    }
