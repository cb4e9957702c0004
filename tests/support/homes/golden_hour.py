"""The golden hour: its rates and events, with every charge worked out by hand.

The documents they add up to are in `tests/build/test_golden.py`. 1 cent is 10^9 nanocents.
"""

from __future__ import annotations

import json
from typing import Any

HOUR = "2026-11-22T13"
TIMESTAMP = 1_795_352_400

# The comment beside a rate is its price per unit and hour, in cents.
RATES = """
currency = "USD"
month_hours = 720

[[rate]]
id = "cpu-1"                      # 1200 / 720 = 5/3 a vcpu-hour, until 13:30
meter = "paas.cpu"
price_cents = "1200"
per = "vcpu-month"
active_from = 2026-01-01T00:00:00Z

[[rate]]
id = "cpu-2"                      # 1440 / 720 = 2 a vcpu-hour, from 13:30
meter = "paas.cpu"
price_cents = "1440"
per = "vcpu-month"
active_from = 2026-11-22T13:30:00Z

[[rate]]
id = "cpu-globex"                 # 720 / 720 = 1 a vcpu-hour, for globex alone
meter = "paas.cpu"
price_cents = "720"
per = "vcpu-month"
customer = "globex"
active_from = 2026-01-01T00:00:00Z

[[rate]]
id = "memory"
meter = "paas.memory"
price_cents = "0.5"
per = "gib-hour"
active_from = 2026-01-01T00:00:00Z

[[rate]]
id = "storage"                    # 512 nanocents a GiB: half a nanocent a MiB
meter = "paas.storage"
price_cents = "0.000000512"
per = "gib-hour"
active_from = 2026-01-01T00:00:00Z

[[rate]]
id = "gpu-a100"
meter = "paas.gpu"
price_cents = "150"
per = "gpu-hour"
gpu_model = "a100"
active_from = 2026-01-01T00:00:00Z

[[rate]]
id = "gpu-h100"
meter = "paas.gpu"
price_cents = "1000/3"
per = "gpu-hour"
gpu_model = "h100"
active_from = 2026-01-01T00:00:00Z

[[rate]]
id = "byoc-vcpu"                  # 360 / 720 = 1/2 a vcpu-hour
meter = "byoc.vcpu"
price_cents = "360"
per = "vcpu-month"
active_from = 2026-01-01T00:00:00Z

[[rate]]
id = "byoc-memory"
meter = "byoc.memory"
price_cents = "0.1"
per = "gib-hour"
active_from = 2026-01-01T00:00:00Z

[[rate]]
id = "byoc-gpu-memory"
meter = "byoc.gpu_memory"
price_cents = "1/4"
per = "gib-hour"
active_from = 2026-01-01T00:00:00Z

[[rate]]
id = "byoc-cluster"               # 7200 / 720 = 10 a cluster-hour
meter = "byoc.cluster"
price_cents = "7200"
per = "cluster-month"
active_from = 2026-01-01T00:00:00Z
"""

Json = dict[str, Any]


def _event(id_: str, said: str | None, start: str, end: str, data: Json) -> bytes:
    """One line; instants are times of that day in UTC, or complete if they have a T."""

    def written(instant: str) -> str:
        return instant if "T" in instant else f"2026-11-22T{instant}Z"

    kind = "cluster" if "clusterId" in data else "resource"
    event = {"specversion": "1.0", "id": id_, "source": "meter/eu", "type": f"metering.{kind}.v1"}
    if said is not None:
        event["time"] = written(said)
    interval = {"start": written(start), "end": written(end)}
    return json.dumps({**event, "data": {**data, **interval}}).encode()


ACME_WEB = {"customerId": "acme", "teamId": "web", "projectId": "shop"}
API: Json = {
    **ACME_WEB,
    "teamName": "Web",
    "projectName": "Shop",
    "resourceId": "api",
    "resourceType": "service",
    "cpuMillicores": 2_000,
    "memoryMiB": 2_048,
}
RUN: Json = {
    "customerId": "acme",
    "teamId": "ml",
    "teamName": "ML",
    "projectId": "train",
    "resourceId": "run-1",
    "resourceType": "job",
}
# The same team and project ids as acme's, and not their names.
GLOBEX_API: Json = {**API, "customerId": "globex", "memoryMiB": 1_024}
GLOBEX_API |= {"teamName": "Netz", "projectName": None}

