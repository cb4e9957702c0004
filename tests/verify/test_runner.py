"""`verify` finds no difference in an intact home, and every damage in a damaged one."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hourtally import verify as verification
from hourtally.build.builder import Builder
from hourtally.build.staleness import FORCED, StaleHour
from hourtally.ingest.files import ingest_paths
from hourtally.model.hours import Hour
from hourtally.model.schemas import USAGE_KEY
from hourtally.runtime.interrupts import raise_interrupt
from hourtally.stages import deduplication
from hourtally.store.durable import describe_file
from hourtally.store.layout import Home
from hourtally.verify import recompute, verify_hours
from hourtally.verify.recompute import HOURS_TOGETHER
from tests.support.command_line import everything
from tests.support.events.event_files import arrangements
from tests.support.events.random_events import Json, event_sets
from tests.support.homes.damaged_home import (
    CARD,
    GOLDEN,
    SETTINGS,
    build_golden,
    change_a_quantity_of_the_usage_documents,
    flip_middle,
    folder_of,
    found,
    golden_home,
    manifest_of,
    redigit_everywhere,
    refit_manifest,
    rewrite_cell,
    rewrite_document,
    rewrite_lines,
    rewrite_record,
    rewrite_slices,
    rewrite_table,
    set_in,
    slices_of,
    verify,
)
from tests.support.homes.golden_hour import FIRST_FILE, HOUR
from tests.support.homes.small_home import MIDDLE, build, fresh_home, ingest, many_small_builds
from tests.support.ratecard.random_cards import rate_cards

PROJECT = {"customer_id": "acme", "team_id": "web", "project_id": "shop"}
RESOURCE = PROJECT | {"resource_type": "service", "resource_id": "api"}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return golden_home(tmp_path)


def test_an_intact_home_verifies(home: Home) -> None:
    findings = verify(home)

    assert (findings.differences, findings.listed, findings.checksums_only) == (0, [], [])
    # acme and globex; api, run-1, vol-1, vol-2, api and dns, and the clusters k1 and k2.
    assert (findings.hours, findings.documents, findings.charges) == (1, 2, 8)


def test_an_interrupt_reported_by_duckdb_as_invalid_input_is_not_damage(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_what: object) -> None:
        with contextlib.suppress(KeyboardInterrupt):
            raise_interrupt()
        message = "exporting a stream from the object registered as 'rows' failed"
        raise duckdb.InvalidInputException(message)

    monkeypatch.setattr(recompute, "Slices", interrupted)
    with pytest.raises(KeyboardInterrupt):
        verify(home)


@settings(max_examples=25)
@given(st.data(), event_sets(), rate_cards())
def test_any_built_hour_verifies(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, events: list[Json], rates: str
) -> None:
    home = fresh_home(tmp_path_factory.mktemp("any"))
    with many_small_builds():
        ingest(home, events, data.draw(arrangements(len(events))))
        built = build(home, rates)
    findings = verify_hours(home, [MIDDLE], SETTINGS)

    assert findings.listed == []
    assert findings.checksums_only == []
    assert findings.hours == len(built)


def spoil_table(home: Home) -> None:
    (folder_of(home) / "types.parquet").write_bytes(b"x")
    refit_manifest(home)


def swap_winner(home: Home) -> None:
    """Publish the hour with the wrong winner of conflict c1, the later one: 1 vcpu, not 3."""

    def decide(shared: pl.DataFrame) -> deduplication.Decided:
        decided = right(shared)
        c1 = pl.col("event_id") == "c1"
        later = shared.filter(c1).sort("event_time_us").tail(1).select(decided.slices.columns)
        slices = pl.concat([decided.slices.filter(~c1), later])
        return dataclasses.replace(decided, slices=slices)

    right = deduplication.decide
    shutil.rmtree(home.hours)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deduplication, "decide", decide)
        build_golden(home)


def share_a_key(home: Home) -> None:
    """Publish the hour with the usage key of a2 (api) in a5 (vol-1); its record matches."""

    def share(rows: pl.DataFrame) -> pl.DataFrame:
        of_api = rows.filter(pl.col("event_id") == "a2").row(0, named=True)
        is_volume = pl.col("event_id") == "a5"
        return rows.with_columns(
            pl.when(is_volume).then(pl.lit(of_api[half], pl.UInt64)).otherwise(half).alias(half)
            for half in USAGE_KEY
        )

    rewrite_slices(home, "a5", share)
    shutil.rmtree(home.hours)
    build_golden(home)


Damage = Callable[[Home], object]
# What is done to the home, and the start of a difference that must be found.
DAMAGES: dict[str, tuple[Damage, str]] = {
    "a charge": (
        lambda home: rewrite_cell(home, "charges", "cpu_nanocents", 2_666_666_668, **RESOURCE),
        "rev/charges.parquet: cpu_nanocents of acme/web/shop/service/api: "
        "expected 2666666667, got 2666666668",
    ),
    # api: 2,000 millicores for 45 minutes of 60,000 ms each.
    "usage": (
        lambda home: rewrite_cell(home, "charges", "cpu_millicores_ms", 1, **RESOURCE),
        "rev/charges.parquet: cpu_millicores_ms of acme/web/shop/service/api: "
        "expected 5400000000, got 1",
    ),
    # 1.5 vCPU-hours.
    "a reported quantity": (
        lambda home: rewrite_cell(home, "charges", "cpu_nanohours", 1, **RESOURCE),
        "rev/charges.parquet: cpu_nanohours of acme/web/shop/service/api: "
        "expected 1500000000, got 1",
    ),
    "a reported quantity of a cluster": (
        lambda home: rewrite_cell(home, "clusters", "cluster_nanohours", 277, cluster_id="k2"),
        "rev/clusters.parquet: cluster_nanohours of globex/k2: expected 278, got 277",
    ),
    # 976,562 + 2,929,688.
    "a sum of quantities": (
        lambda home: rewrite_cell(home, "projects", "storage_nanohours", 3, **PROJECT),
        "rev/projects.parquet: storage_nanohours of acme/web/shop: expected 3906250, got 3",
    ),
    "a customer's quantity": (
        lambda home: rewrite_cell(
            home, "customers", "paas_gpu_on_demand_nanohours", 1, customer_id="acme"
        ),
        "rev/customers.parquet: paas_gpu_on_demand_nanohours of acme: expected 1166666667, got 1",
    ),
    "a usage document's digit": (
        lambda home: rewrite_lines(home, "usage.ndjson", b"2.833333333", b"2.833333334"),
        "rev/usage.ndjson: SHA-256: expected ",
    ),
    "a usage document's digit and the manifest": (
        change_a_quantity_of_the_usage_documents,
        "rev/usage.ndjson: SHA-256 of the usage document of acme (by customers.parquet at byte 32",
    ),
    "a usage document's digit, beside the derived one": (
        change_a_quantity_of_the_usage_documents,
        "rev/usage.ndjson: line of acme: expected ",
    ),
    "the place of a usage document": (
        lambda home: rewrite_cell(home, "customers", "usage_offset", 1, customer_id="acme"),
        "rev/customers.parquet: usage_offset of acme: expected 32, got 1",
    ),
    "a cluster's charge": (
        lambda home: rewrite_cell(home, "clusters", "cluster_nanocents", 2_777, cluster_id="k2"),
        "rev/clusters.parquet: cluster_nanocents of globex/k2: expected 2778, got 2777",
    ),
    "a name": (
        lambda home: rewrite_cell(home, "charges", "resource_name", "zebra", **RESOURCE),
        "rev/charges.parquet: resource_name of acme/web/shop/service/api: "
        "expected 'api', got 'zebra'",
    ),
    "a type's sum": (
        lambda home: rewrite_cell(home, "types", "gpu_nanocents", 0, resource_type="job"),
        "rev/types.parquet: gpu_nanocents of acme/ml/train/job: expected 205555555556, got 0",
    ),
    "a project's sum": (
        lambda home: rewrite_cell(home, "projects", "storage_nanocents", 3, **PROJECT),
        "rev/projects.parquet: storage_nanocents of acme/web/shop: expected 2, got 3",
    ),
    "a team's sum": (
        lambda home: rewrite_cell(
            home, "teams", "total_nanocents", 1, customer_id="acme", team_id="web"
        ),
        "rev/teams.parquet: total_nanocents of acme/web: expected 3416666669, got 1",
    ),
    "a customer's sum": (
        lambda home: rewrite_cell(home, "customers", "byoc_vcpu_nanocents", 1, customer_id="acme"),
        "rev/customers.parquet: byoc_vcpu_nanocents of acme: expected 0, got 1",
    ),
    "a missing row": (
        lambda home: rewrite_table(home, "charges", lambda rows: rows[1:]),
        "rev/charges.parquet: missing row acme/ml/train/job/run-1",
    ),
    "an extra row": (
        lambda home: rewrite_table(home, "teams", lambda rows: rows[[0, 0, *range(1, len(rows))]]),
        "rev/teams.parquet: unexpected row acme/ml",
    ),
    "an extra last row": (
        lambda home: rewrite_table(home, "teams", lambda rows: rows[[*range(len(rows)), -1]]),
        "rev/teams.parquet: unexpected row globex/web",
    ),
    "rows out of order": (
        lambda home: rewrite_table(home, "types", lambda rows: rows[::-1]),
        "rev/types.parquet: missing row acme/ml/train/job",
    ),
    "charges as floats": (
        lambda home: rewrite_table(
            home, "charges", lambda rows: rows.cast({"cpu_nanocents": pl.Float64})
        ),
        "rev/charges.parquet: schema: expected ",
    ),
    "an unreadable table": (
        lambda home: spoil_table(home),
        "rev/types.parquet: not readable as Parquet: ",
    ),
    "a document's digit": (
        lambda home: rewrite_document(home, b"211.638888892", b"211.638888893"),
        "rev/documents.ndjson: SHA-256: expected ",
    ),
    "a document's digit and the manifest": (
        redigit_everywhere,
        # Before the document lie the 32 bytes {"customerId":"acme","document":
        "rev/documents.ndjson: SHA-256 of the document of acme (by customers.parquet at byte 32, ",
    ),
    "a document's digit, beside the derived one": (
        redigit_everywhere,
        'rev/documents.ndjson: line of acme: expected …{"price":{"total":211.638888892,"cpu":',
    ),
    "a document's customer": (
        lambda home: rewrite_document(home, b'{"customerId":"acme"', b'{"customerid":"acme"'),
        "rev/documents.ndjson: line 1 does not start with a customer id",
    ),
    "an offset of the index": (
        lambda home: rewrite_cell(home, "customers", "offset", 33, customer_id="acme"),
        "rev/customers.parquet: offset of acme: expected 32, got 33",
    ),
    "a length of the index": (
        lambda home: rewrite_cell(home, "customers", "length", 1, customer_id="acme"),
        "rev/documents.ndjson: SHA-256 of the document of acme (by customers.parquet at byte 32, "
        "1 long): expected ",
    ),
    "a total": (
        lambda home: set_in(manifest_of(home), "totals", "paas", "cpu", value=1),
        # acme's 5333333334 and globex's 3 × 10^9.
        "000001.json: totals.paas.cpu: expected 8333333334, got 1",
    ),
    "a total of everything": (
        lambda home: set_in(manifest_of(home), "totals", "total", value=1),
        # 211638888892 + 3500000000 + 17200002778
        "000001.json: totals.total: expected 232338891670, got 1",
    ),
    "a count of rows": (
        lambda home: set_in(manifest_of(home), "rows", "slices", value=11),
        # a1, a2, a3, a4, a5, a6, c1, g2, k1 and k2
        "000001.json: rows.slices: expected 10, got 11",
    ),
    "the duplicates": (
        lambda home: set_in(manifest_of(home), "duplicates", value=0),
        "000001.json: duplicates: expected 1, got 0",
    ),
    "the count of conflicts": (
        lambda home: set_in(manifest_of(home), "conflicts", "count", value=2),
        "000001.json: conflicts.count: expected 1, got 2",
    ),
    "the list of conflicts": (
        lambda home: set_in(manifest_of(home), "conflicts", "listed", value=[]),
        "000001.json: conflicts.listed.0: expected {'event_source': 'meter/eu', 'event_id': 'c1'",
    ),
    "the currency": (
        lambda home: set_in(manifest_of(home), "currency", value="EUR"),
        "000001.json: currency: expected 'USD', got 'EUR'",
    ),
    "the parent": (
        lambda home: set_in(manifest_of(home), "parent", value=0),
        "000001.json: parent: expected none, got 0",
    ),
    "the names of files": (
        lambda home: rewrite_record(manifest_of(home), lambda r: r["files"].pop("teams.parquet")),
        "000001.json: file names: expected ",
    ),
    "a byte of the manifest": (
        lambda home: flip_middle(manifest_of(home)),
        "000001.json: damaged manifest: its digest does not match ",
    ),
    "a byte of the events": (
        lambda home: flip_middle(slices_of(home, "a1")[0]),
        f"events/hour={HOUR}/",
    ),
    "a byte of a batch record": (
        lambda home: flip_middle(slices_of(home, "a1")[1]),
        "batches/",
    ),
    "a usage key": (
        share_a_key,
        # 1 MiB for 3,600,000 ms.
        "rev/charges.parquet: storage_mib_ms of acme/web/shop/service/api: expected 0, got 3600000",
    ),
    "a wrong winner of a conflict": (
        swap_winner,
        "rev/charges.parquet: cpu_nanocents of globex/web/shop/service/api: "
        "expected 3000000000, got 1000000000",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_found(home: Home, damage: str) -> None:
    apply_damage, start = DAMAGES[damage]
    apply_damage(home)

    differences = found(home)
    assert [text for text in differences if text.startswith(start)], differences


def test_worker_processes_find_what_one_process_does(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    hours = [Hour(GOLDEN.timestamp + number * 3_600) for number in range(HOURS_TOGETHER + 2)]
    path = tmp_path / "events.ndjson"
    end = f"{hours[-1].following.name}:00:00Z"
    path.write_bytes(FIRST_FILE[0].replace(b"2026-11-22T13:15:00Z", end.encode()) + b"\n")
    settled_ms = hours[-1].end_ms + 3_600_000
    ingest_paths(home, [path], settled_ms, SETTINGS)
    stale = [StaleHour(hour, (FORCED,)) for hour in hours]
    assert Builder(home, CARD, settled_ms, SETTINGS, force=True).build(stale).failed == []
    for hour in (hours[1], hours[-1]):
        set_in(home.manifest(hour, 1), "totals", "total", value=1)
    [slices] = (home.events / f"hour={hours[2].name}").iterdir()
    flip_middle(slices)
    [record] = home.batches.iterdir()
    entry = {"rows": 1, **describe_file(slices)}
    set_in(record, "hours", hours[2].name, value=entry)

    alone = verify_hours(home, hours, SETTINGS)
    together = verify_hours(home, hours, dataclasses.replace(SETTINGS, threads=2))
    assert together == alone
    assert alone.hours == len(hours)
    assert [one.file for one in alone.listed if one.problem.startswith("totals.total")] == [
        home.manifest(hours[1], 1),
        home.manifest(hours[-1], 1),
    ]


def test_verification_does_not_change_the_home(home: Home) -> None:
    before = everything(home.root)
    verify(home)

    assert everything(home.root) == before


def test_verify_imports_nothing_of_the_pipeline() -> None:
    pipeline = {"hourtally.stages", "hourtally.build", "hourtally.published", "hourtally.ingest"}
    sources = sorted(Path(str(verification.__file__)).parent.rglob("*.py"))
    imported = set()
    for source in sources:
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(str(node.module))
    packages = {".".join(name.split(".")[:2]) for name in imported}

    assert len(sources) > 5
    assert "hourtally.ratecard" in packages
    assert packages & pipeline == set()
