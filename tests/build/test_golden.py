"""One hour worked out by hand, from event files through the command line to the bytes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.homes.golden_hour import FIRST_FILE, HOUR, RATES, SECOND_FILE, TIMESTAMP
from tests.support.oracle.hour import oracle

# Team web comes to 2.666666667 + 0.75 + 0.000000002 = 3.416666669, team ml to 2.666666667 +
# 205.555555556 = 208.222222223. In all: cpu 2 × 2.666666667 = 5.333333334, total 3.416666669 +
# 208.222222223 = 211.638888892.
ACME = (
    b'{"data":{"timestamp":1795352400,"paasUsage":{'
    b'"price":{"total":211.638888892,"cpu":5.333333334,"memory":0.75,"storage":0.000000002,'
    b'"gpu":205.555555556},"teams":['
    b'{"id":"ml","name":"ML",'
    b'"price":{"total":208.222222223,"cpu":2.666666667,"memory":0,"storage":0,'
    b'"gpu":205.555555556},"projects":['
    b'{"id":"train","name":"train",'
    b'"price":{"total":208.222222223,"cpu":2.666666667,"memory":0,"storage":0,'
    b'"gpu":205.555555556},"resourceTypes":['
    b'{"resourceType":"job",'
    b'"price":{"total":208.222222223,"cpu":2.666666667,"memory":0,"storage":0,'
    b'"gpu":205.555555556},"resources":['
    b'{"id":"run-1","name":"run-1",'
    b'"price":{"total":208.222222223,"cpu":2.666666667,"memory":0,"storage":0,'
    b'"gpu":205.555555556}}]}]}]},'
    b'{"id":"web","name":"Web",'
    b'"price":{"total":3.416666669,"cpu":2.666666667,"memory":0.75,"storage":0.000000002,'
    b'"gpu":0},"projects":['
    b'{"id":"shop","name":"Shop",'
    b'"price":{"total":3.416666669,"cpu":2.666666667,"memory":0.75,"storage":0.000000002,'
    b'"gpu":0},"resourceTypes":['
    b'{"resourceType":"service",'
    b'"price":{"total":3.416666667,"cpu":2.666666667,"memory":0.75,"storage":0,"gpu":0},'
    b'"resources":['
    b'{"id":"api","name":"api",'
    b'"price":{"total":3.416666667,"cpu":2.666666667,"memory":0.75,"storage":0,"gpu":0}}]},'
    b'{"resourceType":"volume",'
    b'"price":{"total":0.000000002,"cpu":0,"memory":0,"storage":0.000000002,"gpu":0},'
    b'"resources":['
    b'{"id":"vol-1","name":"vol-1",'
    b'"price":{"total":0,"cpu":0,"memory":0,"storage":0,"gpu":0}},'
    b'{"id":"vol-2","name":"vol-2",'
    b'"price":{"total":0.000000002,"cpu":0,"memory":0,"storage":0.000000002,"gpu":0}}]}]}]}]},'
    b'"byocUsage":{"price":{"total":0,"vcpu":0,"memory":0,"gpuMemory":0,"cluster":0}}}}'
)
# Team web comes to 3 + 0.5 = 3.5. The clusters: cluster 5 + 0.000002778 = 5.000002778, total
# 4 + 3.2 + 5 + 5.000002778 = 17.200002778.
GLOBEX = (
    b'{"data":{"timestamp":1795352400,"paasUsage":{'
    b'"price":{"total":3.5,"cpu":3,"memory":0.5,"storage":0,"gpu":0},"teams":['
    b'{"id":"ops","name":"Ops \\"\xce\xb2\\"\\n\\u001f",'
    b'"price":{"total":0,"cpu":0,"memory":0,"storage":0,"gpu":0},"projects":['
    b'{"id":"core","name":"core",'
    b'"price":{"total":0,"cpu":0,"memory":0,"storage":0,"gpu":0},"resourceTypes":['
    b'{"resourceType":"addon",'
    b'"price":{"total":0,"cpu":0,"memory":0,"storage":0,"gpu":0},"resources":['
    b'{"id":"dns","name":"dns",'
    b'"price":{"total":0,"cpu":0,"memory":0,"storage":0,"gpu":0}}]}]}]},'
    b'{"id":"web","name":"Netz",'
    b'"price":{"total":3.5,"cpu":3,"memory":0.5,"storage":0,"gpu":0},"projects":['
    b'{"id":"shop","name":"shop",'
    b'"price":{"total":3.5,"cpu":3,"memory":0.5,"storage":0,"gpu":0},"resourceTypes":['
    b'{"resourceType":"service",'
    b'"price":{"total":3.5,"cpu":3,"memory":0.5,"storage":0,"gpu":0},"resources":['
    b'{"id":"api","name":"api",'
    b'"price":{"total":3.5,"cpu":3,"memory":0.5,"storage":0,"gpu":0}}]}]}]}]},'
    b'"byocUsage":{"price":{"total":17.200002778,"vcpu":4,"memory":3.2,"gpuMemory":5,'
    b'"cluster":5.000002778}}}}'
)

# The same in US dollars, with what was used. Team ml: a GPU for 1 h and half of one for 1/3 h are
# 1.166666667 GPU-hours; 4 vCPUs for 1/3 h are 1.333333333. Team web: 2 vCPUs and 2 GiB for 3/4 h
# are 1.5 each; 1 and 3 MiB for 1 h are 976,562.5 and 2,929,687.5 nano-GiB-hours, to even
# 0.000976562 and 0.002929688, together 0.00390625.
ACME_USAGE = (
    b'{"data":{"timestamp":1795352400,"currency":"usd",'
    b'"scope":{"entityType":"team","entityId":"acme"},"total":2.11638888892,"paas":{'
    b'"price":{"total":2.11638888892,"cpu":0.05333333334,"memory":0.0075,'
    b'"storage":0.00000000002,"gpu":2.05555555556},'
    b'"usage":{"vcpuHours":2.833333333,"memoryGiBHours":1.5,"storageGiBHours":0.00390625,'
    b'"gpuOnDemandHours":1.166666667,"gpuSpotHours":0},"teams":['
    b'{"id":"ml","name":"ML",%(ml)b,"projects":[{"id":"train","name":"train",%(ml)b,'
    b'"resourceTypes":[{"resourceType":"job",%(ml)b,"resources":['
    b'{"id":"run-1","name":"run-1",%(ml)b}]}]}]},'
    b'{"id":"web","name":"Web",%(web)b,"projects":[{"id":"shop","name":"Shop",%(web)b,'
    b'"resourceTypes":[{"resourceType":"service",%(api)b,"resources":['
    b'{"id":"api","name":"api",%(api)b}]},'
    b'{"resourceType":"volume","price":{"total":0.00000000002,"cpu":0,"memory":0,'
    b'"storage":0.00000000002,"gpu":0},"usage":{"vcpuHours":0,"memoryGiBHours":0,'
    b'"storageGiBHours":0.00390625,"gpuOnDemandHours":0,"gpuSpotHours":0},"resources":['
    b'{"id":"vol-1","name":"vol-1","price":{"total":0,"cpu":0,"memory":0,"storage":0,"gpu":0},'
    b'"usage":{"vcpuHours":0,"memoryGiBHours":0,"storageGiBHours":0.000976562,'
    b'"gpuOnDemandHours":0,"gpuSpotHours":0}},'
    b'{"id":"vol-2","name":"vol-2","price":{"total":0.00000000002,"cpu":0,"memory":0,'
    b'"storage":0.00000000002,"gpu":0},"usage":{"vcpuHours":0,"memoryGiBHours":0,'
    b'"storageGiBHours":0.002929688,"gpuOnDemandHours":0,"gpuSpotHours":0}}]}]}]}]},'
    b'"byoc":{"price":{"total":0,"vcpu":0,"memory":0,"gpuMemory":0,"cluster":0},'
    b'"usage":{"vcpuHours":0,"memoryGiBHours":0,"gpuMemoryGiBHours":0,"clusterHours":0},'
    b'"clusters":[]}}}'
) % {
    b"ml": b'"price":{"total":2.08222222223,"cpu":0.02666666667,"memory":0,"storage":0,'
    b'"gpu":2.05555555556},"usage":{"vcpuHours":1.333333333,"memoryGiBHours":0,'
    b'"storageGiBHours":0,"gpuOnDemandHours":1.166666667,"gpuSpotHours":0}',
    b"web": b'"price":{"total":0.03416666669,"cpu":0.02666666667,"memory":0.0075,'
    b'"storage":0.00000000002,"gpu":0},"usage":{"vcpuHours":1.5,"memoryGiBHours":1.5,'
    b'"storageGiBHours":0.00390625,"gpuOnDemandHours":0,"gpuSpotHours":0}',
    b"api": b'"price":{"total":0.03416666667,"cpu":0.02666666667,"memory":0.0075,"storage":0,'
    b'"gpu":0},"usage":{"vcpuHours":1.5,"memoryGiBHours":1.5,"storageGiBHours":0,'
    b'"gpuOnDemandHours":0,"gpuSpotHours":0}',
}
# 3 vCPUs and 1 GiB for 1 h. Cluster k1 for 1/2 h: 16 vCPUs, 64 GiB, 40 GiB; k2 for 1 ms:
# 10^9 / 3,600,000 = 277.8 nano-hours. In all 0.035 + 0.17200002778 = 0.20700002778.
GLOBEX_USAGE = (
    b'{"data":{"timestamp":1795352400,"currency":"usd",'
    b'"scope":{"entityType":"team","entityId":"globex"},"total":0.20700002778,"paas":{'
    b'%(api)b,"teams":['
    b'{"id":"ops","name":"Ops \\"\xce\xb2\\"\\n\\u001f",%(dns)b,"projects":['
    b'{"id":"core","name":"core",%(dns)b,"resourceTypes":[{"resourceType":"addon",%(dns)b,'
    b'"resources":[{"id":"dns","name":"dns",%(dns)b}]}]}]},'
    b'{"id":"web","name":"Netz",%(api)b,"projects":['
    b'{"id":"shop","name":"shop",%(api)b,"resourceTypes":[{"resourceType":"service",%(api)b,'
    b'"resources":[{"id":"api","name":"api",%(api)b}]}]}]}]},'
    b'"byoc":{"price":{"total":0.17200002778,"vcpu":0.04,"memory":0.032,"gpuMemory":0.05,'
    b'"cluster":0.05000002778},"usage":{"vcpuHours":8,"memoryGiBHours":32,'
    b'"gpuMemoryGiBHours":20,"clusterHours":0.500000278},"clusters":['
    b'{"id":"k1","name":"Eins","price":{"total":0.172,"vcpu":0.04,"memory":0.032,'
    b'"gpuMemory":0.05,"cluster":0.05},"usage":{"vcpuHours":8,"memoryGiBHours":32,'
    b'"gpuMemoryGiBHours":20,"clusterHours":0.5}},'
    b'{"id":"k2","name":"k2","price":{"total":0.00000002778,"vcpu":0,"memory":0,"gpuMemory":0,'
    b'"cluster":0.00000002778},"usage":{"vcpuHours":0,"memoryGiBHours":0,"gpuMemoryGiBHours":0,'
    b'"clusterHours":0.000000278}}]}}}'
) % {
    b"api": b'"price":{"total":0.035,"cpu":0.03,"memory":0.005,"storage":0,"gpu":0},'
    b'"usage":{"vcpuHours":3,"memoryGiBHours":1,"storageGiBHours":0,"gpuOnDemandHours":0,'
    b'"gpuSpotHours":0}',
    b"dns": b'"price":{"total":0,"cpu":0,"memory":0,"storage":0,"gpu":0},'
    b'"usage":{"vcpuHours":0,"memoryGiBHours":0,"storageGiBHours":0,"gpuOnDemandHours":0,'
    b'"gpuSpotHours":0}',
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which the hour was ingested and built by commands."""
    folder = tmp_path_factory.mktemp("golden")
    root = folder / "home"
    root.mkdir()
    (root / "rates.toml").write_text(RATES)
    (folder / "first.ndjson").write_bytes(b"\n".join(FIRST_FILE) + b"\n")
    (folder / "second.ndjson").write_bytes(b"\n".join(SECOND_FILE) + b"\n")
    now = ["--home", str(root), "--now", "2026-11-22T15:00:00Z"]
    _hourtally("ingest", str(folder / "first.ndjson"), str(folder / "second.ndjson"), *now)
    _hourtally("backfill", "--from", HOUR, "--to", "2026-11-22T14", *now)
    return root