# acme's service api: 2 vcpu and 2 GiB. a1 begins in the hour before, a2 renames it.
#   a1, 13:00 to 13:15  cpu 2 × 1/4 × 5/3               = 5/6    memory 2 × 1/4 × 1/2 = 0.25
#   a2, 13:15 to 13:45  cpu 2 × (1/4 × 5/3 + 1/4 × 2)   = 11/6   memory 2 × 1/2 × 1/2 = 0.5
#   together            cpu 16/6 = 2.666666667 (three pieces, each rounded by itself, would
#                       come to 0.833333333 + 0.833333333 + 1 = 2.666666666)  memory 0.75
A1 = _event("a1", None, "12:30:00", "13:15:00", {**API, "resourceName": "zebra"})
A2 = _event("a2", "13:45:01", "13:15:00", "13:45:00", {**API, "resourceName": "api"})
# The same fact in the other file, at another offset and with a default written out.
A2_AGAIN = _event(
    "a2",
    "13:50:00",
    "2026-11-22T15:15:00+02:00",
    "13:45:00.000",
    {"gpuMilli": 0, **API, "resourceName": "api"},
)
# acme's job run-1 on two models of GPU; no name of its own, none of its project.
#   a3, 13:00 to 14:00  gpu 1 × 1 × 150                 = 150
#   a4, 13:40 to 14:00  gpu 1/2 × 1/3 × 1000/3          = 500/9 = 55.555…  together 205.555555556
#      (on to 14:30)    cpu 4 × 1/3 × 2                 = 8/3 = 2.666666667
A3 = _event(
    "a3", "14:00:01", "13:00:00", "14:00:00", {**RUN, "gpuMilli": 1_000, "gpuModel": "a100"}
)
A4 = _event(
    "a4",
    "14:30:01",
    "13:40:00",
    "14:30:00",
    {**RUN, "gpuMilli": 500, "gpuModel": "h100", "cpuMillicores": 4_000},
)
# acme's volumes: 1 MiB is 0.5 nanocents, to even 0; 3 MiB are 1.5 nanocents, to even 2.
VOLUME: Json = {**ACME_WEB, "resourceType": "volume"}
A5 = _event("a5", None, "13:00:00", "14:00:00", {**VOLUME, "resourceId": "vol-1", "storageMiB": 1})
A6 = _event("a6", None, "13:00:00", "14:00:00", {**VOLUME, "resourceId": "vol-2", "storageMiB": 3})
# globex's service api: 1 GiB is 1/2 in the hour. Its cpu is in conflict: c1 was first said at
# 13:01, so 3 vcpu count, at globex's own rate 3 × 1 × 1 = 3, and the 1 vcpu of 13:05 does not.
C1_LATER = _event(
    "c1",
    "13:05:00",
    "13:00:00",
    "14:00:00",
    {**GLOBEX_API, "cpuMillicores": 1_000, "teamName": "Wrong"},
)
C1_FIRST = _event("c1", "13:01:00", "13:00:00", "14:00:00", {**GLOBEX_API, "cpuMillicores": 3_000})
# globex's addon: nothing used, and listed all the same. Its team has a name to be escaped.
DNS: Json = {
    "customerId": "globex",
    "teamId": "ops",
    "teamName": 'Ops "\u03b2"\n\x1f',
    "projectId": "core",
    "resourceId": "dns",
    "resourceType": "addon",
}
G2 = _event("g2", None, "13:59:59.999", "14:00:00", DNS)
# globex's clusters.
#   k1, 13:10 to 13:40  vcpu 16 × 1/2 × 1/2 = 4        memory 64 × 1/2 × 0.1 = 3.2
#                       gpuMemory 40 × 1/2 × 1/4 = 5   cluster 1 × 1/2 × 10 = 5
#   k2, 1 ms            cluster 10^10 nanocents / 3,600,000 = 2777.777… = 2778 nanocents
K1 = _event(
    "k1",
    "13:40:01",
    "13:10:00",
    "13:40:00",
    {
        "customerId": "globex",
        "clusterId": "k1",
        "clusterName": "Eins",
        "vcpuMillicores": 16_000,
        "memoryMiB": 65_536,
        "gpuMemoryMiB": 40_960,
    },
)
K2 = _event("k2", None, "13:00:00", "13:00:00.001", {"customerId": "globex", "clusterId": "k2"})

FIRST_FILE = (A1, A2, A3, C1_LATER, A5, K1)
SECOND_FILE = (K2, A4, A2_AGAIN, A6, C1_FIRST, G2)