def _hourtally(*arguments: str) -> bytes:
    """Standard output of one command that must succeed."""
    environment = {
        k: v for k, v in os.environ.items() if k not in {"HOURTALLY_HOME", "PREFECT_API_URL"}
    }
    done = subprocess.run(
        [sys.executable, "-m", "hourtally", *arguments],
        capture_output=True,
        check=False,
        timeout=120,
        env=environment | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def test_the_documents_of_the_hour_are_the_bytes_worked_out_by_hand(home: Path) -> None:
    (documents,) = (home / "hours" / HOUR).glob("rev-000001-*/documents.ndjson")
    assert documents.read_bytes() == (
        b'{"customerId":"acme","document":' + ACME + b"}\n"
        b'{"customerId":"globex","document":' + GLOBEX + b"}\n"
    )


def test_the_usage_documents_are_the_bytes_worked_out_by_hand(home: Path) -> None:
    (documents,) = (home / "hours" / HOUR).glob("rev-000001-*/usage.ndjson")
    assert documents.read_bytes() == (
        b'{"customerId":"acme","document":' + ACME_USAGE + b"}\n"
        b'{"customerId":"globex","document":' + GLOBEX_USAGE + b"}\n"
    )


# Two teams are left, so neither shows its projects.
ACME_UNFILTERED = (
    b'{"data":{"timestamp":1795352400,"paasUsage":{'
    b'"price":{"total":211.638888892,"cpu":5.333333334,"memory":0.75,"storage":0.000000002,'
    b'"gpu":205.555555556},"teams":['
    b'{"id":"ml","name":"ML",'
    b'"price":{"total":208.222222223,"cpu":2.666666667,"memory":0,"storage":0,'
    b'"gpu":205.555555556}},'
    b'{"id":"web","name":"Web",'
    b'"price":{"total":3.416666669,"cpu":2.666666667,"memory":0.75,"storage":0.000000002,'
    b'"gpu":0}}]},'
    b'"byocUsage":{"price":{"total":0,"vcpu":0,"memory":0,"gpuMemory":0,"cluster":0}}}}'
)
# Every price is that of the volumes alone.
ACME_VOLUMES = (
    b'{"data":{"timestamp":1795352400,"paasUsage":{'
    b'"price":{"total":0.000000002,"cpu":0,"memory":0,"storage":0.000000002,"gpu":0},"teams":['
    b'{"id":"web","name":"Web",'
    b'"price":{"total":0.000000002,"cpu":0,"memory":0,"storage":0.000000002,"gpu":0},"projects":['
    b'{"id":"shop","name":"Shop",'
    b'"price":{"total":0.000000002,"cpu":0,"memory":0,"storage":0.000000002,"gpu":0},'
    b'"resourceTypes":[{"resourceType":"volume",'
    b'"price":{"total":0.000000002,"cpu":0,"memory":0,"storage":0.000000002,"gpu":0},'
    b'"resources":['
    b'{"id":"vol-1","name":"vol-1",'
    b'"price":{"total":0,"cpu":0,"memory":0,"storage":0,"gpu":0}},'
    b'{"id":"vol-2","name":"vol-2",'
    b'"price":{"total":0.000000002,"cpu":0,"memory":0,"storage":0.000000002,"gpu":0}}]}]}]}]},'
    b'"byocUsage":{"price":{"total":0,"vcpu":0,"memory":0,"gpuMemory":0,"cluster":0}}}}'
)
# One team by the filter, so its project shows, without types; what is BYOC stays.
GLOBEX_OPS = (
    b'{"data":{"timestamp":1795352400,"paasUsage":{'
    b'"price":{"total":0,"cpu":0,"memory":0,"storage":0,"gpu":0},"teams":['
    b'{"id":"ops","name":"Ops \\"\xce\xb2\\"\\n\\u001f",'
    b'"price":{"total":0,"cpu":0,"memory":0,"storage":0,"gpu":0},"projects":['
    b'{"id":"core","name":"core",'
    b'"price":{"total":0,"cpu":0,"memory":0,"storage":0,"gpu":0}}]}]},'
    b'"byocUsage":{"price":{"total":17.200002778,"vcpu":4,"memory":3.2,"gpuMemory":5,'
    b'"cluster":5.000002778}}}}'
)


@pytest.mark.parametrize(
    ("hour", "arguments", "view"),
    [
        (HOUR, ("--customer", "acme"), ACME_UNFILTERED),
        (str(TIMESTAMP), ("--customer", "acme", "--type", "volume"), ACME_VOLUMES),
        (HOUR, ("--customer", "globex", "--team", "ops"), GLOBEX_OPS),
    ],
)
def test_show_prints_the_view_under_its_filters_and_a_newline(
    home: Path, hour: str, arguments: tuple[str, ...], view: bytes
) -> None:
    shown = _hourtally("show", hour, *arguments, "--json", "--home", str(home))
    assert shown == view + b"\n"


def test_the_manifest_counts_the_repeated_event_and_lists_the_contradicted_one(home: Path) -> None:
    manifest = json.loads((home / "hours" / HOUR / "000001.json").read_bytes())
    assert manifest["duplicates"] == 1
    assert manifest["conflicts"]["count"] == 1
    (listed,) = manifest["conflicts"]["listed"]
    assert (listed["event_source"], listed["event_id"]) == ("meter/eu", "c1")


def test_the_manifest_gives_the_exact_totals_of_the_hour(home: Path) -> None:
    manifest = json.loads((home / "hours" / HOUR / "000001.json").read_bytes())
    assert manifest["totals"] == {
        "paas": {
            "total": 215_138_888_892,  # 211.638888892 + 3.5
            "cpu": 8_333_333_334,  # 5.333333334 + 3
            "memory": 1_250_000_000,  # 0.75 + 0.5
            "storage": 2,
            "gpu": 205_555_555_556,
        },
        "byoc": {
            "total": 17_200_002_778,
            "vcpu": 4_000_000_000,
            "memory": 3_200_000_000,
            "gpuMemory": 5_000_000_000,
            "cluster": 5_000_002_778,
        },
        "total": 232_338_891_670,  # 215.138888892 + 17.200002778
    }


def test_the_oracle_comes_to_the_bytes_worked_out_by_hand() -> None:
    hour = oracle([FIRST_FILE, SECOND_FILE], RATES, TIMESTAMP)
    assert hour.documents == {"acme": ACME, "globex": GLOBEX}
    assert hour.usage_documents == {"acme": ACME_USAGE, "globex": GLOBEX_USAGE}
    assert hour.duplicates == 1
    assert hour.conflicts == [("meter/eu", "c1")]
    assert hour.totals["total"] == 232_338_891_670
